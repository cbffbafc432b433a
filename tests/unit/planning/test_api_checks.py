# SPDX-License-Identifier: Apache-2.0
import pytest

from cinder_cow import errors
from cinder_cow.planning import api_checks

GIB = 2**30
ACTIVE = {'id': 'i', 'status': 'active', 'size': GIB}


@pytest.mark.parametrize(
    ('record', 'gib'),
    [
        ({}, 1),
        ({'size': None, 'virtual_size': None, 'min_disk': None}, 1),
        ({'size': GIB}, 1),
        ({'size': GIB + 1}, 2),
        ({'size': 1, 'virtual_size': 3 * GIB}, 3),
        ({'size': 5 * GIB, 'virtual_size': 3 * GIB, 'min_disk': 4}, 5),
        ({'size': 1, 'min_disk': 7}, 7),
    ],
)
def test_least_volume_holds_all_that_the_image_asks_for(record, gib):
    assert api_checks.least_gib(record) == gib


def test_active_image_that_fits_is_taken():
    api_checks.require_taken(ACTIVE | {'virtual_size': 2 * GIB}, 2)


@pytest.mark.parametrize('name', ['size', 'virtual_size'])
def test_image_one_byte_too_large_is_not(name):
    with pytest.raises(errors.ImageTooBig, match='at least 3 GiB') as caught:
        api_checks.require_taken(ACTIVE | {name: 2 * GIB + 1}, 2)

    assert vars(caught.value) == {
        'image_id': 'i',
        'image_bytes': 2 * GIB + 1,
        'volume_bytes': 2 * GIB,
    }


def test_volume_smaller_than_min_disk_is_not():
    api_checks.require_taken(ACTIVE | {'min_disk': 5}, 5)
    with pytest.raises(api_checks.VolumeTooSmall, match='at least 5 GiB'):
        api_checks.require_taken(ACTIVE | {'min_disk': 5}, 4)


@pytest.mark.parametrize(
    ('status', 'remedy'),
    [
        ('queued', 'image-upload'),
        ('saving', 'Wait'),
        ('importing', 'Wait'),
        ('deactivated', '--activate'),
        ('killed', 'anew'),
        (None, 'anew'),
    ],
)
def test_image_that_is_not_active_is_refused_with_its_remedy(status, remedy):
    with pytest.raises(api_checks.ImageNotActive, match=remedy) as caught:
        api_checks.require_taken({'id': 'i', 'status': status}, 1)

    assert repr(status) in str(caught.value)
