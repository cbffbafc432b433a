# SPDX-License-Identifier: Apache-2.0
import json

from cinder_cow.backends.base_store import BuildRecord
from tests.unit.cli.conftest import A, B

SHORT_A, SHORT_B = 'qcow2-aa', 'raw-bb'


def test_evict_frees_the_base(store, run):
    status, out, _err = run('base', 'evict', A)

    assert (status, out) == (0, f'{SHORT_A}: evicted, 1.0 MiB\n')
    assert set(store.things) == {B}
    assert not store.retired
    assert not store.leases


def test_evict_takes_beginnings_of_names(store, run):
    status, out, _err = run('base', 'evict', 'q', 'cow-base-raw')

    assert status == 0
    assert [line.split(':')[0] for line in out.splitlines()] == [
        SHORT_A,
        SHORT_B,
    ]
    assert not store.things


def test_evict_guesses_at_none_of_several(store, run):
    status, out, err = run('base', 'evict', 'cow-base')

    assert (status, out) == (1, '')
    assert f'means 2 base images: {SHORT_A}, {SHORT_B}.' in err
    assert set(store.things) == {A, B}


def test_evict_refuses_one_that_is_needed_and_goes_on(store, run):
    store.clone(store.find(A), 'volume-1')

    status, out, err = run('base', 'evict', A, B)

    assert status == 1
    assert f'{SHORT_B}: evicted' in out
    assert err.startswith(f'{SHORT_A} was not evicted: there are volumes')
    assert len(err.splitlines()) == 1
    assert set(store.things) == {A}


def test_evict_can_retire_one_that_is_needed(store, run):
    store.clone(store.find(A), 'volume-1')

    status, out, _err = run('base', 'evict', '--retire', A)

    assert status == 0
    assert out.startswith(f'{SHORT_A}: retired')
    assert store.find(A) is None
    assert len(store.retired) == 1


def test_evict_leaves_one_that_is_being_built(store, run):
    with store.lease(A):
        status, _out, err = run('base', 'evict', A)

    assert status == 1
    assert 'Try again' in err
    assert A in store.things


def test_sweep_keeps_the_limits_of_the_configuration(store, run):
    status, out, err = run('base', 'sweep', '-f', 'json')

    assert (status, err) == (0, '')
    (row,) = json.loads(out)
    assert row.pop('Idle') > 10**9
    assert row == {
        'Name': A,
        'Image IDs': ['i-a'],
        'Action': 'evicted',
        'Reason': 'bytes',
        'Bytes': 2**20,
    }
    assert set(store.things) == {B}


def test_sweep_is_given_other_limits(store, run):
    run('base', 'sweep', '--max-bytes', str(2**30))
    assert set(store.things) == {A, B}

    run('base', 'sweep', '--max-bytes', str(2**30), '--max-idle-seconds', '60')
    assert not store.things


def test_sweep_shows_what_dead_builders_left(store, run):
    store.set_build_record('cow-base-x', BuildRecord(image_id='i-x'))

    _status, out, _err = run(
        'base', 'sweep', '--max-bytes', '9999999', '-f', 'csv'
    )

    assert '"cow-base-x","[]","removed","abandoned-build",' in out


def test_dry_sweep_changes_nothing(store, run):
    status, out, _err = run('base', 'sweep', '--dry-run')

    assert status == 0
    assert SHORT_A in out
    assert set(store.things) == {A, B}


def test_sweep_that_could_not_do_all_fails_after_its_table(store, run):
    store.failing.add(('retire', A))

    status, out, err = run('base', 'sweep', '--max-bytes', '0')

    assert status == 1
    assert SHORT_B in out
    assert A in err


def test_sweep_beside_another_fails(store, run):
    with store.lease('sweep'):
        status, _out, err = run('base', 'sweep')

    assert status == 1
    assert err.startswith('Another process is sweeping')
