# SPDX-License-Identifier: Apache-2.0
"""Base images for the tests of a real cluster."""

import contextlib

import rbd

from cinder_cow.model import BaseInfo, Verification
from tests.fakes import writes

MIB = 2**20
CONTENT = b'D0D-' * (MIB // 4)
INFO = BaseInfo(
    image_id='image-1',
    disk_format='qcow2',
    hash_algo='sha512',
    hash_value='ab' * 64,
    source='glance',
    verification=Verification.HASH,
    signature_verified=False,
    stored_bytes=0,
    seconds=1.5,
    created=1e9,
    version='1.2.3',
)


def filled(store, name, content=CONTENT):
    """An unfinished base."""
    with store.create(name, len(content)) as writer:
        writes.write_at(writer, 0, content)
        writer.flush()


def built(store, name, content=CONTENT, info=INFO):
    """The finished base."""
    filled(store, name, content)
    return store.commit(name, info)


def forgotten(store, name):
    """As another process would see it, which does not know it yet."""
    store._forget(name)


@contextlib.contextmanager
def opened(lab, name, pool='volumes'):
    """The RBD image, to be changed behind the store's back."""
    with lab.rados.open_ioctx(pool) as ioctx, rbd.Image(ioctx, name) as image:
        yield image
