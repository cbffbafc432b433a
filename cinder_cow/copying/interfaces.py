# SPDX-License-Identifier: Apache-2.0
"""The contracts of those that a copy is made between.

The engine calls them from several threads; each contract says from which. A
native thread is one that may block; under eventlet, nothing in it may log, or
touch anything that is green.

A sequential source needs no contract but this: it is an iterable of `bytes`,
in order from byte 0, in chunks of any length. It is pulled in the CALLER's
thread (under eventlet a green thread, and the chunk may come from a green
socket), and always to its end, so that what it checks there is checked. It
must give up by itself when it stalls: no one can wake the caller's thread
out of a ``next()``, so a limit in the engine would promise what it cannot
hold. Give the socket a timeout.
"""

from collections.abc import Callable, Iterable
from typing import Protocol

from cinder_cow.copying.extents import Extent
from cinder_cow.copying.model import Progress

#: Told the end of one operation: None, or the error that it failed of.
Done = Callable[[BaseException | None], None]

#: Shown the first bytes before anything is written; raises to refuse them.
Inspect = Callable[[bytes], None]

#: Told how far the copy is, in the caller's thread. When it raises, the copy
#: ends with that error.
Report = Callable[[Progress], None]


class ExtentSource(Protocol):
    """A source that is read anywhere, and knows where it holds nothing.

    Its limits of time are its own: a read that never returns holds the copy.
    """

    @property
    def size_bytes(self) -> int:
        """The bytes from the first to the last, holes and all."""

    def extents(self) -> Iterable[Extent]:
        """Where there is data, and where zeros that need no reading.

        In order, without overlap. What is left out reads as zeros. Iterated
        in native threads, by one at a time.
        """

    def read_at(self, offset: int, length: int) -> bytes:
        """Exactly ``length`` bytes at ``offset``; fewer are a truncation.

        Blocks. Called in native threads, by several at once.
        """


class Sink(Protocol):
    """What is filled. It takes operations and ends them in any order.

    The three methods are called in native threads, ``start_*`` by several at
    once. They may wait for room, but not for one another's end. The ranges
    of operations never overlap and never cross a multiple of the block size.

    Whoever starts an operation is told its end by ``done``: exactly once,
    from any thread, and it may be before ``start_*`` returns. ``done`` only
    takes note: it never waits and never calls the sink. When ``start_*``
    raises, ``done`` is not called. An operation that never ends holds the
    copy for ever: limits of time are the sink's.
    """

    def start_write(self, offset: int, data: bytes, done: Done) -> None:
        """Begin to write ``data``, which is the sink's until ``done``."""

    def start_zero(self, offset: int, length: int, done: Done) -> None:
        """Begin to make ``length`` bytes at ``offset`` read as zeros."""

    def flush(self) -> None:
        """Return when all that was written is safe. Called once, at the end,
        when every operation has ended well.
        """


class Digest(Protocol):
    """What sees every byte in order: a hash, a signature's verifier.

    Called in one native thread of its own. Read it when the copy is over.
    """

    def update(self, data: bytes, /) -> None:
        """Take the next bytes."""
