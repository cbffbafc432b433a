# SPDX-License-Identifier: Apache-2.0

"""Room for one more base, with a store in memory."""

import dataclasses

import pytest

from cinder_cow import errors
from cinder_cow.backends.base_store import BuildRecord, Room
from cinder_cow.base_images import room
from cinder_cow.base_images.eviction import EvictionLimits
from tests.fakes.bases import MemoryBases

A = 'cow-base-qcow2-sha512-aa'
B = 'cow-base-qcow2-sha512-bb'
NEW = 'cow-base-qcow2-sha512-cc'


@pytest.fixture
def store(backend):
    """Two bases of 100 bytes in a pool of 1000."""
    store = MemoryBases(backend)
    store.space = Room(200, 800, 600)
    store.add(A, b'a', last_used=1, owner='p-a', stored_bytes=100)
    store.add(B, b'b', last_used=2, owner='p-b', stored_bytes=100)
    return store


@pytest.fixture
def require(store, image):
    def require(most_bytes, owner='p-new', **limits):
        need = room.Need(
            NEW, dataclasses.replace(image, owner=owner), most_bytes
        )
        gone = []
        room.require(
            store, EvictionLimits(**limits), need, lambda: gone.append(1)
        )
        return len(gone)

    return require


def test_base_that_fits_evicts_nothing(store, require):
    assert require(100, max_share=0.3) == 0

    assert set(store.things) == {A, B}


def test_least_recently_used_base_makes_room(store, require):
    assert require(101, max_share=0.3) == 1

    assert set(store.things) == {B}
    assert store.retired == {}


def test_nothing_is_evicted_where_that_is_not_enough(store, require):
    store.clone(store.find(B), 'volume-1')

    with pytest.raises(errors.NoRoomForBase, match='nearly full'):
        require(701)

    assert set(store.things) == {A, B}


def test_no_more_is_evicted_than_is_lacking(store, require):
    """Though Ceph counts the freed bytes only some time later."""
    require(601)

    assert set(store.things) == {B}


def test_one_project_cannot_take_all_by_building_at_once(store, require):
    store.set_build_record(
        'cow-base-x', BuildRecord(reserved_bytes=250, owner='p-new')
    )

    with pytest.raises(
        errors.NoRoomForBase, match='cow_base_max_share_per_project'
    ):
        require(100, max_bytes=600, max_share_per_project=0.5)

    assert set(store.things) == {A, B}


def test_base_that_volumes_need_stays_and_the_next_goes(store, require):
    store.clone(store.find(A), 'volume-1')

    require(101, max_share=0.3)

    assert set(store.things) == {A}


def test_base_larger_than_all_may_be_evicts_nothing(store, require):
    with pytest.raises(errors.NoRoomForBase, match='cow_base_max_share'):
        require(301, max_share=0.3)

    assert set(store.things) == {A, B}


def test_error_names_the_limit_and_the_remedy(store, require, image):
    store.clone(store.find(A), 'volume-1')
    store.clone(store.find(B), 'volume-2')

    with pytest.raises(errors.NoRoomForBase) as caught:
        require(101, max_bytes=300)

    text = str(caught.value)
    assert image.image_id in text
    assert 'take 200 bytes' in text
    assert 'of the 300 that cow_base_max_bytes allows' in text
    assert 'cinder-cow base evict' in text


def test_count_of_bases_is_limited(store, require):
    require(1, max_count=2)

    assert set(store.things) == {B}


def test_project_makes_room_by_its_own_bases_alone(store, require):
    require(250, owner='p-b', max_bytes=600, max_share_per_project=0.5)

    assert set(store.things) == {A}


def test_one_project_cannot_take_all(store, require):
    store.clone(store.find(B), 'volume-1')

    with pytest.raises(
        errors.NoRoomForBase, match='cow_base_max_share_per_project'
    ):
        require(250, owner='p-b', max_bytes=600, max_share_per_project=0.5)

    assert set(store.things) == {A, B}


def test_pool_is_never_filled_past_its_nearfull_ratio(store, require):
    with pytest.raises(errors.NoRoomForBase, match='nearly full'):
        require(801)

    assert set(store.things) == {A, B}


def test_bases_make_room_in_a_pool_that_is_nearly_full(store, require):
    purge = store.purge

    def purge_and_free():
        freed = 100 * len(purge())
        store.space = Room(200 - freed, 800 + freed, 600 + freed)

    store.purge = purge_and_free

    require(700)

    assert set(store.things) == {B}


def test_bases_that_are_being_built_take_room_already(store, require):
    store.set_build_record('cow-base-x', BuildRecord(reserved_bytes=50))
    store.set_build_record(NEW, BuildRecord(reserved_bytes=100))
    failed = BuildRecord(1, 'StorageFull', reserved_bytes=10**9)
    store.set_build_record('cow-base-y', failed)

    require(51, max_share=0.3)

    assert set(store.things) == {B}


def test_without_limits_only_the_pool_is_one(store, require):
    require(600)

    assert set(store.things) == {A, B}


def test_what_is_built_ahead_evicts_nothing(store, image):
    owned = dataclasses.replace(image, owner='p-new')
    need = room.Need(NEW, owned, 101, may_evict=False)

    with pytest.raises(errors.NoRoomForBase, match='cow_base_max_share'):
        room.require(store, EvictionLimits(max_share=0.3), need)

    assert set(store.things) == {A, B}


@pytest.mark.parametrize(('most_bytes', 'gone'), [(100, 1), (101, 2)])
def test_share_is_of_the_same_pool_when_a_base_has_gone(
    store, require, most_bytes, gone
):
    assert require(most_bytes, max_share=0.2) == gone


@pytest.mark.parametrize(
    ('most_bytes', 'gone'), [(200, 0), (201, 1), (300, 1)]
)
def test_project_may_take_its_share_to_the_last_byte(
    store, require, most_bytes, gone
):
    limits = {'max_share': 0.6, 'max_share_per_project': 0.5}

    assert require(most_bytes, owner='p-b', **limits) == gone


def test_builds_of_another_project_do_not_count_for_this_one(store, require):
    store.set_build_record(
        'cow-base-x', BuildRecord(reserved_bytes=250, owner='other')
    )

    assert require(100, max_bytes=600, max_share_per_project=0.5) == 0


def test_base_may_take_all_that_bases_may(store, require):
    assert require(300, max_bytes=300) == 2


@pytest.mark.parametrize(('most', 'gone'), [(4, 0), (3, 1), (2, 2)])
def test_bases_that_are_being_built_are_counted(store, require, most, gone):
    store.set_build_record('cow-base-x', BuildRecord(reserved_bytes=1))

    assert require(1, max_count=most) == gone


def test_no_base_is_built_where_none_may_be(store, require):
    with pytest.raises(errors.NoRoomForBase, match='cow_base_max_count is 0'):
        require(1, max_count=0)


def test_base_that_volumes_need_is_asked_for_them_once(store, require):
    store.add('cow-base-c', b'c', last_used=3, stored_bytes=100)
    store.clone(store.find(A), 'volume-1')

    assert require(1, max_count=2) == 2
    assert store.calls.count(('children', A)) == 1
