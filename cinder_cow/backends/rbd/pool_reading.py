# SPDX-License-Identifier: Apache-2.0
"""What can be read of a pool with images. For the self-test."""

from collections.abc import Iterable
import contextlib
import uuid

import rados
import rbd

from cinder_cow.backends import base_names
from cinder_cow.backends.rbd import error_mapping, snapshots
from cinder_cow.backends.rbd.connection import Connection
from cinder_cow.planning.verdict import GLANCE_SNAPSHOT

#: Looked at in one pool, some milliseconds each: its other images lie where
#: these do.
MOST_IMAGES = 25


def first_objects(
    connection: Connection, pool: str, shown: Iterable[str]
) -> dict[str, str]:
    """By the pool that data of images lies in, the name of an object of it.

    :param shown: names of images that are in use, to be looked at first.
    :raises StorageError: when that cannot be found out.
    """
    objects: dict[str, str] = {}
    with (
        error_mapping.mapped(f'look at the images in {pool}'),
        connection.pool(pool) as ioctx,
    ):
        names = [*shown, *_parents(ioctx)]
        for name in names[:MOST_IMAGES]:
            with (
                contextlib.suppress(rbd.ImageNotFound),
                rbd.Image(ioctx, name, read_only=True) as image,
            ):
                data_pool = connection.cluster.pool_reverse_lookup(
                    image.data_pool_id()
                )
                objects[data_pool] = f'{image.block_name_prefix()}.{0:016x}'
    return objects


def denied(connection: Connection, pool: str, name: str) -> bool:
    """Whether this user may not read an object, be it there or not.

    :raises StorageError: when that cannot be found out.
    """
    with error_mapping.mapped(f'read from the pool {pool}'):
        try:
            with connection.pool(pool) as ioctx:
                ioctx.read(name, 1)
        except rados.ObjectNotFound:
            return False  # a hole, or no such pool: that is said elsewhere
        except snapshots.DENIED:
            if connection.may_have_an_old_key:
                raise
            return True
    return False


def has_images(connection: Connection, pool: str) -> bool:
    """Whether Glance's images are seen in the pool.

    False where this user may not look: then none is cloned either.
    """
    with error_mapping.mapped(f'look at the images in {pool}'):
        try:
            with connection.pool(pool) as ioctx:
                return any(
                    _has_snapshot(ioctx, name)
                    for name in _glance_images(ioctx)[:MOST_IMAGES]
                )
        except (rados.ObjectNotFound, rbd.PermissionError, *snapshots.DENIED):
            return False


def _parents(ioctx: rados.Ioctx) -> list[str]:
    """The names of what volumes are cloned from."""
    return [
        name
        for name in rbd.RBD().list(ioctx)
        if _is_uuid(name) or name.startswith(base_names.BASE)
    ]


def _glance_images(ioctx: rados.Ioctx) -> list[str]:
    """The names that may be ids of Glance's images."""
    return [name for name in rbd.RBD().list(ioctx) if _is_uuid(name)]


def _is_uuid(name: str) -> bool:
    try:
        return str(uuid.UUID(name)) == name
    except ValueError:
        return False


def _has_snapshot(ioctx: rados.Ioctx, name: str) -> bool:
    try:
        rbd.Image(
            ioctx, name, snapshot=GLANCE_SNAPSHOT, read_only=True
        ).close()
    except rbd.ImageNotFound:
        return False
    return True
