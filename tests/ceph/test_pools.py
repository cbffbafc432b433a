# SPDX-License-Identifier: Apache-2.0
"""Pools as people have them: fewer features, data in a pool of their own."""

import pytest
import rbd

from cinder_cow.model import Method
from tests.ceph import conftest
from tests.ceph.test_building import SIZE, Packed, evict_all, host

LAYERING = rbd.RBD_FEATURE_LAYERING
EXCLUSIVE_LOCK = rbd.RBD_FEATURE_EXCLUSIVE_LOCK
#: What clones of format 2 need; it is set as needed.
OPERATIONS = rbd.RBD_FEATURE_OPERATIONS


def make_two(lab, tmp_path):
    """A volume that builds a base and one that is cloned of it: right."""
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
