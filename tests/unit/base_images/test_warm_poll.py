# SPDX-License-Identifier: Apache-2.0
"""New images are found, on Glance's API in memory; requests are counted."""

from keystoneauth1 import session, token_endpoint
import pytest

from cinder_cow.base_images import warm_poll
from cinder_cow.base_images.warm_records import (
    WarmRecord,
    WarmRecords,
    WarmStage,
)
from cinder_cow.planning.warm_policy import WarmPolicy
from cinder_cow.sources.glance_images import GlanceImages
from tests.fakes.backend import MemoryBackend
from tests.fakes.bases import MemoryBases
from tests.fakes.image_api import ImageApi

NOW = 1_800_000_000.0


@pytest.fixture
def api():
    api = ImageApi()
    yield api
    api.close()


@pytest.fixture
def images(api):
    user = token_endpoint.Token(api.url, 't')
    return GlanceImages(session.Session(auth=user), api.url)


@pytest.fixture
def store():
    return MemoryBases(MemoryBackend())


def image(second=0, **more):
    time = f'2026-01-01T{second // 3600:02}:{second // 60 % 60:02}'
    return {
        'status': 'active',
        'visibility': 'public',
        'updated_at': f'{time}:{second % 60:02}Z',
        **more,
    }


@pytest.fixture
def polled(store, images):
    """Polls as a process that has just started; the ids that are queued."""

    def poll(policy=WarmPolicy.PUBLIC, names=frozenset(), now=NOW):
        records = WarmRecords(store)
        warm_poll.queue_new(records, images, policy, names, now)
        return [each.image_id for each in records.unfinished()]

    return poll


def ended(store, *image_ids):
    """They are built."""
    records = WarmRecords(store)
    for each in image_ids:
        known = records.images[each]
        records.write([WarmRecord(each, '', known.updated_at, WarmStage.DONE)])


def test_images_that_are_there_already_are_queued_the_oldest_first(
    api, polled
):
    api.images = {'a': image(2), 'b': image(1), 'c': image(3, status='queued')}

    assert polled() == ['b', 'a']


def test_many_images_are_read_page_by_page(api, polled):
    api.images = {f'i-{n:04}': image(n) for n in range(1100)}

    assert len(polled()) == 1100
    assert len(api.seen) == 3


def test_nothing_new_is_one_request_and_nothing_written(api, polled, store):
    # As where an operator has imported them all in one second.
    api.images = {f'i-{n:04}': image(n // 200) for n in range(5000)}
    polled()
    api.seen.clear()
    store.calls.clear()

    polled(now=NOW + 3600)

    assert len(api.seen) == 1
    assert ('write_warm_notes', None) not in store.calls


def test_new_and_changed_images_are_queued(api, polled, store):
    api.images = {'old': image(1), 'changed': image(2)}
    polled()
    ended(store, 'old', 'changed')

    api.images['changed'] = image(8000)
    api.images['new'] = image(8001)

    assert polled(now=NOW + 9000) == ['changed', 'new']


def test_image_that_failed_is_not_queued_again_until_it_changes(
    api, polled, store
):
    api.images = {'bad': image(5)}
    polled()
    record = WarmRecords(store).images['bad']
    WarmRecords(store).write(
        [WarmRecord('bad', '', record.updated_at, WarmStage.FAILED, 'no')]
    )

    assert polled(now=NOW + 1) == []
    assert WarmRecords(store).images['bad'].why == 'no'
    api.images['bad'] = image(6)
    assert polled(now=NOW + 2) == ['bad']


def test_image_that_is_listed_late_is_seen(api, polled):
    """Its host's clock is behind, or its transaction took long."""
    api.images = {'a': image(300)}
    polled()
    api.images['late'] = image(300 - warm_poll.SETTLE_SECONDS)

    assert polled(now=NOW + 30) == ['late', 'a']


def test_another_policy_begins_anew(api, polled):
    api.images = {'public': image(2), 'private': image(1, visibility='own')}
    assert polled() == ['public']

    assert polled(WarmPolicy.ALL, now=NOW + 9000) == ['private', 'public']


def test_list_that_breaks_off_is_read_again(api, polled, store):
    api.images = {f'i-{n:04}': image(n) for n in range(600)}
    marker = 'i-0499'
    broken = (
        '/v2/images?limit=500&status=active&visibility=public'
        f'&sort=updated_at%3Aasc&marker={marker}'
    )
    api.answers[broken] = (500, {})
    with pytest.raises(Exception, match='500'):
        polled()
    assert store.notes == {}

    del api.answers[broken]
    assert len(polled()) == 600


@pytest.fixture
def named(store, images):
    def names(now=NOW):
        return warm_poll.used_names(
            WarmRecords(store), images, store, 1000, now
        )

    return names


def test_names_are_those_of_images_whose_bases_were_used(api, store, named):
    api.images = {
        each: image(name=each, owner='p') for each in ('used', 'old', 'ahead')
    }
    store.add('cow-base-1', image_id='used', last_used=NOW - 10)
    store.add('cow-base-2', image_id='old', last_used=NOW - 2000)
    store.add(
        'cow-base-3',
        image_id='ahead',
        last_used=NOW - 10,
        created=NOW - 10,
        warmed=True,
    )

    assert named() == {('p', 'used')}
    assert api.seen == ['/v2/images/used']


def test_name_is_known_after_its_image_and_its_base_have_gone(
    api, store, named
):
    api.images = {'i-1': image(name='debian', owner='p')}
    store.add('cow-base-1', image_id='i-1', last_used=NOW - 10)
    named()
    api.images.clear()
    store.things.clear()

    assert named(NOW + 500) == {('p', 'debian')}
    assert named(NOW + 1001) == set()
    assert WarmRecords(store).used == {}


def test_deleted_image_is_asked_for_once(api, store, named):
    store.add('cow-base-1', image_id='gone', last_used=NOW - 10)

    assert named() == named(NOW + 1) == set()
    assert len(api.seen) == 1
