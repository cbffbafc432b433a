# SPDX-License-Identifier: Apache-2.0
"""Bases are retired and freed while volumes are cloned from them."""

import concurrent.futures
import dataclasses
import json
import subprocess
import sys
import textwrap
import threading
import types
import uuid

import pytest
import rbd

from cinder_cow import errors
from cinder_cow.backends.rbd import base_snapshot
from cinder_cow.backends.rbd.pool import Pool
from cinder_cow.base_images.eviction import EvictionLimits
from cinder_cow.base_images.sweep import sweep
from cinder_cow.model import BaseInfo, SnapshotRef, Verification
from tests.ceph.bases import built
from tests.fakes import writes
from tests.waiting import wait_until

MIB = 2**20
CONTENT = b'D0D-' * (2 * MIB // 4)
INFO = BaseInfo(
    image_id='image-1',
    disk_format='qcow2',
    hash_algo=None,
    hash_value=None,
    source='glance',
    verification=Verification.ABSENT,
    signature_verified=False,
    stored_bytes=0,
    seconds=0.0,
    created=1e9,
    version='1',
)
THREADS = 6
#: At least so many, until the base was evicted so often.
VOLUMES_EACH = 8
EVICTIONS = 3
MOST_VOLUMES_EACH = 500


def build(store, name):
    with store.lease(name) as lease:
        store.discard(name)
        with store.create(name, len(CONTENT)) as writer:
            writes.write_at(writer, 0, CONTENT)
            writer.flush()
        lease.check()
        return store.commit(name, INFO)


class Race:
    """Threads that clone, one that builds, one that evicts."""

    def __init__(self, lab, purge):
        self.stores = [lab.backend().bases() for _ in range(THREADS)]
        self.purge = purge
        self.name = f'cow-base-raw-sha512-{uuid.uuid4().hex}'
        self.over = threading.Event()
        self.made = []
        self.gone = 0
        self.evicted = 0

    def run(self):
        with concurrent.futures.ThreadPoolExecutor(THREADS + 2) as threads:
            others = [threads.submit(self._build), threads.submit(self._evict)]
            cloning = [threads.submit(self._clone, n) for n in range(THREADS)]
            concurrent.futures.wait(cloning)
            self.over.set()
            for each in (*cloning, *others):
                each.result()

    def _clone(self, number):
        store = self.stores[number]
        for count in range(MOST_VOLUMES_EACH):
            if count >= VOLUMES_EACH and self.evicted >= EVICTIONS:
                return
            volume = f'volume-{number}-{count}'
            while not self._cloned(store, volume):
                pass
            self.made.append(volume)

    def _cloned(self, store, volume):
        base = store.find(self.name)
        if base is None:
            return self.over.wait(0.01)
        try:
            store.clone(base, volume)
        except errors.BaseGone:
            self.gone += 1
            return False
        store.used(base, f'image-{volume}')
        return True

    def _build(self):
        store = self.stores[0]
        while not self.over.is_set():
            if store.find(self.name) is None:
                build(store, self.name)
            self.over.wait(0.01)

    def _evict(self):
        store = self.stores[1]
        while not self.over.is_set():
            if store.find(self.name) is not None:
                # Only where clones are made of it at this moment.
                self.over.wait(0.1)
                store.retire(self.name)
                self.evicted += 1
            if self.purge:
                store.purge()


@pytest.mark.parametrize('purge', [True, False])
def test_volumes_are_whole_whenever_their_base_is_evicted(either_lab, purge):
    race = Race(either_lab, purge)
    race.run()

    print(f'{race.evicted} evictions, {race.gone} times too late')
    assert race.evicted >= EVICTIONS
    stored = either_lab.stored()
    assert len(race.made) >= THREADS * VOLUMES_EACH
    assert {stored[volume] for volume in race.made} == {CONTENT}
    bases = {name for name in stored if name.startswith('cow-')}
    assert set(stored) - bases == set(race.made)

    for volume in race.made:
        either_lab.remove(volume)
    store = race.stores[0]
    store.retire(race.name)
    store.purge()
    assert either_lab.leftovers() == []


def at(point, monkeypatch, action):
    """Have the action done when a clone comes to that point."""
    real = rbd.RBD.clone

    def clone(self, *args, **kwargs):
        if point == 'before':
            action()
        real(self, *args, **kwargs)
        if point == 'after':
            action()

    monkeypatch.setattr(rbd, 'RBD', type('RBD', (rbd.RBD,), {'clone': clone}))


@pytest.mark.parametrize('point', ['before', 'after'])
def test_evicted_at_the_worst_moment(either_lab, monkeypatch, point):
    store = either_lab.backend().bases()
    name = f'cow-base-raw-sha512-{uuid.uuid4().hex}'
    base = build(store, name)

    def evict():
        store.retire(name)
        store.purge()

    at(point, monkeypatch, evict)
    if point == 'before':
        with pytest.raises(errors.BaseGone):
            store.clone(base, 'volume-1')
        assert either_lab.leftovers() == []
        return
    store.clone(base, 'volume-1')
    assert either_lab.stored()['volume-1'] == CONTENT
    either_lab.remove('volume-1')
    assert len(store.purge()) == 1
    assert either_lab.leftovers() == []


def test_a_snapshot_in_the_trash_goes_with_its_last_clone(lab):
    """Format 2: the clone came after the look for clones, and before the
    snapshot went."""
    store = lab.backend().bases()
    name = f'cow-base-raw-sha512-{uuid.uuid4().hex}'
    base = build(store, name)
    for number in range(2):
        store.clone(base, f'volume-{number}')
    store.retire(name)
    (retired,) = (n for n in lab.names() if n.startswith('cow-retired-'))
    with (
        lab.rados.open_ioctx('volumes') as ioctx,
        rbd.Image(ioctx, retired) as image,
    ):
        image.remove_snap(base_snapshot.SNAPSHOT)

    assert store.purge() == []
    lab.remove('volume-0')
    assert store.purge() == []
    assert lab.stored()['volume-1'] == CONTENT
    lab.remove('volume-1')
    assert store.purge() == [retired]
    assert lab.leftovers() == []


EVICT_AND_DIE = """
    import json, os, sys
    from cinder_cow.backends.rbd import lease
    from cinder_cow.backends.rbd.backend import RbdBackend
    from cinder_cow.backends.rbd.settings import RbdSettings
    from cinder_cow.base_images import eviction

    settings, name, moment = json.loads(sys.stdin.readline())
    settings['image_pools'] = tuple(settings['image_pools'])
    store = RbdBackend(RbdSettings(**settings)).bases()
    lease.LEASE_SECONDS = 3
    retire = store.retire

    def retire_and_die(name):
        if moment == 'after':
            retire(name)
        os._exit(9)

    store.retire = retire_and_die
    eviction.evict(store, name)
"""


@pytest.mark.parametrize('moment', ['before', 'after'])
def test_eviction_that_is_killed_leaves_nothing(
    either_lab, store, name, moment
):
    """Its lease too: nobody asks for that base again."""
    built(store, name)
    facts = [dataclasses.asdict(either_lab.settings()), name, moment]
    child = subprocess.run(
        [
            *(sys.executable, '-W', 'ignore', '-c'),
            textwrap.dedent(EVICT_AND_DIE),
        ],
        input=json.dumps(facts),
        text=True,
        timeout=120,
    )
    assert child.returncode == 9
    assert f'cow_lease.{name}' in either_lab.leftovers()

    def swept():
        sweep(store, EvictionLimits(max_bytes=0), lambda _ids: set())
        return either_lab.leftovers() == []

    wait_until(swept, pause_seconds=1)


def test_look_that_began_before_it_was_forgotten_is_not_remembered(
    monkeypatch,
):
    """Whoever forgets it, to look again, would be told that it is there."""
    ref = SnapshotRef('fsid', 'volumes', 'cow-base-x', 'base')
    base = types.SimpleNamespace(snapshot=types.SimpleNamespace(ref=ref))
    connection = types.SimpleNamespace(
        bases={}, uses={}, forgotten=0, remembering=threading.Lock()
    )
    pool = Pool(connection, None)
    with monkeypatch.context() as patch:
        patch.setattr(base_snapshot, '_look', lambda *_: base)
        assert base_snapshot.find(pool, ref) is base
    assert connection.bases == {ref: base}

    def look_for_long(*_):
        base_snapshot.forget(connection, ref)
        return base

    base_snapshot.forget(connection, ref)
    monkeypatch.setattr(base_snapshot, '_look', look_for_long)

    assert base_snapshot.find(pool, ref) is base
    assert connection.bases == {}
