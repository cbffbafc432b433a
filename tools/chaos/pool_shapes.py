# SPDX-License-Identifier: Apache-2.0
"""Pools as people have them: one for each run, by its seed."""

from collections.abc import Iterator
import contextlib
from dataclasses import dataclass
import random

from sandbox import ceph

CLIENT = 'client.cinder'
DATA_POOL = 'volumes-data'


@dataclass(frozen=True, slots=True)
class PoolShape:
    """What the user of cinder-volume has configured."""

    name: str
    #: In Ceph, of that user alone.
    options: tuple[tuple[str, str], ...] = ()
    #: In cinder.conf, of our backend.
    settings: tuple[str, ...] = ()
    #: Of the data of new RBD images.
    data_pool: str | None = None

    @contextlib.contextmanager
    def applied(self, cluster: ceph.Cluster) -> Iterator[None]:
        """The cluster has it meanwhile. Its pools stay."""
        if self.data_pool:
            _add_data_pool(cluster, self.data_pool)
        for option, value in self.options:
            cluster.ceph('config', 'set', CLIENT, option, value)
        try:
            yield
        finally:
            for option, _value in self.options:
                cluster.ceph('config', 'rm', CLIENT, option)


SHAPES = {
    each.name: each
    for each in (
        PoolShape('plain'),
        PoolShape('layering-only', (('rbd_default_features', '1'),)),
        PoolShape('no-object-map', (('rbd_default_features', '5'),)),
        PoolShape(
            'data-pool',
            (('rbd_default_data_pool', DATA_POOL),),
            data_pool=DATA_POOL,
        ),
        PoolShape(
            'deferred-deletion',
            settings=(
                'enable_deferred_deletion = True',
                'deferred_deletion_delay = 5',
                'deferred_deletion_purge_interval = 5',
            ),
        ),
        PoolShape(
            'shared-pool', settings=('rbd_exclusive_cinder_pool = False',)
        ),
    )
}


def of_seed(seed: int) -> str:
    """The name of the shape that this seed has."""
    return random.Random(seed).choice(list(SHAPES))


def _add_data_pool(cluster: ceph.Cluster, name: str) -> None:
    if name not in cluster.ceph('osd', 'pool', 'ls'):
        cluster.create_pool(name)
    (known,) = cluster.ceph('auth', 'get', CLIENT)
    caps = dict(known['caps'])
    cap = f'profile rbd pool={name}'
    if cap not in caps['osd']:
        caps['osd'] += f', {cap}'
        words = [word for each in caps.items() for word in each]
        cluster.ceph('auth', 'caps', CLIENT, *words)
