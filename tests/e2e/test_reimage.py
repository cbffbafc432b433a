# SPDX-License-Identifier: Apache-2.0
"""A volume gets the content of another image, by Cinder's action reimage."""

import os

import pytest

from tests.e2e.bases import packed
from tests.e2e.conftest import watched
from tests.e2e.reimage import GIB, MIB, OLD, old_volume, read_snapshot, reimage

NEW = os.urandom(MIB) + bytes(6 * MIB) + os.urandom(MIB + 17)


@pytest.fixture(scope='module', autouse=True)
def _without_bases(stack):
    """Volumes of their own: in a clone, zeros have to hide the parent."""
    stack.restart_cinder_volume('[cow]\ncow_base_images = never\n')


@pytest.mark.parametrize('store', ['disk', 'ceph'])
def test_old_bytes_go_and_the_snapshot_stays(
    stack, tidy, snapshotted, cloud, pool, log, store
):
    image = tidy.image(NEW, store=store)
    volume = old_volume(tidy, pool)
    snapshot = snapshotted(volume)

    with watched(stack.conversion_dir) as files:
        assert reimage(tidy, volume, image)[-1] == 'available'

    assert pool.read(volume, GIB) == NEW.ljust(GIB, b'\0')
    assert read_snapshot(pool, volume, snapshot, len(OLD)) == OLD
    assert files == set()
    lines = log.lines('volume from image', f'volume={volume}', 'reimage')
    (line,) = lines
    assert f'image={image} method=stream reason=reimage ' in line
    assert 'verification=hash' in line
    shown = cloud.volume(volume)
    assert shown.volume_image_metadata['image_id'] == image


def test_zeros_take_no_space(tidy, pool):
    image = tidy.image(NEW, store='disk')
    volume = old_volume(tidy, pool)

    reimage(tidy, volume, image)

    assert len(pool.data_objects(volume)) == 3  # of 4 MiB


def test_clone_is_overwritten_and_its_image_is_not(tidy, pool):
    parent = tidy.image(OLD)
    image = tidy.image(NEW, store='disk')
    volume = tidy.volume('cow', parent)

    reimage(tidy, volume, image)

    assert pool.read(volume, len(OLD)) == NEW.ljust(len(OLD), b'\0')
    assert pool.read(tidy.volume('cow', parent), len(OLD)) == OLD


def test_without_bases_an_image_is_converted_by_cinder(
    tidy, pool, log, tmp_path
):
    """Its disk arrives all the same."""
    disk = packed(tmp_path, 'qcow2')
    image = tidy.image(disk.file, store='disk', disk_format='qcow2')
    volume = old_volume(tidy, pool)

    assert reimage(tidy, volume, image)[-1] == 'available'

    has_disk = pool.read(volume, len(disk.head)) == disk.head
    assert has_disk
    assert not log.lines(f'volume={volume} image={image}', 'method=stream')


def test_damaged_image_is_an_error(stack, tidy, pool, log):
    image = tidy.image(NEW, store='disk')
    volume = old_volume(tidy, pool)
    stored = stack.folder / 'glance' / 'images' / image
    with stored.open('r+b') as file:
        file.seek(-1, os.SEEK_END)
        file.write(bytes([NEW[-1] ^ 1]))

    assert reimage(tidy, volume, image)[-1] == 'error'

    assert log.lines('ERROR', f'volume={volume} Could not read', 'damaged')
    assert pool.names() == [f'volume-{volume}']
