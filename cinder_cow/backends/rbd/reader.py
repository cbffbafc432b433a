# SPDX-License-Identifier: Apache-2.0
"""An RBD image that is open to be read."""

from collections.abc import Iterator
import contextlib

import rbd

from cinder_cow import errors, native
from cinder_cow.backends.base_store import ReadableImage
from cinder_cow.backends.rbd import error_mapping
from cinder_cow.backends.rbd.connection import Connection
from cinder_cow.copying.extents import Extent, merged


def extents(image: rbd.Image) -> list[Extent]:
    """Where the image holds data, and where holes, in order."""
    found: list[Extent] = []

    def add(offset: int, length: int, exists: bool) -> None:
        found.append(Extent(offset, length, zero=not exists))

    image.diff_iterate(0, image.size(), None, add)
    return list(merged(found))


class RbdReader(ReadableImage):
    """One open RBD image. Thread-safe."""

    def __init__(
        self,
        image: rbd.Image,
        path: str,
        connection: Connection,
        resources: contextlib.ExitStack,
    ) -> None:
        """:param resources: closed with this, the image among them."""
        self._image = image
        self._path = path
        self._connection = connection
        self._resources = resources
        self._size_bytes: int = image.size()

    @property
    def size_bytes(self) -> int:
        return self._size_bytes

    @native.in_thread
    def read_at(self, offset: int, length: int) -> bytes:
        length = min(length, self._size_bytes - offset)
        if length <= 0:
            return b''
        with self._mapped():
            return bytes(self._image.read(offset, length))

    @native.in_thread
    def extents(self) -> list[Extent]:
        with self._mapped():
            return extents(self._image)

    @native.in_thread
    def close(self) -> None:
        with error_mapping.mapped(f'close {self._path}'):
            self._resources.close()

    @contextlib.contextmanager
    def _mapped(self) -> Iterator[None]:
        try:
            with error_mapping.mapped(f'read {self._path}'):
                yield
        except errors.StorageError as exc:
            self._connection.failed(exc)
            raise
