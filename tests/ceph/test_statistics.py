# SPDX-License-Identifier: Apache-2.0
"""Clones are counted, and nothing of them is opened."""

import pytest
import rbd

from cinder_cow.backends.rbd import children
from cinder_cow.backends.statistics import VolumeOrigin
from tests.ceph.bases import CONTENT, MIB, built

IMAGE, BASE, VOLUME, NOBODY = VolumeOrigin


def trash(lab, name, pool='volumes'):
    with lab.rados.open_ioctx(pool) as ioctx:
        rbd.RBD().trash_move(ioctx, name, 0)


def empty_trash(lab, pool):
    with lab.rados.open_ioctx(pool) as ioctx:
        for each in list(rbd.RBD().trash_list(ioctx)):
            with rbd.Image(ioctx, image_id=each['id']) as image:
                for snapshot in list(image.list_snaps()):
                    image.remove_snap_by_id(snapshot['id'])
            rbd.RBD().trash_remove(ioctx, each['id'])


@pytest.fixture
def many_answers(monkeypatch):
    """Each answer is too long at first."""
    monkeypatch.setattr(children, 'ANSWER_BYTES', 24)


def test_children_are_counted(either_lab, store, name, many_answers):
    base = built(store, name)
    assert store.children(name) == 0
    assert store.children('cow-base-of-nothing') == 0

    for number in range(3):
        store.clone(base, f'volume-{number}')
    either_lab.backend(
        user='admin', pool='gold', base_pool='volumes'
    ).bases().clone(base, 'volume-far')

    assert store.children(name) == 4
    either_lab.remove('volume-0')
    assert store.children(name) == 3


def test_child_in_the_trash_is_one(lab, name):
    store = lab.backend().bases()
    store.clone(built(store, name), 'volume-1')

    trash(lab, 'volume-1')

    assert store.children(name) == 1
    assert store.has_children(name)
    empty_trash(lab, 'volumes')
    assert store.children(name) == 0


def test_each_volume_is_counted_by_its_origin(either_lab, store, name):
    backend = either_lab.backend()
    image = either_lab.image(CONTENT)
    base = built(store, name)
    for number in range(2):
        backend.clone(image, f'volume-of-image-{number}')
    for number in range(3):
        store.clone(base, f'volume-of-base-{number}')
    backend.open('volume-empty', MIB).close()
    with either_lab.rados.open_ioctx('volumes') as ioctx:
        with rbd.Image(ioctx, 'volume-empty') as parent:
            parent.create_snap('s')
            parent.protect_snap('s')
        rbd.RBD().clone(ioctx, 'volume-empty', 's', ioctx, 'volume-copy')

    found = backend.statistics()

    assert found.volumes == {IMAGE: 2, BASE: 3, VOLUME: 1, NOBODY: 1}
    assert found.shared_bytes == 2 * len(CONTENT) + 3 * base.info.stored_bytes
    assert (found.trash_images, found.trash_bytes) == (0, 0)
    either_lab.remove('volume-copy')


def test_bases_of_a_pool_of_their_own_are_known(either_lab, name):
    backend = either_lab.backend(user='admin', base_pool='gold')
    store = backend.bases()
    base = built(store, name)
    store.clone(base, 'volume-1')
    store.clone(base, 'volume-2')

    found = backend.statistics()
    store.retire(name)

    assert found.volumes == {IMAGE: 0, BASE: 2, VOLUME: 0, NOBODY: 0}
    assert found.shared_bytes == 2 * base.info.stored_bytes
    assert backend.statistics() == found


def test_deleted_image_is_seen_in_the_trash(lab):
    """It stays there as long as it has clones, and longer."""
    image = lab.image(CONTENT, protect=False)
    backend = lab.backend()
    backend.clone(image, 'volume-1')
    backend.clone(image, 'volume-2')
    trash(lab, image.image_id, 'images')

    found = backend.statistics()

    assert found.volumes[IMAGE] == 2
    assert found.shared_bytes == 2 * found.trash_bytes > 0
    assert found.trash_images == 1
    for each in ('volume-1', 'volume-2'):
        lab.remove(each)
    empty_trash(lab, 'images')
