# SPDX-License-Identifier: Apache-2.0
"""Where a source holds data and where holes. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Extent:
    """A range of the source in bytes; ``zero`` for a hole."""

    offset: int
    length: int
    zero: bool

    @property
    def end(self) -> int:
        """The offset of the first byte after it."""
        return self.offset + self.length


def covering(extents: Iterable[Extent], size_bytes: int) -> Iterator[Extent]:
    """The same extents, and those that were left out as zeros.

    :raises RuntimeError: when they overlap, are out of order or end behind
        ``size_bytes``.
    """
    position = 0
    for extent in extents:
        if extent.offset < position or extent.end > size_bytes:
            raise RuntimeError(f'{extent} lies not in {position}-{size_bytes}')
        if extent.offset > position:
            yield Extent(position, extent.offset - position, zero=True)
        yield extent
        position = extent.end
    if position < size_bytes:
        yield Extent(position, size_bytes - position, zero=True)


def merged(extents: Iterable[Extent]) -> Iterator[Extent]:
    """The same extents, neighbours of one kind merged, without empty ones."""
    last: Extent | None = None
    for extent in extents:
        if not extent.length:
            continue
        if last and (last.end, last.zero) == (extent.offset, extent.zero):
            extent = Extent(
                last.offset, last.length + extent.length, last.zero
            )
        elif last:
            yield last
        last = extent
    if last:
        yield last


def divided(extent: Extent, block_bytes: int) -> Iterator[Extent]:
    """The extent in parts that cross no multiple of ``block_bytes``."""
    offset = extent.offset
    while offset < extent.end:
        stop = min(extent.end, offset - offset % block_bytes + block_bytes)
        yield Extent(offset, stop - offset, extent.zero)
        offset = stop
