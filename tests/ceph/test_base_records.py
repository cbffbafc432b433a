# SPDX-License-Identifier: Apache-2.0
"""What the cluster knows of a base."""

import dataclasses
import json
import time

import pytest

from cinder_cow.backends.rbd import base_metadata, base_records, omap
from tests.ceph.bases import CONTENT, INFO, built, forgotten, opened


def write(lab, key, value):
    with lab.rados.open_ioctx('volumes') as ioctx:
        omap.write(ioctx, base_records.OBJECT, {key: value})


def recorded(lab, pool='volumes'):
    with lab.rados.open_ioctx(pool) as ioctx:
        return dict(omap.items(ioctx, base_records.OBJECT))


def old_form(lab, store, name, info=INFO, **more):
    """As the first release made a base."""
    built(store, name)
    told = {**dataclasses.asdict(info), 'verification': 'hash'}
    with opened(lab, name) as image:
        image.metadata_set(base_metadata.INFO, json.dumps(told))
        image.metadata_set(base_metadata.LAST_USED, '1000000007')
        for image_id in ('image-1', 'image-2'):
            image.metadata_set(base_metadata.IMAGE + image_id, '1000000000')
    with lab.rados.open_ioctx('volumes') as ioctx:
        base_records.remove(ioctx, name)
    forgotten(store, name)


def test_clones_inherit_nothing_of_it(either_lab, store, name):
    base = built(store, name)
    store.used(base, 'image-of-another-project')

    store.clone(base, 'volume-1')

    with either_lab.opened('volume-1') as image:
        assert list(image.metadata_list()) == []


def test_base_of_the_first_release_is_found_and_its_record_moved(
    either_lab, store, name
):
    old_form(either_lab, store, name)
    (before,) = store.stored_bases()

    base = store.find(name)
    store.clone(base, 'volume-1')

    assert base.info == INFO
    assert store.stored_bases() == [before]
    assert before.last_used == 1000000007
    assert before.image_ids == {'image-1', 'image-2'}
    for each in (name, 'volume-1'):
        with either_lab.opened(each) as image:
            assert list(image.metadata_list()) == []


def test_record_that_was_half_moved_is_moved(either_lab, store, name):
    """Who moved it was killed before the old form was removed."""
    base = built(store, name)
    with opened(either_lab, name) as image:
        image.metadata_set(base_metadata.LAST_USED, '7')
    forgotten(store, name)

    assert store.find(name) == base
    with either_lab.opened(name) as image:
        assert list(image.metadata_list()) == []


@pytest.mark.parametrize('damage', ['lost', 'of another', 'damaged'])
def test_without_its_record_it_is_built_anew(
    either_lab, store, name, damage, caplog
):
    base = built(store, name)
    store.clone(base, 'volume-1')
    with either_lab.rados.open_ioctx('volumes') as ioctx:
        if damage == 'lost':
            ioctx.remove_object(base_records.OBJECT)
        elif damage == 'of another':
            record = base_records.BaseRecord('1234', INFO, 7, {})
            base_records.write(ioctx, name, record)
        else:
            write(either_lab, f'{name}/info', b'{"version": ')
    forgotten(store, name)

    assert store.find(name) is None
    assert store.stored_bases() == []
    assert store.abandoned() == [name]
    assert 'built anew' in caplog.text
    with store.lease(name):
        store.discard(name)
        store.clone(built(store, name), 'volume-2')
    stored = either_lab.stored()
    assert stored['volume-1'] == stored['volume-2'] == CONTENT
    either_lab.remove('volume-1')
    assert len(store.purge()) == 1
    assert store.find(name) is not None


def test_what_a_later_version_adds_is_no_error(either_lab, store, name):
    base = built(store, name)
    known = json.loads(recorded(either_lab)[f'{name}/info'])
    more = json.dumps({**known, 'more': 1}).encode()
    write(either_lab, f'{name}/info', more)
    forgotten(store, name)

    assert store.find(name) == base


def test_record_of_very_many_images_is_bounded(lab, name, monkeypatch):
    monkeypatch.setattr(base_records, 'MOST_IMAGES', 3)
    store = lab.backend().bases()
    base = built(store, name)

    for number in range(2, 7):
        store.used(base, f'image-{number}')

    (stored,) = store.stored_bases()
    assert len(stored.image_ids) == 3
    assert 'image-6' in stored.image_ids
    assert 'image-1' not in stored.image_ids


def test_deleted_images_are_forgotten(either_lab, store, name):
    base = built(store, name)
    store.used(base, 'image-2')

    store.forget_images(name, ['image-1', 'image-3'])
    store.forget_images('cow-base-of-nothing', ['image-1'])

    (stored,) = store.stored_bases()
    assert stored.image_ids == {'image-2'}


def test_record_goes_with_its_base(either_lab, store, name):
    built(store, name)
    store.retire(name)
    store.purge()

    assert recorded(either_lab) == {}


def test_record_of_nothing_is_removed_by_a_sweep(either_lab, store, name):
    """Who retired the base was killed, or wrote its use too late."""
    built(store, name)
    write(either_lab, 'cow-base-gone/last_used', b'7')

    store.purge()

    assert {key.partition('/')[0] for key in recorded(either_lab)} == {name}


def test_more_keys_than_are_read_at_once(lab, monkeypatch, name):
    monkeypatch.setattr(omap, 'PAGE', 2)
    store = lab.backend().bases()
    bases = [built(store, f'{name}{number}', b'') for number in range(3)]
    for base in bases:
        for number in range(5):
            store.used(base, f'image-{number}')

    assert [len(each.image_ids) for each in store.stored_bases()] == [5, 5, 5]


def test_stored_base_has_what_a_sweep_asks_for(store, name):
    base = built(store, name)
    before = time.time()

    store.used(base, 'image-1')
    store.used(base, 'image-2')

    (stored,) = store.stored_bases()
    assert (stored.name, stored.info) == (name, base.info)
    assert stored.image_ids == {'image-1', 'image-2'}
    assert before - 1 <= stored.last_used <= time.time() + 1


def test_unused_it_was_last_used_when_it_was_made(store, name):
    built(store, name)

    (stored,) = store.stored_bases()
    assert stored.last_used == INFO.created
    assert stored.image_ids == {'image-1'}


def test_use_is_recorded_now_and_then(either_lab, store, name):
    base = built(store, name)
    store.used(base, 'image-2')
    write(either_lab, f'{name}/last_used', b'7')

    store.used(base, 'image-2')

    (stored,) = store.stored_bases()
    assert stored.last_used == 7


def test_use_that_cannot_be_written_is_no_error(lab, name, caplog):
    base = built(lab.backend().bases(), name)
    store = lab.backend(user='blind', base_pool='gold').bases()
    gold = dataclasses.replace(base.snapshot.ref, pool='gold')
    other = dataclasses.replace(
        base, snapshot=dataclasses.replace(base.snapshot, ref=gold)
    )

    store.used(other, 'image-1')

    assert 'Could not record the use of gold/' in caplog.text


def test_use_of_what_is_gone_is_no_error(either_lab, store, name, caplog):
    base = built(store, name)
    either_lab.remove(name)

    store.used(base, 'image-1')

    assert caplog.text == ''


def test_recorded_bases_are_those_that_are_stored(either_lab, store, name):
    base = built(store, name)
    store.used(base, 'image-2')

    assert store.recorded_bases() == store.stored_bases()
    assert [each.name for each in store.recorded_bases()] == [name]

    store.retire(name)
    assert store.recorded_bases() == []


def test_images_of_another_glance_are_known_as_such(either_lab, store, name):
    one = either_lab.backend(glance_name='http://one').bases()
    two = either_lab.backend(glance_name='http://two').bases()
    base = built(one, name)

    two.used(base, 'image-2')
    store.used(base, 'image-3')  # of a Glance whose name is not known

    foreign = {
        each: stored.foreign_ids
        for each, (stored,) in {
            'one': one.stored_bases(),
            'two': two.recorded_bases(),
        }.items()
    }
    assert foreign == {'one': {'image-2'}, 'two': {'image-1'}}
    one.forget_images(name, ['image-1'])
    (stored,) = two.stored_bases()
    assert stored.foreign_ids == frozenset()
    assert [e for e in recorded(either_lab) if e.endswith('image-1')] == []


def test_without_a_name_no_image_is_foreign(either_lab, store, name):
    named = either_lab.backend(glance_name='http://one').bases()
    built(store, name)

    (stored,) = named.stored_bases()

    assert stored.foreign_ids == frozenset()
