# SPDX-License-Identifier: Apache-2.0
"""The space of a pool, as `ceph df detail` and the OSD map tell it."""

import json
from typing import Any

import rados

from cinder_cow.backends.base_store import Room
from cinder_cow.backends.rbd.connection import Connection

#: Ceph's own defaults, for an OSD map that does not say.
NEARFULL_RATIO = 0.85
FULL_RATIO = 0.95


def read(cluster: rados.Rados, pool: str) -> Room:
    """What the pool holds and can take, before replication.

    :raises rados.Error: when the monitors do not answer, or refuse.
    """
    usage = _ask(cluster, {'prefix': 'df', 'detail': 'detail'})
    osd_map = _ask(cluster, {'prefix': 'osd dump'})
    stats: dict[str, Any] = next(
        (each['stats'] for each in usage['pools'] if each['name'] == pool), {}
    )
    used = int(stats.get('stored', 0))
    available = int(stats.get('max_avail', 0))
    part = _part_until_nearfull(usage['stats'], osd_map)
    spare = int(available * part)
    quota = int(stats.get('quota_bytes', 0))
    if quota:
        left = max(0, quota - used)
        available, spare = min(available, left), min(spare, left)
    return Room(used, available, spare)


def is_full(cluster: rados.Rados, pool: str) -> bool:
    """Whether Ceph takes no more writes to the pool. They may hang then.

    :raises rados.Error: when the monitors do not answer, or refuse.
    """
    osd_map = _ask(cluster, {'prefix': 'osd dump'})
    return any(
        each['pool_name'] == pool and 'full' in each['flags_names'].split(',')
        for each in osd_map['pools']
    )


def data_pool(connection: Connection, pool: str) -> str:
    """Where the data of new images of the pool lie."""
    return connection.cluster.conf_get('rbd_default_data_pool') or pool


def _part_until_nearfull(
    stats: dict[str, Any], osd_map: dict[str, Any]
) -> float:
    """Of what can be written until an OSD is full.

    `max_avail` reaches to the full ratio. The raw space tells what part of
    that lies below the other ratio.
    """
    total = int(stats['total_bytes'])
    used = int(stats['total_used_raw_bytes'])
    full = float(osd_map.get('full_ratio') or FULL_RATIO) * total
    nearfull = float(osd_map.get('nearfull_ratio') or NEARFULL_RATIO) * total
    if full <= used:
        return 0.0
    return min(1.0, max(0.0, (nearfull - used) / (full - used)))


def _ask(cluster: rados.Rados, command: dict[str, str]) -> dict[str, Any]:
    text = json.dumps({**command, 'format': 'json'})
    status, answer, said = cluster.mon_command(text, b'')
    if status:
        raise rados.make_ex(status, f'{command["prefix"]}: {said}')
    found: dict[str, Any] = json.loads(answer)
    return found
