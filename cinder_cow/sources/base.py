# SPDX-License-Identifier: Apache-2.0
"""What a source of images' bytes has to implement."""

import abc
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, ClassVar, Self

from oslo_config import cfg

from cinder_cow.backends.base import CheckResult
from cinder_cow.closing import Closing
from cinder_cow.copying.extents import Extent
from cinder_cow.model import ImageInfo, Refusal, SnapshotRef

#: Returns a new `glanceclient.Client` for the user whose volume it is.
GlanceAccess = Callable[[], Any]


class Reading(Closing):
    """An image that is open to be read. A context manager: it closes."""

    def __init__(self, source: str) -> None:
        self.source = source

    def interrupt(self) -> None:
        """End what waits for bytes now: the copy was cancelled.

        Called in any thread, at any time before :meth:`close`. It must not
        wait. Without it a cancelled copy ends when the next bytes come.
        """

    @abc.abstractmethod
    def close(self) -> None:
        """Release what it holds. Nothing is read from it any more."""


class StreamReading(Reading):
    """An image that can only be read from its beginning to its end."""

    @abc.abstractmethod
    def chunks(self) -> Iterator[bytes]:
        """The bytes in order, in chunks of any length.

        Iterated in the caller's thread.

        :raises SourceError: when they cannot be read, or stall.
        """


class ExtentReading(Reading):
    """An image that can be read at any offset, and whose holes are known."""

    @property
    @abc.abstractmethod
    def size_bytes(self) -> int:
        """The size in bytes, holes included."""

    @property
    @abc.abstractmethod
    def data_bytes(self) -> int:
        """How many bytes are not in holes."""

    @abc.abstractmethod
    def extents(self) -> Iterable[Extent]:
        """Where there is data, and where holes, in order."""

    @abc.abstractmethod
    def read_at(self, offset: int, length: int) -> bytes:
        """Exactly those bytes. Called in several native threads at once.

        :raises SourceError: when they cannot be read.
        """


class ImageSource(abc.ABC):
    """A place that images can be read from.

    Thread-safe; one instance per backend of cinder.conf.
    """

    #: Options of this source alone. They are registered in the backend's
    #: section of cinder.conf beside those of :mod:`cinder_cow.opts`.
    OPTIONS: ClassVar[Sequence[cfg.Opt]] = ()

    @classmethod
    @abc.abstractmethod
    def from_options(cls, options: Any) -> Self:
        """The source for one section of cinder.conf.

        :param options: each option is an attribute, by its name.
        """

    @abc.abstractmethod
    def open(
        self, image: ImageInfo, glance: GlanceAccess
    ) -> StreamReading | ExtentReading | list[Refusal]:
        """The image, open; or why this source does not have it.

        :raises SourceError: when it has it, but cannot read it.
        :raises StorageError: when that cannot be found out.
        """

    def preconditions(
        self, examples: Iterable[SnapshotRef]
    ) -> Iterator[CheckResult]:
        """Checks of what it reads from. Optional.

        :param examples: where images lie.
        """
        return iter(())
