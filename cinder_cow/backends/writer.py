# SPDX-License-Identifier: Apache-2.0

"""What fills an open volume, whatever storage it is in."""

import abc
from collections.abc import Callable

from cinder_cow import native
from cinder_cow.closing import Closing

#: Told once of what was started: None when it is done, else why it failed.
Done = Callable[[BaseException | None], None]


class VolumeWriter(Closing):
    """An open volume that is being filled. A context manager: it closes.

    The position is an argument, never a cursor. What is started may finish in
    any order. A range that is never written reads as zeros in a new volume.
    """

    @property
    @abc.abstractmethod
    def block_bytes(self) -> int:
        """What writes are best aligned to, and no longer than."""

    @abc.abstractmethod
    def start_write(self, offset: int, data: bytes, done: Done) -> None:
        """Begin to write ``data`` at ``offset`` bytes; it is kept till done.

        :param done: is called exactly once, in any thread, also before this
            returns; not when this raises. It must not wait.
        """

    @abc.abstractmethod
    def start_zero(self, offset: int, length: int, done: Done) -> None:
        """Begin to make ``length`` bytes at ``offset`` read as zeros."""

    @abc.abstractmethod
    def flush(self) -> None:
        """Return when all that is done is safe in the cluster.

        :raises StorageError: when any of it is not.
        """

    @abc.abstractmethod
    def close(self) -> None:
        """Let go of the volume. Does not flush. May be called twice."""

    def write_at(self, offset: int, data: bytes) -> None:
        """Write all of ``data`` at ``offset`` bytes, and wait for it.

        :raises StorageError: when it is not written.
        """
        _wait_for(lambda done: self.start_write(offset, data, done))

    def zero_at(self, offset: int, length: int) -> None:
        """Make ``length`` bytes at ``offset`` read as zeros, and wait.

        :raises StorageError: when they do not.
        """
        _wait_for(lambda done: self.start_zero(offset, length, done))


@native.in_thread
def _wait_for(start: Callable[[Done], None]) -> None:
    finished = native.event()
    failures: list[BaseException] = []

    def done(failure: BaseException | None) -> None:
        if failure is not None:
            failures.append(failure)
        finished.set()

    start(done)
    finished.wait()
    if failures:
        raise failures[0]
