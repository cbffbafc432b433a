# SPDX-License-Identifier: Apache-2.0
"""What a sweep asks of the base pool; damaged images are skipped."""

import rbd

from cinder_cow.backends import base_names
from cinder_cow.backends.base_store import StoredBase
from cinder_cow.backends.rbd import base_records, base_snapshot, error_mapping
from cinder_cow.backends.rbd.pool import Pool


def stored_bases(pool: Pool, glance: str) -> list[StoredBase]:
    """All finished bases that are not retired.

    :param glance: the name of the one whose images are not foreign.
    """
    found = []
    for name in _names(pool, base_names.BASE):
        with error_mapping.warning_unless_lost(f'look at the base {name}'):
            record = _record(pool, name)
            if record is not None:
                found.append(_stored_base(name, record, glance))
    return found


def recorded_bases(pool: Pool, glance: str) -> list[StoredBase]:
    """What the records say of the bases that bear their name.

    No image is opened: that takes a moment for each, and librbd 16.2 was seen
    to hang where another host changed the image meanwhile.
    """
    present = set(_names(pool, base_names.BASE))
    return [
        _stored_base(name, record, glance)
        for name, record in base_records.read_all(pool.ioctx).items()
        if name in present
    ]


def _stored_base(
    name: str, record: base_records.BaseRecord, glance: str
) -> StoredBase:
    return StoredBase(
        name,
        record.info,
        record.last_used,
        frozenset(record.images),
        record.foreign(glance),
    )


def _record(pool: Pool, name: str) -> base_records.BaseRecord | None:
    """None: it is unfinished, or was just retired, or its record is lost."""
    try:
        with base_snapshot.at_snapshot(pool.ioctx, name) as image:
            return base_snapshot.find_record(pool, name, image)
    except rbd.ImageNotFound:
        return None


def unfinished(pool: Pool) -> list[str]:
    """Scratches, and bases that cannot be used, whoever works on them."""
    found = _names(pool, base_names.SCRATCH)
    for name in _names(pool, base_names.BASE):
        with error_mapping.warning_unless_lost(f'look at the base {name}'):
            if _record(pool, name) is None:
                found.append(name)
    return found


def _names(pool: Pool, prefix: str) -> list[str]:
    names = sorted(rbd.RBD().list(pool.ioctx))
    return [name for name in names if name.startswith(prefix)]
