# SPDX-License-Identifier: Apache-2.0

"""What fills an open volume, whatever storage it is in."""

import abc
from collections.abc import Callable

from cinder_cow.closing import Closing

#: Called once when an operation has ended, with None or with its error.
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
        """Begin to write ``data`` at ``offset`` bytes.

        The caller does not keep ``data``: who needs it later keeps it.

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
