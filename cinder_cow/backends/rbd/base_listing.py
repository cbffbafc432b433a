# SPDX-License-Identifier: Apache-2.0
"""What a sweep asks of the base pool; damaged images are skipped."""

import rbd

from cinder_cow.backends import base_names
from cinder_cow.backends.base_store import StoredBase
from cinder_cow.backends.rbd import base_records, base_snapshot, error_mapping
from cinder_cow.backends.rbd.pool import Pool


def stored_bases(pool: Pool) -> list[StoredBase]:
    """All finished bases that are not retired."""
    found = []
    for name in _names(pool, base_names.BASE):
        with error_mapping.warning_unless_lost(f'look at the base {name}'):
            stored = _stored_base(pool, name)
            if stored is not None:
                found.append(stored)
    return found


def recorded_bases(pool: Pool) -> list[StoredBase]:
    """What the records say of the bases that bear their name.

    No image is opened: that takes a moment for each, and librbd 16.2 was seen
    to hang where another host changed the image meanwhile.
    """
    present = set(_names(pool, base_names.BASE))
    return [
        StoredBase(
            name, record.info, record.last_used, frozenset(record.images)
        )
        for name, record in base_records.read_all(pool.ioctx).items()
        if name in present
    ]


def _stored_base(pool: Pool, name: str) -> StoredBase | None:
    try:
        with base_snapshot.at_snapshot(pool.ioctx, name) as image:
            record = base_snapshot.find_record(pool, name, image)
    except rbd.ImageNotFound:
        return None  # unfinished, or just retired
    if record is None:
        return None
    return StoredBase(
        name, record.info, record.last_used, frozenset(record.images)
    )


def unfinished(pool: Pool) -> list[str]:
    """Scratches, and bases that cannot be used, whoever works on them."""
    found = _names(pool, base_names.SCRATCH)
    for name in _names(pool, base_names.BASE):
        with error_mapping.warning_unless_lost(f'look at the base {name}'):
            if _stored_base(pool, name) is None:
                found.append(name)
    return found


def _names(pool: Pool, prefix: str) -> list[str]:
    names = sorted(rbd.RBD().list(pool.ioctx))
    return [name for name in names if name.startswith(prefix)]
