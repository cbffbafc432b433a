# SPDX-License-Identifier: Apache-2.0
"""A volume gets the disk in a base that may be evicted at any moment."""

import pytest
import rbd

from cinder_cow import errors, overwrite
from cinder_cow.base_images.ensure import Ensured
from cinder_cow.model import BuildBase, ImageInfo, Target
from tests.ceph.bases import MIB, built
from tests.fakes.bases import AnsweringBaseImages
from tests.fakes.request import asked
from tests.waiting import wait_until

SIZE = 24 * MIB
DISK = b'D' * (9 * MIB + 4096) + bytes(7 * MIB) + b'E' * MIB
OLD = b'O' * SIZE
IMAGE = ImageInfo('image-1', 'active', 'qcow2', 'bare', size_bytes=4096)


@pytest.fixture
def volume(either_lab):
    """Of old data, with a snapshot."""
    either_lab.image(OLD, pool='volumes', name='volume-1', snapshot='kept')
    yield 'volume-1'
    with either_lab.opened('volume-1') as image:
        image.set_snap('kept')
        assert image.read(0, SIZE) == OLD
    either_lab.remove('volume-1')
    # What its snapshot held is removed later, by the OSD.
    wait_until(lambda: not data_objects(either_lab), pause_seconds=0.2)


def data_objects(lab):
    """Of no RBD image that is there."""
    with lab.rados.open_ioctx('volumes') as ioctx:
        names = lab.names()
        present = {_data_prefix(ioctx, name) for name in names}
    return [
        each
        for each in lab.leftovers()
        if each.startswith('rbd_data.')
        and each.rpartition('.')[0] not in present
    ]


def _data_prefix(ioctx, name):
    with rbd.Image(ioctx, name, read_only=True) as image:
        return image.block_name_prefix()


def reimage(lab, store, volume, ensure):
    request, parts = asked(
        IMAGE,
        Target('1', volume, SIZE),
        lab.backend(),
        bases=AnsweringBaseImages(store, ensure),
    )
    return overwrite.run(BuildBase(SIZE, ()), request, parts)


def evicted(store, name):
    """Once it is open."""
    read = store.read

    def open_and_evict(name):
        store.read = read
        opened = read(name)
        store.retire(name)
        assert len(store.purge()) == 1
        return opened

    store.read = open_and_evict


def test_disk_takes_the_old_bytes_place(either_lab, store, name, volume):
    def ensure():
        return Ensured(built(store, name, DISK), built=True)

    result = reimage(either_lab, store, volume, ensure)

    assert either_lab.stored()[volume] == DISK.ljust(SIZE, b'\0')
    assert result.source == 'base'


def test_base_that_goes_while_it_is_read_is_read_again(
    either_lab, store, name, volume
):
    """What is read of it then may be zeros, without an error of Ceph's."""
    asked_for = []

    def ensure():
        found = Ensured(built(store, name, DISK), built=True)
        if not asked_for:
            evicted(store, name)
        asked_for.append(found)
        return found

    reimage(either_lab, store, volume, ensure)

    assert len(asked_for) == 2
    assert either_lab.stored()[volume] == DISK.ljust(SIZE, b'\0')


def test_base_that_goes_each_time_is_an_error(either_lab, store, name, volume):
    def ensure():
        found = Ensured(built(store, name, DISK), built=True)
        evicted(store, name)
        return found

    with pytest.raises(errors.BaseGone):
        reimage(either_lab, store, volume, ensure)
