# SPDX-License-Identifier: Apache-2.0
"""What comes while a base is built ahead; which images the policies take."""

import time

import pytest

from cinder_cow.backends import base_names
from tests.e2e.bases import bases, cow_options, evict, lines, packed
from tests.waiting import wait_until

MIB = 2**20


def started(stack, policy):
    options = cow_options(
        stack, cow_warm_images=policy, cow_warm_poll_seconds=1
    )
    stack.restart_cinder_volume(options)
    return options


@pytest.fixture(scope='module')
def marked(stack):
    yield started(stack, 'marked')
    evict(stack)


@pytest.fixture
def uploaded(tidy, tmp_path):
    """The disk and the id of a private image; properties are its own."""

    def upload(size=16 * MIB, **properties):
        disk = packed(tmp_path, 'qcow2', size=size)
        image_id = tidy.image(
            disk.file,
            disk_format='qcow2',
            store='disk',
            visibility='private',
            **properties,
        )
        return disk, image_id

    return upload


def test_image_is_warmed_once_it_is_marked(marked, cloud, log, uploaded):
    _disk, image_id = uploaded()
    _disk, other = uploaded(cow_warm='true')
    log.wait(f'image={other} warmed: done')

    cloud.connection.image.update_image(image_id, cow_warm='true')

    log.wait(f'image={image_id} warmed: done, built')


def test_volume_that_comes_midway_waits_for_the_build(
    marked, tidy, pool, log, uploaded
):
    before = set(bases(pool))
    disk, image_id = uploaded(512 * MIB, cow_warm='true')
    wait_for_a_scratch(pool)

    volume_id = tidy.volume('cow', image_id)

    assert pool.read(volume_id, len(disk.head)) == disk.head
    assert len(lines(log, 'clone-base')) == 1
    assert len(set(bases(pool)) - before) == 1
    log.wait(f'image={image_id} warmed: done, built')


def test_build_of_a_killed_process_is_done_by_the_next(
    marked, stack, tidy, pool, log, uploaded
):
    disk, image_id = uploaded(512 * MIB, cow_warm='true')
    wait_for_a_scratch(pool)
    stack.restart_cinder_volume(marked, kill=True)
    assert log.lines(f'image={image_id} warmed: ') == []

    # The lease of the killed one expires within half a minute.
    log.wait(f'image={image_id} warmed: done, built', seconds=90)

    volume_id = tidy.volume('cow', image_id)
    assert pool.read(volume_id, len(disk.head)) == disk.head
    assert len(lines(log, 'clone-base')) == 1
    assert not any(map(is_scratch, pool.names()))


def test_image_that_replaces_a_used_one_is_warmed(
    stack, cloud, tidy, log, uploaded
):
    started(stack, 'used')
    _disk, image_id = uploaded()
    tidy.volume('cow', image_id)
    time.sleep(3)  # a few polls: its name is remembered from here on
    cloud.connection.image.update_image(image_id, name='old')

    # All images of these tests have one name.
    _disk, new = uploaded()

    log.wait(f'image={new} warmed: done, built')
    evict(stack)


def wait_for_a_scratch(pool):
    wait_until(lambda: any(map(is_scratch, pool.names())), pause_seconds=0.002)


def is_scratch(name):
    return name.startswith(base_names.SCRATCH)
