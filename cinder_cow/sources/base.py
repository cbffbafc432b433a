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
"""The contract between a copy and a place that images' bytes come from."""

import abc
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from cinder_cow.backends import base as backends
from cinder_cow.closing import Closing
from cinder_cow.copying.extents import Extent
from cinder_cow.model import ImageInfo
from cinder_cow.model import Refusal

#: Answers a new `glanceclient.Client`, as the user whose volume it is.
GlanceAccess = Callable[[], Any]


@dataclass(frozen=True, slots=True)
class Settings:
    """What all sources are told at their making."""

    #: The volumes' own cluster.
    volumes: backends.Settings
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

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    @abc.abstractmethod
    def open(
        self, image: ImageInfo, glance: GlanceAccess
    ) -> StreamReading | ExtentReading | list[Refusal]:
        """The image, open; or why this source has not got it.

        :raises SourceError: when it has, but it cannot be read.
        :raises StorageError: when that cannot be found out.
        """
