# SPDX-License-Identifier: Apache-2.0
"""What every BaseStore keeps. Run on the fake and on the real one.

A subclass gives these fixtures. ``store``, and ``another``: a store of another
process, of the same pool. ``stored`` maps each volume's name to its bytes as
the storage has them now, and ``remove_volume`` removes one. ``image`` is an
ImageInfo whose RBD image lies there, and ``content`` its bytes. ``expire``
takes a lease and returns when its term is over.
"""

import dataclasses
import time

import pytest

from cinder_cow import errors
from cinder_cow.backends import base_names
from cinder_cow.backends.base_store import BuildRecord
from tests.fakes import writes
from tests.fakes.bases import info
from tests.waiting import wait_until

NAME = 'cow-base-raw-image-of-the-contract'
SCRATCH = base_names.scratch_name(NAME)
OTHER = 'cow-base-raw-image-of-another'
VOLUME = 'volume-of-the-contract'
CONTENT = b''.join(bytes([letter]) * 4096 for letter in b'base')
INFO = info('image-1', created=1e9, stored_bytes=0)


def fill(store, name=NAME, content=CONTENT):
    """What is not finished."""
    with store.create(name, len(content)) as writer:
        writes.write_at(writer, 0, content)
        writer.flush()


def build(store, name=NAME, content=CONTENT):
    fill(store, name, content)
    return store.commit(name, INFO)


class BaseStoreContract:
    """Found, cloned, used; built by one; retired and freed."""

    def test_what_is_committed_is_found(self, store, another):
        assert store.find(NAME) is None
        fill(store)
        assert store.find(NAME) is None

        base = store.commit(NAME, INFO)

        assert base.name == NAME
        assert base.snapshot.size_bytes == len(CONTENT)
        assert base.info.stored_bytes > 0
        assert dataclasses.replace(base.info, stored_bytes=0) == INFO
        assert store.find(NAME) == another.find(NAME) == base

    def test_create_never_replaces(self, store):
        build(store)

        with pytest.raises(errors.VolumeExists, match=NAME):
            store.create(NAME, 1)
        with store.read(NAME) as content:
            assert content.read_at(0, len(CONTENT)) == CONTENT

    def test_commit_of_nothing_fails(self, store):
        with pytest.raises(errors.StorageError):
            store.commit(NAME, INFO)
        assert store.find(NAME) is None

    def test_what_is_not_finished_is_discarded(self, store):
        fill(store)
        fill(store, SCRATCH)
        assert sorted(store.abandoned()) == [NAME, SCRATCH]

        store.discard(NAME)
        store.discard(SCRATCH)
        store.discard(SCRATCH)

        assert store.abandoned() == []

    def test_what_is_finished_is_not_discarded(self, store):
        build(store)

        with pytest.raises(errors.StorageError):
            store.discard(NAME)
        assert store.find(NAME)
        assert store.abandoned() == []

    def test_what_a_successor_made_is_neither_committed_nor_discarded(
        self, store, another
    ):
        """By one that thinks that it has the lease still."""
        fill(store)
        another.discard(NAME)
        fill(another)

        for act in (
            lambda: store.commit(NAME, INFO),
            lambda: store.discard(NAME),
        ):
            with pytest.raises(errors.StorageError):
                act()
        assert another.abandoned() == [NAME]
        assert another.commit(NAME, INFO)

    def test_who_has_the_lease_anew_discards_what_another_made(
        self, store, another
    ):
        fill(store)
        another.discard(NAME)
        fill(another)

        with store.lease(NAME):
            store.discard(NAME)

        assert store.abandoned() == []

    # Volumes of it.

    def test_clone_has_the_bases_bytes(self, store, stored):
        store.clone(build(store), VOLUME)

        assert stored()[VOLUME] == CONTENT

    def test_clone_never_replaces(self, store, stored):
        base, other = build(store), build(store, OTHER, CONTENT[::-1])
        store.clone(base, VOLUME)

        with pytest.raises(errors.VolumeExists, match=VOLUME):
            store.clone(other, VOLUME)
        assert stored()[VOLUME] == CONTENT

    def test_base_that_another_retired_is_gone(self, store, another, stored):
        base = build(store)
        another.retire(NAME)

        with pytest.raises(errors.BaseGone):
            store.clone(base, VOLUME)
        assert store.find(NAME) is None
        assert VOLUME not in stored()

    def test_use_is_recorded_with_its_image(self, store, another):
        base = build(store)
        before = time.time()

        store.used(base, 'image-2')

        for found in (another.stored_bases(), another.recorded_bases()):
            (only,) = found
            assert (only.name, only.info) == (NAME, base.info)
            assert only.image_ids == {'image-1', 'image-2'}
            assert before - 1 <= only.last_used <= time.time() + 1

    def test_images_are_forgotten(self, store):
        store.used(build(store), 'image-2')

        store.forget_images(NAME, ['image-1', 'never-there'])
        store.forget_images(OTHER, ['image-1'])

        (only,) = store.stored_bases()
        assert only.image_ids == {'image-2'}

    # The way to the end.

    def test_children_are_known_until_they_are_gone(
        self, store, remove_volume
    ):
        assert not store.has_children(NAME)
        base = build(store)
        assert not store.has_children(NAME)
        store.clone(base, VOLUME)
        assert store.has_children(NAME)
        remove_volume(VOLUME)
        assert not store.has_children(NAME)

    def test_retired_it_is_found_by_nobody_and_its_volumes_go_on(
        self, store, another, stored
    ):
        store.clone(build(store), VOLUME)

        store.retire(NAME)
        store.retire(NAME)

        assert store.find(NAME) is another.find(NAME) is None
        assert store.stored_bases() == store.recorded_bases() == []
        assert store.abandoned() == []
        assert stored()[VOLUME] == CONTENT

    def test_retired_it_is_freed_after_its_last_volume(
        self, store, remove_volume
    ):
        store.clone(build(store), VOLUME)
        store.retire(NAME)

        assert store.purge() == []
        remove_volume(VOLUME)
        (freed,) = store.purge()
        assert freed.startswith(base_names.RETIRED)
        assert store.purge() == []

    def test_retired_it_can_be_built_anew(self, store):
        build(store)
        store.retire(NAME)

        assert build(store) == store.find(NAME)

    # A scratch.

    def test_image_that_lies_there_becomes_a_scratch(
        self, store, image, content
    ):
        assert store.clone_to_scratch(image, SCRATCH)

        with store.read(SCRATCH) as found:
            assert found.size_bytes == len(content)
            assert found.read_at(0, len(content)) == content
            assert found.read_at(len(content) - 1, 9) == content[-1:]
        assert store.abandoned() == [SCRATCH]

    def test_scratch_is_not_made_twice(self, store, image):
        store.clone_to_scratch(image, SCRATCH)

        with pytest.raises(errors.VolumeExists, match=SCRATCH):
            store.clone_to_scratch(image, SCRATCH)

    def test_location_that_is_not_trusted_becomes_none(self, store, image):
        (url,) = image.locations
        by_hand = url.replace('/snap', '/backup')
        for urls in ((), ('file:///image',), (by_hand,)):
            elsewhere = dataclasses.replace(image, locations=urls)
            assert not store.clone_to_scratch(elsewhere, SCRATCH)
        assert store.abandoned() == []

    def test_reading_says_where_there_is_data(self, store):
        fill(store)

        with store.read(NAME) as content:
            (extent,) = content.extents()

        assert (extent.offset, extent.zero) == (0, False)
        assert extent.length == content.size_bytes == len(CONTENT)

    def test_what_is_not_there_cannot_be_read(self, store):
        with pytest.raises(errors.StorageError):
            store.read(NAME)

    def test_finished_base_is_the_same_for_who_looks_again(self, store):
        base = build(store)
        store.forget(NAME)

        assert store.find(NAME) == base
        store.retire(NAME)
        store.forget(NAME)
        assert store.find(NAME) is None

    def test_reading_may_be_closed_twice(self, store):
        fill(store)
        content = store.read(NAME)
        content.close()
        content.close()

    def test_qemu_is_told_what_to_open(self, store):
        fill(store)

        options = store.block_device(NAME).options

        assert options['driver']
        assert options['image'] == NAME

    # Records.

    def test_record_of_a_build_is_replaced_and_removed(self, store, another):
        assert store.build_record(NAME) is None
        first = BuildRecord(
            1, 'StorageFull', 'full', failures_by_host={'a': 1}
        )
        second = dataclasses.replace(first, failures=2, reserved_bytes=9)

        store.set_build_record(NAME, first)
        assert another.build_record(NAME) == first
        store.set_build_record(NAME, second)
        assert another.build_record(NAME) == second
        assert another.build_records() == {NAME: second}
        store.set_build_record(NAME, None)
        store.set_build_record(NAME, None)
        assert another.build_record(NAME) is None
        assert another.build_records() == {}

    def test_room_is_of_the_pool(self, store):
        room = store.room()

        assert room.used_bytes >= 0
        assert 0 < room.spare_bytes <= room.available_bytes
        assert room.capacity_bytes == room.used_bytes + room.available_bytes

    # The right to build.

    def test_one_has_the_lease_at_a_time(self, store, another):
        with store.lease(NAME) as lease:
            lease.check()
            assert store.lease(NAME) is another.lease(NAME) is None
            another.lease(OTHER).release()
        lease.release()
        another.lease(NAME).release()

    def test_released_lease_is_not_had_and_not_lost(self, store):
        lease = store.lease(NAME)
        lost = []
        lease.on_lost(lambda: lost.append(1))
        lease.release()

        with pytest.raises(errors.LeaseLost):
            lease.check()
        assert lost == []

    def test_expired_and_not_taken_it_is_taken_again(
        self, store, another, expire
    ):
        with store.lease(NAME) as lease:
            expire(lease)
            lease.check()
            assert another.lease(NAME) is None

    def test_who_lost_it_hears_of_it_and_does_not_get_it_back(
        self, store, another, expire
    ):
        lease = store.lease(NAME)
        lost = []
        lease.on_lost(lambda: lost.append('first'))
        expire(lease)
        with another.lease(NAME) as successor:
            wait_until(lambda: lost)
            lease.on_lost(lambda: lost.append('later'))
            assert lost == ['first', 'later']

            lease.keep(30)
            with pytest.raises(errors.LeaseLost):
                lease.check()
            lease.release()
            successor.check()
            assert store.lease(NAME) is None

    def test_who_was_overtaken_knows_though_the_other_is_done(
        self, store, another, expire
    ):
        with store.lease(NAME) as lease:
            expire(lease)
            another.lease(NAME).release()

            with pytest.raises(errors.LeaseLost):
                lease.check()
