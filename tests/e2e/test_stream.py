# SPDX-License-Identifier: Apache-2.0
"""Images that cannot be cloned, through the Cinder API to `available`."""

from dataclasses import dataclass
import os
import signal
import subprocess

import pytest

from tests.e2e.conftest import Log, Made, Memory, watched
from tests.waiting import wait_until

MIB = 2**20
#: Of the large image: more than a copy keeps in flight.
SMALLER = 160 * MIB
CONTENT = os.urandom(MIB) + bytes(6 * MIB) + os.urandom(MIB + 17)
HASHLESS = (
    'UPDATE images SET os_hash_value = NULL, os_hash_algo = NULL,'
    ' checksum = NULL WHERE id = %s'
)


def cow_options(stack, **more):
    options = {
        'cow_remote_clusters': f'{stack.clusters[1].conf}:cinder',
        'cow_max_copies': 2,
        'cow_base_images': 'never',
        **more,
    }
    lines = [f'{name} = {value}' for name, value in options.items()]
    return '\n'.join(['[cow]', *lines, ''])


@pytest.fixture(scope='module', params=['threading', 'eventlet'])
def mode(request, stack):
    stack.restart_cinder_volume(cow_options(stack), request.param)
    return request.param


@pytest.fixture(scope='module')
def eventlet(stack):
    stack.restart_cinder_volume(cow_options(stack), 'eventlet')


# One large image, copied once in each mode, and what was seen meanwhile.


@dataclass
class Copied:
    volume: str
    statuses: list[str]
    #: That Cinder's folder for temporary files held at any time.
    files: set[str]
    memory: Memory
    line: str


@pytest.fixture(scope='module')
def large():
    """Data, zeros, data and an odd tail: 544 MiB and a bit."""
    return os.urandom(256 * MIB) + bytes(64 * MIB) + os.urandom(224 * MIB + 17)


@pytest.fixture(scope='module')
def copied(mode, stack, cloud, large):
    made = Made(cloud)
    log = Log(stack.log_file('cinder-volume'))
    try:
        # All that any copy takes, whatever its size, is taken by this one.
        made.volume('cow', made.image(large[:SMALLER], store='disk'))
        image = made.image(large, store='disk')
        memory = Memory(stack.cinder_volume_pids()['cow'])
        with watched(stack.conversion_dir) as files:
            volume = made.begin('cow', image)
            statuses = made.statuses(volume)
        memory.stop()
        (line,) = log.lines('volume from image', f'volume={volume}')
        yield Copied(volume, statuses, files, memory, line)
    finally:
        made.delete()


def test_file_store_image_arrives_whole(copied, pool, large):
    assert pool.parent(copied.volume) is None
    assert pool.read(copied.volume, len(large)) == large


def test_log_line_says_how_it_was_made(copied):
    assert 'method=stream reason=not-rbd ' in copied.line
    assert ' source=glance verification=hash' in copied.line
    assert f' bytes={480 * MIB + 17} ' in copied.line


def test_status_passes_through_downloading(copied):
    assert copied.statuses[-2:] == ['downloading', 'available']


def test_no_file_is_seen_where_cinder_converts(copied):
    assert copied.files == set()


def test_memory_does_not_grow_with_the_image(copied, mode):
    print(f'{mode}: peak memory grew by {copied.memory.grown >> 20} MiB')
    # It was given 384 MiB more. The smaller copy may never have had all that
    # may be in flight: 64 MiB here, and librbd's own copy of them.
    assert copied.memory.grown < 128 * MIB


def test_volume_knows_its_image(copied, cloud):
    shown = cloud.volume(copied.volume)
    assert shown.is_bootable
    assert shown.volume_image_metadata['signature_verified'] == 'False'


def test_service_goes_on_while_a_copy_blocks(mode, stack, tidy, cloud):
    """The OSD is stopped in the midst of the copy, so that it cannot end."""
    host = next(
        service.host
        for service in cloud.connection.block_storage.services()
        if service.host.endswith('@cow')
    )
    # Large enough not to be there before the OSD is stopped.
    image = tidy.image(os.urandom(MIB) * 512, store='disk')
    osd = stack.clusters[0].pid('osd')
    volume = tidy.begin('cow', image)
    tidy.wait(volume, 'downloading')
    os.kill(osd, signal.SIGSTOP)
    try:
        answer = cloud.connection.block_storage.get(
            f'/capabilities/{host}', timeout=20
        )
        assert cloud.volume(volume).status == 'downloading'
    finally:
        os.kill(osd, signal.SIGCONT)

    assert answer.json()['volume_backend_name'] == 'cow'
    assert tidy.statuses(volume)[-1] == 'available'


def test_image_in_another_cluster_is_read_by_librbd(mode, tidy, pool, log):
    image = tidy.image(CONTENT, store='far')

    volume = tidy.volume('cow', image)

    assert pool.parent(volume) is None
    assert pool.read(volume, 16 * MIB) == CONTENT.ljust(16 * MIB, b'\0')
    (line,) = log.lines('volume from image', f'volume={volume}')
    assert 'method=stream reason=other-cluster ' in line
    assert ' source=rbd ' in line


# What follows does not differ between the modes.


def test_ten_at_once_are_two_at_a_time(eventlet, stack, tidy, pool, log):
    content = os.urandom(48 * MIB)
    image = tidy.image(content, store='disk')
    memory = Memory(stack.cinder_volume_pids()['cow'])

    with pool.writers_watched() as most:
        volumes = [tidy.begin('cow', image) for _ in range(10)]
        ends = {tidy.statuses(volume)[-1] for volume in volumes}
    memory.stop()

    print(f'{max(most)} at once, memory grew by {memory.grown >> 20} MiB')
    assert ends == {'available'}
    assert all(pool.read(v, len(content)) == content for v in volumes)
    assert max(most) == 2
    # Of each 64 MiB in flight and librbd's copy of that, and what a process
    # takes that copies for the first time. All ten have 480 MiB.
    assert memory.grown < (2 * 128 + 64) * MIB
    assert len(log.lines('method=stream', 'verification=hash')) == 10


def test_qcow2_is_left_to_cinder(eventlet, tidy, pool, log, tmp_path):
    raw, qcow2 = tmp_path / 'raw', tmp_path / 'qcow2'
    raw.write_bytes(CONTENT[: 8 * MIB])
    convert = ['qemu-img', 'convert', '-O', 'qcow2', raw, qcow2]
    subprocess.run(convert, check=True)
    image = tidy.image(qcow2.read_bytes(), store='disk', disk_format='qcow2')

    volume = tidy.volume('cow', image)

    assert pool.read(volume, 8 * MIB) == CONTENT[: 8 * MIB]
    (line,) = log.lines('volume from image', f'volume={volume}')
    assert 'method=delegate reason=not-raw ' in line


def test_damaged_image_is_an_error_and_leaves_nothing(
    eventlet, stack, tidy, pool, log
):
    image = tidy.image(CONTENT, store='disk')
    stored = stack.folder / 'glance' / 'images' / image
    with stored.open('r+b') as file:
        file.seek(-1, os.SEEK_END)
        file.write(bytes([CONTENT[-1] ^ 1]))

    volume = tidy.volume('cow', image, expect='error')

    (line,) = log.lines('ERROR', f'volume={volume} Could not read')
    assert f'image {image} from glance' in line
    assert 'the stored image is damaged: upload it anew' in line
    assert log.lines('WARNING', image, 'The copy is tried again')
    assert not log.lines(volume, 'method=')
    assert not pool.holds(volume)


def test_image_declared_raw_that_is_not_is_refused(
    eventlet, tidy, pool, log, tmp_path
):
    qcow2 = tmp_path / 'qcow2'
    create = ['qemu-img', 'create', '-q', '-f', 'qcow2', qcow2, '1M']
    subprocess.run(create, check=True)
    image = tidy.image(qcow2.read_bytes(), store='disk')

    volume = tidy.volume('cow', image, expect='error')

    assert log.lines('ERROR', f'volume={volume} Image {image}', 'qcow2')
    assert not pool.holds(volume)


def test_image_without_a_hash_is_told_so(eventlet, stack, tidy, pool, log):
    image = tidy.image(CONTENT, store='disk')
    stack.sql('glance', HASHLESS, image)

    volume = tidy.volume('cow', image)

    assert pool.read(volume, len(CONTENT)) == CONTENT
    (line,) = log.lines('volume from image', f'volume={volume}')
    assert 'method=stream ' in line
    assert 'verification=absent' in line


def test_dead_service_leaves_an_error_and_no_rbd_image(
    eventlet, stack, tidy, cloud, pool, large
):
    image = tidy.image(large, store='disk')
    volume = tidy.begin('cow', image)
    tidy.wait(volume, 'downloading')
    pool.wait_for_data(volume)
    for pid in stack.cinder_volume_pids().values():
        os.kill(pid, signal.SIGKILL)
    assert pool.holds(volume)

    stack.restart_cinder_volume(cow_options(stack), kill=True)

    tidy.wait(volume, 'error')
    # Beside the service, when Ceph has forgotten the dead client.
    wait_until(lambda: not pool.holds(volume), 120)


def test_image_without_a_hash_is_refused_where_one_is_required(
    eventlet, stack, tidy, pool, log
):
    image = tidy.image(CONTENT, store='disk')
    stack.sql('glance', HASHLESS, image)
    stack.restart_cinder_volume(cow_options(stack, cow_require_hash=True))

    volume = tidy.volume('cow', image, expect='error')

    (line,) = log.lines('ERROR', f'volume={volume} Image {image}')
    assert 'hash' in line
    assert not pool.holds(volume)
