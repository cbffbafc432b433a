# SPDX-License-Identifier: Apache-2.0
import json

import pytest

from cinder_cow.backends.base_store import BuildRecord
from tests.unit.cli.conftest import A, B
from tests.unit.conftest import IMAGE_ID


def test_list_shows_all_bases_the_least_recently_used_first(store, run):
    store.clone(store.find(B), 'volume-1')

    status, out, _err = run('base', 'list', '-f', 'json')

    assert status == 0
    first, second = json.loads(out)
    assert first.pop('Idle') > 10**9
    assert first == {
        'Name': A,
        'Image IDs': ['i-a'],
        'Bytes': 2**20,
        'Children': 0,
        'Saved': 0,
    }
    assert (second['Name'], second['Children']) == (B, 1)


def test_long_list_tells_what_clones_share_and_save(store, run):
    for number in range(3):
        store.clone(store.find(A), f'volume-{number}')

    _status, out, _err = run('base', 'list', '--long', '-f', 'json')

    first, second = json.loads(out)
    assert first.pop('Idle') > 10**9
    assert first == {
        'Name': A,
        'Image IDs': ['i-a'],
        'Format': 'qcow2',
        'Bytes': 2**20,
        'Children': 3,
        'Shared': 3 * 2**20,
        'Saved': 2 * 2**20,
        'Created': '1970-01-01T00:00:00Z',
        'Last used': '1970-01-01T00:00:01Z',
        'Verification': 'hash',
    }
    assert (second['Shared'], second['Saved']) == (0, 0)


def test_list_opens_no_image(store, run):
    store.failing.add('stored_bases')

    assert run('base', 'list')[0] == 0
    assert ('stored_bases', None) not in store.calls


@pytest.fixture
def wide(store):
    """A store of all that is as long as it gets."""
    for number in range(3):
        name = f'cow-base-qcow2-sha512-{number}{"e" * 127}'
        store.add(name, image_id=IMAGE_ID, stored_bytes=1023 * 2**30)
        base = store.find(name)
        for each in range(128):
            store.used(base, f'{each:08d}{IMAGE_ID[8:]}')
        cause = f'Could not open {IMAGE_ID}: no route to host. ' * 5
        store.set_build_record(
            f'{name}-signed-{number}{"f" * 31}',
            BuildRecord(6, 'SourceError', cause, image_id=IMAGE_ID),
        )
    for number in range(2000):
        store.clone(base, f'volume-{number}')


@pytest.mark.parametrize(
    'words',
    [
        ('base', 'list'),
        ('base', 'list', '--failed'),
        ('base', 'show', B),
        ('base', 'sweep', '--dry-run', '--max-bytes', '0'),
    ],
)
def test_tables_fit_into_100_columns(wide, run, words):
    status, out, _err = run(*words)

    assert status == 0
    assert 60 < max(map(len, out.splitlines())) <= 100


def test_failed_builds_are_listed_with_their_cause(store, run):
    known = BuildRecord(
        2, 'StorageFull', 'no room', written=7, image_id=IMAGE_ID
    )
    name = 'cow-base-vmdk-sha512-cc'
    store.set_build_record(name, known)
    store.set_build_record('cow-base-vmdk-sha512-dd', BuildRecord())

    status, out, _err = run('base', 'list', '--failed', '-f', 'json')

    assert status == 0
    assert json.loads(out) == [
        {
            'Name': name,
            'Image ID': IMAGE_ID,
            'Failures': 2,
            'When': '1970-01-01T00:00:07Z',
            'Cause': 'no room',
        }
    ]
    _status, out, _err = run('base', 'list', '--failed', '--long')
    assert name in out
    assert IMAGE_ID in out


def test_list_for_people_has_units(store, run):
    _status, out, _err = run('base', 'list')

    assert '1.0 MiB' in out


def test_show_says_how_a_base_was_made(store, run):
    status, out, _err = run('base', 'show', A, '-f', 'json')

    assert status == 0
    shown = json.loads(out)
    assert shown['Hash'] == f'sha512:{"ab" * 64}'
    assert shown['Source'] == 'glance'
    assert shown['Signature verified'] is False


def test_show_of_none_tells_why_its_build_failed(store, run):
    store.set_build_record(
        'cow-base-x', BuildRecord(1, 'StorageFull', 'no room')
    )

    status, out, err = run('base', 'show', 'cow-base-x')

    assert (status, out) == (1, '')
    assert err == (
        'There is no base image cow-base-x. Its last build failed: no room.'
        ' See `cinder-cow base list`.\n'
    )


def test_storage_that_fails_is_one_line(store, run):
    store.failing.add('recorded_bases')

    status, out, err = run('base', 'list')

    assert (status, out) == (1, '')
    assert err.startswith('Could not recorded_bases: injected.')
    assert len(err.splitlines()) == 1
