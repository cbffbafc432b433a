# SPDX-License-Identifier: Apache-2.0
"""Records of builds, in one RADOS object of the base pool.

Read them with `rados --pool POOL listomapvals cow_builds`.
"""

import dataclasses
import json

from oslo_log import log as logging
import rados

from cinder_cow.backends.base_store import BuildRecord
from cinder_cow.backends.rbd import omap

LOG = logging.getLogger(__name__)

OBJECT = 'cow_builds'


def read(ioctx: rados.Ioctx, name: str) -> BuildRecord | None:
    """The record of that base's build."""
    value = omap.get(ioctx, OBJECT, name)
    return None if value is None else _parse(name, value)


def write(ioctx: rados.Ioctx, name: str, record: BuildRecord) -> None:
    """Write the record in place of the one before."""
    text = json.dumps(dataclasses.asdict(record))
    omap.write(ioctx, OBJECT, {name: text.encode()})


def remove(ioctx: rados.Ioctx, name: str) -> None:
    """Remove the record, and the object with the last one."""
    omap.remove(ioctx, OBJECT, (name,))


def read_all(ioctx: rados.Ioctx) -> dict[str, BuildRecord]:
    """All records, by the names of their bases."""
    return {
        name: record
        for name, value in omap.items(ioctx, OBJECT)
        if (record := _parse(name, value)) is not None
    }


def _parse(name: str, value: bytes) -> BuildRecord | None:
    try:
        known = dict(json.loads(value))
        fields = {field.name for field in dataclasses.fields(BuildRecord)}
        return BuildRecord(**{key: known[key] for key in fields & set(known)})
    except (ValueError, TypeError) as exc:
        LOG.warning('The record of the build of %s is damaged: %s', name, exc)
        return None
