# SPDX-License-Identifier: Apache-2.0

"""Found, waited for, or built once; with a store and a builder in memory."""

import dataclasses
import threading

import pytest
import tenacity

from cinder_cow import errors
from cinder_cow.backends.base_store import BuildRecord
from cinder_cow.base_images import ensure
from cinder_cow.model import Verdict, Verification
from tests.fakes.bases import MemoryBases, info

ROOM = 2**20
CLONEABLE = Verdict(parent=object())


class BaseBuilder:
    """Each of ``tries`` is what one make does; the last for ever."""

    def __init__(self, store, *tries):
        self.store = store
        self.made = 0
        self._tries = tries or (None,)

    def build(self, name, image, request, volume_bytes, lease):
        act = self._tries[min(self.made, len(self._tries) - 1)]
        self.made += 1
        if isinstance(act, Exception):
            raise act
        if act is not None:
            act()
        self.store.create(name, 3).write_at(0, b'raw')
        return self.store.commit(name, info(image.image_id))


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(ensure, 'LOOKS', tenacity.wait_fixed(0.001))


@pytest.fixture
def store(backend):
    return MemoryBases(backend)


@pytest.fixture
def qcow2(image):
    return dataclasses.replace(
        image, disk_format='qcow2', hash_algo='sha512', hash_value='ab' * 64
    )


def put_together(store, *tries, **settings):
    return ensure.BaseImages(
        ensure.BaseSettings(**settings), store, BaseBuilder(store, *tries)
    )


def unreachable():
    return errors.SourceUnreachable('glance', 'i-1', 'no route')


def unacceptable():
    return errors.ImageUnacceptable('i-1', 'it has a backing file')


def test_first_to_ask_builds_and_all_later_ones_find(store, qcow2):
    ours = put_together(store)

    first = ours.ensure(qcow2, None, ROOM)
    second = ours.ensure(qcow2, None, ROOM)

    assert (first.built, second.built) == (True, False)
    assert first.base == second.base == ours.find(qcow2)
    assert store.leases == store.written_notes == {}


def test_many_at_once_build_once(store, qcow2):
    gate = threading.Barrier(16)
    begun = threading.Event()
    ours = put_together(store, lambda: begun.wait(0.2))
    found = []

    def ask():
        gate.wait()
        found.append(ours.ensure(qcow2, None, ROOM))

    threads = [threading.Thread(target=ask) for _ in range(16)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()

    assert sorted(each.built for each in found) == [False] * 15 + [True]
    assert len({each.base.name for each in found}) == 1


def test_waiter_goes_on_when_the_builder_has_died(store, qcow2):
    now = [1000.0]
    store.clock = lambda: now[-1] if now else 0.0
    ours = put_together(store)
    store.lease(ours.name(qcow2))  # and it is never released

    threading.Timer(0.05, lambda: now.append(now.pop() + 31)).start()

    assert ours.ensure(qcow2, None, ROOM).built


def test_failed_build_is_told_and_tried_again_by_the_next(store, qcow2):
    ours = put_together(store, unreachable(), None)

    with pytest.raises(errors.SourceUnreachable):
        ours.ensure(qcow2, None, ROOM)
    assert store.written_notes[ours.name(qcow2)].failures == 1
    assert store.leases == {}

    assert ours.ensure(qcow2, None, ROOM).built
    assert store.written_notes == {}


def while_another_builds(store, ours, qcow2, notes):
    """What a waiter comes to, to whom each look shows the next note."""
    name = ours.name(qcow2)
    lease = store.lease(name)
    told = iter(notes)

    def proceed():
        for note in told:
            store.set_build_record(name, note)
            break
        lease.release()

    timer = threading.Timer(0.05, proceed)
    timer.start()
    try:
        return ours.ensure(qcow2, None, ROOM)
    finally:
        timer.join()


def test_who_waited_for_one_failure_tries_itself(store, qcow2):
    ours = put_together(store)

    ensured = while_another_builds(
        store, ours, qcow2, [BuildRecord(1, 'SourceUnreachable', 'no route')]
    )

    assert ensured.built


@pytest.mark.parametrize(
    'note',
    [
        BuildRecord(2, 'SourceUnreachable', 'no route'),
        BuildRecord(1, 'ImageUnacceptable', 'no route', final=True),
    ],
)
def test_who_waited_in_vain_is_told_the_cause(store, qcow2, note):
    ours = put_together(store)

    with pytest.raises(errors.BuildFailed, match='no route') as caught:
        while_another_builds(store, ours, qcow2, [note])

    assert caught.value.kind == note.kind
    assert caught.value.image_id == qcow2.image_id
    assert store.leases == {}


def test_failures_of_yesterday_do_not_count(store, qcow2):
    ours = put_together(store)
    store.set_build_record(
        ours.name(qcow2),
        BuildRecord(7, 'ImageUnacceptable', 'bad', final=True),
    )

    assert ours.ensure(qcow2, None, ROOM).built


def test_image_at_fault_is_noted_as_such(store, qcow2):
    ours = put_together(store, unacceptable())

    with pytest.raises(errors.ImageUnacceptable):
        ours.ensure(qcow2, None, ROOM)

    note = store.written_notes[ours.name(qcow2)]
    assert note.final
    assert note.cause == 'it has a backing file'


def test_volume_that_is_too_small_is_no_failure_of_the_base(store, qcow2):
    ours = put_together(store, errors.ImageTooBig('i-1', 2, 1))

    with pytest.raises(errors.ImageTooBig):
        ours.ensure(qcow2, None, 1)

    assert store.written_notes == store.leases == {}


def test_required_hash_has_an_unverified_base_built_anew(store, qcow2):
    ours = put_together(store, require_hash=True)
    name = ours.name(qcow2)
    store.add(name, b'old', verification=Verification.ABSENT)

    assert ours.find(qcow2) is None
    ensured = ours.ensure(qcow2, None, ROOM)

    assert ensured.built
    assert ensured.base.info.verification is Verification.HASH
    assert len(store.retired) == 1
