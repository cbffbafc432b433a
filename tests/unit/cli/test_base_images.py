# SPDX-License-Identifier: Apache-2.0
import json
import logging
import subprocess
import sys

import pytest

from cinder_cow import backends
from cinder_cow.backends.base_store import BuildRecord
from cinder_cow.backends.rbd.settings import RbdSettings
from cinder_cow.cli import configuration, main
from cinder_cow.cli.columns import Bytes, Seconds
from cinder_cow.cli.failures import CommandFailed
from tests.fakes.bases import MemoryBases

A = 'cow-base-qcow2-sha512-aa'
B = 'cow-base-raw-sha512-bb'
OURS = f'volume_driver = {configuration.DRIVER}'
CONF = f"""
[DEFAULT]
enabled_backends = lvm, ceph
[lvm]
volume_driver = cinder.volume.drivers.lvm.LVMVolumeDriver
[backend_defaults]
rbd_user = shared
rbd_ceph_conf = /etc/ceph/far.conf
cow_base_pool = bases
[ceph]
{OURS}
rbd_pool = volumes
rbd_user = cinder
rbd_store_chunk_size = 8
cow_base_max_bytes = 100
cow_base_max_idle_seconds = 9999999999
cow_base_once_idle_seconds = -1
"""


@pytest.fixture
def conf(tmp_path):
    """Writes a cinder.conf; answers its path."""

    def write(text=CONF):
        path = tmp_path / 'cinder.conf'
        path.write_text(text)
        return str(path)

    return write


@pytest.fixture
def store(backend, monkeypatch):
    store = MemoryBases(backend)
    store.add(B, b'b', last_used=2, image_id='i-b', stored_bytes=50)
    store.add(A, b'a', last_used=1, image_id='i-a', stored_bytes=2**20)
    backend.bases = lambda: store
    monkeypatch.setattr(backends, 'from_options', lambda options: backend)
    return store


@pytest.fixture
def run(conf, capsys):
    """Runs a command; answers its exit status, its output and its errors."""
    root = logging.getLogger()
    stevedore = logging.getLogger('stevedore')
    levels, handlers = (root.level, stevedore.level), list(root.handlers)

    def call(*argv):
        status = main.main(['base', *argv, '--config-file', conf()])
        out, err = capsys.readouterr()
        return status, out, err

    yield call
    root.setLevel(levels[0])
    stevedore.setLevel(levels[1])
    root.handlers[:] = handlers


def test_section_is_the_only_one_with_our_driver(conf):
    found = configuration.section([conf()], None)

    assert found.name == 'ceph'
    assert RbdSettings.from_options(found) == RbdSettings(
        cluster_name='ceph',
        conf_path='/etc/ceph/far.conf',
        user='cinder',
        pool='volumes',
        object_bytes=8 * 2**20,
        base_pool='bases',
    )
    assert found.cow_base_max_bytes == 100
    assert found.cow_base_max_idle_seconds == 9999999999


def test_section_can_be_named_though_it_is_not_enabled(conf):
    text = f'{CONF}\n[far]\nrbd_pool = distant\n'

    found = configuration.section([conf(text)], 'far')

    assert found.rbd_pool == 'distant'
    assert found.rbd_user == 'shared'


def test_of_two_backends_one_has_to_be_named(conf):
    text = CONF.replace('lvm, ceph', 'ceph, far') + f'[far]\n{OURS}\n'

    with pytest.raises(CommandFailed, match='--backend') as caught:
        configuration.section([conf(text)], None)

    assert ': ceph, far.' in str(caught.value)
    assert configuration.section([conf(text)], 'far').name == 'far'


@pytest.mark.parametrize(
    ('text', 'backend', 'reason'),
    [
        ('[DEFAULT]\n', None, 'has 0 enabled_backends'),
        (CONF, 'cehp', r'no section \[cehp\].*: ceph'),
        ('[DEFAULT]\n', 'ceph', r'no section \[ceph\].*: none'),
        ('no ini\n', None, 'See --config-file'),
    ],
)
def test_section_that_cannot_be_is_an_error(conf, text, backend, reason):
    with pytest.raises(CommandFailed, match=reason):
        configuration.section([conf(text)], backend)


def test_file_that_cannot_be_parsed_is_named_and_not_shown(tmp_path):
    secret = tmp_path / 'shadow'
    secret.write_text('root:$6$secret:19000:0:99999:7:::\nnoise\n')

    with pytest.raises(CommandFailed, match=str(secret)) as caught:
        configuration.section([str(secret)], None)

    assert 'secret$' not in str(caught.value)
    assert '$6$' not in str(caught.value)


def test_value_that_is_none_is_an_error(conf):
    text = CONF.replace('chunk_size = 8', 'chunk_size = big')

    with pytest.raises(CommandFailed, match='rbd_store_chunk_size'):
        _ = configuration.section([conf(text)], None).rbd_store_chunk_size


def test_unknown_option_is_no_attribute(conf):
    assert not hasattr(configuration.section([conf()], None), 'rbd_pol')


def test_list_shows_all_bases_the_least_recently_used_first(store, run):
    store.clone(store.find(B), 'volume-1')

    status, out, _err = run('list', '-f', 'json')

    assert status == 0
    first, second = json.loads(out)
    assert first.pop('Idle') > 10**9
    assert first == {
        'Name': A,
        'Image IDs': ['i-a'],
        'Format': 'qcow2',
        'Bytes': 2**20,
        'Created': '1970-01-01T00:00:00Z',
        'Last used': '1970-01-01T00:00:01Z',
        'Children': False,
        'Verification': 'hash',
    }
    assert (second['Name'], second['Children']) == (B, True)


def test_list_for_people_has_units(store, run):
    _status, out, _err = run('list')

    assert '1.0 MiB' in out


def test_show_says_how_a_base_was_made(store, run):
    status, out, _err = run('show', A, '-f', 'json')

    assert status == 0
    shown = json.loads(out)
    assert shown['Hash'] == f'sha512:{"ab" * 64}'
    assert shown['Source'] == 'glance'
    assert shown['Signature verified'] is False


def test_show_of_none_tells_why_its_build_failed(store, run):
    store.set_build_record(
        'cow-base-x', BuildRecord(1, 'StorageFull', 'no room')
    )

    status, out, err = run('show', 'cow-base-x')

    assert (status, out) == (1, '')
    assert err == (
        'There is no base image cow-base-x. Its last build failed: no room.'
        ' See `cinder-cow base list`.\n'
    )


def test_evict_frees_the_base(store, run):
    status, out, _err = run('evict', A)

    assert (status, out) == (0, f'{A}: evicted, 1.0 MiB\n')
    assert set(store.things) == {B}
    assert not store.retired
    assert not store.leases


def test_evict_refuses_one_that_is_needed_and_goes_on(store, run):
    store.clone(store.find(A), 'volume-1')

    status, out, err = run('evict', A, B)

    assert status == 1
    assert f'{B}: evicted' in out
    assert err.startswith(f'{A} was not evicted: there are volumes')
    assert len(err.splitlines()) == 1
    assert set(store.things) == {A}


def test_evict_can_retire_one_that_is_needed(store, run):
    store.clone(store.find(A), 'volume-1')

    status, out, _err = run('evict', '--retire', A)

    assert status == 0
    assert out.startswith(f'{A}: retired')
    assert store.find(A) is None
    assert len(store.retired) == 1


def test_evict_leaves_one_that_is_being_built(store, run):
    with store.lease(A):
        status, _out, err = run('evict', A)

    assert status == 1
    assert 'Try again' in err
    assert A in store.things


def test_sweep_keeps_the_limits_of_the_configuration(store, run):
    status, out, err = run('sweep', '-f', 'json')

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
    run('sweep', '--max-bytes', str(2**30))
    assert set(store.things) == {A, B}

    run('sweep', '--max-bytes', str(2**30), '--max-idle-seconds', '60')
    assert not store.things


def test_sweep_shows_what_dead_builders_left(store, run):
    store.set_build_record('cow-base-x', BuildRecord())

    _status, out, _err = run('sweep', '--max-bytes', '9999999', '-f', 'csv')

    assert '"cow-base-x","[]","removed","abandoned-build",' in out


def test_dry_sweep_changes_nothing(store, run):
    status, out, _err = run('sweep', '--dry-run')

    assert status == 0
    assert A in out
    assert set(store.things) == {A, B}


def test_sweep_that_could_not_do_all_fails_after_its_table(store, run):
    store.failing.add(('retire', A))

    status, out, err = run('sweep', '--max-bytes', '0')

    assert status == 1
    assert B in out
    assert A in err


def test_sweep_beside_another_fails(store, run):
    with store.lease('sweep'):
        status, _out, err = run('sweep')

    assert status == 1
    assert err.startswith('Another process is sweeping')


def test_storage_that_fails_is_one_line(store, run):
    store.failing.add('stored_bases')

    status, out, err = run('list')

    assert (status, out) == (1, '')
    assert err.startswith('Could not stored_bases: injected.')
    assert len(err.splitlines()) == 1


def test_backend_without_bases_says_so(store, backend, run):
    backend.bases = lambda: None

    status, _out, err = run('list')

    assert status == 1
    assert err == 'The backend rbd of [ceph] keeps no base images.\n'


def test_command_line_fails_with_one_line_and_without_cinder(conf, tmp_path):
    text = CONF.replace('[ceph]\n', '[ceph]\ncow_backend = tape\n')
    code = (
        'import sys; from cinder_cow.cli import main;'
        'status = main.main(sys.argv[1:]);'
        'assert "cinder" not in sys.modules; sys.exit(status)'
    )
    done = subprocess.run(
        [sys.executable, '-c', code, 'base', 'list', '--config-file']
        + [conf(text)],
        env={'HOME': str(tmp_path)},  # stevedore's cache of entry points
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (done.returncode, done.stdout) == (1, '')
    assert done.stderr.startswith('cow_backend = tape cannot be loaded')
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ('count', 'text'),
    [
        (0, '0 B'),
        (1023, '1023 B'),
        (1536, '1.5 KiB'),
        (2**60, '1048576.0 TiB'),
    ],
)
def test_bytes_for_people(count, text):
    assert str(Bytes(count)) == text
    assert Bytes(count).machine_readable() == count


@pytest.mark.parametrize(
    ('seconds', 'text'),
    [(0, '0 s'), (59, '59 s'), (90, '1.5 min'), (129600, '1.5 d')],
)
def test_seconds_for_people(seconds, text):
    assert str(Seconds(seconds)) == text
