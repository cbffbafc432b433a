# SPDX-License-Identifier: Apache-2.0
"""The disk in a base, open to be copied."""

from collections.abc import Iterator
import contextlib
import dataclasses

from cinder_cow import errors
from cinder_cow.backends.base_store import BaseStore
from cinder_cow.copying.extents import Extent
from cinder_cow.model import Base, ImageInfo
from cinder_cow.sources.base import ExtentReading


def disk(base: Base, image: ImageInfo) -> ImageInfo:
    """The disk in the image, as the base holds it. Glance has no hash of it.

    :param image: whose base it is.
    """
    return dataclasses.replace(
        image,
        disk_format='raw',
        size_bytes=base.snapshot.size_bytes,
        hash_algo=None,
        hash_value=None,
        checksum=None,
    )


class BaseReading(ExtentReading):
    """A base that is open. It may be evicted meanwhile, and read as zeros."""

    def __init__(self, store: BaseStore, base: Base) -> None:
        """:raises StorageError: when it cannot be opened."""
        super().__init__('base')
        self._image_id = base.info.image_id
        self._content = store.read(base.name)
        self._extents: list[Extent] | None = None

    @property
    def size_bytes(self) -> int:
        return self._content.size_bytes

    @property
    def data_bytes(self) -> int:
        return sum(each.length for each in self.extents() if not each.zero)

    def extents(self) -> list[Extent]:
        if self._extents is None:
            with self._named():
                self._extents = self._content.extents()
        return self._extents

    def read_at(self, offset: int, length: int) -> bytes:
        with self._named():
            return self._content.read_at(offset, length)

    def close(self) -> None:
        self._content.close()

    @contextlib.contextmanager
    def _named(self) -> Iterator[None]:
        try:
            yield
        except errors.StorageError as exc:
            raise errors.SourceUnreachable(
                self.source, self._image_id, exc
            ) from exc
