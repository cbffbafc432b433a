# SPDX-License-Identifier: Apache-2.0
"""Volumes and bases whose data lie in an erasure-coded pool."""

import os
import time

import pytest
import rbd

from cinder_cow import errors
from cinder_cow.base_images.eviction import EvictionLimits
from cinder_cow.base_images.sweep import sweep
from cinder_cow.model import Method
from sandbox.ceph import Cluster
from tests.ceph import builder, conftest
from tests.ceph.lab import MIB, Lab
from tests.ceph.test_building import SIZE, bases, described
from tests.ceph.test_pools import make_two
from tests.waiting import wait_until

DATA_POOL = 'volumes-data'
CONTENT = os.urandom(3 * MIB + 4097)


@pytest.fixture(scope='module')
def coded_lab(tmp_path_factory):
    """A cluster of three OSDs; librbd puts the data of new images there."""
    folder = tmp_path_factory.mktemp('coded')
    with Cluster(folder, osds=3) as cluster:
        for pool in ('volumes', 'images', 'gold'):
            cluster.create_pool(pool)
        cluster.create_data_pool(DATA_POOL)
        caps = dict(conftest.CINDER_CAPS)
        caps['osd'] += f', profile rbd pool={DATA_POOL}'
        cluster.create_user('cinder', **caps)
        option = ('client', 'rbd_default_data_pool', DATA_POOL)
        cluster.ceph('config', 'set', *option)
        lab = Lab(cluster)
        try:
            yield lab
        finally:
            lab.close()


@pytest.fixture
def lab(coded_lab):
    try:
        yield coded_lab
    finally:
        coded_lab.sweep()
        # Glance's images are data of that pool too.
        assert coded_lab.data_objects(DATA_POOL) == []


def is_in(lab, volume, content):
    with lab.opened(volume) as opened:
        assert opened.data_pool_id() == pool_id(lab)
        return opened.read(0, len(content)) == content


def pool_id(lab):
    return lab.rados.pool_lookup(DATA_POOL)


def test_image_is_cloned_and_the_clone_is_written(lab):
    image = lab.image(CONTENT)
    backend = lab.backend()
    parent = backend.cloneable(image).parent

    backend.clone_snapshot(parent, 'volume-1')
    backend.grow('volume-1', SIZE)

    assert is_in(lab, 'volume-1', CONTENT)
    with (
        lab.rados.open_ioctx('volumes') as ioctx,
        rbd.Image(ioctx, 'volume-1') as volume,
    ):
        volume.write(b'changed', 4095)
    changed = CONTENT[:4095] + b'changed' + CONTENT[4102:]
    assert is_in(lab, 'volume-1', changed)
    assert lab.data_objects() == []


def test_image_is_streamed(lab, tmp_path):
    """It ends within a stripe."""
    file = tmp_path / 'image'
    file.write_bytes(CONTENT)
    made = builder.Host(lab.settings(), file, auto_bytes=0)

    result = made.make(described(file, 'raw'), 'volume-1', SIZE)

    assert result.method is Method.STREAM
    assert is_in(lab, 'volume-1', CONTENT)
    assert lab.data_objects() == []


def test_base_is_built_cloned_and_swept(lab, tmp_path):
    made = make_two(lab, tmp_path)

    (stored,) = made.store.stored_bases()
    assert 32 * MIB <= stored.info.stored_bytes <= 64 * MIB
    assert lab.data_objects() == []

    swept(lab)
    assert len(bases(lab)) == 1
    for name in ('volume-1', 'volume-2'):
        lab.remove(name)
    swept(lab)
    assert lab.leftovers() == []
    assert lab.data_objects(DATA_POOL) == []


def swept(lab):
    """A year later: all bases are idle that nobody needs."""
    later = time.time() + 365 * 24 * 3600
    found = sweep(
        lab.backend().bases(),
        EvictionLimits(max_idle_seconds=3600),
        lambda _ids: set(),
        lambda: later,
    )
    assert found.failures == ()


def test_room_is_that_of_the_pool_with_the_data(lab):
    store = lab.backend().bases()
    quota = ('osd', 'pool', 'set-quota', DATA_POOL, 'max_bytes')
    lab.cluster.ceph(*quota, str(100 * MIB))
    try:
        wait_until(lambda: store.room().capacity_bytes <= 100 * MIB)
    finally:
        lab.cluster.ceph(*quota, '0')


def test_full_data_pool_is_named_in_time_and_nothing_is_left(lab, tmp_path):
    file = tmp_path / 'image'
    file.write_bytes(CONTENT)
    made = builder.Host(lab.settings(), file, auto_bytes=0)
    image = described(file, 'raw')
    # librbd writes to a pool for data at its first use, and waits there.
    lab.remove(made.make(image, 'volume-0', SIZE).volume_id)

    with lab.full(DATA_POOL):
        began = time.monotonic()
        with pytest.raises(errors.StorageFull, match='raise the quota'):
            made.make(image, 'volume-1', SIZE)
        assert time.monotonic() - began < 10
        assert lab.names() == []
    made.make(image, 'volume-1', SIZE)
    assert is_in(lab, 'volume-1', CONTENT)
