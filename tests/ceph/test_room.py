# SPDX-License-Identifier: Apache-2.0
"""The room of a pool, as the user of cinder-volume sees it."""

import os
import time

MIB = 2**20


def test_room_is_what_the_pool_holds_and_can_take(lab):
    room = lab.backend().bases().room()

    assert 0 < room.spare_bytes < room.available_bytes < 20 * 2**30
    assert room.capacity_bytes == room.used_bytes + room.available_bytes


def test_what_is_written_is_used(lab):
    store = lab.backend().bases()
    before = store.room()
    with lab.rados.open_ioctx('volumes') as ioctx:
        try:
            for number in range(16):
                ioctx.write_full(f'ballast-{number}', os.urandom(4 * MIB))
            deadline = time.monotonic() + 60
            while store.room().used_bytes < before.used_bytes + 60 * MIB:
                assert time.monotonic() < deadline  # statistics are slow
                time.sleep(0.5)
        finally:
            for number in range(16):
                ioctx.remove_object(f'ballast-{number}')


def test_quota_of_the_pool_is_a_limit(lab):
    quota = ('osd', 'pool', 'set-quota', 'volumes', 'max_bytes')
    store = lab.backend().bases()
    lab.cluster.ceph(*quota, str(100 * MIB))
    try:
        deadline = time.monotonic() + 60
        while store.room().capacity_bytes > 100 * MIB:
            assert time.monotonic() < deadline
            time.sleep(0.2)
        assert store.room().spare_bytes <= 100 * MIB
    finally:
        lab.cluster.ceph(*quota, '0')
