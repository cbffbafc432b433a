# SPDX-License-Identifier: Apache-2.0
"""Sources and sinks in memory, with patterns as text.

One letter is one block: ``D`` data, ``0`` zeros, ``-`` a hole.
"""

import queue
import random
import threading

from cinder_cow.copying import GRAIN_BYTES, CopyTerms, Extent

BLOCK = 4 * GRAIN_BYTES
OLD = b'o'
CONTENT = random.Random(1).randbytes(2 * BLOCK)


class Injected(Exception):
    """What a fault raises."""


def terms(**changes):
    given = {
        'block_bytes': BLOCK,
        'destination_is_zero': True,
        'memory_bytes': 4 * BLOCK,
        'progress_seconds': 60,
    }
    return CopyTerms(**{**given, **changes})


def some(length):
    """So many bytes of data, without a zero grain."""
    return (CONTENT * (length // len(CONTENT) + 1))[:length]


def content(pattern, tail=0):
    """What a pattern stands for, and ``tail`` bytes of data behind it."""
    blocks = {'D': some(BLOCK), '0': bytes(BLOCK), '-': bytes(BLOCK)}
    return b''.join(blocks[letter] for letter in pattern) + some(tail)


def chunked(whole, chunk_bytes=BLOCK):
    for start in range(0, len(whole), chunk_bytes):
        yield whole[start : start + chunk_bytes]


class Whole:
    """A digest that keeps all it sees, and which thread it sees it in."""

    def __init__(self, fail_at=None):
        self.seen = b''
        self.threads = set()
        self.calls = 0
        self._fail_at = fail_at

    def update(self, data):
        assert type(data) is bytes
        self.calls += 1
        if self.calls == self._fail_at:
            raise Injected('digest')
        self.seen += data
        self.threads.add(threading.current_thread().name)


class MemoryExtents:
    """An extent source; ``-`` of the pattern is what it calls zero."""

    def __init__(self, pattern, tail=0):
        self.content = content(pattern, tail)
        self.size_bytes = len(self.content)
        self.fail_at = None
        self.short_at = None
        self.reads = []
        self.threads = set()
        self._pattern = pattern
        self._tail = tail

    def extents(self):
        for number, letter in enumerate(self._pattern):
            if letter != '-':
                yield Extent(number * BLOCK, BLOCK, zero=False)
        if self._tail:
            yield Extent(len(self._pattern) * BLOCK, self._tail, zero=False)

    def read_at(self, offset, length):
        self.reads.append((offset, length))
        self.threads.add(threading.current_thread().name)
        if self.fail_at == offset:
            raise Injected('read')
        short = self.short_at == offset
        return self.content[offset : offset + length - short]


class MemorySink:
    """Ends each operation before its start returns. A context manager, as all
    sinks here are.
    """

    def __init__(self, size_bytes=0, fill=b'\0', fail_at=None, how='done'):
        self.content = bytearray(fill * size_bytes)
        self.operations = []
        self.flushed = 0
        #: Operations that have not ended.
        self.pending = 0
        self._fail_at = fail_at
        self._how = how
        self._lock = threading.Lock()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        pass

    def start_write(self, offset, data, done):
        assert type(data) is bytes
        self._start(('write', offset, len(data)), data, done)

    def start_zero(self, offset, length, done):
        self._start(('zero', offset, length), bytes(length), done)

    def flush(self):
        assert not self.pending
        self.flushed += 1
        if self._fail_at == 'flush':
            raise Injected('flush')

    def _start(self, operation, data, done):
        with self._lock:
            self.operations.append(operation)
            failing = len(self.operations) == self._fail_at
            if failing and self._how == 'raise':
                raise Injected('start')
            self.pending += 1
        self.later(lambda: self._end(operation, data, done, failing))

    def later(self, end):
        end()

    def _end(self, operation, data, done, failing):
        _, offset, length = operation
        with self._lock:
            self.pending -= 1
            if not failing:
                self.content[offset : offset + length] = data
        done(Injected('done') if failing else None)


class LateSink(MemorySink):
    """Ends operations in a thread of its own, out of order, after a while."""

    seconds = 0.002

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self._queue = queue.Queue()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *exc):
        self._queue.put(None)
        self._thread.join()

    def later(self, end):
        self._queue.put(end)

    def _run(self):
        order = random.Random(2)
        waiting = []
        while True:
            try:
                end = self._queue.get(timeout=self.seconds)
            except queue.Empty:
                order.shuffle(waiting)
                while waiting:
                    waiting.pop()()
                continue
            if end is None:
                return
            waiting.append(end)
