# SPDX-License-Identifier: Apache-2.0
import hashlib
import threading
import time
import tracemalloc

import pytest

from cinder_cow.copying import GRAIN_BYTES, Progress, copy_stream
from tests.unit.copying.memory import (
    BLOCK,
    OLD,
    LateSink,
    MemorySink,
    Whole,
    chunked,
    content,
    some,
    terms,
)

SIZES = (0, 1, 17, 4095, BLOCK - 1, BLOCK, BLOCK + 1, 5 * BLOCK + 4095)
CHUNKS = (1, 17, 4095, GRAIN_BYTES, GRAIN_BYTES + 1, BLOCK, BLOCK + 2**20)
ROUNDS = [
    (size, chunk_bytes)
    for size in SIZES
    for chunk_bytes in CHUNKS
    if size < 20000 * chunk_bytes
]


@pytest.mark.parametrize(('size', 'chunk_bytes'), ROUNDS)
def test_what_comes_arrives(size, chunk_bytes):
    whole, digest = some(size), hashlib.sha512()
    with LateSink(size) as sink:
        copied = copy_stream(
            chunked(whole, chunk_bytes),
            sink,
            terms(),
            size_bytes=size,
            digests=[digest],
        )

    assert sink.content == whole
    assert sink.flushed == 1
    assert digest.digest() == hashlib.sha512(whole).digest()
    assert (copied.bytes_read, copied.bytes_written) == (size, size)


@pytest.mark.parametrize('kind', [MemorySink, LateSink])
@pytest.mark.parametrize('pattern', ['', 'D', '0', 'D0D', '0D00DD0', '0' * 9])
@pytest.mark.parametrize('tail', [0, 17])
def test_zeros_are_skipped_and_yet_count(kind, pattern, tail):
    whole, digest = content(pattern, tail), Whole()
    with kind(len(whole)) as sink:
        copied = copy_stream(chunked(whole), sink, terms(), digests=[digest])

    written = [
        ('write', number * BLOCK, BLOCK)
        for number, letter in enumerate(pattern)
        if letter == 'D'
    ]
    if tail:
        written.append(('write', len(pattern) * BLOCK, tail))
    assert sorted(sink.operations) == written
    assert digest.seen == whole
    assert sink.content == whole
    assert copied.bytes_zero == pattern.count('0') * BLOCK
    assert copied.bytes_written + copied.bytes_zero == len(whole)


def test_zeros_are_written_over_old_bytes():
    whole = content('D0D', tail=17)
    with LateSink(5 * BLOCK + 9, OLD) as sink:
        copied = copy_stream(
            chunked(whole, 4095),
            sink,
            terms(destination_is_zero=False, destination_bytes=5 * BLOCK + 9),
        )

    assert sink.content == whole + bytes(5 * BLOCK + 9 - len(whole))
    assert sorted(sink.operations) == [
        ('write', 0, BLOCK),
        ('write', 2 * BLOCK, BLOCK),
        ('write', 3 * BLOCK, 17),
        ('zero', BLOCK, BLOCK),
        ('zero', 3 * BLOCK + 17, BLOCK - 17),
        ('zero', 4 * BLOCK, BLOCK),
        ('zero', 5 * BLOCK, 9),
    ]
    assert copied.bytes_written + copied.bytes_zero == 5 * BLOCK + 9


def test_digest_does_not_see_what_lies_behind_the_source():
    digest = Whole()

    copy_stream(
        chunked(content('D')),
        MemorySink(3 * BLOCK, OLD),
        terms(destination_is_zero=False, destination_bytes=3 * BLOCK),
        digests=[digest],
    )

    assert digest.seen == content('D')


def test_end_of_a_zero_destination_is_left_alone():
    sink = MemorySink(3 * BLOCK)

    copy_stream(chunked(some(9)), sink, terms(destination_bytes=3 * BLOCK))

    assert sink.operations == [('write', 0, 9)]


def test_block_of_data_reaches_the_sink_without_a_copy():
    chunk = some(BLOCK)
    sink = MemorySink(BLOCK)
    got = []
    sink.start_write = lambda offset, data, done: (
        got.append(data),
        done(None),
    )

    copy_stream([chunk], sink, terms())

    assert got[0] is chunk


def test_each_digest_has_a_thread_of_its_own():
    digests = [Whole(), Whole()]

    copy_stream(
        chunked(content('D0D')), MemorySink(), terms(), digests=digests
    )

    assert [d.seen for d in digests] == 2 * [content('D0D')]
    assert all(len(d.threads) == 1 for d in digests)
    assert threading.current_thread().name not in digests[0].threads


def held(whole, chunk_bytes, sink, digest):
    """The chunks, and a list of how much was held when each was asked for."""
    taken, most = 0, []

    def chunks():
        nonlocal taken
        for chunk in chunked(whole, chunk_bytes):
            ended = sum(length for _, _, length in sink.ended)
            most.append(taken - min(ended, len(digest.seen)))
            taken += len(chunk)
            yield chunk

    return chunks(), most


class EndedSink(LateSink):
    def __init__(self, *args):
        super().__init__(*args)
        self.ended = []

    def _end(self, operation, data, done, failing):
        self.ended.append(operation)
        super()._end(operation, data, done, failing)


@pytest.mark.parametrize('memory_bytes', [1, BLOCK, 3 * BLOCK, 5 * BLOCK + 1])
@pytest.mark.parametrize(
    'chunk_bytes', [4095, BLOCK - 1, BLOCK, 2 * BLOCK + 1]
)
def test_held_bytes_are_bounded(budgets, memory_bytes, chunk_bytes):
    whole, digest = some(16 * BLOCK + 17), Whole()
    with EndedSink(len(whole)) as sink:
        chunks, most = held(whole, chunk_bytes, sink, digest)
        copy_stream(
            chunks, sink, terms(memory_bytes=memory_bytes), digests=[digest]
        )

    limit = max(memory_bytes, BLOCK)
    assert sink.content == whole
    assert max(most) <= limit + chunk_bytes
    assert [b.peak_bytes <= limit for b in budgets] == [True]


def test_memory_that_python_allocates_is_bounded():
    chunk_bytes = GRAIN_BYTES + 1
    with LateSink(64 * BLOCK) as sink:
        tracemalloc.start()
        copy_stream(
            (some(chunk_bytes) for _ in range(64 * BLOCK // chunk_bytes)),
            sink,
            terms(memory_bytes=8 * BLOCK),
            digests=[hashlib.sha512()],
        )
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()

    # The block that is being joined, what some() makes of its chunk, a MiB
    # for all else.
    assert peak < 8 * BLOCK + BLOCK + 2 * BLOCK + 2**20


def test_inspector_sees_the_head_before_the_first_write():
    whole = some(3 * BLOCK)
    sink, heads = MemorySink(len(whole)), []

    def inspect(head):
        assert sink.operations == []
        heads.append(head)

    copy_stream(chunked(whole, 4095), sink, terms(), inspect=inspect)

    assert heads == [whole[: 256 * 1024]]
    assert sink.content == whole


def test_progress_comes_in_the_callers_thread_and_ends_with_the_end():
    seen, threads = [], set()

    def report(progress):
        seen.append(progress)
        threads.add(threading.current_thread())

    copied = copy_stream(
        chunked(content('D0D')),
        MemorySink(3 * BLOCK),
        terms(progress_seconds=0),
        size_bytes=3 * BLOCK,
        report=report,
    )

    last = seen[-1]
    assert last == Progress(
        3 * BLOCK, 3 * BLOCK, 2 * BLOCK, BLOCK, last.seconds
    )
    assert len(seen) > 3
    assert [p.bytes_done for p in seen] == sorted(p.bytes_done for p in seen)
    assert threads == {threading.current_thread()}
    assert copied.seconds >= last.seconds


def test_progress_is_reported_no_more_often_than_asked_for():
    seen = []

    copy_stream(
        chunked(some(9 * BLOCK), 17), MemorySink(), terms(), report=seen.append
    )

    assert [p.bytes_done for p in seen] == [9 * BLOCK]
    assert seen[0].size_bytes is None


def test_progress_goes_on_while_the_sink_is_slow():
    seen = []

    class SlowSink(LateSink):
        seconds = 0.1

    with SlowSink(2 * BLOCK) as sink:
        copy_stream(
            chunked(content('DD')),
            sink,
            terms(memory_bytes=1, progress_seconds=0.02),
            report=seen.append,
        )

    assert len(seen) > 4


def test_source_is_drained_to_its_end():
    # Where glanceclient raises for a hash that does not match.
    ended = []

    def chunks():
        yield some(BLOCK)
        time.sleep(0.01)
        ended.append(True)

    copy_stream(chunks(), MemorySink(), terms(), size_bytes=BLOCK)

    assert ended == [True]
