# SPDX-License-Identifier: Apache-2.0

import concurrent.futures
import hashlib
import os
import signal
import subprocess

import pytest

from tests.e2e.bases import base_command, bases, cow_options, lines, packed
from tests.waiting import wait_until

pytestmark = pytest.mark.usefixtures('nothing_is_left')

MIB = 2**20


@pytest.fixture(scope='module')
def default_options(stack):
    stack.restart_cinder_volume(cow_options(stack))


@pytest.fixture
def qcow2(tmp_path):
    return packed(tmp_path, 'qcow2')


def test_equal_images_in_all_stores_share_a_base(
    default_options, tidy, pool, log, qcow2
):
    volumes = []
    for store in ('ceph', 'far', 'disk'):
        image = tidy.image(qcow2.file, store=store, disk_format='qcow2')
        volumes.append(tidy.volume('cow', image))

    (base,) = bases(pool)
    for volume in volumes:
        assert pool.parent(volume) == f'volumes/{base}@base'
        assert pool.read(volume, len(qcow2.head)) == qcow2.head
    (line,) = lines(log, 'build-base')
    # The first lay in this cluster: it was read where it lies.
    assert ' source=rbd verification=hash' in line
    tidy.delete()


def test_volumes_are_whole_though_their_base_is_evicted_meanwhile(
    default_options, stack, tidy, cloud, pool, qcow2
):
    image = tidy.image(qcow2.file, disk_format='qcow2')
    tidy.volume('cow', image)
    evicted = []
    with concurrent.futures.ThreadPoolExecutor(1) as workers:
        making = workers.submit(
            lambda: [
                volume
                for _ in range(3)
                for volume in cloud.create_volumes('cow', image, 1, 4)[0]
            ]
        )
        while not making.done():
            for base in bases(pool):
                done = base_command(stack, 'evict', '--retire', base)
                evicted.append(done.returncode)

    assert 0 in evicted
    for volume in making.result():
        assert pool.read(volume, len(qcow2.head)) == qcow2.head
    tidy.delete()


def test_image_in_another_cluster_is_read_by_librbd(
    default_options, tidy, pool, log, qcow2
):
    image = tidy.image(qcow2.file, store='far', disk_format='qcow2')

    volume = tidy.volume('cow', image)

    assert pool.read(volume, len(qcow2.head)) == qcow2.head
    (line,) = lines(log, 'build-base')
    assert ' source=rbd verification=hash' in line
    tidy.delete()


def test_raw_image_of_a_file_store_has_a_base_too(
    default_options, tidy, pool, log, qcow2
):
    image = tidy.image(qcow2.head, store='disk')

    first, second = tidy.volume('cow', image), tidy.volume('cow', image)

    (base,) = bases(pool)
    assert base.startswith('cow-base-raw-sha512-')
    assert pool.parent(first) == pool.parent(second)
    assert pool.read(second, len(qcow2.head)) == qcow2.head
    (line,) = lines(log, 'build-base')
    assert ' reason=not-rbd ' in line
    assert ' verification=hash' in line
    tidy.delete()


REPLACE = (
    'UPDATE images SET size = %s, os_hash_value = %s, virtual_size = NULL'
    ' WHERE id = %s'
)


def hostile(stack, tidy, folder, *options, size='1G'):
    """An image in the file store that Glance would not have taken itself."""
    files = [folder / 'plain', folder / 'hostile']
    for file, more in zip(files, ((), options), strict=True):
        create = ['qemu-img', 'create', '-q', '-u', '-f', 'qcow2', *more]
        subprocess.run([*create, file, size if more else '1G'], check=True)
    plain, content = (file.read_bytes() for file in files)
    image = tidy.image(plain, store='disk', disk_format='qcow2')
    (stack.folder / 'glance' / 'images' / image).write_bytes(content)
    digest = hashlib.sha512(content).hexdigest()
    stack.sql('glance', REPLACE, len(content), digest, image)
    return image


def test_image_with_a_backing_file_is_refused(
    default_options, stack, tidy, pool, log, tmp_path
):
    backing = ('-b', '/etc/passwd', '-F', 'raw')
    image = hostile(stack, tidy, tmp_path, *backing)

    volume = tidy.volume('cow', image, expect='error')

    (error,) = log.lines('ERROR', f'volume={volume} Image {image}')
    assert 'backing' in error
    assert pool.names() == []


def test_disk_larger_than_the_volume_is_refused(
    default_options, stack, tidy, pool, log, tmp_path
):
    cluster = ('-o', 'cluster_size=2M')
    image = hostile(stack, tidy, tmp_path, *cluster, size='2P')

    volume = tidy.volume('cow', image, expect='error')

    (error,) = log.lines('ERROR', f'volume={volume} Image {image}')
    assert f'holds {2 * 2**50} bytes' in error
    assert pool.names() == []


def test_base_outlives_neither_its_image_nor_its_volumes(
    stack, tidy, cloud, pool, log, qcow2
):
    stack.restart_cinder_volume(cow_options(stack, cow_base_sweep_seconds=2))
    tidy.image(b'witness that it is Glance who answers')
    image = tidy.image(qcow2.file, disk_format='qcow2')
    volume = tidy.volume('cow', image)

    cloud.delete_image(image)
    log.wait('retired base=', image, 'reason=image-deleted')

    assert bases(pool) == []
    assert pool.read(volume, len(qcow2.head)) == qcow2.head
    tidy.delete()
    wait_until(lambda: pool.names() == [])


def test_dead_builder_is_followed_by_another(stack, tidy, cloud, pool):
    """And what it left is removed. Its lease lasts for half a minute."""
    stack.restart_cinder_volume(cow_options(stack))
    image = tidy.image(os.urandom(300 * MIB), store='disk')
    first = tidy.begin('cow', image)
    wait_until(lambda: bases(pool))
    for pid in stack.cinder_volume_pids().values():
        os.kill(pid, signal.SIGKILL)
    assert bases(pool), 'it was finished before it was killed'
    stack.restart_cinder_volume(cow_options(stack), kill=True)

    second = tidy.volume('cow', image)

    assert cloud.volume(first).status == 'error'
    (base,) = bases(pool)
    assert pool.parent(second) == f'volumes/{base}@base'
    assert len(pool.names()) == 2
    tidy.delete()
