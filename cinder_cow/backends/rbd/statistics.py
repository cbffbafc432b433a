# SPDX-License-Identifier: Apache-2.0
"""What lies in the pool of the volumes, as Ceph itself shows it.

No volume is opened: to read what it is a clone of takes a fraction of a
millisecond.
"""

from collections import Counter
from collections.abc import Iterator
import contextlib
from dataclasses import dataclass

import rados
import rbd

from cinder_cow.backends import base_names
from cinder_cow.backends.rbd import (
    base_records,
    base_snapshot,
    children,
    error_mapping,
)
from cinder_cow.backends.rbd.children import Parent
from cinder_cow.backends.rbd.connection import Connection
from cinder_cow.backends.statistics import PoolStatistics, VolumeOrigin

#: Those whose parents hold what an image held.
OF_IMAGES = (VolumeOrigin.IMAGE, VolumeOrigin.BASE)


@dataclass(frozen=True, slots=True)
class Pools:
    """Their names."""

    volumes: str
    bases: str


def read(connection: Connection, pools: Pools) -> PoolStatistics:
    """What lies in the pool of the volumes, and in the trash.

    Takes a moment for each volume, and some 10 ms for each Glance image that
    volumes were cloned from and for each image in the trash.

    :raises StorageError: when the pool cannot be read.
    """
    with error_mapping.mapped(f'read what is in the pool {pools.volumes}'):
        parents = Counter(_parents(connection, pools.volumes))
        bases = _bases(connection, pools)
        volumes = Counter(dict.fromkeys(VolumeOrigin, 0))
        shared_bytes = 0
        for parent, number in parents.items():
            origin = _origin(connection, pools, parent, bases)
            volumes[origin] += number
            if parent is not None and origin in OF_IMAGES:
                held = bases.get(parent) or _held_bytes(connection, parent)
                shared_bytes += number * held
        with_parents = {_pool(connection, each) for each in parents if each}
        trash = [
            each
            for name in sorted({pools.volumes, pools.bases, *with_parents})
            for each in _trash(connection, name)
        ]
    return PoolStatistics(volumes, shared_bytes, len(trash), sum(trash))


def _parents(connection: Connection, pool: str) -> Iterator[Parent | None]:
    """Of each volume."""
    with connection.pool(pool) as ioctx:
        for each in rbd.RBD().list2(ioctx):
            # One that is deleted meanwhile does not count.
            with contextlib.suppress(rados.ObjectNotFound):
                if not base_names.is_ours(each['name']):
                    yield children.parent(ioctx, each['id'])


def _bases(connection: Connection, pools: Pools) -> dict[Parent, int | None]:
    """What each base takes, if its record tells; also of the retired."""
    with connection.pool(pools.bases) as ioctx:
        known = {
            record.rbd_id: record.info.stored_bytes
            for record in base_records.read_all(ioctx).values()
        }
        return {
            Parent(ioctx.get_pool_id(), each['id']): known.get(each['id'])
            for each in rbd.RBD().list2(ioctx)
            if base_names.is_ours(each['name'])
        }


def _origin(
    connection: Connection,
    pools: Pools,
    parent: Parent | None,
    bases: dict[Parent, int | None],
) -> VolumeOrigin:
    if parent is None:
        return VolumeOrigin.NOBODY
    if parent in bases:
        return VolumeOrigin.BASE
    if _pool(connection, parent) == pools.volumes:
        return VolumeOrigin.VOLUME
    return VolumeOrigin.IMAGE


def _pool(connection: Connection, parent: Parent) -> str:
    """The name of the pool that it lies in, by the map at hand."""
    return str(connection.cluster.pool_reverse_lookup(parent.pool_id))


def _held_bytes(connection: Connection, parent: Parent) -> int:
    return _stored_bytes(
        connection, _pool(connection, parent), parent.image_id
    )


def _trash(connection: Connection, pool: str) -> Iterator[int]:
    """What each image in the trash of the pool takes."""
    with (
        error_mapping.warning_unless_lost(f'read the trash of {pool}'),
        connection.pool(pool) as ioctx,
    ):
        for each in list(rbd.RBD().trash_list(ioctx)):
            yield _stored_bytes(connection, pool, each['id'])


def _stored_bytes(connection: Connection, pool: str, image_id: str) -> int:
    """What the image takes; 0 where it cannot be read, or is gone."""
    with (
        error_mapping.warning_unless_lost(f'read {pool}/{image_id}'),
        connection.pool(pool) as ioctx,
        contextlib.suppress(rbd.ImageNotFound),
        rbd.Image(ioctx, image_id=image_id, read_only=True) as image,
    ):
        return base_snapshot.stored_bytes(image)
    return 0
