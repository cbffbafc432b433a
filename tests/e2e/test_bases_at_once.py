# SPDX-License-Identifier: Apache-2.0

"""Ten at once of one new image, in each mode, and what was seen meanwhile."""

import pytest

from tests.e2e.bases import bases, cow_options, evict, lines, packed
from tests.e2e.conftest import Log, Made, watched

AT_ONCE = 10


@pytest.fixture(scope='module', params=['threading', 'eventlet'])
def mode(request, stack):
    stack.restart_cinder_volume(cow_options(stack), request.param)
    return request.param


@pytest.fixture(scope='module')
def many(mode, stack, cloud, pool, tmp_path_factory):
    disk = packed(tmp_path_factory.mktemp('many'), 'qcow2')
    log = Log(stack.log_file('cinder-volume'))
    made = Made(cloud)
    try:
        image = made.image(disk.file, store='disk', disk_format='qcow2')
        with watched(stack.conversion_dir) as files:
            volumes = [made.begin('cow', image) for _ in range(AT_ONCE)]
            ends = {made.statuses(volume)[-1] for volume in volumes}
        yield disk, volumes, ends, files, log, bases(pool)
    finally:
        made.delete()
        evict(stack)


def test_all_become_available_and_hold_the_disk(many, pool):
    disk, volumes, ends, *_ = many

    assert ends == {'available'}
    for volume in volumes:
        assert pool.read(volume, len(disk.head)) == disk.head


def test_one_base_is_built_and_all_are_its_clones(many, pool):
    _disk, volumes, _ends, _files, log, found = many

    (base,) = found
    parents = {pool.parent(volume) for volume in volumes}
    assert parents == {f'volumes/{base}@base'}
    assert len(lines(log, 'build-base')) == 1
    assert len(lines(log, 'clone-base')) == AT_ONCE - 1


def test_the_log_says_why_and_from_where(many):
    *_, log, _found = many

    (line,) = lines(log, 'build-base')
    assert ' reason=not-raw ' in line
    assert ' source=glance verification=hash' in line


def test_no_file_is_seen_where_cinder_converts(many):
    *_, files, _log, _found = many

    assert files == set()


def test_volume_knows_its_image(many, cloud):
    _disk, volumes, *_ = many

    shown = cloud.volume(volumes[0])
    assert shown.is_bootable
    assert shown.volume_image_metadata['disk_format'] == 'qcow2'
