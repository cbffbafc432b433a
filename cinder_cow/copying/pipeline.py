# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.
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

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
import functools
import operator
from typing import Any

from cinder_cow import native
from cinder_cow.copying.blocks import Piece
from cinder_cow.copying.blocks import sparse
from cinder_cow.copying.budget import Budget
from cinder_cow.copying.cancellation import Cancellation
from cinder_cow.copying.copy_state import Block
from cinder_cow.copying.copy_state import Flight
from cinder_cow.copying.copy_state import Operation
from cinder_cow.copying.digest import stage
from cinder_cow.copying.errors import Cancelled
from cinder_cow.copying.extents import Extent
from cinder_cow.copying.extents import divided
from cinder_cow.copying.interfaces import Digest
from cinder_cow.copying.interfaces import Report
from cinder_cow.copying.interfaces import Sink
from cinder_cow.copying.model import Copied
from cinder_cow.copying.model import Progress
from cinder_cow.copying.model import Terms
from cinder_cow.copying.thread_pool import Crew


class Pipeline:
    """One copy. Its caller's thread waits in :meth:`run` and what it calls.

    All that touches the sink runs in native threads of the copy's own. So a
    caller that is killed or interrupted is so while it waits, never between
    two steps that belong together.
    """

    def __init__(
        self,
        sink: Sink,
        terms: Terms,
        size_bytes: int | None,
        digests: Iterable[Digest],
        report: Report | None,
        cancellation: Cancellation | None,
    ) -> None:
        limit_bytes = max(terms.memory_bytes, terms.block_bytes)
        self.terms = terms
        self.flight = Flight(Budget(limit_bytes))
        self._sink = sink
        self._size_bytes = size_bytes
        if terms.destination_bytes and not terms.destination_is_zero:
            self._size_bytes = terms.destination_bytes
        self._report = report
        self._reported_at = 0.0
        # At least a moment: not to wait would be to spin.
        self._patience_seconds = max(terms.progress_seconds, 0.01)
        self._cancellation = cancellation or Cancellation()
        self.writer: Crew[Callable[[], None]] = Crew(
            'writer', operator.call, self.flight.fail
        )
        self.stages = [stage(digest, self.flight) for digest in digests]
        #: In the order of closing: a crew feeds those behind it.
        self.crews: list[Crew[Any]] = [self.writer, *self.stages]

    # In the caller's thread.

    def run(self, pump: Callable[[], None]) -> Copied:
        """What was done when ``pump`` has handed all works over.

        Returns, or raises the first error, when all is quiet: no thread is
        left and the sink is not used any more.
        """
        flight = self.flight
        try:
            with self._cancellation.stopping(self._cancel):
                for crew in self.crews:
                    crew.start()
                pump()
                self.call(self._finish)
                self._tell()
        except BaseException as exc:  # noqa: BLE001  raised below
            flight.fail(exc)
        self._settle()
        if flight.error is not None:
            raise flight.error
        return Copied(
            flight.bytes_read,
            flight.bytes_written,
            flight.bytes_zero,
            flight.seconds,
        )

    def reserve(self) -> None:
        """Wait until a block more may be held, and hold it."""
        take = functools.partial(
            self.flight.budget.take, self.terms.block_bytes
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
                if self.flight.error is None:
                    answers.append(work())
            except BaseException as exc:
                self.flight.fail(exc)  # before it is taken for the answer
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
        if self.flight.error is not None:
            raise self.flight.error
        elapsed = self.flight.seconds - self._reported_at
        if elapsed >= self.terms.progress_seconds:
            self._tell()

    def _tell(self) -> None:
        flight = self.flight
        self._reported_at = flight.seconds
        if self._report is None:
            return
        self._report(
            Progress(
                flight.bytes_done,
                self._size_bytes,
                flight.bytes_written,
                flight.bytes_zero,
                flight.seconds,
            )
        )

    def _cancel(self) -> None:
        self.flight.fail(Cancelled())

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
                self.flight.fail(exc)

    # In native threads.

    def _finish(self) -> None:
        self.flight.landed()
        if self.flight.error is None:
            self._sink.flush()

    def _close(self) -> None:
        for crew in self.crews:
            crew.close()
        self.flight.landed()

    def block(self, length: int, held_bytes: int) -> Block:
        """The next block, in order; the digests wait for it to be filled."""
        block = Block(self.flight, length, held_bytes, 1 + len(self.stages))
        for crew in self.stages:
            crew.put(block)
        return block

    def zero(self, extent: Extent, held_bytes: int) -> None:
        """Write zeros that no digest sees."""
        with Block(self.flight, extent.length, held_bytes, 1) as block:
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
            if self.flight.error is not None:
                return
            if piece.content is None and self.terms.destination_is_zero:
                self.flight.count(piece)
            else:
                self._start(block, piece)

    def _start(self, block: Block, piece: Piece) -> None:
        done = Operation(self.flight, block, piece)
        try:
            if piece.content is None:
                self._sink.start_zero(piece.offset, piece.length, done)
            else:
                self._sink.start_write(piece.offset, piece.content, done)
        except BaseException as exc:
            done(exc)
            raise
