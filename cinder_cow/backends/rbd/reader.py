# SPDX-License-Identifier: Apache-2.0
"""An RBD image that is open to be read."""

import contextlib

import rbd

from cinder_cow import errors, native
from cinder_cow.backends.base_store import Readable
from cinder_cow.backends.rbd import error_mapping
from cinder_cow.backends.rbd.connection import Connection


class RbdReader(Readable):
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
        try:
            with error_mapping.mapped(f'read {self._path}'):
                return bytes(self._image.read(offset, length))
        except errors.StorageError as exc:
            self._connection.failed(exc)
            raise

    @native.in_thread
    def close(self) -> None:
        with error_mapping.mapped(f'close {self._path}'):
            self._resources.close()
