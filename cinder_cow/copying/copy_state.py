# SPDX-License-Identifier: Apache-2.0
"""The state of one copy: blocks acquired and released, and the first error."""

import time
import types
from typing import Self

from cinder_cow import native
from cinder_cow.copying.blocks import Piece
from cinder_cow.copying.budget import Budget


class CopyState:
    """What all threads of one copy share. Thread-safe.

    Only :meth:`wait_for_blocks`, :meth:`Block.wait` and the budget wait. All
    else may be called anywhere, also in the thread of the sink's completions.
    """

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        #: The first error, which the copy ends with. Nothing is started
        #: after it.
        self.error: BaseException | None = None
        self.bytes_read = 0
        self.bytes_done = 0
        self.bytes_written = 0
        self.bytes_zero = 0
        #: How many blocks are not released yet.
        self.blocks = 0
        self.changed = native.condition()
        self._began_at = time.monotonic()

    @property
    def seconds(self) -> float:
        """The time since the copy began."""
        return time.monotonic() - self._began_at

    def fail(self, error: BaseException) -> None:
        """End the copy; the error is kept if it is the first."""
        with self.changed:
            if self.error is None:
                self.error = error
        self.budget.close()

    def count_read(self, length: int) -> None:
        """Count ``length`` bytes that came from the source."""
        with self.changed:
            self.bytes_read += length

    def count_done(self, length: int, is_zero: bool) -> None:
        """Count bytes of the destination that are as they should be."""
        with self.changed:
            if is_zero:
                self.bytes_zero += length
            else:
                self.bytes_written += length

    def wait_for_blocks(self) -> None:
        """Return when all blocks are released."""
        with self.changed:
            self.changed.wait_for(lambda: not self.blocks)


class Block:
    """One block of the copy, with a count of its users.

    The users are each digest, each operation at the sink, and the thread that
    fills it. When the last releases it, its share of the budget is free. The
    operations do not need the content, once they are started: the sink has it.

    As a context manager it is released at the end; an error becomes the
    copy's before.
    """

    __slots__ = (
        '_filled',
        '_held_bytes',
        '_length',
        '_operations',
        '_pieces',
        '_state',
        '_users',
    )

    def __init__(
        self, copy_state: CopyState, length: int, held_bytes: int, users: int
    ) -> None:
        self._state = copy_state
        self._length = length
        self._held_bytes = held_bytes
        self._users = users
        #: Those of the users that are operations at the sink.
        self._operations = 0
        self._pieces: list[Piece] = []
        self._filled = native.event()
        with copy_state.changed:
            copy_state.blocks += 1

    def fill(self, pieces: list[Piece]) -> None:
        """Set the content. Wakes those that wait for it."""
        self._pieces = pieces
        self._filled.set()

    def wait(self) -> list[Piece]:
        """The content, once it is set; nothing when the copy has failed."""
        self._filled.wait()
        return self._pieces

    def begin_operation(self) -> None:
        """Add an operation at the sink."""
        with self._state.changed:
            self._users += 1
            self._operations += 1

    def end_operation(self) -> None:
        """Remove an operation at the sink."""
        with self._state.changed:
            self._operations -= 1
        self.release()

    def release(self) -> None:
        """Remove a user."""
        state = self._state
        with state.changed:
            self._users -= 1
            if self._users == self._operations:
                self._pieces = []
            if self._users:
                return
            state.bytes_done += self._length
        state.budget.release(self._held_bytes)
        with state.changed:
            state.blocks -= 1
            state.changed.notify_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: types.TracebackType | None,
    ) -> None:
        if exc is not None:
            self._state.fail(exc)
        self._filled.set()
        self.release()


class Operation:
    """One write or zeroing at the sink, a user of its block until it ends.

    It is the sink's ``done``: called once, with the error if there is one.
    """

    __slots__ = ('_block', '_is_zero', '_length', '_state')

    def __init__(
        self, copy_state: CopyState, block: Block, piece: Piece
    ) -> None:
        self._state = copy_state
        self._block = block
        self._length = piece.length
        self._is_zero = piece.content is None
        block.begin_operation()

    def __call__(self, error: BaseException | None = None) -> None:
        if error is None:
            self._state.count_done(self._length, self._is_zero)
        else:
            self._state.fail(error)
        self._block.end_operation()
