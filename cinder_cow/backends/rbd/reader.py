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
"""An RBD image that is open to be read."""

import contextlib

import rbd

from cinder_cow import native
from cinder_cow.backends.base_store import Readable
from cinder_cow.backends.rbd import error_mapping


class RbdReadable(Readable):
    """One open RBD image. Several threads may read it at once."""

    def __init__(
        self, image: rbd.Image, path: str, resources: contextlib.ExitStack
    ) -> None:
        """:param resources: closed with this, the image among them."""
        self._image = image
        self._path = path
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
        with error_mapping.mapped(f'read {self._path}'):
            return bytes(self._image.read(offset, length))

    @native.in_thread
    def close(self) -> None:
        with error_mapping.mapped(f'close {self._path}'):
            self._resources.close()
