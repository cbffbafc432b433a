# SPDX-License-Identifier: Apache-2.0
"""A volume that is being filled, by librbd."""

from collections.abc import Callable
import contextlib

import rbd

from cinder_cow import native
from cinder_cow.backends.rbd import error_mapping
from cinder_cow.backends.writer import Done, VolumeWriter


class RbdWriter(VolumeWriter):
    """One open RBD image. Several threads may write to it at once."""

    def __init__(
        self, image: rbd.Image, path: str, resources: contextlib.ExitStack
    ) -> None:
        """:param resources: closed with the writer, the image among them."""
        self._image = image
        self._path = path
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
        with error_mapping.mapped(action):
            self._image.aio_write(data, offset, _teller(action, done, data))

    def start_zero(self, offset: int, length: int, done: Done) -> None:
        action = f'write zeros to {self._path}'
        with error_mapping.mapped(action):
            self._image.aio_write_zeroes(offset, length, _teller(action, done))

    @native.in_thread
    def flush(self) -> None:
        with error_mapping.mapped(f'flush {self._path}'):
            self._image.flush()

    @native.in_thread
    def close(self) -> None:
        with error_mapping.mapped(f'close {self._path}'):
            self._resources.close()


def _teller(
    action: str, done: Done, kept: bytes | None = None
) -> Callable[[rbd.Completion], None]:
    """A callback for librbd. It runs in a thread of librbd.

    :param kept: what librbd reads in place till then: the binding does not
        keep it.
    """

    def finished(completion: rbd.Completion) -> None:
        nonlocal kept
        kept = None
        status = completion.get_return_value()
        done(error_mapping.of_status(action, status) if status < 0 else None)

    return finished
