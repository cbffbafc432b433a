# SPDX-License-Identifier: Apache-2.0
"""A base is finished by its snapshot, and removed only before it."""

import dataclasses
import signal

import pytest
import rbd

from cinder_cow import errors
from cinder_cow.backends import base_names
from cinder_cow.backends.rbd import base_records, base_snapshot
from tests.ceph.bases import (
    CONTENT,
    INFO,
    MIB,
    built,
    filled,
    forgotten,
    half_built,
    opened,
)


def test_without_its_snapshot_it_is_no_base(either_lab, store, name):
    filled(store, name)

    assert store.find(name) is None
    assert store.stored_bases() == []
    assert not store.has_children(name)
    store.retire(name)
    assert either_lab.names() == [name]

    store.discard(name)
    assert either_lab.leftovers() == []


def test_committed_it_is_found(store, name):
    base = built(store, name)
    forgotten(store, name)

    assert store.find(name) == base
    assert base.snapshot.size_bytes == len(CONTENT)
    assert base.info == dataclasses.replace(INFO, stored_bytes=MIB)
    assert store.find(base_names.scratch_name(name)) is None


def test_found_once_it_is_known(either_lab, store, name):
    built(store, name)
    either_lab.remove(name)

    assert store.find(name) is not None


def test_finished_by_a_killed_builder_it_is_protected_by_the_finder(
    old_lab, name
):
    store = old_lab.backend().bases()
    filled(store, name)
    with (
        old_lab.rados.open_ioctx('volumes') as ioctx,
        opened(old_lab, name) as image,
    ):
        record = base_records.BaseRecord(image.id(), INFO, 7, {'image-1': 7})
        base_records.write(ioctx, name, record)
        image.create_snap(base_snapshot.SNAPSHOT)

    base = store.find(name)
    store.clone(base, 'volume-1')

    assert base.snapshot.protected
    assert old_lab.stored()['volume-1'] == CONTENT


def test_with_its_record_alone_it_is_no_base(either_lab, store, name):
    """Its builder was killed between the record and the snapshot."""
    filled(store, name)
    with (
        either_lab.rados.open_ioctx('volumes') as ioctx,
        opened(either_lab, name) as image,
    ):
        record = base_records.BaseRecord(image.id(), INFO, 7, {'image-1': 7})
        base_records.write(ioctx, name, record)

    assert store.find(name) is None
    assert store.abandoned() == [name]
    store.discard(name)
    assert built(store, name).info.created == INFO.created
    assert store.find(name) is not None


def test_who_lost_it_to_another_cannot_commit_it(either_lab, store, name):
    filled(store, name)
    other = either_lab.backend().bases()
    other.discard(name)
    filled(other, name, b'half')

    with pytest.raises(errors.StorageError, match='another has taken it'):
        store.commit(name, INFO)
    assert other.find(name) is None


def test_who_lost_it_to_another_does_not_discard_it(either_lab, store, name):
    filled(store, name)
    other = either_lab.backend().bases()
    other.discard(name)
    filled(other, name)

    with pytest.raises(errors.StorageError, match='another has taken it'):
        store.discard(name)

    assert either_lab.names() == [name]


def test_with_the_lease_again_it_discards_what_a_dead_successor_left(
    either_lab, store, name
):
    """It built, lost the lease to another, and that one died over it."""
    scratch = base_names.scratch_name(name)
    for each in (name, scratch):
        filled(store, each)
    other = either_lab.backend().bases()
    for each in (name, scratch):
        other.discard(each)
        filled(other, each)

    with store.lease(name):
        for each in (name, scratch):
            store.discard(each)
        assert either_lab.names() == []
        built(store, name)

    assert store.find(name) is not None


def test_what_was_left_is_found_in_the_pool_itself(either_lab, store, name):
    """Without a build record: it may have been lost."""
    scratch = base_names.scratch_name(name)
    unfinished = name + '-2'
    filled(store, scratch)
    filled(store, unfinished)
    built(store, name)
    either_lab.backend().open('volume-1', MIB).close()

    assert sorted(store.abandoned()) == sorted([scratch, unfinished])
    assert base_names.base_of(scratch) == name
    assert base_names.base_of(unfinished) == unfinished


def test_made_twice_it_is_left_as_it_is(store, name):
    filled(store, name)

    with pytest.raises(errors.VolumeExists):
        store.create(name, MIB)
    with store.read(name) as content:
        assert content.read_at(0, MIB) == CONTENT


def test_what_is_finished_is_not_discarded(either_lab, store, name):
    built(store, name)

    with pytest.raises(errors.StorageError, match='it is finished'):
        store.discard(name)
    assert either_lab.names() == [name]


def test_nothing_is_discarded_where_nothing_is(store, name):
    store.discard(name)


def test_what_a_killed_builder_left_is_discarded(lab, name):
    """Its watch on the image outlives it for half a minute."""
    with half_built(lab, name) as builder:
        builder.send_signal(signal.SIGKILL)
        builder.wait()
    store = lab.backend().bases()

    store.discard(name)

    assert lab.leftovers() == []


@pytest.mark.parametrize('crumb', ['id alone', 'no header'])
def test_what_is_half_removed_is_discarded(either_lab, store, name, crumb):
    filled(store, name, b'')
    with either_lab.rados.open_ioctx('volumes') as ioctx:
        with rbd.Image(ioctx, name) as image:
            header = f'rbd_header.{image.id()}'
        if crumb == 'id alone':
            text = ioctx.read(f'rbd_id.{name}')
            rbd.RBD().remove(ioctx, name)
            ioctx.write_full(f'rbd_id.{name}', text)
        else:
            ioctx.remove_object(header)

    assert store.find(name) is None
    store.discard(name)
    filled(store, name)
    store.discard(name)
    assert either_lab.leftovers() == []


def test_lies_in_a_pool_of_its_own(lab, name):
    store = lab.backend(user='admin', base_pool='gold').bases()
    base = built(store, name)

    store.clone(base, 'volume-1')
    store.used(base, 'image-2')

    assert lab.names('gold') == [name]
    assert lab.names() == ['volume-1']
    assert store.has_children(name)
    (kept,) = store.stored_bases()
    assert kept.image_ids == {'image-1', 'image-2'}
