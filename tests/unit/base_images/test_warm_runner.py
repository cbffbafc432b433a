# SPDX-License-Identifier: Apache-2.0
"""Queued images are warmed; Glance, the store and the builds in memory."""

import dataclasses
import threading
import time

import pytest

from cinder_cow import errors
from cinder_cow.backends.base_store import Room
from cinder_cow.base_images import warm_records, warm_runner
from cinder_cow.base_images.warm import WarmResult, WarmStatus
from cinder_cow.base_images.warm_records import WarmRecords, WarmStage
from cinder_cow.base_images.warm_runner import WarmSettings
from cinder_cow.planning.warm_policy import WarmPolicy
from tests.fakes.backend import MemoryBackend
from tests.fakes.bases import MemoryBases

BUILT = WarmResult(WarmStatus.BUILT)
SETTINGS = WarmSettings(WarmPolicy.ALL)


class Images:
    def __init__(self, *image_ids):
        self.changed = dict.fromkeys(image_ids, 1)
        self.lists = 0

    def records(self, **filters):
        self.lists += 1
        return map(self.record, self.changed)

    def record(self, image_id):
        if image_id not in self.changed:
            return None
        return {
            'id': image_id,
            'status': 'active',
            'updated_at': f'2026-01-01T00:00:{self.changed[image_id]:02}Z',
        }


@pytest.fixture
def store():
    return MemoryBases(MemoryBackend())


class Builds:
    """``answers`` maps an image's id to a result or an exception."""

    def __init__(self, **answers):
        self.answers = answers
        self.begun = []

    def __call__(self, record):
        self.begun.append(record['id'])
        answer = self.answers.get(record['id'], BUILT)
        if isinstance(answer, Exception):
            raise answer
        return answer() if callable(answer) else answer


def stages(store):
    records = WarmRecords(store).images.values()
    return {each.image_id: each.stage.value for each in records}


def failed(error):
    return WarmResult(WarmStatus.FAILED, str(error), error=error)


def test_each_image_ends_with_what_became_of_it(store):
    builds = Builds(
        skipped=WarmResult(WarmStatus.SKIPPED, 'it is cloned'),
        bad=failed(errors.ImageUnacceptable('bad', 'a backing file')),
        large=failed(errors.NoRoomForBase('build', ValueError('full'))),
    )

    images = Images('a', 'skipped', 'bad', 'large')
    assert warm_runner.run(SETTINGS, store, images, builds)

    assert stages(store) == {
        'a': 'done',
        'skipped': 'refused',
        'bad': 'failed',
        'large': 'refused',
    }
    assert 'a backing file' in WarmRecords(store).images['bad'].why
    assert store.leases == {}


def test_failing_image_costs_one_try(store):
    builds = Builds(bad=failed(errors.ImageUnacceptable('bad', 'no disk')))
    images = Images('bad')

    for _ in range(3):
        warm_runner.run(SETTINGS, store, images, builds)
    assert builds.begun == ['bad']

    images.changed['bad'] = 2
    warm_runner.run(SETTINGS, store, images, builds)
    assert builds.begun == ['bad', 'bad']


def test_what_is_not_the_images_fault_is_tried_again_a_few_times(store):
    lost = errors.StorageUnreachable('connect', OSError('down'))
    builds, images = Builds(a=failed(lost)), Images('a')

    warm_runner.run(SETTINGS, store, images, builds)
    assert stages(store) == {'a': 'queued'}
    for _ in range(5):
        warm_runner.run(SETTINGS, store, images, builds)

    assert len(builds.begun) == warm_runner.MOST_TRIES
    assert stages(store) == {'a': 'failed'}


def test_another_goes_on_where_one_was_killed(store):
    warm_runner.run(SETTINGS, store, Images(), Builds())
    records = WarmRecords(store)
    records.write(
        [
            warm_records.WarmRecord('a', '', '2026-01-01T00:00:01Z', stage)
            for stage in [WarmStage.RUNNING]
        ]
    )
    builds, images = Builds(), Images('a')
    images.records = lambda **filters: iter(())

    warm_runner.run(SETTINGS, store, images, builds)

    assert builds.begun == ['a']
    assert stages(store) == {'a': 'done'}


def test_image_that_kills_its_builder_each_time_is_given_up(store):
    tries = warm_runner.MOST_TRIES
    WarmRecords(store).write(
        [
            warm_records.WarmRecord(
                'a', '', '2026-01-01T00:00:01Z', WarmStage.RUNNING, tries=tries
            )
        ]
    )
    builds = Builds()

    warm_runner.run(SETTINGS, store, Images('a'), builds)

    assert builds.begun == []
    assert stages(store) == {'a': 'failed'}


def test_one_process_does_it_and_the_others_ask_nothing(store):
    images = Images('a')
    with store.lease(warm_runner.WARM):
        assert not warm_runner.run(SETTINGS, store, images, Builds())

    assert images.lists == 0


def test_nothing_is_begun_where_the_pool_is_nearly_full(store):
    store.space = Room(2**40, 2**30, 0)
    builds, images = Builds(), Images('a')

    warm_runner.run(SETTINGS, store, images, builds)
    assert builds.begun == []
    assert WarmRecords(store).images['a'].why == warm_runner.NEARLY_FULL

    store.space = Room(0, 2**40, 2**40)
    warm_runner.run(SETTINGS, store, images, builds)
    assert stages(store) == {'a': 'done'}


def test_image_that_was_deleted_meanwhile_is_forgotten(store):
    images = Images('a')
    store.space = Room(2**40, 2**30, 0)
    warm_runner.run(SETTINGS, store, images, Builds())
    store.space = Room(0, 2**40, 2**40)
    images.changed.clear()

    builds = Builds()
    warm_runner.run(SETTINGS, store, images, builds)

    assert builds.begun == []
    assert stages(store) == {}


def test_no_more_than_its_share_is_built_at_once(store):
    lock, now, most = threading.Lock(), [0], [0]

    def build():
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        time.sleep(0.05)
        with lock:
            now[0] -= 1
        return BUILT

    ids = [f'i{n}' for n in range(6)]
    builds = Builds(**dict.fromkeys(ids, build))
    settings = dataclasses.replace(SETTINGS, at_once=2)

    warm_runner.run(settings, store, Images(*ids), builds)

    assert sorted(builds.begun) == ids
    assert most == [2]


def test_new_images_are_seen_while_one_is_built(store):
    images, ended = Images('slow'), threading.Event()

    def slow():
        images.changed['new'] = 2
        assert ended.wait(10)
        return BUILT

    def new():
        ended.set()
        return BUILT

    settings = dataclasses.replace(SETTINGS, at_once=2, poll_seconds=0.1)
    warm_runner.run(settings, store, images, Builds(slow=slow, new=new))

    assert stages(store) == {'slow': 'done', 'new': 'done'}


def test_lost_lease_ends_the_run(store):
    def build():
        store.take_away(warm_runner.WARM)
        return BUILT

    settings = dataclasses.replace(SETTINGS, poll_seconds=0)
    with pytest.raises(errors.LeaseLost):
        warm_runner.run(settings, store, Images('a', 'b'), Builds(a=build))


def test_what_nobody_foresaw_leaves_the_image_queued(store, caplog):
    builds = Builds(a=ValueError('unforeseen'))

    warm_runner.run(SETTINGS, store, Images('a'), builds)

    assert 'Could not warm image a: unforeseen' in caplog.text
    assert stages(store) == {'a': 'running'}


def test_oldest_records_of_very_many_are_forgotten(store, monkeypatch):
    monkeypatch.setattr(warm_records, 'MOST_ENDED', 2)

    warm_runner.run(SETTINGS, store, Images('a', 'b', 'c'), Builds())

    assert set(stages(store)) == {'b', 'c'}


def test_damaged_note_is_no_record(store, caplog):
    store.notes['image/a'] = '7'

    assert WarmRecords(store).images == {}
    assert 'The note of warming image/a is damaged' in caplog.text
