# SPDX-License-Identifier: Apache-2.0
"""A start is not delayed: by Glance, by Ceph, or by partial volumes."""

import threading
import time

from cinder import objects
import eventlet
import pytest

from cinder_cow import errors
from cinder_cow.backends.base import CheckResult
from cinder_cow.cinder_adapter import (
    background,
    glance_selftest,
    partial_volumes,
    selftest,
)
from cinder_cow.conversion.confinement import Confinement
from cinder_cow.sources.glance_selftest import GlanceSeen


@pytest.fixture
def threads(monkeypatch):
    """Background work runs in threads that the test can wait for."""
    started = []

    def once(title, function, delay_seconds=0):
        thread = threading.Thread(
            target=background._log_failure, args=(title, function)
        )
        started.append(thread)
        thread.start()

    monkeypatch.setattr(background, 'once', once)
    yield started
    for each in started:
        each.join(60)


def join(threads):
    for each in threads:
        each.join(60)
        assert not each.is_alive()


def test_self_test_does_not_hold_the_start(hosted, threads, monkeypatch):
    let_go = threading.Event()

    def slow():
        assert let_go.wait(60)
        return GlanceSeen([CheckResult('Q', True, 'yes')])

    monkeypatch.setattr(glance_selftest, 'look', slow)

    selftest.start(hosted.cow_parts, Confinement(), [].append)

    assert threads[0].is_alive()
    let_go.set()
    join(threads)


def test_self_test_that_fails_does_not_fail_the_service(
    hosted, threads, monkeypatch, caplog
):
    def fail():
        raise ValueError('unforeseen')

    monkeypatch.setattr(glance_selftest, 'look', fail)

    selftest.start(hosted.cow_parts, Confinement(), [].append)
    join(threads)

    assert 'Could not run the self-test' in caplog.text


def test_checks_that_failed_are_counted_with_a_storage_that_is_away(
    hosted, threads, monkeypatch, caplog
):
    def away():
        raise errors.StorageUnreachable('connect', OSError('down'))

    bad, unknown = (CheckResult('Q', ok, 'a') for ok in (False, None))
    minor = CheckResult('Q', False, 'a', minor=True)
    monkeypatch.setattr(glance_selftest, 'look', lambda: GlanceSeen([bad], []))
    monkeypatch.setattr(
        selftest.conversion, 'checks', lambda _: [bad, unknown, minor]
    )
    told = []

    selftest.start(away, Confinement(), told.append)
    join(threads)

    assert told == [3]
    assert 'self-test: Can the storage be asked: no: ' in caplog.text


def made(hosted, context, status='error', **more):
    volume = objects.Volume(
        context=context,
        size=1,
        host='lab@cow#cow',
        status=status,
        project_id='project',
        user_id='user',
        **more,
    )
    volume.create()
    hosted.memory.volumes[volume.name] = bytearray(b'partial')
    return volume


def test_partial_volumes_are_removed_beside_the_start(
    hosted, context, threads, monkeypatch
):
    volumes = [made(hosted, context) for _ in range(50)]
    let_go = threading.Event()
    remove = hosted.memory.remove

    def slow_remove(name):
        assert let_go.wait(60)
        remove(name)

    monkeypatch.setattr(hosted.memory, 'remove', slow_remove)

    for volume in volumes:
        hosted.clear_download(context, volume)

    assert len(hosted.memory.volumes) == 50
    let_go.set()
    join(threads)
    assert hosted.memory.volumes == {}
    assert len(threads) == 1


def test_volume_whose_status_cinder_changes_later_is_removed(
    hosted, context, threads
):
    volume = made(hosted, context, status='downloading')

    hosted.clear_download(context, volume)
    time.sleep(0.7)
    assert list(hosted.memory.volumes) == [volume.name]
    volume.status = 'error'
    volume.save()
    join(threads)

    assert hosted.memory.volumes == {}


def test_database_that_is_away_does_not_stop_the_others(
    hosted, context, threads, monkeypatch, caplog
):
    first, second = (made(hosted, context) for _ in range(2))
    get_by_id = objects.Volume.get_by_id

    def fail_once(context, volume_id):
        if volume_id == first.id:
            raise OSError('the database is away')
        return get_by_id(context, volume_id)

    monkeypatch.setattr(objects.Volume, 'get_by_id', fail_once)
    for volume in (first, second):
        hosted.clear_download(context, volume)
    join(threads)

    assert list(hosted.memory.volumes) == [first.name]
    assert 'the database is away' in caplog.text
    assert partial_volumes._running is False


def test_volume_that_was_launched_before_is_kept(hosted, context, threads):
    """It was being reimaged: its snapshots and its name are a user's."""
    volume = made(hosted, context, launched_at='2026-01-01T00:00:00Z')

    hosted.clear_download(context, volume)
    join(threads)

    assert list(hosted.memory.volumes) == [volume.name]


def test_volume_that_is_made_again_meanwhile_is_kept(hosted, context, threads):
    volume = made(hosted, context, status='creating')

    hosted.clear_download(context, volume)
    join(threads)

    assert list(hosted.memory.volumes) == [volume.name]


def test_volume_that_cannot_be_removed_does_not_stop_the_others(
    hosted, context, threads, caplog
):
    first, second = (made(hosted, context) for _ in range(2))
    remove = hosted.memory.remove

    def fail_once(name):
        if name == first.name:
            raise errors.StorageError('remove', OSError('busy'))
        remove(name)

    hosted.memory.remove = fail_once

    for volume in (first, second):
        hosted.clear_download(context, volume)
    join(threads)

    assert list(hosted.memory.volumes) == [first.name]
    assert f'volume={first.id}: its partial data could not' in caplog.text


def test_background_work_is_done_once(cinder):
    """By the real looping call of oslo.service."""
    calls = []

    background.once('work', lambda: calls.append(1))

    deadline = time.monotonic() + 30
    while not calls and time.monotonic() < deadline:
        eventlet.sleep(0.1)  # it is a green thread here
    eventlet.sleep(1.5)
    assert len(calls) == 1
    assert partial_volumes._running is False
