# SPDX-License-Identifier: Apache-2.0
"""Bases that are not found any more, and whether clones need them still."""

import uuid

from oslo_log import log as logging
import rbd

from cinder_cow import errors, native
from cinder_cow.backends import base_names
from cinder_cow.backends.rbd import (
    base_records,
    base_snapshot,
    error_mapping,
    rename,
)
from cinder_cow.backends.rbd.pool import (
    ImagePool,
    Pool,
    retry_on_lost_connection,
)

LOG = logging.getLogger(__name__)

#: Something uses it, or has just come to do so.
NEEDED = (rbd.ImageBusy, rbd.ImageHasSnapshots)


def retire(images: ImagePool, name: str) -> None:
    """Rename the base, if it is finished. Its clones know it by its id.

    To be called in any thread.

    :raises StorageError: when it still bears its name after some tries.
    """
    for last in (False, False, True):
        rename.finish(images, name)
        if not _is_finished(images, name):
            return  # or another is built under that name
        try:
            new_name = f'{base_names.RETIRED}{uuid.uuid4()}'
            rename.rename(images, name, new_name)
        except errors.StorageError as exc:
            # It may have crashed when all was done.
            if last and _is_finished(images, name):
                raise
            LOG.warning('The base is retired again: %s', exc)


@native.in_thread
@retry_on_lost_connection
def _is_finished(images: ImagePool, name: str) -> bool:
    with images.opened(f'look for the base {images.path(name)}') as pool:
        try:
            base_snapshot.at_snapshot(pool.ioctx, name).close()
        except rbd.ImageNotFound:
            return False
    return True


def purge(pool: Pool) -> list[str]:
    """Remove what can be removed; the names. What cannot is left for later."""
    # Records first: what is made meanwhile has none yet, or is in the list.
    recorded = base_records.names(pool.ioctx)
    names = rbd.RBD().list(pool.ioctx)
    for name in recorded.difference(names):
        base_records.remove(pool.ioctx, name)
    return [
        name
        for name in names
        if name.startswith(base_names.RETIRED) and _remove(pool, name)
    ]


def _remove(pool: Pool, name: str) -> bool:
    """Whether it is gone."""
    action = f'remove the retired {name}'
    with error_mapping.warning_unless_lost(action):
        try:
            if _free(pool, name):
                rbd.RBD().remove(pool.ioctx, name)
                return True
        except rbd.ImageNotFound:
            LOG.debug('%s was removed by another host', name)
        except NEEDED:
            LOG.debug('%s is still needed', name)
    return False


def _free(pool: Pool, name: str) -> bool:
    """Remove its snapshots; False when there are clones.

    A clone of format 2 that is made meanwhile keeps its snapshot, in the
    trash, until it is deleted: the image cannot be removed then. librbd
    itself sees to it that one of format 1 is not made, or stops us here.
    """
    try:
        with pool.changing(name) as image:
            if _has_clones_of_format_2(image):
                return False
            for snapshot in list(image.list_snaps()):
                if _is_protected(image, snapshot):
                    image.unprotect_snap(snapshot['name'])
                image.remove_snap_by_id(snapshot['id'])
    except rbd.ImageNotFound:
        pass  # half removed: to remove it again does the rest
    return True


def _is_protected(image: rbd.Image, snapshot: dict[str, object]) -> bool:
    user = rbd.RBD_SNAP_NAMESPACE_TYPE_USER
    return snapshot['namespace'] == user and bool(
        image.is_protected_snap(snapshot['name'])
    )


def _has_clones_of_format_2(image: rbd.Image) -> bool:
    """Ceph keeps the flag as long as there is one, be it in the trash."""
    return bool(image.op_features() & rbd.RBD_OPERATION_FEATURE_CLONE_PARENT)
