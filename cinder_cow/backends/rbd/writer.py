# SPDX-License-Identifier: Apache-2.0
"""A volume that is being filled, by librbd."""

from collections.abc import Callable, Iterator
import contextlib

import rbd

from cinder_cow import errors, native
from cinder_cow.backends.rbd import error_mapping
from cinder_cow.backends.rbd.connection import Connection
from cinder_cow.backends.writer import Done, VolumeWriter


class RbdWriter(VolumeWriter):
    """One open RBD image. Thread-safe."""

    def __init__(
        self,
        image: rbd.Image,
        path: str,
        connection: Connection,
        resources: contextlib.ExitStack,
    ) -> None:
        """:param resources: closed with the writer, the image among them."""
        self._image = image
        self._path = path
        self._connection = connection
        self._resources = resources
        self._object_bytes: int = image.stat()['obj_size']

    @property
    def image_id(self) -> str:
        """The image's own id: its name may be another's later."""
        return str(self._image.id())

    @property
    def block_bytes(self) -> int:
        return self._object_bytes

    def start_write(self, offset: int, data: bytes, done: Done) -> None:
        action = f'write to {self._path}'
        with self._mapped(action):
            completed = self._completed(action, done)
            self._image.aio_write(data, offset, completed)

    def start_zero(self, offset: int, length: int, done: Done) -> None:
        action = f'write zeros to {self._path}'
        with self._mapped(action):
            completed = self._completed(action, done)
            self._image.aio_write_zeroes(offset, length, completed)

    @native.in_thread
    def flush(self) -> None:
        with self._mapped(f'flush {self._path}'):
            self._image.flush()

    @native.in_thread
    def close(self) -> None:
        with self._mapped(f'close {self._path}'):
            self._resources.close()

    @contextlib.contextmanager
    def _mapped(self, action: str) -> Iterator[None]:
        """A failed connection is not kept for the next caller."""
        try:
            with error_mapping.mapped(action):
                yield
        except errors.StorageError as exc:
            self._connection.failed(exc)
            raise

    def _completed(
        self, action: str, done: Done
    ) -> Callable[[rbd.Completion], None]:
        """A callback for librbd. It runs in a thread of librbd."""

        def completed(completion: rbd.Completion) -> None:
            status = completion.get_return_value()
            if status >= 0:
                done(None)
                return
            failure = error_mapping.of_status(action, status)
            self._connection.failed(failure)
            done(failure)

        return completed
