# SPDX-License-Identifier: Apache-2.0
"""Hidden locations are found in releases whose Cinder does not ask for them.

Each test makes the Cinder that is installed one of those or one of the others.
"""

from cinder import exception
from cinder.image import glance
from oslo_config import cfg
import pytest

from cinder_cow import errors
from cinder_cow.cinder_adapter import glance_selftest, image_locations
from cinder_cow.cinder_adapter.image_info import locations
from tests.host.conftest import IMAGE_ID

CONF = cfg.CONF
URL = 'rbd://f/images/i/snap'
HIDDEN = (None, None)


@pytest.fixture
def old(monkeypatch):
    """A Cinder without a [glance] section of its own."""
    monkeypatch.delattr(glance, 'GLANCE_GROUP', raising=False)


@pytest.fixture
def new(monkeypatch):
    monkeypatch.setattr(glance, 'GLANCE_GROUP', 'glance', raising=False)


def test_hidden_location_is_asked_for(old, server):
    server.images = {IMAGE_ID: 'active'}
    server.locations = {IMAGE_ID: [URL]}

    assert locations(image_locations.complete(IMAGE_ID, HIDDEN)) == (URL,)


def test_glance_without_that_request_is_read_by_the_record(old, server):
    server.images = {IMAGE_ID: {'status': 'active', 'direct_url': URL}}

    assert locations(image_locations.complete(IMAGE_ID, HIDDEN)) == (URL,)


def test_user_without_the_role_is_shown_none(old, server):
    server.images = {IMAGE_ID: 'active'}

    assert locations(image_locations.complete(IMAGE_ID, HIDDEN)) == ()


def test_what_cinder_was_shown_is_not_asked_for_again(old, server):
    shown = (URL, None)

    assert image_locations.complete(IMAGE_ID, shown) is shown
    assert server.seen == []


def test_what_cinder_itself_asks_for_is_not_asked_for_again(new, server):
    assert image_locations.complete(IMAGE_ID, (None, [])) == (None, [])
    assert server.seen == []


def test_nothing_is_asked_for_without_a_user(old, cinder):
    assert image_locations.complete(IMAGE_ID, HIDDEN) is HIDDEN


def test_volume_of_a_hidden_image_is_a_clone(
    old, server, hosted, context, volume, image_meta, image_location
):
    server.images = {IMAGE_ID: 'active'}
    server.locations = {IMAGE_ID: [image_location[1][0]['url']]}
    hosted._setup_volume = lambda volume: None

    _update, cloned = hosted.clone_image(
        context, volume, HIDDEN, image_meta, None
    )

    assert cloned
    assert list(hosted.memory.volumes) == [volume.name]


def test_keystone_that_is_down_is_a_failure_and_no_slow_copy(
    old, server, hosted, context, volume, image_meta
):
    CONF.set_override('auth_url', 'http://127.0.0.1:1/v3', group='glance')

    with pytest.raises(errors.SourceUnreachable, match='127.0.0.1:1'):
        image_locations.complete(IMAGE_ID, HIDDEN)
    with pytest.raises(exception.GlanceConnectionFailed):
        hosted.clone_image(context, volume, HIDDEN, image_meta, None)
    assert hosted.memory.volumes == {}


def test_self_test_sees_what_is_asked_for(old, server):
    server.images = {IMAGE_ID: 'active'}
    server.locations = {IMAGE_ID: [URL]}

    seen = glance_selftest.look()

    assert [each.pool for each in seen.examples] == ['images']


def test_catalog_without_glance_is_named(old, server):
    server.images = {IMAGE_ID: 'active'}
    CONF.set_override('glance_api_servers', None)

    with pytest.raises(errors.SourceUnreachable, match='endpoint'):
        image_locations.complete(IMAGE_ID, HIDDEN)


def test_address_of_glance_may_have_no_scheme(old, server):
    server.images = {IMAGE_ID: 'active'}
    server.locations = {IMAGE_ID: [URL]}
    plain = server.url.removeprefix('http://')
    CONF.set_override('glance_api_servers', [plain])

    assert locations(image_locations.complete(IMAGE_ID, HIDDEN)) == (URL,)
