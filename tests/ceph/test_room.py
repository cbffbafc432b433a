# SPDX-License-Identifier: Apache-2.0
"""The room of a pool, as the user of cinder-volume sees it."""

import os

from tests.waiting import wait_until

MIB = 2**20


def test_room_is_what_the_pool_holds_and_can_take(lab):
    room = lab.backend().bases().room()

    assert 0 < room.spare_bytes < room.available_bytes < 20 * 2**30
    assert room.capacity_bytes == room.used_bytes + room.available_bytes


def test_what_is_written_is_used(lab):
    store = lab.backend().bases()
    # What tests before this one wrote is gone, but the statistics are slow.
    wait_until(lambda: store.room().used_bytes < 8 * MIB, seconds=120)
    with lab.rados.open_ioctx('volumes') as ioctx:
        names = [f'ballast-{number}' for number in range(16)]
        try:
            for name in names:
                ioctx.write_full(name, os.urandom(4 * MIB))
            wait_until(lambda: store.room().used_bytes > 60 * MIB, seconds=120)
        finally:
            for name in names:
                ioctx.remove_object(name)


def test_quota_of_the_pool_is_a_limit(lab):
    quota = ('osd', 'pool', 'set-quota', 'volumes', 'max_bytes')
    store = lab.backend().bases()
    lab.cluster.ceph(*quota, str(100 * MIB))
    try:
        wait_until(lambda: store.room().capacity_bytes <= 100 * MIB)
        assert store.room().spare_bytes <= 100 * MIB
    finally:
        lab.cluster.ceph(*quota, '0')
