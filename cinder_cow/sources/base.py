# SPDX-License-Identifier: Apache-2.0
"""The contract between a copy and a place that images' bytes come from."""

import abc
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from cinder_cow.backends import base as backends
from cinder_cow.closing import Closing
from cinder_cow.copying.extents import Extent
from cinder_cow.model import ImageInfo, Refusal

#: Answers a new `glanceclient.Client`, as the user whose volume it is.
GlanceAccess = Callable[[], Any]


@dataclass(frozen=True, slots=True)
class SourceSettings:
    """What all sources are told at their making."""

    #: The volumes' own cluster.
    volumes: backends.BackendSettings
    #: Other clusters: path of ceph.conf and cephx user of each.
    remote_clusters: tuple[tuple[str, str], ...] = ()
    #: Glance's stores, those to be read first in front.
    glance_stores: tuple[str, ...] = ()
    #: A source is given up when no byte came for so long.
    stall_seconds: int = 60


class Reading(Closing):
    """An image that is open to be read. A context manager: it closes."""

    def __init__(self, source: str) -> None:
        self.source = source

    @abc.abstractmethod
    def close(self) -> None:
        """Let go of it. Nothing is read from it any more."""


class StreamReading(Reading):
    """An image that can be read from its beginning to its end."""

    @abc.abstractmethod
    def chunks(self) -> Iterator[bytes]:
        """The bytes in order, in chunks of any length.

        Pulled in the caller's thread.

        :raises SourceError: when they cannot be read, or stall.
        """


class ExtentReading(Reading):
    """An image that can be read anywhere, and whose holes are known."""

    @property
    @abc.abstractmethod
    def size_bytes(self) -> int:
        """Bytes from the first to the last, holes and all."""

    @property
    @abc.abstractmethod
    def data_bytes(self) -> int:
        """Bytes of what is no hole."""

    @abc.abstractmethod
    def extents(self) -> Iterable[Extent]:
        """Where there is data, and where zeros, in order."""

    @abc.abstractmethod
    def read_at(self, offset: int, length: int) -> bytes:
        """Exactly those bytes. Called in native threads, several at once.

        :raises SourceError: when they cannot be read.
        """


class ImageSource(abc.ABC):
    """A place that images' bytes come from. Used by several threads."""

    def __init__(self, settings: SourceSettings) -> None:
        self.settings = settings

    @abc.abstractmethod
    def open(
        self, image: ImageInfo, glance: GlanceAccess
    ) -> StreamReading | ExtentReading | list[Refusal]:
        """The image, open; or why this source has not got it.

        :raises SourceError: when it has, but it cannot be read.
        :raises StorageError: when that cannot be found out.
        """
