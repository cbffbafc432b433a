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
"""A volume that is being filled, by librbd."""

import contextlib

import rbd

from cinder_cow import native
from cinder_cow.backends import base
from cinder_cow.backends.rbd import failures


class RbdWriter(base.VolumeWriter):
    """One open RBD image. Several threads may write to it at once."""

    def __init__(
        self, image: rbd.Image, path: str, resources: contextlib.ExitStack
    ) -> None:
        """:param resources: closed with the writer, the image among them."""
        self._image = image
        self._path = path
        self._resources = resources

    @native.in_thread
    def write_at(
        self, offset: int, data: bytes | bytearray | memoryview
    ) -> None:
        with failures.mapped(f'write to {self._path}'):
            self._image.write(bytes(data), offset)

    @native.in_thread
    def zero_at(self, offset: int, length: int) -> None:
        with failures.mapped(f'write zeros to {self._path}'):
            self._image.write_zeroes(offset, length)

    @native.in_thread
    def flush(self) -> None:
        with failures.mapped(f'flush {self._path}'):
            self._image.flush()

    @native.in_thread
    def close(self) -> None:
        with failures.mapped(f'close {self._path}'):
            self._resources.close()
