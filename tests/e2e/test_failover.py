# SPDX-License-Identifier: Apache-2.0
"""A backend goes to another cluster and comes back, as with upstream's driver.

Each test does the same on both backends, and compares what became of it.
"""

import contextlib
import os

import pytest
import rados

from tests import mirrors
from tests.e2e import api
from tests.e2e.bases import packed
from tests.e2e.both import BACKENDS, same
from tests.e2e.conftest import Pool
from tests.e2e.walk import POOLS
from tests.waiting import wait_until

MIB = 2**20
CONTENT = os.urandom(MIB) + bytes(6 * MIB) + os.urandom(MIB) + b'end'
#: Behind what the images hold.
OFFSET = 16 * MIB
OPTION = 'replication_device = backend_id:far,conf:{far},user:cinder,pool:{}'


@pytest.fixture(scope='module', autouse=True)
def _configuration(stack):
    far = stack.clusters[1]
    for pool in POOLS.values():
        far.create_pool(pool)
    caps = ', '.join(
        [f'profile rbd pool={pool}' for pool in POOLS.values()]
        + ['profile rbd-read-only pool=images']
    )
    far.ceph(
        *('auth', 'caps', 'client.cinder'),
        *('mon', 'profile rbd', 'osd', caps, 'mgr', caps),
    )
    # The scheduler hears so soon of a backend that has failed over.
    lines = ['[DEFAULT]', 'backend_stats_polling_interval = 3']
    for backend, pool in POOLS.items():
        lines += [f'[{backend}]', OPTION.format(pool, far=far.conf)]
    stack.restart_cinder_volume('\n'.join(lines))
    yield
    stack.restart_cinder_volume()


@pytest.fixture(scope='module')
def far_cluster(stack):
    with rados.Rados(
        rados_id='admin', conffile=str(stack.clusters[1].conf)
    ) as cluster:
        yield cluster


@pytest.fixture(scope='module')
def far_pools(far_cluster):
    return {
        backend: Pool(far_cluster, name) for backend, name in POOLS.items()
    }


@pytest.fixture
def mirrored(cluster, far_cluster):
    """The pools of both clusters have images that are mirrored."""
    with contextlib.ExitStack() as pools:
        for each in (cluster, far_cluster):
            for pool in POOLS.values():
                pools.enter_context(mirrors.mirroring(each, pool))
        yield


@pytest.fixture
def daemons(stack, mirrored, tmp_path):
    """One in each cluster, which copies what is mirrored in the other."""
    near, far = (str(each.conf) for each in stack.clusters)
    for pool in POOLS.values():
        token = tmp_path / f'token-{pool}'
        mirrors.make_peers(near, far, token, pool, both_ways=True)
    with mirrors.daemon(near) as first, mirrors.daemon(far) as second:
        yield
        assert first.poll() is second.poll() is None


@pytest.fixture
def replicated(volume_type):
    """A type of each backend."""
    return {
        backend: volume_type(backend, replication_enabled='<is> True')
        for backend in BACKENDS
    }


@pytest.mark.usefixtures('mirrored')
def test_volume_of_a_replicated_type_is_mirrored(
    cloud, tidy, pools, replicated
):
    def outcome(backend):
        volume = api.create(cloud, 1, replicated[backend])
        found = replication(cloud, volume), pools[backend].is_primary(volume)
        tidy.delete_volumes()
        return found

    assert same(map(outcome, BACKENDS)) == (('available', 'enabled'), True)


def replication(cloud, volume):
    """What Cinder says of it."""
    shown = api.get(cloud, f'/volumes/{volume}')['volume']
    return shown['status'], shown['replication_status']


ENABLE = "UPDATE services SET disabled = 0 WHERE host = 'sandbox@{}'"


def fail_over(stack, cloud, backend, target, status):
    """Return when the backend is on that cluster, and takes volumes."""
    host = f'sandbox@{backend}'
    wanted = {'host': host, 'backend_id': target}
    api.put(cloud, '/os-services/failover_host', wanted)

    def done():
        path = f'/os-services?binary=cinder-volume&host={host}'
        (found,) = api.get(cloud, path)['services']
        return found['replication_status'] == status

    wait_until(done, pause_seconds=0.1)
    # The API of 29.0.0 answers that it enables a service, and does not.
    stack.sql('cinder', ENABLE.format(backend))
    api.host(cloud, backend)


def states(cloud, volumes, source, destination):
    """What is known of each: by Cinder, and by Ceph in both clusters."""
    return [
        (
            *replication(cloud, volume),
            source.is_primary(volume),
            destination.is_primary(volume),
        )
        for volume in volumes
    ]


def held(pool, contents):
    """Whether the volumes are there, and are what they have to be."""
    return all(
        pool.holds(volume) and pool.content(volume) == content
        for volume, content in contents.items()
    )


def wait_until_mirrored(pool, contents):
    """Return when the volumes have come there, whole."""
    wait_until(
        lambda: held(pool, contents),
        mirrors.MIRRORED_SECONDS,
        pause_seconds=0.5,
    )


def written(pool, contents):
    """A user of the volumes writes; what they hold then."""
    data = os.urandom(MIB) + b'end'
    for volume in contents:
        with pool.opened(volume, read_only=False) as image:
            image.write(data, OFFSET)
    return {
        volume: content[:OFFSET].ljust(OFFSET, b'\0') + data
        for volume, content in contents.items()
    }


@pytest.mark.usefixtures('daemons', 'nothing_is_left')
def test_mirrored_volumes_are_promoted_there_and_back(
    stack, cloud, tidy, pools, far_pools, replicated, tmp_path
):
    """One of a raw image, and one of an image that has to be converted."""
    disk = packed(tmp_path, 'qcow2', size=OFFSET)
    images = {
        tidy.image(CONTENT, store='disk'): CONTENT,
        tidy.image(disk.file, disk_format='qcow2'): disk.head.rstrip(b'\0'),
    }

    def outcome(backend):
        near, far = pools[backend], far_pools[backend]
        contents = {
            tidy.volume(replicated[backend], image): content
            for image, content in images.items()
        }
        wait_until_mirrored(far, contents)
        try:
            fail_over(stack, cloud, backend, 'far', 'failed-over')
            there = states(cloud, contents, near, far)
            assert held(far, contents)
            contents = written(far, contents)
            wait_until_mirrored(near, contents)
        finally:
            fail_over(stack, cloud, backend, 'default', 'enabled')
        back = states(cloud, contents, far, near)
        assert held(near, contents)
        contents = written(near, contents)
        wait_until_mirrored(far, contents)
        tidy.delete_volumes()
        wait_until(lambda: not any(map(far.holds, contents)))
        return there, back

    there, back = same(map(outcome, BACKENDS))

    assert there == [('available', 'failed-over', False, True)] * 2
    assert back == [('available', 'enabled', False, True)] * 2


def test_after_a_failover_volumes_are_made_in_the_other_cluster(
    stack, cloud, tidy, pools, far_pools
):
    image = tidy.image(CONTENT)
    there = tidy.image(CONTENT, store='far')

    def outcome(backend):
        volume = tidy.volume(backend, image)
        try:
            fail_over(stack, cloud, backend, 'far', 'failed-over')
            lost = cloud.volume(volume).status  # it is not replicated
            new = tidy.volume(backend, there)
            content = far_pools[backend].content(new)
            parent = far_pools[backend].parent(new)
            cloud.delete_volume(new)
        finally:
            fail_over(stack, cloud, backend, 'default', 'enabled')
        kept = pools[backend].content(volume)
        return lost, content, parent, kept

    assert same(map(outcome, BACKENDS)) == (
        'error',
        CONTENT,
        f'images/{there}@snap',
        CONTENT,
    )
