# SPDX-License-Identifier: Apache-2.0
"""One builder at a time, in the whole cluster."""

import contextlib
import dataclasses
import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time

import pytest

from cinder_cow import errors
from cinder_cow.backends.rbd import lease as leases

NAME = 'cow-base-raw-sha512-' + 'a' * 128
OTHER = """
    import json, sys, time
    from cinder_cow.backends.rbd.settings import RbdSettings
    from cinder_cow.backends.rbd.backend import RbdBackend

    settings, name, seconds = json.loads(sys.stdin.readline())
    settings['image_pools'] = tuple(settings['image_pools'])
    lease = RbdBackend(RbdSettings(**settings)).bases().lease(name)
    print(json.dumps(lease is not None), flush=True)
    if lease is not None:
        lease.keep(seconds)
        sys.stdin.readline()
        lease.release()
"""


class Other:
    """Another process that asks for the lease, and has it if it was free."""

    def __init__(self, settings, name=NAME, keep_seconds=30, patch=''):
        self.process = subprocess.Popen(
            [sys.executable, '-W', 'ignore', '-c']
            + [patch + textwrap.dedent(OTHER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        facts = [dataclasses.asdict(settings), name, keep_seconds]
        print(json.dumps(facts), file=self.process.stdin, flush=True)
        self.has_it = json.loads(self.process.stdout.readline())

    def kill(self):
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def release(self):
        self.process.communicate('\n', timeout=60)


@pytest.fixture
def store(lab):
    return lab.backend().bases()


@pytest.fixture
def short(monkeypatch):
    """A lease of three seconds."""
    monkeypatch.setattr(leases, 'LEASE_SECONDS', 3)
    monkeypatch.setattr(leases, 'RENEW_SECONDS', 0.5)


@contextlib.contextmanager
def taken(store, seconds=60):
    """The lease, taken as soon as it is free."""
    deadline = time.monotonic() + seconds
    while (lease := store.lease(NAME)) is None:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    with lease:
        yield lease


def wait_until_expired(lab, name=NAME, seconds=60):
    deadline = time.monotonic() + seconds
    look = ['rados', '--conf', lab.conf, '--pool', 'volumes', 'lock', 'info']
    while True:
        info = subprocess.run(
            [*look, leases.OBJECT + name, leases.LOCK, '--format', 'json'],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        # Ceph answers EIO where the last holder has expired.
        if info.returncode or not json.loads(info.stdout)['lockers']:
            return
        assert time.monotonic() < deadline


def test_one_has_it_at_a_time(lab, store):
    with store.lease(NAME) as lease:
        lease.check()
        assert store.lease(NAME) is None
        other_name = store.lease('cow-base-raw-image-2')
        other_name.release()

    store.lease(NAME).release()
    assert lab.leftovers() == []


@pytest.mark.parametrize(
    'patch', ['import eventlet; eventlet.monkey_patch()\n', '']
)
def test_one_process_has_it_at_a_time(lab, store, patch):
    with store.lease(NAME):
        assert not Other(lab.settings(), patch=patch).has_it

    other = Other(lab.settings(), patch=patch)
    assert other.has_it
    assert store.lease(NAME) is None
    other.release()
    store.lease(NAME).release()
    assert lab.leftovers() == []


def test_who_dies_loses_it_half_a_minute_later(lab, store):
    other = Other(lab.settings(), keep_seconds=3600)
    assert other.has_it
    other.kill()
    died = time.monotonic()

    lease = None
    while lease is None:
        assert time.monotonic() - died < 40
        time.sleep(0.5)
        lease = store.lease(NAME)

    assert time.monotonic() - died > 20
    lease.release()
    assert lab.leftovers() == []


@pytest.mark.usefixtures('short')
def test_kept_it_outlives_its_term(store):
    with store.lease(NAME) as lease:
        lease.keep(12)
        time.sleep(8)
        assert store.lease(NAME) is None
        lease.check()


def test_kept_for_ever_is_a_callers_bug(store):
    with store.lease(NAME) as lease, pytest.raises(ValueError, match='finite'):
        lease.keep(float('inf'))


@pytest.mark.usefixtures('short')
def test_a_short_stall_limit_does_not_lose_it(store):
    """Progress comes every ten seconds, whatever cow_stall_seconds is."""
    with store.lease(NAME) as lease:
        for _ in range(4):
            lease.keep(0.1)
            time.sleep(2)
            assert store.lease(NAME) is None


@pytest.mark.usefixtures('short')
def test_whoever_hangs_loses_it_and_hears_of_it(lab, store):
    lease = store.lease(NAME)
    lost = threading.Event()
    lease.on_lost(lost.set)
    lease.keep(0)

    with taken(store) as other:
        assert lost.wait(60)
        with pytest.raises(errors.LeaseLost, match='no progress'):
            lease.check()
        lease.keep(60)
        with pytest.raises(errors.LeaseLost):
            lease.check()
        lease.release()
        other.check()
        assert store.lease(NAME) is None

    assert lab.leftovers() == []


@pytest.mark.usefixtures('short')
def test_expired_and_not_taken_it_is_taken_again(lab, store):
    lease = store.lease(NAME)
    lost = threading.Event()
    lease.on_lost(lost.set)
    lease.keep(0)
    wait_until_expired(lab)

    lease.check()

    assert store.lease(NAME) is None
    assert not lost.is_set()
    lease.release()
    assert lab.leftovers() == []


@pytest.mark.usefixtures('short')
def test_expired_and_not_released_it_leaves_nothing(lab, store):
    lease = store.lease(NAME)
    lease.keep(0)
    wait_until_expired(lab)

    lease.release()

    assert lab.leftovers() == []


@pytest.mark.usefixtures('short')
def test_its_holder_hears_that_another_has_it(lab, store, caplog):
    lease = store.lease(NAME)
    calls = []
    lost = threading.Event()
    lease.on_lost(lambda: calls.append('lost'))
    lease.on_lost(lost.set)
    lease.keep(3600)
    with lab.rados.open_ioctx('volumes') as ioctx:
        ioctx.remove_object(leases.OBJECT + NAME)
        with taken(store):
            assert lost.wait(60)
            with pytest.raises(errors.LeaseLost, match='another has'):
                lease.check()
            lease.on_lost(lambda: calls.append('late'))
            assert calls == ['lost', 'late']

    assert 'was lost' in caplog.text
    lease.release()
    assert lab.leftovers() == []


@pytest.mark.usefixtures('short')
def test_its_holder_hears_that_another_had_it_and_is_done(
    lab, store, monkeypatch
):
    monkeypatch.setattr(leases, 'RENEW_SECONDS', 3600)  # it hangs
    monkeypatch.setattr(leases, 'LEASE_SECONDS', 1)
    other = lab.backend(user='admin').bases()
    heard = []
    with store.lease(NAME) as lease:
        lease.on_lost(lambda: heard.append(1))
        lease.check()
        with taken(other):
            pass

        with pytest.raises(errors.LeaseLost, match='another has or had it'):
            lease.check()

    assert heard == [1]
    assert lab.leftovers() == []


def test_released_it_is_not_lost(store):
    lease = store.lease(NAME)
    lost = threading.Event()
    lease.on_lost(lost.set)

    lease.release()

    assert not lost.wait(2)


def test_released_twice_it_is_released(store):
    lease = store.lease(NAME)
    lease.release()
    lease.release()

    with pytest.raises(errors.LeaseLost, match='released'):
        lease.check()


def test_a_lost_connection_loses_it_and_the_next_has_another(lab, store):
    lease = store.lease(NAME)
    lost = threading.Event()
    lease.on_lost(lost.set)
    lab.blocklist(lease._connection.cluster)

    with pytest.raises(errors.LeaseLost, match='connection was lost'):
        lease.check()
    assert lost.is_set()
    lease.release()  # says why not, and raises nothing

    assert store.lease(NAME) is None  # until it expires


def test_it_is_renewed_while_a_green_main_thread_is_busy(lab):
    """Under eventlet, in a process of its own: see its script."""
    script = """
        import eventlet; eventlet.monkey_patch()
        import json, sys, time
        from cinder_cow.backends.rbd.settings import RbdSettings
        from cinder_cow.backends.rbd import lease as leases
        from cinder_cow.backends.rbd.backend import RbdBackend

        leases.LEASE_SECONDS, leases.RENEW_SECONDS = 3, 0.5
        settings, name = json.loads(sys.stdin.readline())
        settings['image_pools'] = tuple(settings['image_pools'])
        with RbdBackend(RbdSettings(**settings)).bases().lease(name) as lease:
            lease.keep(60)
            until = time.monotonic() + 6
            while time.monotonic() < until:
                pass
            lease.check()
        print('kept')
    """
    done = subprocess.run(
        [sys.executable, '-W', 'ignore', '-c', textwrap.dedent(script)],
        input=json.dumps([dataclasses.asdict(lab.settings()), NAME]),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.stdout.strip() == 'kept', done.stderr
    assert lab.leftovers() == []
