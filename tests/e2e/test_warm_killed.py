# SPDX-License-Identifier: Apache-2.0
"""cinder-volume is killed while it builds a base ahead; it goes on."""

import time

import pytest

from cinder_cow.backends import base_names
from tests.e2e.bases import cow_options, evict, lines, packed

MIB = 2**20


@pytest.fixture
def options(stack):
    options = cow_options(
        stack, cow_warm_images='marked', cow_warm_poll_seconds=1
    )
    stack.restart_cinder_volume(options)
    yield options
    evict(stack)


def test_build_of_a_killed_process_is_done_by_the_next(
    options, stack, tidy, pool, log, tmp_path
):
    disk = packed(tmp_path, 'qcow2', size=512 * MIB)
    image_id = tidy.image(
        disk.file,
        disk_format='qcow2',
        store='disk',
        visibility='private',
        cow_warm='true',
    )
    wait_for_a_scratch(pool)
    stack.restart_cinder_volume(options, kill=True)
    assert log.lines(f'image={image_id} warmed: ') == []

    # The lease of the killed one expires within half a minute.
    log.wait(f'image={image_id} warmed: done, built', seconds=90)

    volume_id = tidy.volume('cow', image_id)
    assert pool.read(volume_id, len(disk.head)) == disk.head
    assert len(lines(log, 'clone-base')) == 1
    assert not any(map(is_scratch, pool.names()))


def wait_for_a_scratch(pool):
    deadline = time.monotonic() + 30
    while not any(map(is_scratch, pool.names())):
        assert time.monotonic() < deadline
        time.sleep(0.002)


def is_scratch(name):
    return name.startswith(base_names.SCRATCH)
