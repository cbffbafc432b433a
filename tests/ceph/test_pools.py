# SPDX-License-Identifier: Apache-2.0
"""Pools as people have them: fewer features, data in a pool of their own."""

import pytest
import rbd

from cinder_cow.base_images.eviction import EvictionLimits
from cinder_cow.base_images.sweep import sweep
from cinder_cow.model import Method
from tests.ceph import conftest
from tests.ceph.bases import CONTENT, INFO, built
from tests.ceph.test_building import SIZE, Packed, evict_all, host
from tests.waiting import wait_until

LAYERING = rbd.RBD_FEATURE_LAYERING
EXCLUSIVE_LOCK = rbd.RBD_FEATURE_EXCLUSIVE_LOCK
#: What clones of format 2 need; it is set as needed.
OPERATIONS = rbd.RBD_FEATURE_OPERATIONS


def make_two(lab, tmp_path):
    """A volume that builds a base and one that is cloned of it: right.

    Answers the host that made them.
    """
    packed = Packed(tmp_path)
    made = host(lab, packed)

    results = [
        made.make(packed.image, name, SIZE)
        for name in ('volume-1', 'volume-2')
    ]

    methods = [result.method for result in results]
    assert methods == [Method.BUILD_BASE, Method.CLONE_BASE]
    assert packed.is_in(lab, 'volume-1')
    assert packed.is_in(lab, 'volume-2')
    return made


@pytest.fixture
def configured(either_lab):
    """Sets an option of all clients, for a while."""
    names = []

    def configure(name, value):
        names.append(name)
        either_lab.cluster.ceph('config', 'set', 'client', name, value)

    yield configure
    for name in names:
        either_lab.cluster.ceph('config', 'rm', 'client', name)


@pytest.mark.parametrize(
    'features',
    [LAYERING, LAYERING | EXCLUSIVE_LOCK],
    ids=['no exclusive lock', 'no object map'],
)
def test_features_that_are_off_stay_off(
    either_lab, configured, features, tmp_path
):
    configured('rbd_default_features', str(features))

    make_two(either_lab, tmp_path)

    (base,) = [e for e in either_lab.names() if e.startswith('cow-base-')]
    for name in (base, 'volume-1', 'volume-2'):
        with either_lab.opened(name) as image:
            assert image.features() & ~OPERATIONS == features
    evict_all(either_lab)


@pytest.fixture
def volumes_data(either_lab, configured):
    """A pool for the data of all new RBD images, which our user may write."""
    cluster = either_lab.cluster
    if 'volumes-data' not in cluster.ceph('osd', 'pool', 'ls'):
        cluster.create_pool('volumes-data')
    either_lab.rados.wait_for_latest_osdmap()
    caps = conftest.CINDER_CAPS
    more = f'{caps["osd"]}, profile rbd pool=volumes-data'
    _set_caps(cluster, **{**caps, 'osd': more})
    configured('rbd_default_data_pool', 'volumes-data')
    # Ceph knows a new pool's room a moment later.
    store = either_lab.backend().bases()
    wait_until(lambda: store.room().available_bytes)
    yield 'volumes-data'
    _set_caps(cluster, **caps)


def _set_caps(cluster, **caps):
    words = [word for cap in caps.items() for word in cap]
    cluster.ceph('auth', 'caps', 'client.cinder', *words)


def test_data_lie_in_the_pool_for_data(either_lab, volumes_data, tmp_path):
    make_two(either_lab, tmp_path)

    assert either_lab.data_objects() == []
    assert either_lab.data_objects(volumes_data)
    evict_all(either_lab)
    assert either_lab.data_objects(volumes_data) == []


def test_base_of_a_volume_in_the_trash_is_not_lost(either_lab, store, name):
    """Cinder defers the deletion of volumes so, where it is told to."""
    store.clone(built(store, name), 'volume-1')
    with either_lab.rados.open_ioctx('volumes') as ioctx:
        with rbd.Image(ioctx, 'volume-1') as volume:
            image_id = volume.id()
        rbd.RBD().trash_move(ioctx, 'volume-1', 3600)

        assert swept(store, max_count=0).evicted == ()
        assert store.find(name) is not None
        gone = swept(store, {INFO.image_id})
        assert [each.name for each in gone.retired] == [name]
        assert swept(store).purged == ()

        rbd.RBD().trash_restore(ioctx, image_id, 'volume-1')
    assert either_lab.stored()['volume-1'] == CONTENT
    either_lab.remove('volume-1')
    assert len(swept(store).purged) == 1
    assert either_lab.leftovers() == []


def swept(store, deleted_images=frozenset(), **limits):
    found = sweep(store, EvictionLimits(**limits), lambda _: deleted_images)
    assert found.failures == ()
    return found
