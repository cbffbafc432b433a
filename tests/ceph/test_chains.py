# SPDX-License-Identifier: Apache-2.0

"""Upstream's snapshots and clones of volumes that are clones of a base."""

import itertools
import types
import uuid

# First: a cold import of cinder.image.glance fails in 25 to 29.
from cinder.volume.drivers import rbd  # noqa: F401  isort: skip
from cinder import exception
from cinder.volume import configuration
from cinder.volume import driver as volume_driver
import pytest

from cinder_cow.driver import CowRBDDriver
from tests.ceph.bases import built

MIB = 2**20
GIB = 2**30
CONTENT = b'base' * (MIB // 4)
#: The pieces of a chain, each made of those before it.
PIECES = ('base', 'volume', 'snapshot', 'copy')
#: Cinder itself deletes no volume that has snapshots.
ORDERS = [
    order
    for order in itertools.permutations(PIECES)
    if order.index('snapshot') < order.index('volume')
]


@pytest.fixture
def driver(either_lab):
    options = configuration.Configuration(
        volume_driver.volume_opts, config_group='chains'
    )
    # It asks cinder.conf for no option that it has as an attribute.
    options.rbd_ceph_conf = either_lab.conf
    options.rbd_user = 'cinder'
    options.rbd_pool = 'volumes'
    made = CowRBDDriver(configuration=options)
    made.do_setup(None)
    return made


def named(kind, **more):
    """What upstream's driver reads of a Volume or Snapshot."""
    found = str(uuid.uuid4())
    return types.SimpleNamespace(
        id=found,
        name=f'{kind}-{found}',
        size=1,
        volume_type=None,
        volume_type_id=None,
        group_id=None,
        use_quota=True,
        **more,
    )


class Chain:
    """image -> base -> volume -> snapshot -> volume."""

    def __init__(self, driver):
        self.driver = driver
        self.store = driver.cow_parts().backend.bases()
        self.base = f'cow-base-raw-image-{uuid.uuid4()}'
        base = built(self.store, self.base, CONTENT)
        self.volume = named('volume')
        self.store.clone(base, self.volume.name)
        driver.cow_parts().backend.grow(self.volume.name, GIB)
        self.snapshot = named(
            'snapshot',
            volume_name=self.volume.name,
            volume_size=1,
            volume_id=self.volume.id,
        )
        driver.create_snapshot(self.snapshot)
        self.copy = named('volume')
        driver.create_volume_from_snapshot(self.copy, self.snapshot)

    def delete(self, piece):
        """Whether it went; Cinder may have to try again later."""
        try:
            match piece:
                case 'base':
                    self.store.retire(self.base)
                case 'snapshot':
                    self.driver.delete_snapshot(self.snapshot)
                case _:
                    self.driver.delete_volume(getattr(self, piece))
        except (exception.VolumeIsBusy, exception.SnapshotIsBusy):
            return False
        return True


def test_chain_is_deleted_in_every_order(either_lab, driver):
    for order in ORDERS:
        chain = Chain(driver)
        for name in (chain.volume.name, chain.copy.name):
            with either_lab.opened(name) as image:
                assert image.size() == GIB
                assert image.read(0, 2 * MIB) == CONTENT + bytes(MIB)

        left = list(order)
        while left:
            remaining = [piece for piece in left if not chain.delete(piece)]
            assert len(remaining) < len(left), f'{order}: {remaining} stay'
            if 'copy' in remaining:  # whatever went before it
                with either_lab.opened(chain.copy.name) as image:
                    assert image.read(0, MIB) == CONTENT
            left = remaining
        chain.store.purge()

        assert either_lab.leftovers() == [], order


def test_clone_of_a_volume_outlives_all_before_it(either_lab, driver):
    chain = Chain(driver)
    clone = named('volume')
    driver.create_cloned_volume(clone, chain.volume)

    for piece in ('copy', 'snapshot', 'volume', 'base'):
        assert chain.delete(piece)
        with either_lab.opened(clone.name) as image:
            assert image.size() == GIB
            assert image.read(0, 2 * MIB) == CONTENT + bytes(MIB)
    driver.delete_volume(clone)
    # Upstream renames a volume that has clones to `.deleted`, and forgets it
    # there when its last clone is removed: Cinder 29, _delete_volume, returns
    # before _delete_clone_parent_refs. So the base stays with it.
    silent = f'{chain.volume.name}.deleted'
    if silent in either_lab.names():
        either_lab.remove(silent)
    chain.store.purge()

    assert either_lab.leftovers() == []
