# SPDX-License-Identifier: Apache-2.0
import logging
import time

import pytest

from cinder_cow import errors
from cinder_cow.backends import base_names
from cinder_cow.backends.base_store import BuildRecord, Room
from cinder_cow.base_images import eviction
from cinder_cow.base_images.eviction import EvictionLimits, EvictionReason
from cinder_cow.base_images.sweep import (
    CLEAN_UP_SECONDS,
    RECORD_SECONDS,
    SWEEP,
    sweep,
)
from cinder_cow.base_images.sweep_lease import SweepLease
from tests.fakes.bases import MemoryBases, MemoryLease
from tests.waiting import wait_until

NOW = 10_000.0
A = 'cow-base-qcow2-sha512-aa'
B = 'cow-base-qcow2-sha512-bb'
NOTHING = EvictionLimits(max_bytes=0)


@pytest.fixture
def store(backend):
    store = MemoryBases(backend, clock=lambda: NOW)
    store.add(A, b'a', last_used=1, image_id='i-a', stored_bytes=100)
    store.add(B, b'b', last_used=2, image_id='i-b', stored_bytes=50)
    return store


def swept(store, limits=NOTHING, deleted=(), **more):
    answer = sweep(
        store,
        limits,
        lambda image_ids: set(image_ids) & set(deleted),
        now=lambda: NOW,
        **more,
    )
    assert not store.leases
    return answer


def names(gone):
    return [each.name for each in gone]


def snapshot(store):
    return dict(store.things), dict(store.retired), dict(store.records)


def test_within_the_limits_nothing_goes(store):
    answer = swept(store, EvictionLimits())

    assert not answer.evicted
    assert answer.freed_bytes == 0
    assert set(store.things) == {A, B}
    assert store.calls.count(('purge', None)) == 1


def test_bases_beyond_the_limit_are_removed_and_counted(store):
    answer = swept(store, EvictionLimits(max_bytes=50))

    assert names(answer.evicted) == [A]
    assert answer.freed_bytes == 100
    assert set(store.things) == {B}
    assert not store.retired


def test_base_with_children_is_never_evicted_for_the_limits(store):
    store.clone(store.find(A), 'volume-1')

    answer = swept(store)

    assert names(answer.evicted) == [B]
    assert set(store.things) == {A}


def test_base_that_cannot_go_makes_room_for_none(store):
    store.clone(store.find(A), 'volume-1')

    answer = swept(store, EvictionLimits(max_bytes=100))

    assert names(answer.evicted) == [B]


def test_base_of_a_deleted_image_goes_before_an_older_one(store):
    answer = swept(store, EvictionLimits(max_bytes=100), deleted={'i-b'})

    assert names(answer.evicted) == [B]
    assert set(store.things) == {A}


def test_clock_that_is_behind_makes_no_time_below_zero(store):
    store.things[A].last_used = NOW + 5

    (gone,) = swept(store, EvictionLimits(), deleted={'i-a'}).evicted

    assert gone.idle_seconds == 0


def test_evicted_base_is_one_line_in_the_log(store, caplog):
    with caplog.at_level(logging.INFO):
        swept(store, EvictionLimits(max_bytes=50))

    line = f'evicted base={A} image=i-a reason=bytes bytes=100 idle=9999'
    assert caplog.messages == [line]


def test_dry_run_says_so_in_the_log(store, caplog):
    with caplog.at_level(logging.INFO):
        swept(store, EvictionLimits(max_bytes=50), dry_run=True)

    (line,) = caplog.messages
    assert line.startswith(f'dry run: evicted base={A} ')


def test_base_of_a_deleted_image_is_retired_and_freed_after_its_last_child(
    store, backend
):
    store.clone(store.find(A), 'volume-1')

    answer = swept(store, EvictionLimits(), deleted={'i-a'})
    assert names(answer.retired) == [A]
    assert answer.retired[0].reason is EvictionReason.IMAGE_DELETED
    assert answer.freed_bytes == 0
    assert store.find(A) is None
    assert len(store.retired) == 1

    backend.remove('volume-1')
    answer = swept(store, EvictionLimits())
    assert len(answer.purged) == 1
    assert not store.retired


def test_base_of_a_deleted_image_without_children_goes_at_once(store):
    answer = swept(store, EvictionLimits(), deleted={'i-b'})

    assert names(answer.evicted) == [B]
    assert not store.retired


def test_clone_made_between_the_look_and_the_retiring_keeps_its_parent(
    store, backend, monkeypatch
):
    base = store.find(A)
    look = store.has_children

    def has_children(name):
        answer = look(name)
        if name == A:
            store.clone(base, 'volume-1')
        return answer

    monkeypatch.setattr(store, 'has_children', has_children)
    swept(store, EvictionLimits(max_bytes=50))

    assert len(store.retired) == 1
    with pytest.raises(errors.BaseGone):
        store.clone(base, 'volume-2')
    backend.remove('volume-1')
    swept(store, EvictionLimits())
    assert not store.retired


def test_only_one_sweeps_in_the_cluster(store):
    other = store.lease(SWEEP)

    assert sweep(store, NOTHING, lambda _ids: set()) is None
    assert set(store.things) == {A, B}

    other.release()
    assert swept(store) is not None


def test_base_that_another_holds_the_lease_of_is_passed_over(store):
    with store.lease(A):
        sweep(store, NOTHING, lambda _ids: set(), now=lambda: NOW)

    assert set(store.things) == {A}


def test_lease_that_is_lost_saves_the_base(store):
    store.failing.add('check')

    answer = swept(store)

    assert len(answer.failures) == 2
    assert set(store.things) == {A, B}


@pytest.mark.parametrize('method', ['lease', 'children', 'retire'])
def test_base_that_fails_does_not_stop_the_others(store, caplog, method):
    store.failing.add((method, A))

    answer = swept(store)

    assert names(answer.evicted) == [B]
    assert len(answer.failures) == 1
    assert [each.levelname for each in caplog.records] == ['WARNING']
    assert A in caplog.text


def test_removal_that_fails_frees_nothing_and_is_done_by_the_next(store):
    store.failing.add('purge')
    answer = swept(store)
    assert answer.freed_bytes == 0
    assert [each.partition(': ')[0] for each in answer.failures] == [
        'Could not remove retired bases',
        'Could not remove the evicted bases',
    ]

    store.failing.clear()
    assert len(swept(store).purged) == 2
    assert not store.retired


def test_without_an_answer_from_glance_no_image_is_deleted(store, caplog):
    def unreachable(image_ids):
        raise OSError('no route to host')

    answer = sweep(
        store, EvictionLimits(max_bytes=50), unreachable, now=lambda: NOW
    )

    assert names(answer.evicted) == [A]
    assert 'no route to host' in caplog.text


def test_glance_is_asked_once_for_all_images(store):
    asked = []
    store.used(store.find(A), 'i-b')

    sweep(
        store, EvictionLimits(), lambda ids: asked.append(list(ids)) or set()
    )

    assert asked == [['i-a', 'i-b']]


def test_glance_is_not_asked_where_there_are_no_bases(store):
    store.things.clear()

    def asked(_image_ids):
        raise AssertionError('it is asked')

    assert sweep(store, EvictionLimits(), asked).failures == ()


@pytest.fixture
def dead_build(store):
    """What a builder leaves that is killed."""
    name = 'cow-base-qcow2-sha512-cc'
    store.set_build_record(name, BuildRecord(written=NOW - 5))
    store.create(name, 10)
    store.create(base_names.scratch_name(name), 10)
    return name


def test_what_a_dead_builder_left_is_removed(store, dead_build):
    answer = swept(store, EvictionLimits())

    assert answer.abandoned_builds == (dead_build,)
    assert set(store.things) == {A, B}
    assert not store.build_records()


def test_build_that_goes_on_is_left_alone(store, dead_build):
    with store.lease(dead_build):
        answer = sweep(store, EvictionLimits(), lambda _ids: set())

    assert not answer.abandoned_builds
    assert not answer.failures
    assert len(store.things) == 4
    assert dead_build in store.build_records()


def test_build_that_died_before_it_made_anything_is_told(store):
    record = BuildRecord(written=NOW - 5, image_id='i-x')
    store.set_build_record('cow-base-x', record)

    assert swept(store).abandoned_builds == ('cow-base-x',)
    assert not store.build_records()


def test_build_that_is_finished_meanwhile_is_left_alone(store, dead_build):
    """Between the look for records and its lease."""
    store.things.clear()
    take = store.lease

    def lease(name):
        if name == dead_build:
            store.records.clear()
        return take(name)

    store.lease = lease

    assert not swept(store, EvictionLimits()).abandoned_builds
    assert ('discard', dead_build) not in store.calls


def test_base_whose_builder_died_after_finishing_it_stays(store):
    store.set_build_record(A, BuildRecord())
    store.create(base_names.scratch_name(A), 10)

    swept(store, EvictionLimits())

    assert set(store.things) == {A, B}
    assert not store.build_records()


def test_failure_can_be_read_for_an_hour(store, dead_build):
    record = BuildRecord(
        1, 'StorageFull', 'full', written=NOW - RECORD_SECONDS
    )
    store.set_build_record(dead_build, record)
    answer = swept(store, EvictionLimits())
    assert store.build_records() == {dead_build: record}
    assert answer.abandoned_builds == (dead_build,)
    assert set(store.things) == {A, B}

    old = BuildRecord(
        1, 'StorageFull', 'full', written=NOW - RECORD_SECONDS - 1
    )
    store.set_build_record(dead_build, old)
    swept(store, EvictionLimits())
    assert not store.build_records()


def test_record_stays_when_its_build_cannot_be_removed(store, dead_build):
    store.failing.add(('discard', dead_build))

    answer = swept(store)

    assert dead_build in store.build_records()
    assert names(answer.evicted) == [A, B]
    (failure,) = answer.failures
    assert failure.startswith(f'Could not clean up the build of {dead_build}')


def test_dry_run_tells_the_same_and_changes_nothing(store, dead_build):
    store.clone(store.find(A), 'volume-1')
    store.used(store.find(B), 'i-b2')
    before = snapshot(store)

    dry = swept(store, deleted={'i-a'}, dry_run=True)
    assert snapshot(store) == before

    assert swept(store, deleted={'i-a'}) == dry
    assert names(dry.retired) == [A]
    assert names(dry.evicted) == [B]
    assert dry.freed_bytes == 50


def test_dry_run_removes_nothing_that_was_retired_before(store):
    store.retire(A)

    dry = swept(store, EvictionLimits(max_bytes=0), dry_run=True)

    assert names(dry.evicted) == [B]
    assert dry.freed_bytes == 50
    assert len(store.retired) == 1
    assert set(store.things) == {B}


def test_dry_run_forgets_no_image(store):
    store.used(store.find(A), 'i-other')

    swept(store, EvictionLimits(), deleted={'i-a'}, dry_run=True)

    assert store.things[A].image_ids == {'i-a', 'i-other'}


def test_bytes_of_a_base_that_stays_are_not_free(store):
    store.clone(store.find(A), 'volume-1')

    answer = swept(store, EvictionLimits(), deleted={'i-a', 'i-b'})

    assert (names(answer.retired), names(answer.evicted)) == ([A], [B])
    assert answer.freed_bytes == 50
    assert len(store.retired) == 1


def test_build_of_a_successor_outlives_a_sweeper_that_lost_its_lease(
    store, dead_build
):
    """It was taken away while the sweeper looked whether it is finished."""
    find = store.find

    def found_late(name):
        answer = find(name)
        if name == dead_build:
            store.take_away(name)
            store.lease(name)
        return answer

    store.find = found_late

    answer = sweep(
        store, EvictionLimits(max_bytes=0), lambda _ids: set(), lambda: NOW
    )

    assert dead_build in store.things
    assert dead_build in store.build_records()
    # It goes on with the others.
    assert len(answer.failures) == 1
    assert names(answer.evicted) == [A, B]


def test_store_that_cannot_say_what_it_keeps_is_an_error(store):
    store.failing.add('stored_bases')

    with pytest.raises(errors.StorageError):
        swept(store)

    assert not store.leases


def test_failed_record_without_remains_is_no_abandoned_build(store):
    record = BuildRecord(1, 'StorageFull', 'full', written=NOW)
    store.set_build_record('cow-base-x', record)

    assert not swept(store, EvictionLimits()).abandoned_builds


def test_what_bears_our_names_is_removed_whatever_the_records_say(store):
    store.create('cow-base-raw-sha512-dd', 10)
    store.create('cow-scratch-qcow2-sha512-ee', 10)

    answer = swept(store, EvictionLimits())

    assert answer.abandoned_builds == (
        'cow-base-qcow2-sha512-ee',
        'cow-base-raw-sha512-dd',
    )
    assert set(store.things) == {A, B}


def test_unfinished_base_that_is_being_built_is_left_alone(store):
    store.create('cow-base-raw-sha512-dd', 10)
    with store.lease('cow-base-raw-sha512-dd'):
        sweep(store, EvictionLimits(), lambda _ids: set(), now=lambda: NOW)

    assert 'cow-base-raw-sha512-dd' in store.things


#: What a sweep asks the store, and what that is called.
QUESTIONS = {
    'abandoned': 'look for unfinished bases',
    'build_records': 'look for records of builds',
    'room': 'ask for the room in the pool',
}


@pytest.mark.parametrize('method', QUESTIONS)
def test_question_that_fails_does_not_stop_the_sweep(store, method):
    store.failing.add(method)

    answer = swept(store)

    assert names(answer.evicted) == [A, B]
    (failure,) = answer.failures
    assert failure.startswith(f'Could not {QUESTIONS[method]}: ')


def test_share_of_the_pool_limits_the_bases(store):
    store.space = Room(100, 900, 900)

    answer = swept(store, EvictionLimits(max_share=0.1))

    assert names(answer.evicted) == [A]


def test_deleted_images_of_a_base_that_others_use_are_forgotten(store):
    store.used(store.find(A), 'i-other')

    swept(store, EvictionLimits(), deleted={'i-a'})

    assert store.things[A].image_ids == {'i-other'}


def test_images_of_a_base_that_is_to_go_are_not_forgotten(store):
    """It is passed over this time; the next sweep has to know them."""
    with store.lease(A):
        sweep(store, EvictionLimits(), lambda _ids: {'i-a'}, lambda: NOW)

    assert store.things[A].image_ids == {'i-a'}


def test_sweep_whose_lease_is_lost_stops(store):
    look = store.has_children

    def has_children(name):
        store.take_away(SWEEP)
        return look(name)

    store.has_children = has_children

    with pytest.raises(errors.LeaseLost):
        swept(store)

    assert set(store.things) == {B}


def test_no_step_keeps_the_sweeps_lease_for_ever(store, dead_build):
    kept = []
    take = store.lease

    def lease(name):
        taken = take(name)
        keep = taken.keep
        taken.keep = lambda seconds: (
            kept.append((name, seconds)) or keep(seconds)
        )
        return taken

    store.lease = lease

    swept(store)

    assert (dead_build, CLEAN_UP_SECONDS) in kept
    assert max(seconds for _name, seconds in kept) <= 1800


def test_stuck_sweep_is_one_line_in_the_log(store, caplog):
    lease = store.lease(SWEEP)
    with SweepLease(lease, step_seconds=0.04) as sweep_lease:
        sweep_lease.begin('remove retired bases')
        wait_until(lambda: 'stuck' in caplog.text)
        time.sleep(0.1)

    assert 'remove retired bases' in caplog.text
    assert caplog.text.count('stuck') == 1


def test_another_glance_is_not_asked_about(store):
    """It would answer that there is no such image."""
    store.things[A].foreign_ids = {'i-a'}
    asked = []

    def none_is_there(image_ids):
        asked.extend(image_ids)
        return set(image_ids)

    answer = sweep(store, EvictionLimits(), none_is_there, now=lambda: NOW)

    assert asked == ['i-b']
    assert names(answer.evicted) == [B]
    assert set(store.things) == {A}


def test_base_that_another_glance_has_an_image_of_stays(store):
    store.things[A].image_ids = {'i-a', 'i-far'}
    store.things[A].foreign_ids = {'i-far'}

    answer = swept(store, EvictionLimits(), deleted={'i-a', 'i-far'})

    assert not answer.evicted
    assert store.things[A].image_ids == {'i-far'}


# An eviction that ends before its end.


def test_eviction_leaves_no_note(store):
    swept(store)

    assert store.records == {}


def test_note_stands_while_the_base_is_retired(store, monkeypatch):
    seen = []
    retire = store.retire

    def retired(name):
        seen.append((name, store.records[name].kind, name in store.leases))
        retire(name)

    monkeypatch.setattr(store, 'retire', retired)

    swept(store, EvictionLimits(max_bytes=50))

    assert seen == [(A, '', True)]


def test_eviction_that_was_killed_is_looked_after(store, monkeypatch):
    """Its lease would stay in the storage: nobody asks for that base."""

    class Killed(BaseException):
        """The process ends: nothing of it runs any more."""

    def die(name):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(store, 'retire', die)
        patch.setattr(MemoryLease, 'release', lambda _lease: None)
        with pytest.raises(Killed):
            eviction.evict(store, A)
    store.things.pop(A)  # it had been retired
    assert A in store.leases
    store.leases[A].expires = NOW

    swept(store, EvictionLimits())

    assert store.records == {}


def test_note_of_a_builder_that_came_next_stays(store, monkeypatch):
    record = BuildRecord(image_id='i-a', written=NOW)
    release = MemoryLease.release

    def released_and_taken(lease):
        release(lease)
        store.records[A] = record

    monkeypatch.setattr(MemoryLease, 'release', released_and_taken)

    eviction.evict(store, A)

    assert store.records == {A: record}


def test_note_that_cannot_be_removed_is_no_failure(store, caplog):
    store.failing = {('build_record', A)}

    assert eviction.evict(store, A) is eviction.Outcome.EVICTED

    assert 'left to a sweep' in caplog.text
    assert list(store.records) == [A]


def test_dry_run_writes_no_note(store):
    eviction.evict(store, A, dry_run=True)

    assert ('set_build_record', A) not in store.calls


def test_eviction_that_failed_is_no_abandoned_build(store):
    store.failing = {('retire', A)}
    swept(store, EvictionLimits(max_bytes=50))
    assert list(store.records) == [A]
    store.failing = set()

    answer = swept(store, EvictionLimits())

    assert answer.abandoned_builds == ()
    assert store.records == {}
    assert A in store.things
