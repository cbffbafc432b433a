# SPDX-License-Identifier: Apache-2.0
"""One line of cinder.conf changes, again and again: volumes live on."""

import random

import pytest

from tests.e2e.bases import bases, evict, packed
from tests.e2e.test_leftovers import cached, contents
from tests.e2e.walk import ANYWHERE, POOLS, Walk

MIB = 2**20
SEEDS = (1,)
DRIVERS = {
    'ours': 'cinder_cow.driver.CowRBDDriver',
    'upstream': 'cinder.volume.drivers.rbd.RBDDriver',
}
CACHE = """\
image_volume_cache_enabled = True
"""


@pytest.fixture(scope='module', autouse=True)
def _default_afterwards(stack):
    yield
    stack.restart_cinder_volume()


@pytest.fixture(scope='module')
def anywhere(cloud):
    volumes = cloud.connection.block_storage
    made = volumes.create_type(name=ANYWHERE)
    yield made
    volumes.delete_type(made)


@pytest.fixture
def images(tidy, tmp_path):
    """A clone, a base, and a stream for our driver; and what they hold."""
    disk = packed(tmp_path, 'qcow2', size=16 * MIB)
    raw = tmp_path.joinpath('raw').read_bytes()
    return [
        (tidy.image(raw), raw),
        (tidy.image(disk.file, disk_format='qcow2'), raw),
        (tidy.image(raw, store='disk'), raw),
    ]


def switch(stack, cloud, driver):
    # os-brick looks for keyrings in /etc/ceph, and is led to the sandbox's.
    name = f'rbd_cluster_name = ../..{stack.clusters[0].folder}/ceph\n'
    line = f'volume_driver = {DRIVERS[driver]}\n'
    stack.restart_cinder_volume(
        f'{cached(cloud)}{name}[cow]\n{line}{name}{CACHE}'
    )


@pytest.mark.parametrize('seed', SEEDS)
def test_volumes_survive_each_change_of_the_driver(
    seed, stack, cloud, demo, pools, anywhere, images, tidy
):
    before = {name: contents(stack, name) for name in POOLS.values()}
    walk = Walk(cloud, demo, pools, images, random.Random(seed))
    with stack.cinder_backup():
        for driver in ('upstream', 'ours', 'upstream'):
            switch(stack, cloud, driver)
            walk.compare()
            for step in walk.steps():
                print(f'{driver}: {step.__name__}')
                step()
            walk.compare()
        assert bases(pools['cow'])
        walk.delete(kept=0)
    tidy.delete()  # Cinder's image-volume cache, too
    for pool in pools.values():
        remove_left(pool)
    evict(stack)
    for name in POOLS.values():
        assert contents(stack, name) <= before[name]


def remove_left(pool):
    """What upstream's driver leaves of a volume that others were copied from.

    As the page on troubles says. A copy of a copy goes first.
    """
    while left := [name for name in pool.names() if is_left(name)]:
        assert any(pool.remove(name) for name in left), left


def is_left(name):
    return name.startswith('volume-') and name.endswith('.deleted')
