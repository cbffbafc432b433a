# SPDX-License-Identifier: Apache-2.0
"""Chunks into blocks, and blocks into pieces of data and of zeros. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from cinder_cow.copying.errors import Excess, Truncated
from cinder_cow.copying.interfaces import Inspect

#: Zeros are detected in pieces of this size. It is the least that Ceph
#: allocates on a hard disk (64 KiB before Pacific): finer holes would save
#: nothing there, and an object of 4 MiB takes 64 comparisons at most.
GRAIN_BYTES = 64 * 2**10
_ZERO_GRAIN = bytes(GRAIN_BYTES)

#: An inspector gets this much: enough for oslo.utils to know every format.
PEEK_BYTES = 256 * 2**10

#: Smaller parts are collected in one bytearray: a slice that waits for its
#: block costs some 250 bytes more than it holds.
_SMALL_BYTES = 4096

Part = bytes | bytearray | memoryview


@dataclass(frozen=True, slots=True)
class Piece:
    """One range of the destination. ``content`` is None for zeros."""

    offset: int
    length: int
    content: bytes | None


def size_checked(
    chunks: Iterable[bytes], size_bytes: int | None, limit_bytes: int | None
) -> Iterator[bytes]:
    """The same chunks, which have ``size_bytes`` in all, if that is known.

    :raises Truncated: at the end.
    :raises Excess: at the first chunk that goes beyond the size, or beyond
        ``limit_bytes``.
    """
    got_bytes = 0
    limits = [n for n in (size_bytes, limit_bytes) if n is not None]
    for chunk in chunks:
        got_bytes += len(chunk)
        if limits and got_bytes > min(limits):
            raise Excess(min(limits))
        yield chunk
    if size_bytes is not None and got_bytes < size_bytes:
        raise Truncated(size_bytes, got_bytes)


def inspected(chunks: Iterable[bytes], inspect: Inspect) -> Iterator[bytes]:
    """The same bytes, after the inspector has seen the first of them.

    It gets ``PEEK_BYTES``, or all if there are fewer.
    """
    rest = iter(chunks)
    head = [_head(rest)]
    inspect(head[0][:PEEK_BYTES])
    yield head.pop()
    yield from rest


def _head(chunks: Iterator[bytes]) -> bytes:
    """The first chunks joined: ``PEEK_BYTES`` or more, or all."""
    head: list[Part] = []
    length = 0
    for chunk in chunks:
        head.append(chunk)
        length += len(chunk)
        if length >= PEEK_BYTES:
            break
    return joined(head)


def in_blocks(
    chunks: Iterable[bytes], block_bytes: int
) -> Iterator[list[Part]]:
    """The parts of each block in order; the last block may be shorter.

    Empty the list once its parts are joined: it keeps them in memory.
    """
    parts: list[Part] = []
    missing = block_bytes
    for chunk in chunks:
        start = 0
        while len(chunk) - start >= missing:
            _append(parts, _cut(chunk, start, start + missing))
            start += missing
            yield parts
            parts, missing = [], block_bytes
        if start < len(chunk):
            _append(parts, _cut(chunk, start, len(chunk)))
            missing -= len(chunk) - start
    if parts:
        yield parts


def _cut(chunk: bytes, start: int, stop: int) -> Part:
    """A part of a chunk, not copied."""
    if stop - start == len(chunk):
        return chunk
    return memoryview(chunk)[start:stop]


def _append(parts: list[Part], part: Part) -> None:
    last = parts[-1] if parts else None
    if len(part) >= _SMALL_BYTES:
        parts.append(part)
    elif isinstance(last, bytearray):
        last += part
    else:
        parts.append(bytearray(part))


def joined(parts: list[Part]) -> bytes:
    """The parts as one block, copied at most once. Empties the list."""
    first = parts[0] if parts else b''
    if len(parts) == 1 and isinstance(first, bytes):
        whole = first
    else:
        whole = b''.join(parts)
    parts.clear()
    return whole


def split_at_zeros(offset: int, content: bytes) -> list[Piece]:
    """The block as pieces of data and of zeros, as few as there can be."""
    pieces = []
    start, zero = 0, False
    for stop in range(0, len(content), GRAIN_BYTES):
        # Compares in place at the speed of memcmp, where any() would take
        # 100 times as long.
        length = min(GRAIN_BYTES, len(content) - stop)
        if content.startswith(_ZERO_GRAIN[:length], stop) != zero:
            if stop > start:
                pieces.append(_piece(offset, content, start, stop, zero))
            start, zero = stop, not zero
    pieces.append(_piece(offset, content, start, len(content), zero))
    return pieces


def _piece(
    offset: int, content: bytes, start: int, stop: int, zero: bool
) -> Piece:
    return Piece(
        offset + start, stop - start, None if zero else content[start:stop]
    )
