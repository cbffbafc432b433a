# SPDX-License-Identifier: Apache-2.0
"""A volume gets the disk in an image that has to be converted.

By way of the image's base, the same in all releases of Cinder: Cinder's own
way removes the volume in 24 to 28, and its download hangs in native threads.
"""

import os
import re

import pytest

from tests.e2e.bases import bases, cow_options, evict, packed, require_nothing
from tests.e2e.conftest import watched
from tests.e2e.reimage import GIB, MIB, OLD, old_volume, read_snapshot, reimage


@pytest.fixture(scope='module', autouse=True)
def _with_bases(stack):
    stack.restart_cinder_volume(cow_options(stack))


@pytest.fixture
def qcow2(tidy, tmp_path):
    """Its disk, and its id in Glance."""
    disk = packed(tmp_path, 'qcow2')
    return disk, tidy.image(disk.file, store='disk', disk_format='qcow2')


def test_disk_arrives_and_the_snapshot_stays(
    stack, tidy, snapshotted, cloud, pool, log, qcow2
):
    disk, image = qcow2
    volume = old_volume(tidy, pool)
    snapshot = snapshotted(volume)

    with watched(stack.conversion_dir) as files:
        assert reimage(tidy, volume, image)[-1] == 'available'

    assert pool.read(volume, GIB) == disk.head.ljust(GIB, b'\0')
    assert read_snapshot(pool, volume, snapshot, len(OLD)) == OLD
    assert files == set()
    (line,) = log.lines('volume from image', f'volume={volume}', 'reimage')
    assert f'image={image} method=stream reason=reimage ' in line
    assert 'source=base verification=hash' in line
    shown = cloud.volume(volume)
    assert shown.volume_image_metadata['image_id'] == image


def copied_bytes(log, volume):
    (line,) = log.lines(f'volume={volume}', 'reason=reimage')
    return int(re.search(r' bytes=(\d+) ', line)[1])


def test_base_stays_for_the_next_volume_and_goes_with_the_image(
    stack, tidy, pool, log, qcow2
):
    disk, image = qcow2
    evict(stack)
    first, second = old_volume(tidy, pool), old_volume(tidy, pool)

    reimage(tidy, first, image)
    (base,) = [each for each in bases(pool) if 'qcow2' in each]
    reimage(tidy, second, image)
    third = tidy.volume('cow', image)

    for volume in (first, second, third):
        assert pool.read(volume, len(disk.head)) == disk.head
    assert [each for each in bases(pool) if 'qcow2' in each] == [base]
    # The first has built it too.
    assert copied_bytes(log, first) > copied_bytes(log, second) > 0
    assert log.lines(f'volume={third}', 'method=clone-base')


def test_damaged_image_leaves_the_old_bytes(stack, tidy, pool, log, qcow2):
    _disk, image = qcow2
    volume = old_volume(tidy, pool)
    stored = stack.folder / 'glance' / 'images' / image
    with stored.open('r+b') as file:
        file.seek(-1, os.SEEK_END)
        last = file.read(1)[0]
        file.seek(-1, os.SEEK_END)
        file.write(bytes([last ^ 1]))

    assert reimage(tidy, volume, image)[-1] == 'error'

    assert log.lines('ERROR', f'volume={volume} Could not read', 'damaged')
    assert pool.read(volume, len(OLD)) == OLD
    with pool.opened(volume) as image:
        assert image.read(GIB - MIB, MIB) == b'O' * MIB


def test_nothing_is_left_in_the_end(stack, pool):
    require_nothing(stack, pool)
