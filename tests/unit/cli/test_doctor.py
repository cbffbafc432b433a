# SPDX-License-Identifier: Apache-2.0
import argparse
import contextlib
import json
import threading

import pytest

from cinder_cow import errors
from cinder_cow.backends.base import CheckResult, Grade
from cinder_cow.cli import (
    configuration,
    doctor,
    glance_access,
    main,
    preconditions,
)
from cinder_cow.model import SnapshotRef
from tests.fakes.image_api import ImageApi

CONF = f"""
[DEFAULT]
enabled_backends = ceph
glance_api_servers = {{url}}
verify_glance_signatures = disabled
[ceph]
volume_driver = {configuration.DRIVER}
cow_sources = glance
"""
COLUMNS = 100


@pytest.fixture
def api():
    with contextlib.closing(ImageApi()) as api:
        api.images = {'i': {'status': 'active', 'size': 7}}
        api.locations = {'i': ['rbd://fsid-of-memory/images/i/snap']}
        yield api


@pytest.fixture
def conf(api, tmp_path):
    path = tmp_path / 'cinder.conf'

    def write(text=CONF, login=None):
        login = api.login() if login is None else login
        lines = ['[glance]', *(f'{key} = {login[key]}' for key in login)]
        path.write_text('\n'.join([text.format(url=api.url), *lines, '']))
        return str(path)

    write()
    write.path = str(path)
    return write


@pytest.fixture
def storage(backend, monkeypatch):
    """The backend in memory, and what it was asked."""
    monkeypatch.setattr(
        preconditions.backends, 'from_options', lambda options: backend
    )
    monkeypatch.setattr(
        preconditions.conversion, 'checks', lambda confinement: []
    )
    return backend


@pytest.fixture
def run(conf, capsys):
    """Runs the command; answers its exit status and its output."""

    def call(*argv):
        command = doctor.Doctor(main.Cow(), argparse.Namespace())
        parser = command.get_parser('doctor')
        status = command.run(
            parser.parse_args(['--config-file', conf.path, *argv])
        )
        return status, capsys.readouterr().out

    return call


def rows(output):
    return {row['Check']: row for row in json.loads(output)}


def bad_rows(output):
    return [row for row in json.loads(output) if row['Result'] != 'pass']


def test_all_is_well(run, storage):
    status, output = run('-f', 'json')

    assert status == 0
    assert bad_rows(output) == []
    assert len(json.loads(output)) == 8


def test_storage_is_told_what_glance_showed(run, storage, monkeypatch):
    told = []

    def preconditions(examples, image_bytes):
        told.extend([*examples, image_bytes])
        return [CheckResult('Q', True, 'yes')]

    monkeypatch.setattr(storage, 'preconditions', preconditions)
    run()

    assert told == [SnapshotRef('fsid-of-memory', 'images', 'i', 'snap'), 7]


@pytest.mark.parametrize(
    ('ok', 'minor', 'grade', 'status'),
    [
        (True, False, Grade.PASS, 0),
        (None, False, Grade.UNKNOWN, 0),
        (False, True, Grade.WARN, 0),
        (False, False, Grade.FAIL, 1),
    ],
)
def test_only_a_fail_is_an_exit_status(
    run, storage, monkeypatch, ok, minor, grade, status
):
    found = CheckResult('Q', ok, 'A', 'R', minor)
    monkeypatch.setattr(storage, 'selftest', lambda examples: [found])

    ended, output = run('-f', 'json')

    assert ended == status
    assert rows(output)['Q'] == {
        'Check': 'Q',
        'Result': grade.value,
        'Answer': 'A',
        'Remedy': 'R',
    }


def test_table_fits_a_terminal(run, storage, monkeypatch):
    found = CheckResult(
        'May client.cinder read ' + 'a-long-name-' * 20,
        False,
        'no, /' + 'x' * 300,
        'Add what is needed to the caps of the user ' * 5,
    )
    monkeypatch.setattr(storage, 'selftest', lambda examples: [found])

    status, output = run()

    assert status == 1
    assert max(map(len, output.splitlines())) <= COLUMNS
    assert 'Add what is needed' in output


def test_section_that_is_missing_is_a_line(run):
    status, output = run('--backend', 'cehp', '-f', 'json')

    assert status == 1
    (row,) = json.loads(output)
    assert 'no section [cehp]' in row['Answer']


def test_plugin_that_cannot_be_loaded_does_not_end_the_rest(
    run, conf, monkeypatch
):
    conf(CONF.replace('cow_sources', 'cow_backend = rdb\ncow_sources'))
    monkeypatch.setattr(preconditions.conversion, 'checks', lambda _: [])

    status, output = run('-f', 'json')

    assert status == 1
    (row,) = bad_rows(output)
    assert 'cow_backend = rdb cannot be loaded' in row['Answer']
    assert 'python3-rados' in row['Answer']


def test_value_that_is_none_is_a_line(run, conf, storage):
    conf(CONF.replace('[ceph]', '[ceph]\nimage_volume_cache_enabled = often'))

    status, output = run('-f', 'json')

    assert status == 1
    (row,) = bad_rows(output)
    assert 'image_volume_cache_enabled' in row['Answer']


def test_cinder_conf_without_a_user_of_glance(run, conf, storage, monkeypatch):
    for name in glance_access.ENVIRONMENT:
        monkeypatch.setenv(name, 'does-not-count')
    conf(login={})

    status, output = run('-f', 'json')

    assert status == 1
    (row,) = bad_rows(output)
    assert 'has no [glance] section' in row['Answer']


def test_conversion_is_not_asked_for_where_it_is_off(
    run, conf, storage, monkeypatch
):
    asked = []
    monkeypatch.setattr(preconditions.conversion, 'checks', asked.append)
    conf(CONF.replace('[ceph]', 'image_conversion_disable = True\n[ceph]'))

    status, output = run('-f', 'json')

    assert status == 0
    assert asked == []
    (row,) = bad_rows(output)
    assert row['Result'] == 'warn'


def test_user_of_nova_is_asked_for_with_its_key(run, storage, monkeypatch):
    asked = []

    def reader_checks(user, keyring, examples):
        asked.append((user, keyring))
        return [CheckResult('Q', True, 'yes')]

    monkeypatch.setattr(storage, 'reader_checks', reader_checks)
    run()
    assert asked == []
    run('--nova-user', 'nova', '--nova-keyring', '/k')
    assert asked == [('nova', '/k')]


def test_storage_without_users_does_not_know(run, storage):
    status, output = run('--nova-user', 'nova', '-f', 'json')

    assert status == 0
    (row,) = bad_rows(output)
    assert row['Result'] == 'unknown'


def test_secrets_are_not_printed(run, conf, storage, api):
    conf(login={**api.login(), 'auth_url': 'http://127.0.0.1:1/v3'})

    status, output = run()

    assert status == 1
    assert api.login()['password'] not in output


def failing(error):
    yield CheckResult('first', True, 'yes')
    raise error


@pytest.mark.parametrize(
    ('error', 'answer'),
    [
        (errors.CowError('It is so. Do this.'), 'no, It is so. Do this'),
        (ValueError('x\ny'), 'not known, ValueError: x y'),
    ],
)
def test_check_that_fails_itself_is_an_answer(error, answer):
    first, found = preconditions.bounded('Q', lambda: failing(error))

    assert first.ok
    assert (found.question, found.ok) == ('Q', False)
    assert found.answer == answer


def test_check_that_does_not_end_is_an_answer():
    let_go = threading.Event()

    def checks():
        yield CheckResult('first', True, 'yes')
        assert let_go.wait(60)

    first, found = preconditions.bounded('Q', checks, seconds=0.1)
    let_go.set()

    assert first.ok
    assert found.ok is False
    assert 'no answer within 0.1 s' in found.answer
