# SPDX-License-Identifier: Apache-2.0
import pytest

from cinder_cow.planning import warm_policy
from cinder_cow.planning.warm_policy import WarmPolicy

PUBLIC = {'status': 'active', 'visibility': 'public', 'owner': 'p'}
PRIVATE = {**PUBLIC, 'visibility': 'private', 'name': 'debian'}
USED = {('p', 'debian')}


@pytest.mark.parametrize(
    ('policy', 'wanted'),
    [
        (WarmPolicy.OFF, []),
        (WarmPolicy.MARKED, ['marked']),
        (WarmPolicy.PUBLIC, ['public']),
        (WarmPolicy.USED, ['private', 'marked']),
        (WarmPolicy.ALL, ['public', 'private', 'marked']),
    ],
)
def test_each_policy_wants_its_own_images(policy, wanted):
    images = {
        'public': PUBLIC,
        'private': PRIVATE,
        'marked': {**PRIVATE, 'cow_warm': 'True'},
    }

    found = [
        name
        for name, each in images.items()
        if warm_policy.wants(policy, each, USED)
    ]

    assert found == wanted


@pytest.mark.parametrize('policy', WarmPolicy)
@pytest.mark.parametrize(
    'change', [{'cow_warm': 'false'}, {'status': 'deactivated'}]
)
def test_none_wants_what_is_unmarked_or_not_active(policy, change):
    image = {**PUBLIC, 'name': 'debian', **change}

    assert not warm_policy.wants(policy, image, USED)


def test_name_alone_makes_no_image_a_used_one():
    foreign = {**PRIVATE, 'owner': 'another'}

    assert not warm_policy.wants(WarmPolicy.USED, foreign, USED)


def test_public_images_alone_are_listed_where_no_other_is_wanted():
    assert warm_policy.filters(WarmPolicy.PUBLIC)['visibility'] == 'public'
    assert warm_policy.filters(WarmPolicy.ALL)['visibility'] == 'all'
