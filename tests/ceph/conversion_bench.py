# SPDX-License-Identifier: Apache-2.0
"""What is converted from and to, in one cluster."""

import uuid

import rbd

from cinder_cow.backends.base_store import BlockDevice, Readable
from cinder_cow.conversion import header_check
from cinder_cow.model import ImageInfo


class Opened(Readable):
    """An RBD image, as safety reads it."""

    def __init__(self, image):
        self._image = image

    @property
    def size_bytes(self):
        return self._image.size()

    def read_at(self, offset, length):
        length = min(length, self.size_bytes - offset)
        return self._image.read(offset, length) if length > 0 else b''

    def close(self):
        pass


class Bench:
    """One cluster, with what is converted from and to."""

    def __init__(self, lab):
        self.lab = lab

    def stored(self, content, disk_format):
        """An image in the pool of the images, and its clone as a device."""
        image = self.lab.image(content)
        name = f'clone-{uuid.uuid4()}'
        with (
            self.lab.rados.open_ioctx('images') as images,
            self.lab.rados.open_ioctx('volumes') as volumes,
        ):
            rbd.RBD().clone(images, image.image_id, 'snap', volumes, name)
        info = ImageInfo(image.image_id, 'active', disk_format, 'bare')
        return info, self.device(name)

    def device(self, name, pool='volumes', **more):
        options = {'driver': 'rbd', 'pool': pool, 'image': name}
        known = {'user': 'cinder', 'conf': self.lab.conf}
        return BlockDevice({**options, **known, **more}, {})

    def empty(self, size_bytes):
        name = f'base-{uuid.uuid4()}'
        with self.lab.rados.open_ioctx('volumes') as volumes:
            rbd.RBD().create(volumes, name, size_bytes, order=22)
        return self.device(name)

    def content(self, device):
        with self.lab.opened(device.options['image']) as image:
            return image.read(0, image.size())

    def require_safe(self, image, device):
        with self.lab.opened(device.options['image']) as opened:
            header_check.require_safe(image, Opened(opened))
