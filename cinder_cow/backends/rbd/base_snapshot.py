# SPDX-License-Identifier: Apache-2.0
"""A finished base, which has its snapshot, as the cluster shows it."""

import contextlib
import dataclasses
import time

from oslo_log import log as logging
import rados
import rbd

from cinder_cow.backends.rbd import base_metadata, base_records, snapshots
from cinder_cow.backends.rbd.connection import Connection
from cinder_cow.backends.rbd.pool import Pool
from cinder_cow.model import Base, BaseInfo, Snapshot, SnapshotRef

LOG = logging.getLogger(__name__)

#: Of this name is the snapshot that makes a base of an image.
SNAPSHOT = 'base'
#: Remembered at once: more than are in use at a time.
MOST_BASES = 4096
MOST_USES = 16384
#: The use of a base is not recorded more often than that.
USE_SECONDS = 600.0


def find(pool: Pool, ref: SnapshotRef) -> Base | None:
    """The base, if it is finished. Remembered when it is."""
    known = pool.connection.bases.get(ref)
    if known is not None:
        return known
    forgotten = pool.connection.forgotten
    found = _look(pool, ref)
    with pool.connection.remembering:
        # What another thread has forgotten meanwhile was seen before that.
        if found is not None and pool.connection.forgotten == forgotten:
            remember(pool.connection, found)
    return found


def remember(connection: Connection, base: Base) -> None:
    """Have :func:`find` answer at once."""
    if len(connection.bases) >= MOST_BASES:
        connection.bases.clear()
    connection.bases[base.snapshot.ref] = base


def forget(connection: Connection, ref: SnapshotRef) -> None:
    """Have the next :func:`find` ask the cluster."""
    with connection.remembering:
        connection.forgotten += 1
        connection.bases.pop(ref, None)
    for use in [use for use in list(connection.uses) if use[0] == ref]:
        connection.uses.pop(use, None)


def _look(pool: Pool, ref: SnapshotRef) -> Base | None:
    try:
        with at_snapshot(pool.ioctx, ref.image) as image:
            snapshot = _snapshot(ref, image)
            record = find_record(pool, ref.image, image)
            if record is None:
                return None
            inherited = base_metadata.is_there(image)
        if inherited:
            base_records.write(pool.ioctx, ref.image, record)
            base_metadata.remove(pool, ref.image)
        if not snapshot.protected and not snapshots.clone_v2(pool.connection):
            # Its builder was killed before it could do so.
            with pool.changing(ref.image) as image:
                protect(image)
            snapshot = dataclasses.replace(snapshot, protected=True)
    except rbd.ImageNotFound:
        return None
    return Base(ref.image, snapshot, record.info)


def find_record(
    pool: Pool, name: str, image: rbd.Image
) -> base_records.BaseRecord | None:
    """What is known of a finished base, which is open.

    None where that was lost: nobody can say how its content was verified.
    Then it is not used, and built anew.
    """
    try:
        record = base_records.read(pool.ioctx, name)
        if record is not None and record.rbd_id == image.id():
            return record
        old = base_metadata.read(image)
        reason = 'there is none'
    except ValueError as exc:
        old, reason = None, f'it is damaged: {exc}'
    if old is None:
        LOG.warning(
            'The base %s is not used, and built anew when it is needed: its'
            ' record in %s cannot be read: %s',
            name,
            base_records.OBJECT,
            reason,
        )
    return old


def at_snapshot(ioctx: rados.Ioctx, name: str) -> rbd.Image:
    """The base, opened to be read.

    :raises rbd.ImageNotFound: when there is none, or it is not finished.
    """
    return rbd.Image(ioctx, name, snapshot=SNAPSHOT, read_only=True)


def _snapshot(ref: SnapshotRef, image: rbd.Image) -> Snapshot:
    return Snapshot(
        ref,
        size_bytes=image.size(),
        stripe_unit_bytes=image.stripe_unit(),
        protected=image.is_protected_snap(SNAPSHOT),
    )


def finish(
    pool: Pool, ref: SnapshotRef, image: rbd.Image, info: BaseInfo, glance: str
) -> Base:
    """Make a base of a filled image. The snapshot is what makes it one.

    :param glance: the name of the Glance that has the base's image.
    """
    info = dataclasses.replace(info, stored_bytes=stored_bytes(image))
    record = base_records.BaseRecord(
        rbd_id=str(image.id()),
        info=info,
        last_used=info.created,
        images={info.image_id: info.created},
        glances={info.image_id: glance},
    )
    base_records.write(pool.ioctx, ref.image, record)
    image.create_snap(SNAPSHOT)
    if not snapshots.clone_v2(pool.connection):
        protect(image)
    return Base(ref.image, _snapshot(ref, image), info)


def protect(image: rbd.Image) -> None:
    """Let its snapshot have clones of format 1."""
    with contextlib.suppress(rbd.ImageBusy):  # another has done so
        image.protect_snap(SNAPSHOT)


def stored_bytes(image: rbd.Image) -> int:
    """What the image's objects take, whole, before replication.

    1 ms with an object map, as new images have by default; without one the
    OSDs are asked for each object: 20 ms for 1 GiB, 300 ms for 10 GiB.
    """
    lengths: list[int] = []

    def add(_offset: int, length: int, exists: bool) -> None:
        if exists:
            lengths.append(length)

    if image.size():
        image.diff_iterate(0, image.size(), None, add, whole_object=True)
    return sum(lengths)


def record_use(
    pool: Pool, ref: SnapshotRef, image_id: str, glance: str
) -> None:
    """Record that a clone was made for an image of that Glance."""
    uses, use, now = pool.connection.uses, (ref, image_id), time.monotonic()
    # Other threads may clear it at any moment.
    recorded = uses.get(use)
    if recorded is not None and now - recorded < USE_SECONDS:
        return
    if len(uses) >= MOST_USES:
        uses.clear()
    uses[use] = now
    try:
        base_records.write_use(
            pool.ioctx, ref.image, image_id, time.time(), glance
        )
    except rados.Error:
        uses.pop(use, None)
        raise
