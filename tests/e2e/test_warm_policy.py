# SPDX-License-Identifier: Apache-2.0
"""Images are warmed by cinder-volume itself: their first volume is a clone."""

import contextlib
import json
import os
import subprocess
import time

import pytest

from tests.e2e.bases import bases, cow_options, evict, lines, packed
from tests.waiting import wait_until

MIB = 2**20
POLL_SECONDS = 1
HOSTS = '[DEFAULT]\nhost = second\nenabled_backends = cow\n'


def options(stack):
    return cow_options(
        stack, cow_warm_images='public', cow_warm_poll_seconds=POLL_SECONDS
    )


@pytest.fixture(scope='module', params=['threading', 'eventlet'])
def mode(request, stack):
    stack.restart_cinder_volume(options(stack), request.param)
    yield request.param
    evict(stack)


@pytest.fixture
def disk(tmp_path):
    return packed(tmp_path, 'qcow2', size=16 * MIB)


@pytest.fixture
def uploaded(tidy, disk):
    def upload(**more):
        more = {'disk_format': 'qcow2', 'store': 'disk', **more}
        return tidy.image(disk.file, **more)

    return upload


def imported(cloud, content):
    """The id of an image that came by Glance's import."""
    images = cloud.connection.image
    image_id = images.post(
        '/images',
        json={
            'name': 'e2e',
            'disk_format': 'qcow2',
            'container_format': 'bare',
            'visibility': 'public',
        },
    ).json()['id']
    headers = {'Content-Type': 'application/octet-stream'}
    staged = images.put(
        f'/images/{image_id}/stage', data=content, headers=headers
    )
    assert staged.ok, staged.text
    begun = images.post(
        f'/images/{image_id}/import',
        json={'method': {'name': 'glance-direct'}, 'stores': ['disk']},
    )
    assert begun.ok, begun.text
    return image_id


def reactivated(cloud, uploaded):
    """The id of one that became public while it was not active."""
    image_id, images = uploaded(visibility='private'), cloud.connection.image
    images.deactivate_image(image_id)
    images.update_image(image_id, visibility='public')
    images.reactivate_image(image_id)
    return image_id


@pytest.mark.parametrize('way', ['put', 'import', 'reactivation'])
def test_first_volume_is_a_clone_of_a_base_that_is_there(
    mode, way, cloud, tidy, pool, log, disk, uploaded
):
    match way:
        case 'put':
            image_id = uploaded()
        case 'import':
            image_id = imported(cloud, disk.file)
        case 'reactivation':
            image_id = reactivated(cloud, uploaded)
    log.wait(f'image={image_id} warmed: done, built')

    volume_id = tidy.volume('cow', image_id)

    assert pool.read(volume_id, len(disk.head)) == disk.head
    assert len(lines(log, 'clone-base')) == 1
    assert lines(log, 'build-base') == []


def test_failing_image_costs_one_try_and_is_shown(
    mode, stack, tidy, log, disk
):
    half = disk.file[: len(disk.file) // 2]
    bad = tidy.image(half, disk_format='qcow2', store='disk')
    log.wait(f'image={bad} warmed: failed')

    time.sleep(3 * POLL_SECONDS)

    assert len(log.lines(f'image={bad} warmed: ')) == 1
    (shown,) = (each for each in status(stack) if each['Image ID'] == bad)
    assert shown['Status'] == 'failed'
    assert bad in shown['Why']


def test_private_image_is_none_of_the_policy(mode, stack, log, uploaded):
    private = uploaded(visibility='private')
    public = uploaded()
    log.wait(f'image={public} warmed: done')

    assert private not in {each['Image ID'] for each in status(stack)}


def test_two_processes_build_a_base_once(
    mode, stack, tmp_path, pool, log, uploaded
):
    before = set(bases(pool))
    with second_host(stack, mode, tmp_path) as other:
        image_id = uploaded()
        warmed = f'image={image_id} warmed: '
        wait_until(lambda: log.lines(warmed) or warmed in other.read_text())
        time.sleep(2 * POLL_SECONDS)

    assert len(set(bases(pool)) - before) == 1
    ours, theirs = len(log.lines(warmed)), other.read_text().count(warmed)
    assert ours + theirs == 1


@contextlib.contextmanager
def second_host(stack, mode, folder):
    """Another cinder-volume of the same backend; the path of its log."""
    log, more = folder / 'second.log', folder / 'second.conf'
    more.write_text(HOSTS + options(stack))
    conf = stack.folder / 'cinder' / 'cinder.conf'
    native = {'OS_CINDER_DISABLE_EVENTLET_PATCHING': '1'}
    with log.open('w') as output:
        process = subprocess.Popen(
            ['cinder-volume', '--config-file', conf, '--config-file', more],
            env=os.environ
            | stack.env()
            | (native if mode == 'threading' else {}),
            stdout=output,
            stderr=output,
        )
    try:
        deadline = time.monotonic() + 60
        while 'Driver initialization completed' not in log.read_text():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        yield log
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def status(stack):
    """What the command shows."""
    conf = stack.folder / 'cinder' / 'cinder.conf'
    command = ['cinder-cow', 'warm', '--status', '-f', 'json']
    shown = subprocess.run(
        [*command, '--config-file', str(conf), '--backend', 'cow'],
        check=True,
        env=os.environ | stack.env(),
        stdout=subprocess.PIPE,
    )
    return json.loads(shown.stdout)
