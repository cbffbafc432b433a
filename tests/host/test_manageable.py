# SPDX-License-Identifier: Apache-2.0
"""Base images are no volumes to be taken over."""

from cinder import exception
import pytest

from cinder_cow.backends import base_names
from cinder_cow.cinder_adapter import manageable


def entry(name, safe=True):
    return {
        'reference': {'source-name': name},
        'safe_to_manage': safe,
        'reason_not_safe': None,
    }


@pytest.mark.parametrize(
    'prefix', [base_names.BASE, base_names.SCRATCH, base_names.RETIRED]
)
def test_base_is_listed_as_not_manageable_with_the_reason(prefix):
    (found,) = manageable.without_bases([entry(f'{prefix}qcow2-sha512-1')])

    assert found['safe_to_manage'] is False
    assert 'base image of cinder-cow' in found['reason_not_safe']


def test_other_images_stay_as_they_are():
    assert manageable.without_bases([entry('disk')]) == [entry('disk')]


def test_base_cannot_be_managed(hosted, volume):
    with pytest.raises(
        exception.ManageExistingInvalidReference, match='base image'
    ):
        hosted.manage_existing_get_size(
            volume, {'source-name': 'cow-base-qcow2-sha512-1'}
        )
