# SPDX-License-Identifier: Apache-2.0
"""Makes the end of a volume read as zeros."""

from cinder_cow import native
from cinder_cow.backends.writer import VolumeWriter

#: Begun at once, in blocks of the volume: a range without data costs little.
BLOCKS_AT_ONCE = 256


@native.in_thread
def clear(writer: VolumeWriter, begin: int, end: int) -> None:
    """Return when all bytes between both read as zeros, and are safe.

    :raises StorageError: when they may not.
    """
    piece_bytes = BLOCKS_AT_ONCE * writer.block_bytes
    for offset in range(begin, end, piece_bytes):
        _zero(writer, offset, min(piece_bytes, end - offset))
    writer.flush()


def _zero(writer: VolumeWriter, offset: int, length: int) -> None:
    ended = native.event()
    failures: list[BaseException | None] = []

    def done(failure: BaseException | None) -> None:
        failures.append(failure)
        ended.set()

    writer.start_zero(offset, length, done)
    ended.wait()
    if failures[0] is not None:
        raise failures[0]
