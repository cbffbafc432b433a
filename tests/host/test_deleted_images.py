# SPDX-License-Identifier: Apache-2.0
"""Only Glance's own word counts, twice. A real HTTP server answers."""

import uuid

import pytest

from cinder_cow.cinder_adapter.deleted_images import DeletedImages
from cinder_cow.sources.glance_images import NAMED_IMAGES, GlanceNotTrusted
from tests.fakes.image_api import GONE


@pytest.fixture
def clock():
    class Clock:
        now = 1000.0

        def __call__(self):
            return self.now

    return Clock()


@pytest.fixture
def deleted(clock):
    return DeletedImages(confirm_seconds=60, clock=clock)


def test_image_that_is_missing_twice_is_deleted(server, deleted, clock):
    server.images = {'here': 'active'}

    assert deleted(['gone', 'here']) == set()
    clock.now += 59
    assert deleted(['gone', 'here']) == set()
    clock.now += 1
    assert deleted(['gone', 'here']) == {'gone'}


def test_image_of_status_deleted_is_deleted(server, deleted, clock):
    server.images = {'here': 'active', 'hidden': 'deleted'}

    deleted(['hidden', 'here'])
    clock.now += 60

    assert deleted(['hidden', 'here']) == {'hidden'}


def test_glance_servers_that_contradict_each_other_delete_nothing(
    server, deleted, clock
):
    server.images = {'here': 'active'}
    deleted(['late', 'here', 'gone'])
    clock.now += 60
    server.images['late'] = 'active'

    for _ in range(2):
        with pytest.raises(GlanceNotTrusted, match='contradict'):
            deleted(['late', 'here', 'gone'])
        clock.now += 60

    clock.now += 3600
    assert deleted(['late', 'here', 'gone']) == set()
    clock.now += 60
    assert deleted(['late', 'here', 'gone']) == {'gone'}


def test_image_is_asked_for_again_before_it_is_believed_deleted(
    server, deleted, clock
):
    """Behind a load balancer, one server of two has an empty database."""
    server.images = {'here': 'active', 'there': 'active'}
    asked = []
    get = server.get

    def by_turns(path):
        if path == '/v2/images/there':
            asked.append(path)
            if len(asked) <= 3:
                return 404, GONE
        elif 'there' in path and len(asked) <= 3:
            return get(path.replace('there', 'nothing'))
        return get(path)

    server.get = by_turns
    assert deleted(['here', 'there']) == set()
    clock.now += 60

    with pytest.raises(GlanceNotTrusted, match='there'):
        deleted(['here', 'there'])


@pytest.mark.parametrize(
    'answer',
    [
        (404, '<html>404 Not Found</html>'),
        (404, {}),
        (404, {'error': 'no such page'}),
        (403, GONE),
        (500, GONE),
        (200, {'id': 'other'}),
        (200, 'ok'),
        (204, ''),
    ],
)
def test_404_of_a_proxy_deletes_nothing(server, deleted, clock, answer):
    server.images = {'here': 'active'}
    server.answers['/v2/images/gone'] = answer

    for _ in range(3):
        with pytest.raises(GlanceNotTrusted, match='gone'):
            deleted(['gone', 'here'])
        clock.now += 60


def test_glance_that_shows_no_image_at_all_deletes_nothing(
    server, deleted, clock
):
    for _ in range(3):
        with pytest.raises(GlanceNotTrusted, match='no image'):
            deleted(['gone'])
        clock.now += 60


def test_any_living_image_is_witness_enough(server, deleted, clock):
    server.images = {'other': 'active'}

    deleted(['gone'])
    clock.now += 60

    assert deleted(['gone']) == {'gone'}


def test_user_that_lost_its_role_deletes_nothing(server, deleted, clock):
    server.images = {'here': 'active'}
    server.roles = ['service']

    for _ in range(3):
        with pytest.raises(GlanceNotTrusted, match='admin'):
            deleted(['private', 'here'])
        clock.now += 60


def test_many_at_once_are_confirmed_once_more_after_a_warning(
    server, deleted, clock, caplog
):
    server.images = {'here': 'active'}
    many = [f'gone-{number}' for number in range(4)]

    deleted([*many, 'here'])
    clock.now += 60
    assert deleted([*many, 'here']) == set()
    assert (
        '4 of the 5 images that bases were made of are missing' in caplog.text
    )
    clock.now += 60
    assert deleted([*many, 'here']) == set(many)


def test_every_such_incident_has_its_warning(server, deleted, clock, caplog):
    server.images = {'here': 'active'}
    many = [f'gone-{number}' for number in range(4)]
    for _ in range(3):
        deleted([*many, 'here'])
        clock.now += 60
    assert deleted(['here']) == set()
    caplog.clear()

    deleted([*many, 'here'])
    clock.now += 60

    assert deleted([*many, 'here']) == set()
    assert 'are missing' in caplog.text


def test_without_a_service_user_no_image_counts_as_deleted(cinder, deleted):
    assert deleted(['gone']) == set()


def test_images_are_asked_for_in_pages(server, deleted):
    server.images = {str(uuid.uuid4()): 'active' for _ in range(2000)}

    assert deleted(sorted(server.images)) == set()

    assert len(server.seen) == 2000 / NAMED_IMAGES
    assert all(len(each) < 4096 for each in server.seen)


def test_hidden_image_is_not_deleted(server, deleted, clock):
    """Glance does not list it."""
    hidden = {'status': 'active', 'os_hidden': True}
    server.images = {'here': 'active', 'hidden': hidden}

    for _ in range(2):
        assert deleted(['hidden', 'here']) == set()
        clock.now += 60


def test_no_image_is_asked_for_when_there_are_none(server, deleted):
    assert deleted([]) == set()
