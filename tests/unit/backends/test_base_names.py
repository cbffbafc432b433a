# SPDX-License-Identifier: Apache-2.0

import dataclasses

import pytest

from cinder_cow.backends import base_names
from cinder_cow.backends.base_names import base_name
from cinder_cow.conversion import convert
from cinder_cow.planning import formats
from tests.unit.conftest import IMAGE_ID

SHA = 'ab' * 64


@pytest.fixture
def hashed(image):
    return dataclasses.replace(
        image, hash_algo='sha512', hash_value=SHA, disk_format='qcow2'
    )


def test_name_is_the_format_and_the_hash(hashed):
    assert base_name(hashed) == f'cow-base-qcow2-sha512-{SHA}'


def test_images_of_equal_content_share_a_name(hashed):
    twin = dataclasses.replace(
        hashed, image_id='other', locations=(), hash_value=SHA.upper()
    )

    assert base_name(twin) == base_name(hashed)


@pytest.mark.parametrize(
    'changed',
    [
        {'hash_value': 'cd' * 64},
        {'hash_algo': 'sha256'},
        {'disk_format': 'raw'},
        {'disk_format': 'vmdk'},
        {'signature': '12' * 16},
    ],
)
def test_other_content_has_another_name(hashed, changed):
    other = dataclasses.replace(hashed, **changed)

    assert base_name(other) != base_name(hashed)


def test_an_iso_is_read_as_raw(hashed):
    raw = dataclasses.replace(hashed, disk_format='raw')
    iso = dataclasses.replace(hashed, disk_format='iso')
    gpt = dataclasses.replace(hashed, disk_format='gpt')

    assert base_name(iso) == base_name(gpt) == base_name(raw)


@pytest.mark.parametrize(
    ('changed', 'tail'),
    [
        ({'hash_value': None}, ''),
        ({'hash_algo': None}, ''),
        ({'hash_value': '../../x'}, ''),
        ({'hash_algo': 'sha 512/@'}, ''),
        ({'hash_value': None, 'checksum': 'Ef' * 16}, '-' + 'ef' * 16),
        ({'hash_value': None, 'checksum': 'no hex'}, ''),
    ],
)
def test_without_a_hash_the_base_is_the_images_own(hashed, changed, tail):
    image = dataclasses.replace(hashed, **changed)

    assert base_name(image) == f'cow-base-qcow2-image-{IMAGE_ID}{tail}'


@pytest.mark.parametrize(
    ('algo', 'value'),
    [
        ('md5', 'ab' * 16),
        ('sha1', 'ab' * 20),
        ('sha224', 'ab' * 28),
        ('shake_256', 'ab' * 32),
        ('sha256', 'ab' * 16),
    ],
)
def test_only_what_a_strong_hash_identifies_is_shared(hashed, algo, value):
    weak = dataclasses.replace(hashed, hash_algo=algo, hash_value=value)

    assert base_name(weak) == f'cow-base-qcow2-image-{IMAGE_ID}'


@pytest.mark.parametrize('algo', ['sha256', 'SHA384', 'sha3_512', 'blake2b'])
def test_all_strong_hashes_identify_content(hashed, algo):
    strong = dataclasses.replace(hashed, hash_algo=algo)

    assert base_name(strong) == f'cow-base-qcow2-{algo.lower()}-{SHA}'


def test_nothing_is_shared_where_locations_are_not_glances_own(hashed):
    name = base_name(hashed, strict_locations=False)

    assert name == f'cow-base-qcow2-image-{IMAGE_ID}-any-location'


def test_unhashed_base_of_any_location_is_not_that_of_a_trusted_one(image):
    assert base_name(image) != base_name(image, strict_locations=False)


@pytest.mark.parametrize('make', [str, base_names.scratch_name])
def test_base_is_known_by_what_belongs_to_it(hashed, make):
    name = base_name(hashed)

    assert base_names.base_of(make(name)) == name


def test_scratch_is_named_after_its_base(hashed):
    name = base_names.scratch_name(base_name(hashed))

    assert name == f'cow-scratch-qcow2-sha512-{SHA}'


def test_every_format_with_a_base_is_raw_or_can_be_converted():
    assert set(formats.FORMATS) == {*formats.RAW_FORMATS, *convert.FORMATS}


def test_a_scratch_belongs_to_its_base(hashed):
    name = base_name(hashed)

    assert base_names.base_of(base_names.scratch_name(name)) == name
    assert base_names.base_of(name) == name
