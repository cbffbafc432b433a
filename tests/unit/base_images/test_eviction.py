# SPDX-License-Identifier: Apache-2.0
import pytest

from cinder_cow import errors
from cinder_cow.backends.base_store import Room, StoredBase
from cinder_cow.base_images import eviction
from cinder_cow.base_images.eviction import (
    EvictionLimits,
    EvictionReason,
    Outcome,
    Totals,
)
from tests.fakes.bases import MemoryBases, info

NOW = 1000.0
ROOM = Room(600, 400, 300)


def stored(name, last_used=0.0, size=100, image_ids=(), **known):
    return StoredBase(
        name,
        info(image_id=f'of-{name}', stored_bytes=size, **known),
        last_used,
        frozenset(image_ids or [f'of-{name}']),
    )


def chosen(bases, stay=(), deleted=frozenset(), room=ROOM, **limits):
    """Names and reasons; those in ``stay`` cannot go."""
    limits = EvictionLimits(**limits)
    totals = Totals(bases)
    names = []
    for base in eviction.in_order(bases, deleted):
        if eviction.is_orphan(base, deleted):
            reason = EvictionReason.IMAGE_DELETED
        else:
            reason = eviction.idle_for_too_long(
                base, limits, NOW
            ) or eviction.over_limits(base, limits, room, totals)
        if reason is not None:
            names.append((base.name, reason))
            if base.name not in stay:
                totals.remove(base)
    return names


def test_without_limits_nothing_goes():
    assert chosen([stored('a'), stored('b')]) == []


def test_idle_ones_go_the_longest_unused_first():
    bases = [stored('new', 950), stored('old', 100), stored('older', 50)]

    assert chosen(bases, max_idle_seconds=100) == [
        ('older', EvictionReason.IDLE),
        ('old', EvictionReason.IDLE),
    ]


def test_one_that_is_idle_for_just_the_limit_goes():
    assert chosen([stored('a', 900)], max_idle_seconds=100) == [
        ('a', EvictionReason.IDLE)
    ]


def test_least_recently_used_go_until_the_bytes_are_within_the_limit():
    bases = [stored('a', 3), stored('b', 1), stored('c', 2)]

    assert chosen(bases, max_bytes=100) == [
        ('b', EvictionReason.BYTES),
        ('c', EvictionReason.BYTES),
    ]
    assert chosen(bases, max_bytes=300) == []


def test_one_that_cannot_go_is_passed_over_for_the_next():
    bases = [stored('a', 1), stored('b', 2), stored('c', 3)]

    assert chosen(bases, stay='a', max_bytes=200) == [
        ('a', EvictionReason.BYTES),
        ('b', EvictionReason.BYTES),
    ]


def test_all_are_candidates_when_none_can_go():
    bases = [stored('a', 1), stored('b', 2)]

    assert [name for name, _ in chosen(bases, 'ab', max_bytes=0)] == ['a', 'b']


def test_equally_old_ones_go_by_name():
    bases = [stored('c'), stored('a'), stored('b')]

    assert [name for name, _ in chosen(bases, max_bytes=0)] == ['a', 'b', 'c']


def test_what_went_for_idleness_counts_for_the_bytes():
    bases = [stored('idle', 1), stored('b', 990), stored('c', 991)]

    assert chosen(bases, max_idle_seconds=100, max_bytes=200) == [
        ('idle', EvictionReason.IDLE)
    ]


def test_bases_of_deleted_images_go_first_and_make_room_for_the_others():
    bases = [stored('old', 1), stored('deleted', 999)]

    assert chosen(bases, deleted={'of-deleted'}, max_bytes=100) == [
        ('deleted', EvictionReason.IMAGE_DELETED)
    ]


@pytest.mark.parametrize(
    ('deleted', 'goes'),
    [({'i-1'}, False), ({'i-1', 'i-2'}, True), ({'i-3'}, False)],
)
def test_shared_base_goes_with_the_last_of_its_images(deleted, goes):
    bases = [stored('a', image_ids={'i-1', 'i-2'})]

    assert bool(chosen(bases, deleted=deleted)) is goes


def test_base_without_images_is_that_of_its_info():
    bare = StoredBase('a', info(image_id='i-1'), 0, frozenset())

    assert chosen([bare]) == []
    assert chosen([bare], deleted={'i-1'}) == [
        ('a', EvictionReason.IMAGE_DELETED)
    ]


def test_clock_behind_that_of_another_host_makes_nothing_idle():
    assert chosen([stored('a', NOW + 500)], max_idle_seconds=1) == []


def test_zero_lets_everything_go_whatever_the_clocks_say():
    assert chosen([stored('a', NOW + 500)], max_idle_seconds=0) == [
        ('a', EvictionReason.IDLE)
    ]


def test_below_zero_is_no_limit():
    assert chosen([stored('a', 0)], max_idle_seconds=-1) == []


def test_share_of_the_pool_is_a_limit_where_no_bytes_are_given():
    bases = [stored('a', 1), stored('b', 2), stored('c', 3)]

    assert chosen(bases, max_share=0.2) == [('a', EvictionReason.BYTES)]
    assert chosen(bases, max_share=0.2, max_bytes=300) == []
    assert chosen(bases, max_share=0.2, room=None) == []


def test_more_bases_than_allowed_go_the_least_recently_used_first():
    bases = [stored('a', 1), stored('b', 2), stored('c', 3)]

    assert chosen(bases, max_count=2) == [('a', EvictionReason.COUNT)]


def test_project_over_its_share_loses_its_own_bases_alone():
    bases = [
        stored('a', 1, owner='p-1'),
        stored('b', 2, owner='p-2'),
        stored('c', 3, owner='p-2'),
        stored('d', 4),
    ]

    assert chosen(bases, max_bytes=400, max_share_per_project=0.25) == [
        ('b', EvictionReason.PROJECT_BYTES)
    ]


def test_base_of_one_volume_goes_after_hours_not_after_days():
    once = stored('once', 60, created=0.0)
    again = stored('again', 61, created=0.0)

    assert chosen(
        [once, again], max_idle_seconds=5000, once_idle_seconds=500
    ) == [('once', EvictionReason.USED_ONCE)]


@pytest.mark.parametrize('limit', [0, 440])
def test_base_of_one_volume_goes_when_it_was_idle_for_the_limit(limit):
    once = stored('once', NOW - 440, created=NOW - 500)

    assert chosen([once], once_idle_seconds=limit) == [
        ('once', EvictionReason.USED_ONCE)
    ]


def test_no_base_stays_where_none_may_be():
    assert chosen([stored('a'), stored('b')], max_count=0) == [
        ('a', EvictionReason.COUNT),
        ('b', EvictionReason.COUNT),
    ]


def test_share_of_a_project_is_one_of_the_share_of_the_pool():
    bases = [stored('a', 1, owner='p'), stored('b', 2, owner='p')]

    assert chosen(bases, max_share=0.5, max_share_per_project=0.2) == [
        ('a', EvictionReason.PROJECT_BYTES)
    ]


def test_base_that_was_built_ahead_stays_as_long_as_others():
    ahead = stored('ahead', 0, created=0.0, warmed=True)

    assert chosen([ahead], max_idle_seconds=5000, once_idle_seconds=500) == []


@pytest.mark.parametrize('limit', [None, -1])
def test_without_a_limit_of_its_own_it_stays_as_long_as_others(limit):
    assert chosen([stored('once', 0)], once_idle_seconds=limit) == []


@pytest.fixture
def store(backend):
    store = MemoryBases(backend)
    store.add('cow-base-1', b'a')
    return store


def test_base_without_children_is_evicted(store):
    assert eviction.evict(store, 'cow-base-1') is Outcome.EVICTED
    assert store.things == store.leases == {}


def test_base_with_children_stays_unless_that_is_asked_for(store):
    store.clone(store.find('cow-base-1'), 'volume-1')

    assert eviction.evict(store, 'cow-base-1') is Outcome.HAS_CHILDREN
    assert 'cow-base-1' in store.things
    assert (
        eviction.evict(store, 'cow-base-1', even_with_children=True)
        is Outcome.RETIRED
    )
    assert store.find('cow-base-1') is None
    assert store.leases == {}


def test_base_that_another_is_building_is_left_alone(store):
    with store.lease('cow-base-1'):
        assert eviction.evict(store, 'cow-base-1') is Outcome.LEASED
    assert 'cow-base-1' in store.things


def test_lease_is_checked_right_before_the_base_is_retired(store):
    look = store.has_children

    def has_children(name):
        store.take_away(name)
        return look(name)

    store.has_children = has_children

    with pytest.raises(errors.LeaseLost):
        eviction.evict(store, 'cow-base-1')

    assert 'cow-base-1' in store.things


def test_dry_run_says_the_same_and_changes_nothing(store):
    assert eviction.evict(store, 'cow-base-1', dry_run=True) is Outcome.EVICTED
    assert 'cow-base-1' in store.things
