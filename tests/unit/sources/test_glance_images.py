# SPDX-License-Identifier: Apache-2.0
import contextlib

from keystoneauth1 import session as keystone
from keystoneauth1.identity import v3
import pytest

from cinder_cow.sources import glance_images
from cinder_cow.sources.glance_images import GlanceImages, GlanceNotTrusted
from tests.fakes.image_api import ImageApi

RECORD = {
    'status': 'active',
    'disk_format': 'raw',
    'container_format': 'bare',
    'size': 5,
    'owner': 'p',
    'os_hash_algo': 'sha512',
    'os_hash_value': 'ab',
    'direct_url': 'rbd://a/b/c/snap',
    'locations': [{'url': 'rbd://a/b/d/snap', 'metadata': {}}],
}


@pytest.fixture
def api():
    with contextlib.closing(ImageApi()) as api:
        yield api


@pytest.fixture
def images(api):
    login = api.login()
    del login['auth_type']
    session = keystone.Session(v3.Password(**login))
    yield GlanceImages(session, f'{api.url}/v2')
    session.session.close()


def test_records_come_from_all_pages(api, images, monkeypatch):
    monkeypatch.setattr(glance_images, 'PAGE_IMAGES', 2)
    api.images = {f'i-{number}': 'active' for number in range(5)}
    assert [each['id'] for each in images.records()] == sorted(api.images)
    assert len(api.seen) == 3


def test_filters_are_asked_for(api, images):
    list(images.records(status='active', visibility='public'))
    assert 'status=active&visibility=public' in api.seen[-1]


@pytest.mark.parametrize('answer', [(200, 'hello'), (502, {}), (200, [])])
def test_a_list_that_is_none_is_an_error(api, images, answer):
    api.answers['/v2/images?limit=500'] = answer
    with pytest.raises(GlanceNotTrusted, match='list of images'):
        list(images.records())


def test_locations_of_their_own_path_come_first(api, images):
    api.images = {'i': RECORD}
    api.locations = {'i': ['rbd://a/b/e/snap']}
    record = images.record('i')
    assert images.locations(record) == ('rbd://a/b/e/snap', 'rbd://a/b/c/snap')


def test_locations_of_the_record_stand_in_where_that_path_is_forbidden(
    api, images
):
    api.images = {'i': RECORD}
    assert images.locations(images.record('i')) == (
        'rbd://a/b/d/snap',
        'rbd://a/b/c/snap',
    )


def test_hidden_locations_are_none(api, images):
    api.images = {'i': 'active'}
    assert images.locations(images.record('i')) == ()


def test_image_info_is_what_the_record_says(api, images):
    api.images = {'i': {**RECORD, 'img_signature': 's'}}
    image = images.image_info(images.record('i'), verify_signatures=True)
    assert (image.image_id, image.size_bytes, image.owner) == ('i', 5, 'p')
    assert (image.hash_algo, image.hash_value) == ('sha512', 'ab')
    assert image.signed
    assert image.signature
    unverified = images.image_info(images.record('i'), verify_signatures=False)
    assert unverified.signed
    assert unverified.signature is None


def test_an_id_cannot_leave_its_place_in_the_path(api, images):
    assert images.record('../../v3') is None
    assert api.seen == ['/v2/images/..%2F..%2Fv3']


def test_user_without_the_role_is_told_so(api, images):
    api.roles = ['member']
    with pytest.raises(GlanceNotTrusted, match='roles member, and not admin'):
        images.require_role('somebody')


@pytest.mark.parametrize(
    'url', ['http://key/v3', 'http://key/v3/', 'http://key/', 'http://key']
)
def test_glance_is_that_of_a_region_of_a_keystone(url):
    auth = v3.Password(url, 'secret')

    assert glance_images.glance_name(auth, 'One') == 'http://key One'
    assert glance_images.glance_name(auth, None) == 'http://key'


def test_glance_without_keystone_has_no_name():
    assert glance_images.glance_name(object(), None) == ''
