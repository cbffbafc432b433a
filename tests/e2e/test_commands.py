# SPDX-License-Identifier: Apache-2.0
"""The commands, as an operator types them."""

import json
import os
import signal
import subprocess

import pytest

from tests.e2e.bases import bases, cow_options, lines, packed
from tests.waiting import wait_until

pytestmark = pytest.mark.usefixtures('nothing_is_left')

MIB = 2**20


@pytest.fixture(scope='module', autouse=True)
def _configured(stack):
    stack.restart_cinder_volume(cow_options(stack), 'eventlet')


def begun(stack, *words):
    conf = stack.folder / 'cinder' / 'cinder.conf'
    return subprocess.Popen(
        ['cinder-cow', *words, '--config-file', conf, '--backend', 'cow'],
        env=os.environ | stack.env(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture
def cow(stack):
    """Runs the command; answers its exit status, its output and its errors."""

    def run(*words):
        process = begun(stack, *words)
        out, err = process.communicate(timeout=60)
        return process.returncode, out, err

    return run


def shown(cow, *words):
    status, out, err = cow(*words, '-f', 'json')
    assert (status, err) == (0, '')
    return json.loads(out)


@pytest.fixture
def images(tidy, tmp_path):
    """Two that need a base, and one that is cloned where it lies."""
    disk = packed(tmp_path, 'qcow2')
    return {
        'qcow2': tidy.image(disk.file, store='disk', disk_format='qcow2'),
        'file': tidy.image(disk.head, store='disk'),
        'rbd': tidy.image(disk.head[::-1], store='ceph'),
    }


def test_warm_builds_the_bases_that_volumes_are_cloned_from(
    tidy, pool, log, cow, images
):
    status, out, err = cow('warm', *images.values())

    assert (status, err) == (0, '')
    told = dict(line.split(' ', 1) for line in out.splitlines())
    assert told[images['qcow2']].startswith('built: qcow2-')
    assert told[images['file']].startswith('built: raw-')
    assert told[images['rbd']] == (
        f'skipped: it is cloned where it lies, from images/{images["rbd"]}'
        f'@snap'
    )
    for image in images.values():
        tidy.volume('cow', image)
    assert len(lines(log, 'clone-base')) == 2
    assert len(lines(log, 'clone')) == 1
    assert lines(log, 'build-base') == []

    status, out, err = cow('warm', images['file'], 'no-such-image')

    assert status == 1
    assert out.startswith(f'{images["file"]} there: raw-')
    assert 'no-such-image' in err


def test_bases_are_listed_shown_and_evicted_by_short_names(
    tidy, pool, cow, images
):
    cow('warm', images['qcow2'], images['file'])
    for _ in range(2):
        tidy.volume('cow', images['qcow2'])

    _status, table, _err = cow('base', 'list')
    short = next(word for word in table.split() if word.startswith('qcow2-'))
    assert max(map(len, table.splitlines())) <= 100
    listed = shown(cow, 'base', 'list')
    assert {each['Name'] for each in listed} == set(bases(pool))
    assert sorted(each['Children'] for each in listed) == [0, 2]
    known = shown(cow, 'base', 'show', short)
    assert known['Children'] == 2
    assert known['Saved'] == known['Bytes'] == known['Shared'] // 2
    assert known['Image IDs'] == [images['qcow2']]

    status, _out, err = cow('base', 'evict', 'q')
    assert status == 1
    assert err.startswith(f'{short} was not evicted: there are volumes')
    assert cow('base', 'evict', 'raw-')[0] == 0
    (left,) = bases(pool)
    assert left == known['Name']


def test_stats_count_what_was_made(tidy, pool, cow, images):
    cow('warm', images['qcow2'])
    for kind in ('qcow2', 'qcow2', 'rbd'):
        tidy.volume('cow', images[kind])
    tidy.cloud.connection.block_storage.create_volume(
        size=1, volume_type='cow'
    )
    wait_until(lambda: len(pool.names()) == 5)

    found = shown(cow, 'stats')

    assert found['Volumes'] == 4
    assert found['Clones of bases'] == found['Children of bases'] == 2
    assert found['Clones of images'] == 1
    assert found['Volumes without a parent'] == 1
    assert found['Bases'] == 1
    status, text, _err = cow('stats', '--prometheus')
    assert status == 0
    assert (
        'cinder_cow_pool_volumes{backend="cow",method="clone-base"} 2.0'
        in text.splitlines()
    )
    wait_until(
        lambda: not any(each.status == 'creating' for each in made(tidy))
    )


def test_warm_that_is_interrupted_leaves_nothing(
    stack, tidy, pool, interruptible
):
    image = tidy.image(os.urandom(300 * MIB), store='disk')
    process = begun(stack, 'warm', image)
    wait_until(lambda: bases(pool))

    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)

    assert (process.returncode, out) == (130, '')
    assert err == 'Interrupted: what was unfinished is removed.\n'
    assert pool.names() == []


def made(tidy):
    return [tidy.cloud.volume(each) for each in tidy.volumes()]
