# SPDX-License-Identifier: Apache-2.0
"""The threads of one copy, from its start to the end of all of them.

::

    caller's thread        writer's thread           other native threads
    ---------------        ---------------           --------------------
    chunks -> budget --->  block -+-- in order ----> digests
                                  +-- start_* -----> sink's completions
                                                       |
         budget <------------ block released ---------'

    (an extent source)     extents -- budget ------> readers -> start_*
"""

from collections.abc import Callable, Iterable, Iterator
import functools
import operator
from typing import Any

from cinder_cow import native
from cinder_cow.copying import blocks, extents
from cinder_cow.copying.budget import Budget
from cinder_cow.copying.cancellation import Cancellation
from cinder_cow.copying.copy_state import Block, CopyState, Operation
from cinder_cow.copying.digest import digest_thread
from cinder_cow.copying.interfaces import Digest, Report, Sink
from cinder_cow.copying.model import Copied, CopyTerms, Progress
from cinder_cow.copying.thread_pool import ThreadPool


class Pipeline:
    """One copy. Used once.

    All that touches the sink runs in native threads of the copy's own. So a
    caller that is killed or interrupted is so while it waits, never between
    two steps that belong together.
    """

    def __init__(
        self,
        sink: Sink,
        terms: CopyTerms,
        size_bytes: int | None,
        digests: Iterable[Digest],
        report: Report | None,
        cancellation: Cancellation | None,
    ) -> None:
        limit_bytes = max(terms.memory_bytes, terms.block_bytes)
        self.terms = terms
        self.copy_state = CopyState(Budget(limit_bytes))
        self._sink = sink
        self._size_bytes = size_bytes
        if terms.destination_bytes and not terms.destination_is_zero:
            self._size_bytes = terms.destination_bytes
        self._report = report
        self._reported_at = 0.0
        # Not 0, which would wait in a busy loop.
        self._wait_seconds = max(terms.progress_seconds, 0.01)
        self._cancellation = cancellation or Cancellation()
        self.writer: ThreadPool[Callable[[], None]] = ThreadPool(
            'writer', operator.call, self.copy_state.fail
        )
        self.digest_threads = [
            digest_thread(digest, self.copy_state) for digest in digests
        ]
        #: In the order of closing: each puts items into those behind it.
        self.thread_pools: list[ThreadPool[Any]] = [
            self.writer,
            *self.digest_threads,
        ]

    # In the caller's thread.

    def run(self, put_all: Callable[[], None]) -> Copied:
        """What was copied, once ``put_all`` has put all there is to do.

        When it returns or raises the first error, no thread is left and the
        sink is not used any more.
        """
        state = self.copy_state
        try:
            with self._cancellation.stopping(state.fail):
                for thread_pool in self.thread_pools:
                    thread_pool.start()
                put_all()
                self.call_in_writer(self._finish)
                self._report_progress()
        except BaseException as exc:  # noqa: BLE001  raised below
            state.fail(exc)
        self._end_threads()
        if state.error is not None:
            raise state.error
        return Copied(
            state.bytes_read,
            state.bytes_written,
            state.bytes_zero,
            state.seconds,
        )

    def acquire_block(self) -> None:
        """Acquire a block's bytes of the budget; waits until there is room."""
        acquire = functools.partial(
            self.copy_state.budget.acquire, self.terms.block_bytes
        )
        if not acquire(seconds=0):
            self._wait(acquire)
        self.check()

    def call_in_writer(self, function: Callable[[], Any]) -> Any:
        """What ``function`` returns, called after all that was put before.

        :raises BaseException: the first error; then it may not be called.
        """
        ended = native.event()
        answers = []

        def call() -> None:
            try:
                if self.copy_state.error is None:
                    answers.append(function())
            except BaseException as exc:
                self.copy_state.fail(exc)  # before the caller goes on
                raise
            finally:
                ended.set()

        self.writer.put(call)
        self._wait(ended.wait)
        return answers[0]

    def zeros_behind(self, source_bytes: int) -> Iterator[extents.Extent]:
        """What is behind the source's end and has to be zeroed, in blocks."""
        end = self.terms.destination_bytes
        if end is not None and not self.terms.destination_is_zero:
            yield from extents.divided(
                extents.Extent(source_bytes, end - source_bytes, zero=True),
                self.terms.block_bytes,
            )

    def _wait(self, until: Callable[[float], bool]) -> None:
        """Wait, and report the progress meanwhile."""
        waiting = native.in_thread(until)
        while not waiting(self._wait_seconds):
            self.check()
        self.check()

    def check(self) -> None:
        """Report the progress, if it is time to.

        :raises BaseException: the first error, when there is one.
        """
        if self.copy_state.error is not None:
            raise self.copy_state.error
        elapsed = self.copy_state.seconds - self._reported_at
        if elapsed >= self.terms.progress_seconds:
            self._report_progress()

    def _report_progress(self) -> None:
        state = self.copy_state
        self._reported_at = state.seconds
        if self._report is None:
            return
        self._report(
            Progress(
                state.bytes_done,
                self._size_bytes,
                state.bytes_written,
                state.bytes_zero,
                state.seconds,
            )
        )

    def _end_threads(self) -> None:
        """Wait until all threads have ended, however often this is killed.

        A second kill must not return a sink that is still in use.
        """
        ended = False
        while not ended:
            try:
                native.in_thread(self._close)()
                ended = True
            except BaseException as exc:  # noqa: BLE001  raised by run()
                self.copy_state.fail(exc)

    # In native threads.

    def _finish(self) -> None:
        self.copy_state.wait_for_blocks()
        if self.copy_state.error is None:
            self._sink.flush()

    def _close(self) -> None:
        for thread_pool in self.thread_pools:
            thread_pool.close()
        self.copy_state.wait_for_blocks()

    def new_block(self, length: int, held_bytes: int) -> Block:
        """The next block, in order; the digests wait for its content."""
        block = Block(
            self.copy_state,
            length,
            held_bytes,
            users=1 + len(self.digest_threads),
        )
        for thread_pool in self.digest_threads:
            thread_pool.put(block)
        return block

    def zero(self, extent: extents.Extent, held_bytes: int) -> None:
        """Write zeros that no digest sees."""
        with Block(self.copy_state, extent.length, held_bytes, 1) as block:
            self.write(
                block, [blocks.Piece(extent.offset, extent.length, None)]
            )

    def write(self, block: Block, pieces: list[blocks.Piece]) -> None:
        """Fill a block, and start its operations at the sink."""
        block.fill(pieces)
        for piece in pieces:
            if self.copy_state.error is not None:
                return
            if piece.content is None and self.terms.destination_is_zero:
                self.copy_state.count_done(piece.length, is_zero=True)
            else:
                self._start(block, piece)

    def _start(self, block: Block, piece: blocks.Piece) -> None:
        done = Operation(self.copy_state, block, piece)
        try:
            if piece.content is None:
                self._sink.start_zero(piece.offset, piece.length, done)
            else:
                self._sink.start_write(piece.offset, piece.content, done)
        except BaseException as exc:
            done(exc)
            raise
