# SPDX-License-Identifier: Apache-2.0
"""Bases that nobody finds any more, and who still needs them."""

import contextlib
import struct
import uuid

from oslo_log import log as logging
import rados
import rbd

from cinder_cow.backends import base_names
from cinder_cow.backends.rbd import base_snapshot
from cinder_cow.backends.rbd.pool import Pool

LOG = logging.getLogger(__name__)

#: Something uses it, or has just come to do so.
NEEDED = (rbd.ImageBusy, rbd.ImageHasSnapshots)


def retire(ioctx: rados.Ioctx, name: str) -> None:
    """Rename the base, if it is finished. Its clones know it by its id."""
    with contextlib.suppress(rbd.ImageNotFound):
        base_snapshot.at_snapshot(ioctx, name).close()
        rbd.RBD().rename(ioctx, name, f'{base_names.RETIRED}{uuid.uuid4()}')


def purge(pool: Pool) -> list[str]:
    """Remove what can be removed; the names. What cannot is left for later."""
    removed = []
    for name in rbd.RBD().list(pool.ioctx):
        if not name.startswith(base_names.RETIRED):
            continue
        try:
            if _free(pool, name):
                rbd.RBD().remove(pool.ioctx, name)
                removed.append(name)
        except rbd.ImageNotFound:
            pass  # another purge was faster
        except NEEDED:
            LOG.debug('%s is still needed', name)
        except (rbd.PermissionError, rbd.InvalidArgument) as exc:
            LOG.warning('%s is left for later: %s', name, exc)
    return removed


def _free(pool: Pool, name: str) -> bool:
    """Remove its snapshots; False when there are clones.

    A clone of format 2 that is made meanwhile keeps its snapshot, in the
    trash, until it is deleted: the image cannot be removed then. librbd
    itself sees to it that one of format 1 is not made, or stops us here.
    """
    try:
        image = rbd.Image(pool.ioctx, name)
    except rbd.ImageNotFound:
        return True  # half removed: to remove it again does the rest
    with image:
        if _has_clones_of_format_2(image):
            return False
        for snapshot in list(image.list_snaps()):
            if _is_protected(image, snapshot):
                image.unprotect_snap(snapshot['name'])
            image.remove_snap_by_id(snapshot['id'])
    return True


def has_children(pool: Pool, name: str) -> bool:
    """Whether anything was cloned from the base, in any pool.

    Not by librbd's list of children, which looks at each one: 1.8 s for 200
    of format 1, where this takes 1 ms for each pool.
    """
    try:
        image = base_snapshot.at_snapshot(pool.ioctx, name)
    except rbd.ImageNotFound:
        return False
    with image:
        if _has_clones_of_format_2(image):
            return True
        snapshots = [
            snapshot['id']
            for snapshot in image.list_snaps()
            if _is_protected(image, snapshot)
        ]
        return any(
            _has_clones_of_format_1(pool, image.id(), snapshot)
            for snapshot in snapshots
        )


def _is_protected(image: rbd.Image, snapshot: dict[str, object]) -> bool:
    user = rbd.RBD_SNAP_NAMESPACE_TYPE_USER
    return snapshot['namespace'] == user and bool(
        image.is_protected_snap(snapshot['name'])
    )


def _has_clones_of_format_2(image: rbd.Image) -> bool:
    """Ceph keeps the flag as long as there is one, be it in the trash."""
    return bool(image.op_features() & rbd.RBD_OPERATION_FEATURE_CLONE_PARENT)


def _has_clones_of_format_1(pool: Pool, image_id: str, snapshot: int) -> bool:
    """They stand in the object `rbd_children` of their own pools.

    Ceph, src/cls/rbd/cls_rbd.cc, get_children: it takes the parent's pool,
    image and snapshot, and returns a set of image ids. Every user with
    `profile rbd` may ask any pool.
    """
    parent = image_id.encode()
    request = struct.pack(
        f'<qI{len(parent)}sQ',
        pool.ioctx.get_pool_id(),
        len(parent),
        parent,
        snapshot,
    )
    cluster = pool.connection.cluster
    for name in cluster.list_pools():
        # A pool that goes away meanwhile has no children either.
        with (
            contextlib.suppress(rados.ObjectNotFound),
            pool.connection.pool(name) as ioctx,
        ):
            _size, answer = ioctx.execute(
                'rbd_children', 'rbd', 'get_children', request
            )
            (count,) = struct.unpack_from('<I', answer)
            if count:
                return True
    return False
