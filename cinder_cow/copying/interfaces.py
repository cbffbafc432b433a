# SPDX-License-Identifier: Apache-2.0
"""What the engine needs of a source, a sink and a digest.

The engine calls them from several threads; each contract says from which. A
native thread is one that may block; under eventlet it must not use anything
green. About logging in one see :mod:`cinder_cow.native`.

A stream needs no class: it is an iterable of `bytes`, in order from byte 0, in
chunks of any length. It is read in the CALLER's thread (under eventlet a green
thread, and the chunk may come from a green socket), and always to its end, so
that what it checks there is checked. It must give up by itself when it
stalls: the engine cannot end a ``next()`` that waits. Give the socket a
timeout, and a way to be interrupted: :meth:`Cancellation.stopping` calls it.
"""

from collections.abc import Callable, Iterable
from typing import Protocol

from cinder_cow.copying.extents import Extent
from cinder_cow.copying.model import Progress

#: Called when one operation has ended, with None or with its error.
Done = Callable[[BaseException | None], None]

#: Called with the first bytes, before a write; raises to refuse the source.
Inspect = Callable[[bytes], None]

#: Called with the progress, in the caller's thread. When it raises, the copy
#: ends with that error.
Report = Callable[[Progress], None]


class ExtentSource(Protocol):
    """A source that is read at any offset, and knows its holes.

    It has its own time limits: a read that never returns holds the copy.
    """

    @property
    def size_bytes(self) -> int:
        """The size in bytes, holes included."""

    def extents(self) -> Iterable[Extent]:
        """Where there is data, and where zeros that need not be read.

        In order, without overlap. What is left out reads as zeros. Iterated
        in one native thread at a time.
        """

    def read_at(self, offset: int, length: int) -> bytes:
        """Exactly ``length`` bytes at ``offset``; fewer are an error.

        Blocks. Called in several native threads at once.
        """


class Sink(Protocol):
    """What is written to. Operations may end in any order.

    The three methods are called in native threads, ``start_*`` in several at
    once. They may wait for room, but not for one another's end. The ranges
    of operations never overlap and never cross a multiple of the block size.

    ``done`` is called when the operation has ended: exactly once, in any
    thread, also before ``start_*`` returns. It never waits and never calls
    the sink. When ``start_*`` raises, ``done`` is not called. An operation
    that never ends holds the copy for ever: time limits are the sink's.
    """

    def start_write(self, offset: int, data: bytes, done: Done) -> None:
        """Begin to write ``data``. The caller does not keep it."""

    def start_zero(self, offset: int, length: int, done: Done) -> None:
        """Begin to make ``length`` bytes at ``offset`` read as zeros."""

    def flush(self) -> None:
        """Return when all that was written is safe.

        Called once, after the last operation, if all succeeded.
        """


class Digest(Protocol):
    """What gets every byte in order: a hash, a signature's verifier.

    Called in one native thread of its own. Read its result after the copy.
    """

    def update(self, data: bytes, /) -> None:
        """Take the next bytes."""
