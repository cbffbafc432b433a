# SPDX-License-Identifier: Apache-2.0
"""Sources in memory, of a stream and of extents."""

import threading

from cinder_cow.copying import Extent
from cinder_cow.sources import base

#: What a letter of a pattern is worth.
LETTER_BYTES = 2**16


def thread_pool():
    """The engine's threads that run now."""
    return [
        each.name
        for each in threading.enumerate()
        if each.name.startswith('cow-')
    ]


class MemoryStream(base.StreamReading):
    """``parts`` are bytes, or an error that comes in their place."""

    def __init__(self, source, parts, chunk_bytes):
        super().__init__(source)
        self.closed = False
        self._parts = parts
        self._chunk_bytes = chunk_bytes

    def chunks(self):
        for part in self._parts:
            if isinstance(part, Exception):
                raise part
            for start in range(0, len(part), self._chunk_bytes):
                assert not self.closed
                yield part[start : start + self._chunk_bytes]

    def close(self):
        self.closed = True


class MemoryExtents(base.ExtentReading):
    """``-`` of the pattern is a hole, any other letter is data."""

    def __init__(self, pattern):
        super().__init__('memory')
        self.closed = False
        self.content = b''.join(
            (b'\0' if each == '-' else each.encode()) * LETTER_BYTES
            for each in pattern
        )
        self.reads = []
        self._pattern = pattern

    @property
    def size_bytes(self):
        return len(self.content)

    @property
    def data_bytes(self):
        return sum(each.length for each in self.extents())

    def extents(self):
        return [
            Extent(number * LETTER_BYTES, LETTER_BYTES, zero=False)
            for number, letter in enumerate(self._pattern)
            if letter != '-'
        ]

    def read_at(self, offset, length):
        assert not self.closed
        self.reads.append(offset)
        return self.content[offset : offset + length]

    def close(self):
        self.closed = True


class MemorySource(base.ImageSource):
    """Each of ``tries`` is what one opening gives, the last for ever.

    Bytes, or a tuple of MemoryStream's parts; a reading; an error, which is
    raised; or a list of refusals.
    """

    def __init__(self, *tries, name='memory', chunk_bytes=4095):
        self.opened = 0
        self.readings = []
        self._tries = tries
        self._name = name
        self._chunk_bytes = chunk_bytes

    @classmethod
    def from_options(cls, options):
        return cls(b'')

    def open(self, image, glance):
        given = self._tries[min(self.opened, len(self._tries) - 1)]
        self.opened += 1
        if isinstance(given, Exception):
            raise given
        if isinstance(given, list):
            return given
        reading = given
        if isinstance(given, bytes | tuple):
            parts = (given,) if isinstance(given, bytes) else given
            reading = MemoryStream(self._name, parts, self._chunk_bytes)
        reading.closed = False
        self.readings.append(reading)
        return reading
