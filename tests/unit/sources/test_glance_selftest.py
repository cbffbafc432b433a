# SPDX-License-Identifier: Apache-2.0
"""Each reason has an answer of its own. A real HTTP server answers."""

import contextlib

from keystoneauth1 import session
from keystoneauth1.identity import v3
import pytest

from cinder_cow.model import SnapshotRef
from cinder_cow.sources import glance_selftest
from cinder_cow.sources.glance_images import GlanceImages, GlanceNotTrusted
from tests.fakes.image_api import ImageApi

URL = 'rbd://fsid/images/i/snap'
LIST = '/v2/images?limit=5&status=active&sort_key=created_at&sort_dir=desc'


@pytest.fixture
def api():
    with contextlib.closing(ImageApi()) as api:
        api.images = {'i': {'status': 'active', 'size': 5}}
        api.locations = {'i': [URL]}
        yield api


@pytest.fixture
def look(api):
    def call(keystone=None):
        auth = v3.Password(
            f'{keystone or api.url}/v3', username='u', password='secret'
        )
        return glance_selftest.look(
            lambda: GlanceImages(session.Session(auth=auth), api.url)
        )

    return call


def the_bad(seen):
    (found,) = (each for each in seen.answers if not each.ok)
    return found


def test_everything_is_shown(api, look):
    api.images['j'] = {'status': 'active', 'size': 3, 'virtual_size': 9}

    seen = look()

    assert all(each.ok for each in seen.answers)
    assert len(seen.answers) == 3
    assert seen.examples == [SnapshotRef('fsid', 'images', 'i', 'snap')]
    assert seen.largest_bytes == 9


def test_keystone_turns_the_user_away(api, look):
    api.lets_in = False

    found = the_bad(look())

    assert '401' in found.answer
    assert 'password' in found.remedy


def test_keystone_does_not_answer(look):
    found = the_bad(look(keystone='http://127.0.0.1:1'))

    assert 'Keystone does not answer' in found.answer
    assert 'auth_url' in found.remedy


def test_catalog_without_glance():
    def connect():
        raise GlanceNotTrusted('There is no endpoint.')

    found = the_bad(glance_selftest.look(connect))

    assert found.answer == 'no, There is no endpoint'


def test_role_admin_is_missing(api, look):
    api.roles = ['service']

    found = the_bad(look())

    assert found.question == glance_selftest.ALL_IMAGES
    assert '404' in found.answer
    assert 'role add --user u ' in found.remedy


def test_role_service_is_missing(api, look):
    api.roles = ['admin']
    api.locations = {}

    found = the_bad(look())

    assert 'has not the role service (403)' in found.answer
    assert found.remedy.endswith('service')


def test_role_service_is_missing_where_the_role_admin_still_does(api, look):
    api.roles = ['admin']

    found = the_bad(look())

    assert found.minor
    assert found.remedy.endswith('service')


def test_policy_hides_the_locations(api, look):
    api.locations = {}

    found = the_bad(look())

    assert 'hidden from the role service (403)' in found.answer
    assert 'policy.yaml' in found.remedy


def test_glance_is_too_old_for_the_locations(api, look):
    api.answers['/v2/images/i/locations'] = (404, 'no such page')

    assert 'older than 2024.2' in the_bad(look()).answer


def test_locations_of_no_image(api, look):
    api.images = {}

    found = the_bad(look())

    assert found.ok is None
    assert 'there is no image yet' in found.answer


@pytest.mark.parametrize(
    ('status', 'words'),
    [
        (401, 'keystone_authtoken'),
        (403, 'roles service and admin'),
        (500, 'glance_api_servers'),
    ],
)
def test_glance_lists_no_images(api, look, status, words):
    api.answers[LIST] = (status, 'not so')

    assert words in the_bad(look()).remedy


def test_section_that_is_missing():
    (found,) = glance_selftest.no_section().answers

    assert found.ok is False
    assert 'has no [glance] section' in found.answer
    assert 'Add the section' in found.remedy
