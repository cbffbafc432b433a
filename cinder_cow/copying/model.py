# SPDX-License-Identifier: Apache-2.0
"""The values of a copy."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyTerms:
    """How a copy is made.

    Three words, never one: *extents* (the source says where zeros are),
    *sparse* (we look for zeros) and *destination_is_zero* (we may skip them).
    """

    #: Operations are aligned to it: the object size of an RBD image.
    block_bytes: int
    #: Whether zeros may be skipped, as what is not written reads as zeros.
    destination_is_zero: bool
    #: All of the destination, where what lies behind the source's end is to
    #: be zeros too. None: nothing lies there.
    destination_bytes: int | None = None
    #: The limit of what is held at a time; at least one block is.
    memory_bytes: int = 64 * 2**20
    #: Whether zeros are looked for in what the source calls data.
    sparse: bool = True
    #: Blocks of an extent source that are read at a time: librbd gains
    #: little by more (aio_write: 677 MB/s with 4, 721 with 16).
    readers: int = 4
    #: Least time between two reports.
    progress_seconds: float = 10.0


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a copy is."""

    #: Of the destination: written or known to be zero, and digested.
    bytes_done: int
    #: Of the destination, in the end. None where the source does not say.
    size_bytes: int | None
    bytes_written: int
    #: Zeros that were written as such, or skipped.
    bytes_zero: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Copied:
    """What was done. ``bytes_written + bytes_zero`` is the whole."""

    #: From the source. Its holes are not read, nor counted.
    bytes_read: int
    bytes_written: int
    #: Zeros that were written as such, or skipped; also those behind the
    #: source's end, up to ``destination_bytes``.
    bytes_zero: int
    seconds: float
