# SPDX-License-Identifier: Apache-2.0
"""Each fault alone: the error's type, nothing begun after it, no thread left.

That no thread is left is checked after every test, in ``conftest.py``.
"""

import signal
import threading
import time

import pytest

from cinder_cow.copying import (
    GRAIN_BYTES,
    Cancellation,
    Cancelled,
    Excess,
    Truncated,
    copy_extents,
    copy_stream,
)
from tests.unit.copying.memory import (
    BLOCK,
    OLD,
    Injected,
    LateSink,
    MemoryExtents,
    MemorySink,
    Whole,
    chunked,
    content,
    some,
    terms,
)

MANY = content('DD0D' * 4)
OVER = terms(destination_is_zero=False)


class Killed(BaseException):
    """As GreenletExit: no Exception."""


def quiet(sink, seconds=0.01):
    """Whether nothing is under way, and nothing comes any more."""
    begun = len(sink.operations)
    assert not sink.pending
    time.sleep(seconds)
    return len(sink.operations) == begun and not sink.pending


@pytest.mark.parametrize('kind', [Injected, Killed, KeyboardInterrupt])
def test_error_of_the_source(kind):
    def chunks():
        yield from chunked(MANY)
        raise kind('source')

    with LateSink(len(MANY)) as sink:
        with pytest.raises(kind, match='source'):
            copy_stream(chunks(), sink, terms(), digests=[Whole()])
        assert quiet(sink)
    assert not sink.flushed


@pytest.mark.parametrize('kind', [MemorySink, LateSink])
@pytest.mark.parametrize('how', ['done', 'raise'])
@pytest.mark.parametrize('fail_at', [1, 3, 16])
def test_error_of_the_sink(kind, how, fail_at):
    with kind(len(MANY), OLD, fail_at, how) as sink:
        with pytest.raises(Injected):
            copy_stream(chunked(MANY), sink, OVER, digests=[Whole()])
        assert quiet(sink)
    assert not sink.flushed
    if how == 'raise' or kind is MemorySink:
        assert len(sink.operations) == fail_at


@pytest.mark.parametrize('how', ['done', 'raise'])
def test_error_of_the_sink_with_parallel_reads(how):
    source = MemoryExtents('DD-D' * 4)
    with LateSink(source.size_bytes, OLD, 5, how) as sink:
        with pytest.raises(Injected):
            copy_extents(source, sink, OVER, digests=[Whole()])
        assert quiet(sink)
    assert not sink.flushed


def test_nothing_is_begun_after_a_late_failure():
    # The source waits until the failure is known, and then has more.
    known, begun = threading.Event(), []

    class FailingSink(LateSink):
        def _end(self, *args):
            super()._end(*args)
            known.set()

    sink = FailingSink(len(MANY), OLD, 1)

    def chunks():
        yield some(BLOCK)
        assert known.wait(5)
        time.sleep(0.01)
        begun.append(len(sink.operations))
        yield from chunked(MANY)

    with sink, pytest.raises(Injected, match='done'):
        copy_stream(chunks(), sink, terms())
    assert len(sink.operations) == begun[0] == 1


def test_rest_of_a_block_is_not_begun_after_a_failure():
    block = some(GRAIN_BYTES) + bytes(GRAIN_BYTES) + some(GRAIN_BYTES)
    sink = MemorySink(len(block), OLD, 1)

    with pytest.raises(Injected, match='done'):
        copy_stream([block], sink, OVER)
    assert sink.operations == [('write', 0, GRAIN_BYTES)]


def test_error_of_flush():
    sink = MemorySink(len(MANY), fail_at='flush')

    with pytest.raises(Injected, match='flush'):
        copy_stream(chunked(MANY), sink, terms())
    assert quiet(sink)


@pytest.mark.parametrize('fail_at', [1, 4, 16])
def test_error_of_a_digest(fail_at):
    good, bad = Whole(), Whole(fail_at)
    with LateSink(len(MANY)) as sink:
        with pytest.raises(Injected, match='digest'):
            copy_stream(chunked(MANY), sink, terms(), digests=[good, bad])
        assert quiet(sink)
    assert bad.calls == fail_at
    assert not sink.flushed


@pytest.mark.parametrize('fail_at', [1, 7])
def test_error_of_a_digest_with_parallel_reads(fail_at):
    source = MemoryExtents('DD-D' * 4)
    with LateSink(source.size_bytes) as sink:
        with pytest.raises(Injected, match='digest'):
            copy_extents(source, sink, terms(), digests=[Whole(fail_at)])
        assert quiet(sink)
    assert not sink.flushed


def refuse(head):
    raise Injected('refused')


def test_refusal_of_the_inspector_leaves_the_sink_alone():
    sink = MemorySink()

    with pytest.raises(Injected, match='refused'):
        copy_stream(chunked(MANY), sink, terms(), inspect=refuse)
    with pytest.raises(Injected, match='refused'):
        copy_extents(MemoryExtents('DD'), sink, terms(), inspect=refuse)
    assert sink.operations == []


def test_error_of_the_report():
    sink = MemorySink(len(MANY))

    with pytest.raises(Injected, match='refused'):
        copy_stream(
            chunked(MANY), sink, terms(progress_seconds=0), report=refuse
        )
    assert quiet(sink)
    assert not sink.flushed


@pytest.mark.parametrize('short', [1, BLOCK, 3 * BLOCK + 1, len(MANY)])
def test_truncated_source(short):
    with LateSink(len(MANY)) as sink:
        with pytest.raises(Truncated) as caught:
            copy_stream(
                chunked(MANY[:-short]), sink, terms(), size_bytes=len(MANY)
            )
        assert quiet(sink)
    assert caught.value.got_bytes == len(MANY) - short
    assert not sink.flushed


@pytest.mark.parametrize('chunk_bytes', [17, BLOCK, 2 * BLOCK])
def test_excess_is_not_written(chunk_bytes):
    size = BLOCK + 18
    sink = MemorySink(size)

    with pytest.raises(Excess) as caught:
        copy_stream(chunked(MANY, chunk_bytes), sink, terms(), size_bytes=size)
    assert caught.value.expected_bytes == size
    assert len(sink.content) == size
    assert not sink.flushed


def test_first_error_wins():
    # The source fails while the sink's failure is on its way to the caller.
    def chunks():
        yield some(BLOCK)
        while not sink.operations or sink.pending:
            time.sleep(0.001)
        time.sleep(0.02)
        raise ValueError('later')

    with LateSink(BLOCK, OLD, 1) as sink, pytest.raises(Injected):
        copy_stream(chunks(), sink, terms())


@pytest.mark.parametrize('memory_bytes', [1, 64 * BLOCK])
def test_cancellation_from_another_thread(memory_bytes):
    cancellation = Cancellation()

    def chunks():
        while True:
            yield some(BLOCK)

    timer = threading.Timer(0.05, cancellation.cancel)
    timer.start()
    with LateSink(0) as sink:
        with pytest.raises(Cancelled):
            copy_stream(
                chunks(),
                sink,
                terms(memory_bytes=memory_bytes),
                cancellation=cancellation,
            )
        assert quiet(sink)
    timer.join()
    assert not sink.flushed


def test_cancellation_ends_parallel_reads():
    cancellation, source = Cancellation(), MemoryExtents('D' * 64)
    read_at = source.read_at

    def cancel_at(offset, length):
        if offset == 9 * BLOCK:
            cancellation.cancel()
        return read_at(offset, length)

    source.read_at = cancel_at
    with LateSink(source.size_bytes) as sink:
        with pytest.raises(Cancelled):
            copy_extents(source, sink, terms(), cancellation=cancellation)
        assert quiet(sink)
    assert len(sink.operations) < 16


def test_cancellation_ends_a_vast_hole_that_a_digest_sees():
    cancellation, source = Cancellation(), MemoryExtents('D')
    source.size_bytes = 2**50
    timer = threading.Timer(0.05, cancellation.cancel)
    timer.start()

    class Nothing:
        def update(self, data):
            time.sleep(0.001)

    with pytest.raises(Cancelled):
        copy_extents(
            source,
            MemorySink(BLOCK),
            terms(),
            digests=[Nothing()],
            cancellation=cancellation,
        )
    timer.join()


def test_copy_that_was_cancelled_before_does_not_begin():
    cancellation, sink = Cancellation(), MemorySink()
    cancellation.cancel()

    with pytest.raises(Cancelled):
        copy_stream(chunked(MANY), sink, terms(), cancellation=cancellation)
    assert sink.operations == []


def test_cancelled_copy_ends_with_the_error_that_it_was_given():
    cancellation, other = Cancellation(), Injected('other')
    cancellation.cancel(Injected('given'))
    cancellation.cancel(other)

    with pytest.raises(Injected, match='given'):
        copy_stream(
            chunked(MANY), MemorySink(), terms(), cancellation=cancellation
        )
    with pytest.raises(Injected, match='given'):
        cancellation.check()


def test_what_wakes_the_source_is_called_after_the_copy_has_its_error():
    # Else the error of the source that was woken would be the copy's.
    cancellation, silent = Cancellation(), threading.Event()

    def chunks():
        yield some(BLOCK)
        assert silent.wait(5)
        raise ValueError('woken')

    timer = threading.Timer(0.05, cancellation.cancel)
    timer.start()
    with (
        cancellation.stopping(lambda _error: silent.set()),
        pytest.raises(Cancelled),
    ):
        copy_stream(
            chunks(), MemorySink(BLOCK), terms(), cancellation=cancellation
        )
    timer.join()


def test_cancellation_when_all_is_over_does_nothing():
    cancellation, sink = Cancellation(), MemorySink(len(MANY))

    copy_stream(chunked(MANY), sink, terms(), cancellation=cancellation)
    cancellation.cancel()

    assert sink.content == MANY


@pytest.mark.usefixtures('interruptible')
@pytest.mark.parametrize('times', [1, 2])
def test_interrupted_caller_still_waits_for_what_is_under_way(times):
    # The second interrupt comes while the first is being cleaned up after.
    class SlowSink(LateSink):
        seconds = 0.2

    main = threading.main_thread().ident
    timers = [
        threading.Timer(
            0.05 + 0.05 * number, signal.pthread_kill, [main, signal.SIGINT]
        )
        for number in range(times)
    ]
    with SlowSink(len(MANY)) as sink:
        for timer in timers:
            timer.start()
        with pytest.raises(KeyboardInterrupt):
            copy_stream(chunked(MANY), sink, terms(), digests=[Whole()])
        assert quiet(sink)
    for timer in timers:
        timer.join()
    assert not sink.flushed


def test_thread_that_does_not_start(monkeypatch):
    start = threading.Thread.start
    count = iter(range(100))

    def limited(thread):
        if next(count) == 1:
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, 'start', limited)

    with pytest.raises(RuntimeError, match='new thread'):
        copy_stream(
            chunked(MANY), MemorySink(), terms(), digests=[Whole(), Whole()]
        )
