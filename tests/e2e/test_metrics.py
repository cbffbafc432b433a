# SPDX-License-Identifier: Apache-2.0
"""What Prometheus, the administrator and the owner see of a create."""

import os
import socket

import pytest

from sandbox.cloud import BUSY
from tests import scraping
from tests.e2e.bases import cow_options, evict, packed
from tests.waiting import wait_until

MIB = 2**20
CONTENT = os.urandom(MIB) + bytes(6 * MIB) + os.urandom(MIB + 17)
#: Of volumes.provider_id.
SHOWN = '3.21'


@pytest.fixture(scope='module', params=['threading', 'eventlet'])
def address(request, stack):
    """Where our backend serves its metrics, in one mode and in the other.

    The socket is there before, as of a process that was killed.
    """
    address = f'127.0.0.1:{scraping.free_port()}'
    if request.param == 'eventlet':
        path = stack.folder / 'cow.sock'
        address = f'unix:{path}'
        with socket.socket(socket.AF_UNIX) as killed:
            killed.bind(str(path))
    options = cow_options(
        stack,
        cow_metrics_address=address,
        cow_volume_metadata=True,
        cow_base_auto_bytes=0,
    )
    stack.restart_cinder_volume(options, request.param)
    yield address
    evict(stack)


@pytest.fixture
def counted(address):
    """What has been counted since the test began."""
    before = scraping.scrape(address)

    def counted():
        after = scraping.scrape(address)
        return {
            key: after[key] - before.get(key, 0)
            for key in after
            if key[0].endswith('_total') and after[key] != before.get(key)
        }

    return counted


def shown(cloud, volume):
    answer = cloud.connection.block_storage.get(
        f'/volumes/{volume}', microversion=SHOWN
    )
    return answer.json()['volume']


def test_clone(counted, tidy, cloud, address):
    volume = tidy.volume('cow', tidy.image(CONTENT))

    assert counted() == {('creates_total', 'clone', 'cloneable'): 1}
    assert scraping.scrape(address)['create_seconds_count', 'clone'] >= 1
    assert shown(cloud, volume)['provider_id'] == 'cow:clone'


def test_base_that_is_built_and_used(counted, tidy, cloud, address, tmp_path):
    disk = packed(tmp_path, 'qcow2', size=256 * MIB)
    image = tidy.image(disk.file, disk_format='qcow2', store='disk')

    volume = tidy.begin('cow', image)
    seen = {}
    while tidy.cloud.volume(volume).status in BUSY:
        seen |= scraping.scrape(address)
    second = tidy.volume('cow', image)

    found = counted()
    assert found.pop(('copied_bytes_total', 'glance')) >= 8 * MIB
    assert found == {
        ('creates_total', 'build-base', 'not-raw'): 1,
        ('creates_total', 'clone-base', 'not-raw'): 1,
    }
    (ratio,) = [
        value
        for key, value in seen.items()
        if key[0] == 'build_progress_ratio'
    ]
    assert 0 <= ratio <= 1
    assert scraping.scrape(address)['builds_running',] == 0
    assert shown(cloud, volume)['provider_id'] == 'cow:build-base:not-raw'
    assert shown(cloud, second)['provider_id'] == 'cow:clone-base:not-raw'


def test_stream(counted, tidy, cloud):
    volume = tidy.volume('cow', tidy.image(CONTENT, store='far'))

    found = counted()
    # The source reads no holes.
    assert 2 * MIB < found.pop(('copied_bytes_total', 'rbd')) <= len(CONTENT)
    assert found == {('creates_total', 'stream', 'other-cluster'): 1}
    assert shown(cloud, volume)['provider_id'] == 'cow:stream:other-cluster'


def test_failure_is_counted_and_told_to_the_owner(
    counted, tidy, demo, tmp_path
):
    image = tidy.image(packed(tmp_path, 'qcow2').file, store='disk')

    volume = tidy.volume('cow', image, cloud=demo, expect='error')

    assert counted() == {('failures_total', 'ImageUnacceptable'): 1}
    answer = demo.connection.block_storage.get('/messages', microversion='3.3')
    (message,) = [
        each
        for each in answer.json()['messages']
        if each['resource_uuid'] == volume
    ]
    assert 'copy image to volume' in message['user_message']


def test_owner_sees_the_metadata_and_not_provider_id(
    address, tidy, cloud, demo
):
    image = tidy.image(CONTENT)
    volumes = demo.connection.block_storage
    volume = volumes.create_volume(
        size=1, image_id=image, volume_type='cow', metadata={'mine': '1'}
    ).id
    tidy.wait(volume, 'available')

    found = shown(demo, volume)

    assert 'provider_id' not in found
    assert found['metadata'] == {
        'mine': '1',
        'cow_method': 'clone',
        'cow_reason': 'cloneable',
    }
    assert shown(cloud, volume)['provider_id'] == 'cow:clone'


def test_self_test_and_copies_are_shown(address, stack):
    wait_until(lambda: ('selftest_failures',) in scraping.scrape(address))

    found = scraping.scrape(address)
    assert found['copies_running',] == found['copies_waiting',] == 0
    assert found['connections_lost_total',] == 0
