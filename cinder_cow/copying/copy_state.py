# SPDX-License-Identifier: Apache-2.0
"""What is under way: the blocks that are held, and the first error."""

import time
import types
from typing import Self

from cinder_cow import native
from cinder_cow.copying.blocks import Piece
from cinder_cow.copying.budget import Budget


class CopyState:
    """The state that all threads of one copy share.

    Only :meth:`landed`, :meth:`Block.wait` and the budget wait. All else may
    be called anywhere, also in the thread of the sink's completions.
    """

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        #: The first error: the one that counts. Nothing is begun after it.
        self.error: BaseException | None = None
        self.bytes_read = 0
        self.bytes_done = 0
        self.bytes_written = 0
        self.bytes_zero = 0
        #: How many blocks somebody still needs.
        self.blocks = 0
        self.changed = native.condition()
        self._began_at = time.monotonic()

    @property
    def seconds(self) -> float:
        """The time since the beginning."""
        return time.monotonic() - self._began_at

    def fail(self, error: BaseException) -> None:
        """Bring the copy to its end, and keep the error if it is the first."""
        with self.changed:
            if self.error is None:
                self.error = error
        self.budget.close()

    def count_read(self, length: int) -> None:
        """Take note that ``length`` bytes came from the source."""
        with self.changed:
            self.bytes_read += length

    def count(self, piece: Piece) -> None:
        """Take note that a piece of the destination is as it should be."""
        with self.changed:
            if piece.content is None:
                self.bytes_zero += piece.length
            else:
                self.bytes_written += piece.length

    def landed(self) -> None:
        """Wait until nobody needs a block any more."""
        with self.changed:
            self.changed.wait_for(lambda: not self.blocks)


class Block:
    """A block on its way. What it holds of the budget is given back when all
    who share it have let go: each digest, each operation, the writer.

    A context manager for one share: an error becomes the copy's, before the
    share is let go.
    """

    __slots__ = (
        '_filled',
        '_flight',
        '_held',
        '_length',
        '_pieces',
        '_shares',
    )

    def __init__(
        self, copy_state: CopyState, length: int, held_bytes: int, shares: int
    ) -> None:
        self._flight = copy_state
        self._length = length
        self._held = held_bytes
        self._shares = shares
        self._pieces: list[Piece] = []
        self._filled = native.event()
        with copy_state.changed:
            copy_state.blocks += 1

    def fill(self, pieces: list[Piece]) -> None:
        """Give it its content. Wakes who waits."""
        self._pieces = pieces
        self._filled.set()

    def wait(self) -> list[Piece]:
        """Its content, when it is there; nothing when the copy has failed."""
        self._filled.wait()
        return self._pieces

    def share(self) -> None:
        """Keep it until it is let go once more."""
        with self._flight.changed:
            self._shares += 1

    def let_go(self) -> None:
        """Need it no longer."""
        copy_state = self._flight
        with copy_state.changed:
            self._shares -= 1
            if self._shares:
                return
            copy_state.bytes_done += self._length
        copy_state.budget.give(self._held)
        with copy_state.changed:
            copy_state.blocks -= 1
            copy_state.changed.notify_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: types.TracebackType | None,
    ) -> None:
        if exc is not None:
            self._flight.fail(exc)
        self._filled.set()
        self.let_go()


class Operation:
    """One write or zeroing at the sink; called when it has ended."""

    __slots__ = ('_block', '_flight', '_piece')

    def __init__(
        self, copy_state: CopyState, block: Block, piece: Piece
    ) -> None:
        self._flight = copy_state
        self._block = block
        self._piece = piece
        block.share()

    def __call__(self, error: BaseException | None = None) -> None:
        if error is None:
            self._flight.count(self._piece)
        else:
            self._flight.fail(error)
        self._block.let_go()
