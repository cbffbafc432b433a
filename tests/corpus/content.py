# SPDX-License-Identifier: Apache-2.0
"""Bytes in memory, as the header check reads an image."""

from cinder_cow.backends.base_store import Readable


class Content(Readable):
    """Counts what is read. Ranges that are not given read as zeros."""

    def __init__(self, content, size_bytes=None, more=None):
        """:param more: bytes by their offset, for a sparse large image."""
        self._pieces = {0: bytes(content), **(more or {})}
        self._size_bytes = size_bytes or len(content)
        self.read_bytes = 0
        self.reads = 0

    @property
    def size_bytes(self):
        return self._size_bytes

    def read_at(self, offset, length):
        length = max(0, min(length, self._size_bytes - offset))
        found = bytearray(length)
        for start, piece in self._pieces.items():
            first = max(start, offset)
            last = min(start + len(piece), offset + length)
            if first < last:
                part = piece[first - start : last - start]
                found[first - offset : last - offset] = part
        self.read_bytes += length
        self.reads += 1
        return bytes(found)

    def close(self):
        pass
