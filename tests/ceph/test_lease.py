# SPDX-License-Identifier: Apache-2.0
"""One builder at a time, in the whole cluster."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import textwrap
import time

import pytest

from cinder_cow import errors, native
from cinder_cow.backends.rbd import lease as leases

NAME = 'cow-base-raw-sha512-' + 'a' * 128
OTHER = """
    import json, sys, time
    from cinder_cow.backends.base import Settings
    from cinder_cow.backends.rbd.backend import RbdBackend

    settings, name, seconds = json.loads(sys.stdin.readline())
    settings['image_pools'] = tuple(settings['image_pools'])
    lease = RbdBackend(Settings(**settings)).bases().lease(name)
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
        lease.keep(7)
        time.sleep(6)
        assert store.lease(NAME) is None
        lease.check()


@pytest.mark.usefixtures('short')
def test_not_kept_it_expires(lab, store):
    lease = store.lease(NAME)
    lease.keep(0)
    time.sleep(4)

    with store.lease(NAME):
        with pytest.raises(errors.LeaseLost, match='expired'):
            lease.check()
        lease.keep(60)
        with pytest.raises(errors.LeaseLost):
            lease.check()
        lease.release()
        assert store.lease(NAME) is None

    assert lab.leftovers() == []


@pytest.mark.usefixtures('short')
def test_an_expired_one_is_lost_though_nobody_took_it(lab, store):
    lease = store.lease(NAME)
    lease.keep(0)
    time.sleep(4)

    with pytest.raises(errors.LeaseLost, match='expired'):
        lease.check()
    lease.release()
    assert lab.leftovers() == []


@pytest.mark.usefixtures('short')
def test_the_thread_notices_that_it_is_lost(lab, store, caplog):
    lease = store.lease(NAME)
    lease.keep(60)
    with lab.rados.open_ioctx('volumes') as ioctx:
        ioctx.remove_object(leases.OBJECT + NAME)
    time.sleep(2)

    assert 'was lost' in caplog.text
    with pytest.raises(errors.LeaseLost):
        lease.check()
    lease.release()
    assert lab.leftovers() == []


def test_given_up_twice_it_is_given_up(store):
    lease = store.lease(NAME)
    lease.release()
    lease.release()

    with pytest.raises(errors.LeaseLost, match='given up'):
        lease.check()


def test_a_lost_connection_loses_it_and_the_next_has_another(lab, store):
    lease = store.lease(NAME)
    _blocklist(lab, lease)

    with pytest.raises(errors.ConnectionLost):
        lease.check()
    lease.release()  # says why not, and raises nothing

    assert store.lease(NAME) is None  # until it expires


def test_it_is_renewed_while_a_green_main_thread_is_busy(lab):
    """Under eventlet, in a process of its own: see its script."""
    script = """
        import eventlet; eventlet.monkey_patch()
        import json, sys, time
        from cinder_cow.backends.base import Settings
        from cinder_cow.backends.rbd import lease
from cinder_cow.backends.rbd.backend import RbdBackend as leases

        leases.LEASE_SECONDS, leases.RENEW_SECONDS = 3, 0.5
        settings, name = json.loads(sys.stdin.readline())
        settings['image_pools'] = tuple(settings['image_pools'])
        with RbdBackend(Settings(**settings)).bases().lease(name) as lease:
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


def _blocklist(lab, lease):
    addresses = lease._connection.cluster.get_addrs()
    address = addresses.strip('[]').split(',')[0].removeprefix('v2:')
    lab.cluster.ceph('osd', 'blocklist', 'add', address)
    lab.rados.wait_for_latest_osdmap()
    native.sleep(1)  # for the other client to hear of it, too
