# SPDX-License-Identifier: Apache-2.0
"""The values of a copy."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyTerms:
    """How a copy is made."""

    #: Operations are aligned to it: the object size of an RBD image.
    block_bytes: int
    #: Whether what is not written reads as zeros: zeros are skipped then.
    destination_is_zero: bool
    #: The destination's size; what is behind the source's end becomes zeros.
    #: None: the destination ends where the source does.
    destination_bytes: int | None = None
    #: The most that is held in memory at once; at least one block is.
    memory_bytes: int = 64 * 2**20
    #: The least time between two progress reports.
    progress_seconds: float = 10.0


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a copy is."""

    #: Bytes of the destination that are written or known to be zero, and
    #: that all digests have seen.
    bytes_done: int
    #: What ``bytes_done`` will be in the end; None if that is not known.
    size_bytes: int | None
    bytes_written: int
    #: Zeros that were written as such, or skipped.
    bytes_zero: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Copied:
    """What was copied: ``bytes_written + bytes_zero`` in all."""

    #: Bytes read from the source. Its holes are neither read nor counted.
    bytes_read: int
    bytes_written: int
    #: Zeros that were written as such, or skipped; also those behind the
    #: source's end, up to ``destination_bytes``.
    bytes_zero: int
    seconds: float
