# SPDX-License-Identifier: Apache-2.0
"""What is not cloned is still made, or is refused for the user's own good."""

import contextlib
import os

import pytest

MIB = 2**20
CONTENT = os.urandom(MIB)
NO_BASES = '[cow]\ncow_base_images = never\n'
NO_GLANCE_SECTION = f'{NO_BASES}[glance]\nauth_type =\n'


@pytest.fixture(scope='module', autouse=True)
def _without_bases(stack):
    stack.restart_cinder_volume(NO_BASES)


@pytest.mark.parametrize(
    ('options', 'reason'),
    [({'store': 'far'}, 'other-cluster'), ({'store': 'disk'}, 'not-rbd')],
)
def test_image_that_cannot_be_cloned_is_copied_and_the_log_says_why(
    tidy, pool, log, options, reason
):
    image = tidy.image(CONTENT, **options)

    volume = tidy.volume('cow', image)

    assert pool.parent(volume) is None
    assert pool.read(volume, len(CONTENT)) == CONTENT
    (line,) = log.lines('volume from image', f'volume={volume}')
    assert f'method=stream reason={reason} ' in line
    assert 'source=glance verification=hash' in line


def test_glance_without_locations(stack, tidy, demo, pool, log):
    image = tidy.image(CONTENT)
    stack.restart_cinder_volume(extra_config=NO_GLANCE_SECTION)
    try:
        volume = tidy.volume('cow', image, cloud=demo)
    finally:
        stack.restart_cinder_volume(NO_BASES)

    assert pool.parent(volume) is None
    assert pool.read(volume, len(CONTENT)) == CONTENT
    assert log.lines('WARNING', 'self-test', '[glance] section')
    (warning,) = log.lines('WARNING', f'volume={volume}', 'no-location')
    assert '[glance] section' in warning


def test_self_test_finds_all_well(stack, tidy, log):
    tidy.image(CONTENT)

    stack.restart_cinder_volume()

    # It runs beside the service; this is its last answer. The one of the
    # process before may have come late.
    ours = f' {stack.cinder_volume_pids()["cow"]} '
    log.wait(ours, 'self-test: Are clones made in format 2', seconds=60)
    lines = '\n'.join(log.lines(ours, 'self-test'))
    assert 'Does Glance show us where images lie: yes' in lines
    assert 'May client.cinder read the image pool images: yes' in lines
    assert 'Are clones made in format 2: yes' in lines
    assert 'Can images be converted here: yes' in lines
    assert not log.lines(ours, 'WARNING', 'self-test')


@contextlib.contextmanager
def snapshotted(pool, volume):
    with pool.opened(volume, read_only=False) as image:
        image.create_snap('snap')
    try:
        yield
    finally:
        with pool.opened(volume, read_only=False) as image:
            image.remove_snap('snap')


@contextlib.contextmanager
def relocated(stack, image, url):
    """As a user could do it where Glance shows its locations to users."""
    write = 'UPDATE image_locations SET value = %s WHERE image_id = %s'
    own = f'rbd://{stack.clusters[0].fsid}/images/{image}/snap'
    stack.sql('glance', write, url, image)
    try:
        yield
    finally:
        stack.sql('glance', write, own, image)


def test_location_that_points_at_another_projects_volume(
    stack, tidy, demo, pool, log
):
    victim = tidy.volume('cow', tidy.image(b'secret' * 1000))
    trap = tidy.image(CONTENT, cloud=demo, visibility='private')
    url = f'rbd://{stack.clusters[0].fsid}/volumes/volume-{victim}/snap'
    with snapshotted(pool, victim), relocated(stack, trap, url):
        # The copy then reads by Glance, whose cephx user may not.
        volume = tidy.volume('cow', trap, cloud=demo, expect='error')

        assert not log.lines('volume from image', f'volume={volume}')
        assert log.lines('WARNING', f'volume={volume}', 'pool-not-allowed')
        assert log.lines('ERROR', f'volume={volume} Could not read image')
        assert pool.names() == [f'volume-{victim}']
