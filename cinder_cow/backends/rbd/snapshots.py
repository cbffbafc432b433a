# SPDX-License-Identifier: Apache-2.0
"""What the cluster says of a snapshot, and of itself. Reads only."""

from collections.abc import Iterator
import contextlib
import json

import rados
import rbd

from cinder_cow.backends.rbd import error_mapping
from cinder_cow.backends.rbd.connection import Connection
from cinder_cow.model import Snapshot, SnapshotRef, UnavailableReason

#: The first release whose clients know clone format 2, by Ceph's letter
#: order of release names: luminous, mimic, nautilus, ...
CLONE_V2_SINCE = 'mimic'
#: Known at once: more than are in use at a time, some 1 MiB.
MOST_SNAPSHOTS = 4096
DENIED = (rados.PermissionError, rados.PermissionDeniedError)


def look(
    connection: Connection, ref: SnapshotRef
) -> Snapshot | UnavailableReason:
    """The snapshot, or why it cannot be seen.

    One that was seen before may be gone by now: then the clone fails, and
    whoever cloned calls :func:`forget`.

    :raises StorageError: when that cannot be found out.
    """
    # Other threads may clear it at any moment.
    known = connection.snapshots.get(ref)
    if known is not None:
        return known
    found = _look(connection, ref)
    if isinstance(found, Snapshot) and found.protected:
        if len(connection.snapshots) >= MOST_SNAPSHOTS:
            connection.snapshots.clear()
        connection.snapshots[ref] = found
    return found


def forget(connection: Connection, ref: SnapshotRef) -> None:
    """Have the next :func:`look` ask the cluster."""
    connection.snapshots.pop(ref, None)


@contextlib.contextmanager
def forgotten_on_failure(
    connection: Connection, ref: SnapshotRef
) -> Iterator[None]:
    """What is known of the parent may be why it failed: it may be gone."""
    try:
        yield
    except rbd.Error:
        forget(connection, ref)
        raise


def _look(
    connection: Connection, ref: SnapshotRef
) -> Snapshot | UnavailableReason:
    with error_mapping.mapped(f'look at {ref}'):
        try:
            with connection.pool(ref.pool) as ioctx:
                return _open(ioctx, ref)
        except rados.ObjectNotFound:
            return UnavailableReason.NO_POOL
        except (rbd.PermissionError, *DENIED):
            if connection.may_have_an_old_key:
                raise
            return UnavailableReason.DENIED


def _open(
    ioctx: rados.Ioctx, ref: SnapshotRef
) -> Snapshot | UnavailableReason:
    try:
        with rbd.Image(
            ioctx, ref.image, snapshot=ref.snapshot, read_only=True
        ) as image:
            return Snapshot(
                ref,
                size_bytes=image.size(),
                stripe_unit_bytes=image.stripe_unit(),
                protected=image.is_protected_snap(ref.snapshot),
            )
    except rbd.ImageNotFound:
        return _what_is_missing(ioctx, ref)


def _what_is_missing(
    ioctx: rados.Ioctx, ref: SnapshotRef
) -> UnavailableReason:
    # librbd says ImageNotFound of a missing snapshot too.
    try:
        with rbd.Image(ioctx, ref.image, read_only=True):
            return UnavailableReason.NO_SNAPSHOT
    except rbd.ImageNotFound:
        return UnavailableReason.NO_IMAGE


def readable(connection: Connection, pool: str) -> UnavailableReason | None:
    """None when images in the pool can be read, else why not.

    :raises StorageError: when that cannot be found out.
    """
    with error_mapping.mapped(f'look into the pool {pool}'):
        try:
            with connection.pool(pool) as ioctx:
                ioctx.stat('rbd_directory')
        except rados.ObjectNotFound:
            known = connection.cluster.pool_exists(pool)
            return None if known else UnavailableReason.NO_POOL
        except DENIED:
            if connection.may_have_an_old_key:
                raise
            return UnavailableReason.DENIED
    return None


def clone_v2(connection: Connection) -> bool:
    """Whether librbd makes clones of format 2 here.

    librbd, Features/clone: rbd_default_clone_format "auto" follows the
    cluster's require_min_compat_client.

    :raises StorageError: when that cannot be found out.
    """
    action = 'read the OSD map'
    with error_mapping.mapped(action):
        chosen = connection.cluster.conf_get('rbd_default_clone_format')
        if chosen in ('1', '2'):
            return bool(chosen == '2')
        status, answer, _message = connection.cluster.mon_command(
            json.dumps({'prefix': 'osd dump', 'format': 'json'}), b''
        )
        if status:
            raise error_mapping.of_status(action, status)
    required = json.loads(answer).get('require_min_compat_client', '')
    return bool(required >= CLONE_V2_SINCE)
