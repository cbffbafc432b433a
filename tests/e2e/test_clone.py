# SPDX-License-Identifier: Apache-2.0
"""Through the Cinder API to `available`, in both of Cinder's modes."""

import concurrent.futures
import os
import signal
import threading

import pytest

from tests.e2e.unread import has_request_of
from tests.waiting import wait_until

GIB = 2**30
MIB = 2**20
CONTENT = os.urandom(MIB) + bytes(6 * MIB) + os.urandom(MIB)


@pytest.fixture(scope='module', params=['eventlet', 'threading'])
def mode(request, stack):
    stack.restart_cinder_volume(concurrency=request.param)
    return request.param


@pytest.fixture(autouse=True)
def _in(mode):
    return mode


@pytest.fixture
def image(tidy):
    return tidy.image(CONTENT)


def test_volume_is_a_bootable_clone_and_goes_without_a_trace(
    tidy, cloud, pool, image, log
):
    volume = tidy.volume('cow', image, size_gib=2)

    assert pool.parent(volume) == f'images/{image}@snap'
    assert pool.read(volume, len(CONTENT)) == CONTENT
    assert pool.size(volume) == 2 * GIB
    assert pool.data_objects() == []
    shown = cloud.volume(volume)
    assert shown.is_bootable
    assert shown.volume_image_metadata['image_id'] == image
    (line,) = log.lines('volume from image', f'volume={volume}')
    assert f'image={image} method=clone reason=cloneable' in line

    tidy.delete()
    assert pool.names() == []


def test_twenty_at_once(tidy, pool, image):
    with concurrent.futures.ThreadPoolExecutor(20) as workers:
        volumes = list(
            workers.map(lambda _: tidy.volume('cow', image), range(20))
        )

    parents = {pool.parent(volume) for volume in volumes}
    assert parents == {f'images/{image}@snap'}
    assert pool.data_objects() == []
    assert all(pool.read(v, len(CONTENT)) == CONTENT for v in volumes)


def test_private_image_of_another_project(tidy, demo, pool):
    image = tidy.image(CONTENT, cloud=demo, visibility='private')

    volume = tidy.volume('cow', image, cloud=demo)

    assert pool.parent(volume) == f'images/{image}@snap'


def test_service_goes_on_while_a_clone_blocks(stack, tidy, cloud, image, log):
    """The OSD is stopped, so that librbd blocks in the middle of a clone."""
    host = next(
        service.host
        for service in cloud.connection.block_storage.services()
        if service.host.endswith('@cow')
    )
    osd = stack.clusters[0].pid('osd')
    clients = [stack.cinder_volume_pids()['cow']]
    creating = threading.Thread(target=tidy.volume, args=('cow', image))
    os.kill(osd, signal.SIGSTOP)
    try:
        creating.start()
        log.wait('being created as image')
        wait_until(lambda: has_request_of(osd, clients))
        # An RPC to the very process that is making the clone.
        answer = cloud.connection.block_storage.get(
            f'/capabilities/{host}', timeout=20
        )
        assert creating.is_alive()
    finally:
        os.kill(osd, signal.SIGCONT)
    creating.join(60)

    assert answer.json()['volume_backend_name'] == 'cow'
    assert len(tidy.volumes()) == 1
