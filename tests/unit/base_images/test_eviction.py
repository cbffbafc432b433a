# SPDX-License-Identifier: Apache-2.0
import pytest

from cinder_cow.backends.base_store import StoredBase
from cinder_cow.base_images.eviction import (
    EvictionLimits,
    EvictionOrder,
    EvictionReason,
)
from tests.fakes.bases import info

NOW = 1000.0


def kept(name, last_used=0.0, size=100, image_ids=()):
    return StoredBase(
        name,
        info(image_id=f'of-{name}', stored_bytes=size),
        last_used,
        frozenset(image_ids or [f'of-{name}']),
    )


def chosen(bases, stay=(), deleted=frozenset(), **limits):
    """Names and reasons; those in ``stay`` cannot go."""
    chooser = EvictionOrder(bases, EvictionLimits(**limits), NOW, deleted)
    names = []
    for candidate in chooser:
        names.append((candidate.kept.name, candidate.reason))
        if candidate.kept.name not in stay:
            chooser.gone(candidate)
    return names


def test_without_limits_nothing_goes():
    assert chosen([kept('a'), kept('b')]) == []


def test_idle_ones_go_the_longest_unused_first():
    bases = [kept('new', 950), kept('old', 100), kept('older', 50)]

    assert chosen(bases, max_idle_seconds=100) == [
        ('older', EvictionReason.IDLE),
        ('old', EvictionReason.IDLE),
    ]


def test_one_that_is_idle_for_just_the_limit_goes():
    assert chosen([kept('a', 900)], max_idle_seconds=100) == [
        ('a', EvictionReason.IDLE)
    ]


def test_least_recently_used_go_until_the_bytes_are_within_the_limit():
    bases = [kept('a', 3), kept('b', 1), kept('c', 2)]

    assert chosen(bases, max_bytes=100) == [
        ('b', EvictionReason.BYTES),
        ('c', EvictionReason.BYTES),
    ]
    assert chosen(bases, max_bytes=300) == []


def test_one_that_cannot_go_is_passed_over_for_the_next():
    bases = [kept('a', 1), kept('b', 2), kept('c', 3)]

    assert chosen(bases, stay='a', max_bytes=200) == [
        ('a', EvictionReason.BYTES),
        ('b', EvictionReason.BYTES),
    ]


def test_all_are_candidates_when_none_can_go():
    bases = [kept('a', 1), kept('b', 2)]

    assert [name for name, _ in chosen(bases, 'ab', max_bytes=0)] == ['a', 'b']


def test_equally_old_ones_go_by_name():
    bases = [kept('c'), kept('a'), kept('b')]

    assert [name for name, _ in chosen(bases, max_bytes=0)] == ['a', 'b', 'c']


def test_what_went_for_idleness_counts_for_the_bytes():
    bases = [kept('idle', 1), kept('b', 990), kept('c', 991)]

    assert chosen(bases, max_idle_seconds=100, max_bytes=200) == [
        ('idle', EvictionReason.IDLE)
    ]


def test_bases_of_deleted_images_go_first_and_make_room_for_the_others():
    bases = [kept('old', 1), kept('deleted', 999)]

    assert chosen(bases, deleted={'of-deleted'}, max_bytes=100) == [
        ('deleted', EvictionReason.IMAGE_DELETED)
    ]


@pytest.mark.parametrize(
    ('deleted', 'goes'),
    [({'i-1'}, False), ({'i-1', 'i-2'}, True), ({'i-3'}, False)],
)
def test_shared_base_goes_with_the_last_of_its_images(deleted, goes):
    bases = [kept('a', image_ids={'i-1', 'i-2'})]

    assert bool(chosen(bases, deleted=deleted)) is goes


def test_base_without_images_is_that_of_its_story():
    bare = StoredBase('a', info(image_id='i-1'), 0, frozenset())

    assert chosen([bare]) == []
    assert chosen([bare], deleted={'i-1'}) == [
        ('a', EvictionReason.IMAGE_DELETED)
    ]


def test_clock_behind_that_of_another_host_makes_nothing_idle():
    assert chosen([kept('a', NOW + 500)], max_idle_seconds=1) == []


def test_zero_lets_everything_go_whatever_the_clocks_say():
    assert chosen([kept('a', NOW + 500)], max_idle_seconds=0) == [
        ('a', EvictionReason.IDLE)
    ]


def test_below_zero_is_no_limit():
    assert chosen([kept('a', 0)], max_idle_seconds=-1) == []
