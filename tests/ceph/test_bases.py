# SPDX-License-Identifier: Apache-2.0
"""Base images on a real cluster, in both clone formats."""

import dataclasses
import json
import signal
import subprocess
import sys
import textwrap
import time
import uuid

import pytest
import rados
import rbd

from cinder_cow import errors
from cinder_cow.backends import base_names
from cinder_cow.backends.base_store import BuildRecord
from cinder_cow.backends.rbd import base_metadata as stories
from cinder_cow.backends.rbd import base_snapshot, build_records
from cinder_cow.model import BaseInfo, Verification

MIB = 2**20
CONTENT = b'D0D-' * (MIB // 4)
STORY = BaseInfo(
    image_id='image-1',
    disk_format='qcow2',
    hash_algo='sha512',
    hash_value='ab' * 64,
    source='glance',
    verification=Verification.HASH,
    signature_verified=False,
    stored_bytes=0,
    seconds=1.5,
    created=1e9,
    version='1.2.3',
)
BUILDER = """
    import json, sys
    from cinder_cow.backends.base import Settings
    from cinder_cow.backends.rbd.backend import RbdBackend

    settings, name = json.loads(sys.stdin.readline())
    settings['image_pools'] = tuple(settings['image_pools'])
    writer = RbdBackend(Settings(**settings)).bases().create(name, 2**20)
    writer.write_at(0, b'half')
    print('wrote', flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def name():
    """Another in each test, as long as they get."""
    return f'cow-base-qcow2-sha512-{uuid.uuid4().hex * 4}'


@pytest.fixture
def store(either_lab):
    return either_lab.backend().bases()


def filled(store, name, content=CONTENT):
    with store.create(name, len(content)) as writer:
        writer.write_at(0, content)
        writer.flush()


def built(store, name, content=CONTENT, info=STORY):
    filled(store, name, content)
    return store.commit(name, info)


def forgotten(store, name):
    """As another process would see it, which does not know it yet."""
    with store._images.opened('forget') as pool:
        ref = store._ref(pool.connection, name)
        base_snapshot.forget(pool.connection, ref)


# The snapshot is the commit point.


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
    assert base.info == dataclasses.replace(STORY, stored_bytes=MIB)
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
        rbd.Image(ioctx, name) as image,
    ):
        stories.write(image, STORY)
        image.create_snap(base_snapshot.SNAPSHOT)

    base = store.find(name)
    store.clone(base, 'volume-1')

    assert base.snapshot.protected
    assert old_lab.stored()['volume-1'] == CONTENT


def test_a_damaged_story_is_said(store, either_lab, name):
    built(store, name)
    with (
        either_lab.rados.open_ioctx('volumes') as ioctx,
        rbd.Image(ioctx, name) as image,
    ):
        image.metadata_set(stories.STORY, '{"version": ')
    forgotten(store, name)

    with pytest.raises(errors.StorageError, match='rbd rename volumes/cow-'):
        store.find(name)
    assert store.stored_bases() == []


def test_what_a_later_version_tells_more_is_borne(store, either_lab, name):
    base = built(store, name)
    with (
        either_lab.rados.open_ioctx('volumes') as ioctx,
        rbd.Image(ioctx, name) as image,
    ):
        told = json.loads(image.metadata_get(stories.STORY))
        image.metadata_set(stories.STORY, json.dumps({**told, 'more': 1}))
    forgotten(store, name)

    assert store.find(name) == base


def test_who_lost_it_to_another_cannot_commit_it(either_lab, store, name):
    filled(store, name)
    other = either_lab.backend().bases()
    other.discard(name)
    filled(other, name, b'half')

    with pytest.raises(errors.StorageError, match='another has taken it'):
        store.commit(name, STORY)
    assert other.find(name) is None


def test_who_lost_it_to_another_does_not_discard_it(either_lab, store, name):
    filled(store, name)
    other = either_lab.backend().bases()
    other.discard(name)
    built(other, name)

    store.discard(name)

    assert either_lab.names() == [name]


# Making and removing.


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
    builder = subprocess.Popen(
        [sys.executable, '-W', 'ignore', '-c', textwrap.dedent(BUILDER)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    facts = [dataclasses.asdict(lab.settings()), name]
    print(json.dumps(facts), file=builder.stdin, flush=True)
    assert builder.stdout.readline() == 'wrote\n'
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


# Cloning.


def test_clone_shares_the_blocks(either_lab, store, name):
    base = built(store, name)
    before = either_lab.data_objects()

    store.clone(base, 'volume-1')

    assert either_lab.data_objects() == before
    assert either_lab.stored()['volume-1'] == CONTENT
    with either_lab.opened('volume-1') as image:
        assert image.parent_info() == ('volumes', name, 'base')


def test_clone_over_something_leaves_it(either_lab, store, name):
    base = built(store, name)
    store.clone(base, 'volume-1')

    with pytest.raises(errors.VolumeExists):
        store.clone(base, 'volume-1')
    assert store.find(name) == base


def test_clone_of_what_is_gone_says_so_and_forgets_it(either_lab, store, name):
    base = built(store, name)
    either_lab.remove(name)

    with pytest.raises(errors.BaseGone):
        store.clone(base, 'volume-1')
    assert store.find(name) is None
    assert either_lab.names() == []


def test_clone_of_what_was_retired_elsewhere_says_so(either_lab, store, name):
    base = built(store, name)
    with either_lab.rados.open_ioctx('volumes') as ioctx:
        rbd.RBD().rename(ioctx, name, 'cow-retired-1')

    with pytest.raises(errors.BaseGone):
        store.clone(base, 'volume-1')
    assert store.find(name) is None
    assert either_lab.names() == ['cow-retired-1']


def test_clone_of_what_is_another_by_now_says_so(either_lab, name):
    """Its objects have become larger than what is known of it."""
    store = either_lab.backend().bases()
    old = built(store, name)
    either_lab.remove(name)
    larger = either_lab.backend(object_bytes=8 * MIB).bases()
    forgotten(larger, name)
    new = built(larger, name)
    with store._images.opened('remember') as pool:
        base_snapshot.remember(pool.connection, old)

    with pytest.raises(errors.BaseGone):
        store.clone(old, 'volume-1')
    assert store.find(name) == new
    store.clone(new, 'volume-1')
    assert either_lab.stored()['volume-1'] == CONTENT


# What it tells of itself.


def test_kept_tells_what_a_sweep_asks_for(store, name):
    base = built(store, name)
    before = time.time()

    store.used(base, 'image-1')
    store.used(base, 'image-2')

    (kept,) = store.stored_bases()
    assert (kept.name, kept.info) == (name, base.info)
    assert kept.image_ids == {'image-1', 'image-2'}
    assert before - 1 <= kept.last_used <= time.time() + 1


def test_unused_it_was_last_used_when_it_was_made(store, name):
    built(store, name)

    (kept,) = store.stored_bases()
    assert kept.last_used == STORY.created
    assert kept.image_ids == {'image-1'}


def test_use_is_written_down_now_and_then(either_lab, store, name):
    base = built(store, name)
    store.used(base, 'image-2')
    with (
        either_lab.rados.open_ioctx('volumes') as ioctx,
        rbd.Image(ioctx, name) as image,
    ):
        image.metadata_set(stories.LAST_USED, '7')

    store.used(base, 'image-2')

    (kept,) = store.stored_bases()
    assert kept.last_used == 7


def test_use_that_cannot_be_written_is_no_error(lab, name, caplog):
    base = built(lab.backend().bases(), name)
    store = lab.backend(user='blind', base_pool='gold').bases()
    gold = dataclasses.replace(base.snapshot.ref, pool='gold')
    other = dataclasses.replace(
        base, snapshot=dataclasses.replace(base.snapshot, ref=gold)
    )

    store.used(other, 'image-1')

    assert 'Could not note the use of gold/' in caplog.text


def test_use_of_what_is_gone_is_no_error(either_lab, store, name, caplog):
    base = built(store, name)
    either_lab.remove(name)

    store.used(base, 'image-1')

    assert caplog.text == ''


# Where the bytes are.


def test_image_here_is_borrowed(either_lab, store):
    image = dataclasses.replace(either_lab.image(CONTENT), disk_format='qcow2')
    named = either_lab.image(CONTENT, name=image.image_id, pool='gold')
    elsewhere = f'rbd://{uuid.uuid4()}/images/{image.image_id}/snap'
    by_hand = f'rbd://{either_lab.fsid}/images/volume-1/snap'
    ours = f'rbd://{either_lab.fsid}/volumes/{image.image_id}/snap'
    missing = f'rbd://{either_lab.fsid}/nowhere/{image.image_id}/snap'
    bad = ('file:///a', elsewhere, by_hand, ours, missing)

    def borrowed(*urls):
        given = dataclasses.replace(image, locations=urls)
        return store.clone_to_scratch(given, 'cow-scratch-1')

    assert not borrowed(*bad)
    assert not borrowed()
    assert either_lab.names() == []
    for good in (image, named):
        assert borrowed(*bad, *good.locations)
        with either_lab.opened('cow-scratch-1') as scratch:
            pool = 'images' if good is image else 'gold'
            assert scratch.get_parent_image_spec()['pool_name'] == pool
        store.discard('cow-scratch-1')
    assert either_lab.leftovers() == []


def test_borrowed_image_is_read(either_lab, store):
    store.clone_to_scratch(
        either_lab.image(CONTENT + b'tail'), 'cow-scratch-1'
    )

    with store.read('cow-scratch-1') as content:
        assert content.size_bytes == len(CONTENT) + 4
        assert content.read_at(2, 4) == CONTENT[2:6]
        assert content.read_at(len(CONTENT), 100) == b'tail'
        assert content.read_at(len(CONTENT) + 4, 100) == b''
        content.close()


def test_reading_what_is_not_there_fails(store, name):
    with pytest.raises(errors.StorageError):
        store.read(name)


def qemu_reads(device):
    options = ','.join(
        f'{key}={value.replace(",", ",,")}'
        for key, value in device.options.items()
    )
    done = subprocess.run(
        ['qemu-img', 'info', '--output=json', '--image-opts', options],
        env={'PATH': '/usr/bin:/bin', **device.environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)['virtual-size']


def test_borrowing_copies_nothing_and_leaves_nothing(either_lab, store):
    image = either_lab.image(CONTENT)

    assert store.clone_to_scratch(image, 'cow-scratch-1')
    assert either_lab.data_objects() == []
    with pytest.raises(errors.VolumeExists):
        store.clone_to_scratch(image, 'cow-scratch-1')
    store.discard('cow-scratch-1')
    assert store.clone_to_scratch(image, 'cow-scratch-1')
    store.discard('cow-scratch-1')
    either_lab.remove(image.image_id, 'images')
    with pytest.raises(errors.StorageError):  # it was there a moment ago
        store.clone_to_scratch(image, 'cow-scratch-1')
    assert not store.clone_to_scratch(image, 'cow-scratch-1')
    assert either_lab.leftovers() == []


def test_qemu_opens_it(either_lab, store, name):
    filled(store, name)
    store.clone_to_scratch(either_lab.image(CONTENT * 2), 'cow-scratch-1')

    device = store.block_device(name)

    assert qemu_reads(device) == len(CONTENT)
    assert qemu_reads(store.block_device('cow-scratch-1')) == 2 * len(CONTENT)
    assert device.environment == {}


def test_qemu_opens_it_where_the_cluster_has_another_name(lab, name):
    filled(lab.backend().bases(), name)
    folder = lab.cluster.folder
    keyring = folder / 'east.client.cinder.keyring'
    keyring.write_text((folder / 'ceph.client.cinder.keyring').read_text())
    conf = (folder / 'ceph.conf').read_text()
    east = folder / 'east.conf'
    east.write_text(conf.replace('$cluster', 'east'))
    store = lab.backend(cluster_name='east', conf_path=str(east)).bases()

    device = store.block_device(name)

    assert set(device.environment) == {'CEPH_KEYRING'}
    assert qemu_reads(device) == len(CONTENT)


# Notes.


def test_notes_are_for_all_to_read(either_lab, store):
    other = either_lab.backend().bases()
    assert store.build_record('a') is None
    assert store.build_records() == {}

    store.set_build_record(
        'a', BuildRecord(1, 'SourceError', 'no way', True, 5.0)
    )
    store.set_build_record('b', BuildRecord())
    assert other.build_record('a') == BuildRecord(
        1, 'SourceError', 'no way', True, 5.0
    )
    assert other.build_records() == {
        'a': other.build_record('a'),
        'b': BuildRecord(),
    }

    other.set_build_record('a', BuildRecord(2))
    assert store.build_record('a') == BuildRecord(2)
    store.set_build_record('a', None)
    store.set_build_record('a', None)
    assert store.build_record('a') is None
    store.set_build_record('b', None)
    store.set_build_record('b', None)
    assert either_lab.leftovers() == []


def test_more_notes_than_are_read_at_once(lab, monkeypatch):
    monkeypatch.setattr(build_records, 'PAGE', 2)
    store = lab.backend().bases()
    for number in range(5):
        store.set_build_record(str(number), BuildRecord(number))

    assert store.build_records() == {str(n): BuildRecord(n) for n in range(5)}


def test_a_note_that_came_meanwhile_keeps_the_object(lab):
    store = lab.backend().bases()
    store.set_build_record('a', BuildRecord(1))
    with lab.rados.open_ioctx('volumes') as ioctx:
        build_records._page(ioctx, '', 1)
        store.set_build_record('b', BuildRecord(2))
        build_records._remove_unless_changed(ioctx)

    assert store.build_records() == {'a': BuildRecord(1), 'b': BuildRecord(2)}


def test_a_damaged_note_is_none(lab, caplog):
    store = lab.backend().bases()
    with (
        lab.rados.open_ioctx('volumes') as ioctx,
        rados.WriteOpCtx() as operation,
    ):
        ioctx.set_omap(operation, ('a',), (b'7',))
        ioctx.operate_write_op(operation, build_records.OBJECT)

    assert store.build_record('a') is None
    assert store.build_records() == {}
    assert 'damaged' in caplog.text


# Retiring.


def test_retired_it_goes_with_its_last_clone(either_lab, store, name):
    base = built(store, name)
    assert not store.has_children(name)
    for number in range(2):
        store.clone(base, f'volume-{number}')
    assert store.has_children(name)

    store.retire(name)
    store.retire(name)

    assert store.find(name) is None
    assert store.stored_bases() == []
    assert not store.has_children(name)
    assert store.purge() == []
    either_lab.remove('volume-0')
    assert store.purge() == []
    assert either_lab.stored()['volume-1'] == CONTENT
    either_lab.remove('volume-1')
    (removed,) = store.purge()
    assert removed.startswith(base_names.RETIRED)
    assert either_lab.leftovers() == []


def test_retired_it_can_be_built_anew(either_lab, store, name):
    store.clone(built(store, name), 'volume-0')
    store.retire(name)

    store.clone(built(store, name), 'volume-1')
    store.purge()

    stored = either_lab.stored()
    assert stored['volume-0'] == stored['volume-1'] == CONTENT
    assert len(stored) == 4


def test_purge_ends_what_another_began(either_lab, store, name):
    built(store, name, b'')
    store.retire(name)
    (retired,) = either_lab.names()
    with either_lab.rados.open_ioctx('volumes') as ioctx:
        with rbd.Image(ioctx, retired) as image:
            header = f'rbd_header.{image.id()}'
            if image.is_protected_snap('base'):
                image.unprotect_snap('base')
            image.remove_snap('base')
        ioctx.remove_object(header)

    assert store.purge() == [retired]
    assert either_lab.names() == []


def test_retired_and_open_it_is_left_for_later(either_lab, store, name):
    built(store, name)
    store.retire(name)
    (retired,) = either_lab.names()

    with (
        either_lab.rados.open_ioctx('volumes') as ioctx,
        rbd.Image(ioctx, retired),
    ):
        assert store.purge() == []
    assert store.purge() == [retired]
    assert either_lab.leftovers() == []


def test_clone_in_another_pool_is_a_child(either_lab, store, name):
    base = built(store, name)
    others = either_lab.backend(
        user='admin', pool='gold', base_pool='volumes'
    ).bases()
    others.clone(base, 'volume-1')

    assert store.has_children(name)
    store.retire(name)
    assert store.purge() == []
    either_lab.remove('volume-1', 'gold')
    assert len(store.purge()) == 1
