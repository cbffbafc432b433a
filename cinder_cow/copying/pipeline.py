# SPDX-License-Identifier: Apache-2.0
"""The way of the blocks, and the end of it all.

::

    caller's thread        writer's thread           other native threads
    ---------------        ---------------           --------------------
    chunks -> reserve -->  block -+-- in order ----> digests
                                  +-- start_* -----> sink's completions
                                                       |
         budget <------------ let go by both ----------'

    (an extent source)     extents -- reserve -----> readers -> start_*
"""

from collections.abc import Callable, Iterable, Iterator
import functools
import operator
from typing import Any

from cinder_cow import native
from cinder_cow.copying.blocks import Piece, sparse
from cinder_cow.copying.budget import Budget
from cinder_cow.copying.cancellation import Cancellation
from cinder_cow.copying.copy_state import Block, CopyState, Operation
from cinder_cow.copying.digest import stage
from cinder_cow.copying.extents import Extent, divided
from cinder_cow.copying.interfaces import Digest, Report, Sink
from cinder_cow.copying.model import Copied, CopyTerms, Progress
from cinder_cow.copying.thread_pool import ThreadPool


class Pipeline:
    """One copy. Its caller's thread waits in :meth:`run` and what it calls.

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
        # At least a moment: not to wait would be to spin.
        self._patience_seconds = max(terms.progress_seconds, 0.01)
        self._cancellation = cancellation or Cancellation()
        self.writer: ThreadPool[Callable[[], None]] = ThreadPool(
            'writer', operator.call, self.copy_state.fail
        )
        self.stages = [stage(digest, self.copy_state) for digest in digests]
        #: In the order of closing: a thread pool feeds those behind it.
        self.crews: list[ThreadPool[Any]] = [self.writer, *self.stages]

    # In the caller's thread.

    def run(self, pump: Callable[[], None]) -> Copied:
        """What was done when ``pump`` has handed all works over.

        Returns, or raises the first error, when all is quiet: no thread is
        left and the sink is not used any more.
        """
        copy_state = self.copy_state
        try:
            with self._cancellation.stopping(self.copy_state.fail):
                for thread_pool in self.crews:
                    thread_pool.start()
                pump()
                self.call(self._finish)
                self._tell()
        except BaseException as exc:  # noqa: BLE001  raised below
            copy_state.fail(exc)
        self._settle()
        if copy_state.error is not None:
            raise copy_state.error
        return Copied(
            copy_state.bytes_read,
            copy_state.bytes_written,
            copy_state.bytes_zero,
            copy_state.seconds,
        )

    def reserve(self) -> None:
        """Wait until a block more may be held, and hold it."""
        take = functools.partial(
            self.copy_state.budget.take, self.terms.block_bytes
        )
        if not take(seconds=0):
            self._wait(take)
        self.check()

    def call(self, work: Callable[[], Any]) -> Any:
        """What ``work`` returns, called by the writer after all before it.

        :raises BaseException: the first error; then it may not be called.
        """
        ended = native.event()
        answers = []

        def do() -> None:
            try:
                if self.copy_state.error is None:
                    answers.append(work())
            except BaseException as exc:
                self.copy_state.fail(exc)  # before it is taken for the answer
                raise
            finally:
                ended.set()

        self.writer.put(do)
        self._wait(ended.wait)
        return answers[0]

    def rest(self, source_bytes: int) -> Iterator[Extent]:
        """What lies behind the source's end and has to be zeroed."""
        end = self.terms.destination_bytes
        if end is not None and not self.terms.destination_is_zero:
            yield from divided(
                Extent(source_bytes, end - source_bytes, zero=True),
                self.terms.block_bytes,
            )

    def _wait(self, until: Callable[[float], bool]) -> None:
        """Wait, with reports."""
        waiting = native.in_thread(until)
        while not waiting(self._patience_seconds):
            self.check()
        self.check()

    def check(self) -> None:
        """Report, if it is time to.

        :raises BaseException: the first error, when there is one.
        """
        if self.copy_state.error is not None:
            raise self.copy_state.error
        elapsed = self.copy_state.seconds - self._reported_at
        if elapsed >= self.terms.progress_seconds:
            self._tell()

    def _tell(self) -> None:
        copy_state = self.copy_state
        self._reported_at = copy_state.seconds
        if self._report is None:
            return
        self._report(
            Progress(
                copy_state.bytes_done,
                self._size_bytes,
                copy_state.bytes_written,
                copy_state.bytes_zero,
                copy_state.seconds,
            )
        )

    def _settle(self) -> None:
        """Wait until all is quiet, whatever comes.

        A second kill must not hand a sink back that is still in use.
        """
        quiet = False
        while not quiet:
            try:
                native.in_thread(self._close)()
                quiet = True
            except BaseException as exc:  # noqa: BLE001  raised by run()
                self.copy_state.fail(exc)

    # In native threads.

    def _finish(self) -> None:
        self.copy_state.landed()
        if self.copy_state.error is None:
            self._sink.flush()

    def _close(self) -> None:
        for thread_pool in self.crews:
            thread_pool.close()
        self.copy_state.landed()

    def block(self, length: int, held_bytes: int) -> Block:
        """The next block, in order; the digests wait for it to be filled."""
        block = Block(
            self.copy_state, length, held_bytes, 1 + len(self.stages)
        )
        for thread_pool in self.stages:
            thread_pool.put(block)
        return block

    def zero(self, extent: Extent, held_bytes: int) -> None:
        """Write zeros that no digest sees."""
        with Block(self.copy_state, extent.length, held_bytes, 1) as block:
            self.write(block, [Piece(extent.offset, extent.length, None)])

    def pieces(self, offset: int, content: bytes) -> list[Piece]:
        """The content as what is to be written and what is zero."""
        if self.terms.sparse:
            return sparse(offset, content)
        return [Piece(offset, len(content), content)]

    def write(self, block: Block, pieces: list[Piece]) -> None:
        """Fill a block, and start what brings it to the sink."""
        block.fill(pieces)
        for piece in pieces:
            if self.copy_state.error is not None:
                return
            if piece.content is None and self.terms.destination_is_zero:
                self.copy_state.count(piece)
            else:
                self._start(block, piece)

    def _start(self, block: Block, piece: Piece) -> None:
        done = Operation(self.copy_state, block, piece)
        try:
            if piece.content is None:
                self._sink.start_zero(piece.offset, piece.length, done)
            else:
                self._sink.start_write(piece.offset, piece.content, done)
        except BaseException as exc:
            done(exc)
            raise
