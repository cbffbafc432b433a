# SPDX-License-Identifier: Apache-2.0
"""Who keeps an unfinished base from being removed is shut out."""

import contextlib
import dataclasses
import json
import subprocess
import sys
import textwrap

import pytest

from cinder_cow import errors
from cinder_cow.backends.rbd import pool
from tests.ceph.bases import MIB, built, filled

#: What an OSD that never forgets a watch looks like to the others.
FORMER_BUILDER = """
    import json, sys
    from cinder_cow import errors
    from cinder_cow.backends.rbd.settings import RbdSettings
    from cinder_cow.backends.rbd.backend import RbdBackend
    from tests.fakes import writes

    settings, name = json.loads(sys.stdin.readline())
    settings['image_pools'] = tuple(settings['image_pools'])
    writer = RbdBackend(RbdSettings(**settings)).bases().create(name, 2**20)
    writes.write_at(writer, 0, b'half')
    print('wrote', flush=True)
    sys.stdin.readline()
    try:
        writes.write_at(writer, 0, b'more')
        print('written', flush=True)
    except errors.StorageError as exc:
        print(type(exc).__name__, flush=True)
"""


@pytest.fixture(autouse=True)
def _impatient(monkeypatch):
    monkeypatch.setattr(pool, 'BUSY_SECONDS', 3)


@contextlib.contextmanager
def former_builder(lab, name):
    """A process that has it open, and lives."""
    with subprocess.Popen(
        [
            sys.executable,
            '-W',
            'ignore',
            '-c',
            textwrap.dedent(FORMER_BUILDER),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            facts = [dataclasses.asdict(lab.settings()), name]
            print(json.dumps(facts), file=process.stdin, flush=True)
            assert process.stdout.readline() == 'wrote\n'
            yield process
        finally:
            process.kill()


def test_an_unfinished_base_is_removed_under_who_keeps_it_open(
    either_lab, name
):
    store = either_lab.backend().bases()
    with former_builder(either_lab, name) as process:
        store.discard(name)

        assert either_lab.leftovers() == []
        built(store, name)
        print(file=process.stdin, flush=True)
        assert process.stdout.readline() == 'ConnectionLost\n'
    assert store.find(name) is not None


def test_without_the_right_to_it_the_base_is_busy(lab, name, caplog):
    lab.cluster.create_user(
        'meek', mon='allow r', osd='profile rbd pool=volumes'
    )
    store = lab.backend(user='meek').bases()
    with former_builder(lab, name) as process:
        with pytest.raises(errors.StorageBusy):
            store.discard(name)

        print(file=process.stdin, flush=True)
        assert process.stdout.readline() == 'written\n'
    assert 'could not be shut out' in caplog.text


def test_this_very_client_is_never_shut_out(lab, name, caplog):
    store = lab.backend().bases()
    with store.create(name, MIB), pytest.raises(errors.StorageBusy):
        store.discard(name)
    assert 'shut out' not in caplog.text

    store.discard(name)
    filled(store, name)
    store.discard(name)
    assert lab.leftovers() == []
