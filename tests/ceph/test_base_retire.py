# SPDX-License-Identifier: Apache-2.0
"""Bases that nobody finds any more are freed with their last clone."""

import contextlib
import dataclasses
import json
import os
import shutil
import subprocess
import sys
import textwrap

import pytest
import rbd

from cinder_cow import errors
from cinder_cow.backends import base_names
from cinder_cow.backends.rbd import omap, rename
from tests.ceph.bases import CONTENT, built, forgotten


def test_retired_it_goes_with_its_last_clone(either_lab, store, name):
    base = built(store, name)
    assert not store.has_children(name)
    for number in range(2):
        store.clone(base, f'volume-{number}')
    assert store.has_children(name)

    store.retire(name)
    store.retire(name)

    assert store.find(name) is None
    assert store.stored_bases() == []
    assert not store.has_children(name)
    assert store.purge() == []
    either_lab.remove('volume-0')
    assert store.purge() == []
    assert either_lab.stored()['volume-1'] == CONTENT
    either_lab.remove('volume-1')
    (removed,) = store.purge()
    assert removed.startswith(base_names.RETIRED)
    assert either_lab.leftovers() == []


def test_retired_it_can_be_built_anew(either_lab, store, name):
    store.clone(built(store, name), 'volume-0')
    store.retire(name)

    store.clone(built(store, name), 'volume-1')
    store.purge()

    stored = either_lab.stored()
    assert stored['volume-0'] == stored['volume-1'] == CONTENT
    assert len(stored) == 4


def test_rename_that_was_killed_before_its_end_is_finished(
    either_lab, store, name
):
    base = built(store, name)
    store.clone(base, 'volume-0')
    id_object = f'rbd_id.{name}'
    with either_lab.rados.open_ioctx('volumes') as ioctx:
        image_id = ioctx.read(id_object)
    store.retire(name)
    with either_lab.rados.open_ioctx('volumes') as ioctx:
        ioctx.write_full(id_object, image_id)
    assert store.find(name) is not None

    store.retire(name)

    assert store.find(name) is None
    store.clone(built(store, name), 'volume-1')
    stored = either_lab.stored()
    assert stored['volume-0'] == stored['volume-1'] == CONTENT


def test_purge_ends_what_another_began(either_lab, store, name):
    built(store, name, b'')
    store.retire(name)
    (retired,) = either_lab.names()
    with either_lab.rados.open_ioctx('volumes') as ioctx:
        with rbd.Image(ioctx, retired) as image:
            header = f'rbd_header.{image.id()}'
            if image.is_protected_snap('base'):
                image.unprotect_snap('base')
            image.remove_snap('base')
        ioctx.remove_object(header)

    assert store.purge() == [retired]
    assert either_lab.names() == []


def test_retired_and_open_it_is_left_for_later(either_lab, store, name):
    built(store, name)
    store.retire(name)
    (retired,) = either_lab.names()

    with (
        either_lab.rados.open_ioctx('volumes') as ioctx,
        rbd.Image(ioctx, retired),
    ):
        assert store.purge() == []
    assert store.purge() == [retired]
    assert either_lab.leftovers() == []


def test_clone_in_another_pool_is_a_child(either_lab, store, name):
    base = built(store, name)
    others = either_lab.backend(
        user='admin', pool='gold', base_pool='volumes'
    ).bases()
    others.clone(base, 'volume-1')

    assert store.has_children(name)
    store.retire(name)
    assert store.purge() == []
    either_lab.remove('volume-1', 'gold')
    assert len(store.purge()) == 1


@pytest.mark.parametrize('command', ['hangs', 'crashes', 'crashes late'])
def test_rename_that_fails_is_tried_again(
    either_lab, store, name, command, monkeypatch, tmp_path
):
    """librbd of Ceph 16.2 hangs and crashes in a rename, on a busy host."""
    lines = {
        'hangs': 'sleep 3600',
        'crashes': 'kill -SEGV $$',
        'crashes late': f'{shutil.which("rbd")} "$@"; kill -SEGV $$',
    }
    fails_once = tmp_path / 'rbd'
    fails_once.write_text(
        f'#!/bin/bash\n'
        f'[ -e {tmp_path}/failed ] && exec {shutil.which("rbd")} "$@"\n'
        f'touch {tmp_path}/failed\n{lines[command]}\n'
    )
    fails_once.chmod(0o700)
    path = os.environ['PATH']
    monkeypatch.setenv('PATH', f'{tmp_path}:{path}')
    monkeypatch.setattr(rename, 'LIMIT_SECONDS', 5)
    store.clone(built(store, name), 'volume-1')

    store.retire(name)

    assert (tmp_path / 'failed').exists()
    assert store.find(name) is None
    assert either_lab.stored()['volume-1'] == CONTENT
    either_lab.remove('volume-1')
    assert len(store.purge()) == 1
    assert either_lab.leftovers() == []


def test_rename_that_fails_always_is_an_error(
    lab, name, monkeypatch, tmp_path
):
    store = lab.backend().bases()
    built(store, name)
    command = tmp_path / 'rbd'
    command.write_text('#!/bin/sh\nkill -ABRT $$\n')
    command.chmod(0o700)
    monkeypatch.setenv('PATH', f'{tmp_path}:{os.environ["PATH"]}')

    with pytest.raises(errors.StorageError, match='ended by signal 6'):
        store.retire(name)
    assert store.find(name) is not None


def test_without_the_command_it_is_renamed_with_a_warning(
    lab, name, monkeypatch, caplog
):
    store = lab.backend().bases()
    monkeypatch.setenv('PATH', '/nowhere')
    monkeypatch.setattr(rename, '_warned', False)
    for _ in range(2):
        built(store, name)
        store.retire(name)

    assert store.find(name) is None
    assert caplog.text.count('Install ceph-common') == 1


@pytest.mark.parametrize(
    'patch', ['import eventlet; eventlet.monkey_patch()\n', '']
)
def test_retired_in_either_mode_of_cinder(lab, name, patch):
    store = lab.backend().bases()
    built(store, name)
    script = """
        import json, sys
        from cinder_cow import native
        from cinder_cow.backends.rbd.settings import RbdSettings
        from cinder_cow.backends.rbd.backend import RbdBackend

        settings, name = json.loads(sys.stdin.read())
        settings['image_pools'] = tuple(settings['image_pools'])
        RbdBackend(RbdSettings(**settings)).bases().retire(name)
        print('retired')
    """
    done = subprocess.run(
        [
            sys.executable,
            '-W',
            'ignore',
            '-c',
            patch + textwrap.dedent(script),
        ],
        input=json.dumps([dataclasses.asdict(lab.settings()), name]),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert done.stdout == 'retired\n', done.stderr
    forgotten(store, name)
    assert store.find(name) is None
    assert len(store.purge()) == 1


def test_one_damaged_image_does_not_stop_the_others(
    either_lab, store, name, caplog
):
    built(store, name)
    store.retire(name)
    (retired,) = either_lab.names()
    for each in ('cow-base-damaged', 'cow-base-sound', 'cow-base-retired'):
        built(store, each)
    store.retire('cow-base-retired')
    with damaged(either_lab, 'cow-base-damaged'), damaged(either_lab, retired):
        stored = store.stored_bases()
        assert [each.name for each in stored] == ['cow-base-sound']
        assert len(store.purge()) == 1
        assert store.abandoned() == []

    assert caplog.text.count('Could not look at the base cow-base-damaged')
    assert f'Could not remove the retired {retired}' in caplog.text
    assert len(store.stored_bases()) == 2
    assert store.purge() == [retired]


@contextlib.contextmanager
def damaged(lab, name):
    """Its header cannot be read meanwhile."""
    with lab.rados.open_ioctx('volumes') as ioctx:
        header = f'rbd_header.{ioctx.read(f"rbd_id.{name}")[4:].decode()}'
        sound = {'features': omap.get(ioctx, header, 'features')}
        omap.write(ioctx, header, {'features': b'?'})
        try:
            yield
        finally:
            omap.write(ioctx, header, sound)
