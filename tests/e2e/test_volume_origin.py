# SPDX-License-Identifier: Apache-2.0
"""provider_id stays what it is, whatever Cinder does with the volume."""

import os

import pytest

pytestmark = pytest.mark.usefixtures('default_configuration')

MIB = 2**20
CONTENT = os.urandom(MIB) + bytes(6 * MIB) + os.urandom(MIB + 17)
#: Of volumes.provider_id, and of all that is done here.
VERSION = '3.68'


@pytest.fixture
def act(cloud):
    """Does something with a volume."""

    def act(path, body):
        answer = cloud.connection.block_storage.post(
            path, json=body, microversion=VERSION
        )
        assert answer.status_code == 202, answer.text
        return answer

    return act


def origin(cloud, volume):
    answer = cloud.connection.block_storage.get(
        f'/volumes/{volume}', microversion=VERSION
    )
    return answer.json()['volume']['provider_id']


@pytest.fixture
def other_type(cloud):
    """Another type of the same backend."""
    volumes = cloud.connection.block_storage
    made = volumes.create_type(
        name='cow-other', extra_specs={'volume_backend_name': 'cow'}
    )
    yield made.name
    volumes.delete_type(made)


def test_it_survives_a_retype(other_type, tidy, cloud, act):
    volume = tidy.volume('cow', tidy.image(CONTENT))
    retype = {'new_type': other_type, 'migration_policy': 'never'}

    act(f'/volumes/{volume}/action', {'os-retype': retype})
    assert tidy.statuses(volume, busy=('retyping',))[-1] == 'available'

    assert cloud.volume(volume).volume_type == other_type
    assert origin(cloud, volume) == 'cow:clone'
    tidy.delete()  # before its type


def test_it_survives_a_migration_to_another_pool(tidy, cloud, act, pool):
    """And back: upstream's driver uses provider_id as little as ours."""
    volume = tidy.volume('cow', tidy.image(CONTENT))
    hosts = {
        each.name.partition('@')[2].partition('#')[0]: each.name
        for each in cloud.connection.block_storage.backend_pools()
    }
    for backend in ('upstream', 'cow'):
        retype = {'new_type': backend, 'migration_policy': 'on-demand'}
        act(f'/volumes/{volume}/action', {'os-retype': retype})
        assert tidy.statuses(volume, busy=('retyping',))[-1] == 'available'
        shown = cloud.volume(volume)
        assert shown.volume_type == backend
        assert shown.host == hosts[backend]
        assert origin(cloud, volume) == 'cow:clone'
    assert pool.read(volume, len(CONTENT)) == CONTENT


def test_volume_that_is_managed_begins_without(tidy, cloud, act, pool):
    """Its record is a new one; what it is a clone of is in Ceph."""
    image = tidy.image(CONTENT)
    volume = tidy.volume('cow', image)
    host = cloud.volume(volume).host

    act(f'/volumes/{volume}/action', {'os-unmanage': {}})
    tidy.wait_until_gone(volume)
    managed = act(
        '/manageable_volumes',
        {
            'volume': {
                'host': host,
                'ref': {'source-name': f'volume-{volume}'},
                'volume_type': 'cow',
            }
        },
    ).json()['volume']['id']
    assert tidy.statuses(managed, busy=('managing',))[-1] == 'available'

    assert origin(cloud, managed) is None
    assert pool.parent(managed) == f'images/{image}@snap'
    assert pool.read(managed, len(CONTENT)) == CONTENT


def test_reimage_changes_it(tidy, cloud, act):
    volume = tidy.volume('cow', tidy.image(CONTENT))
    image = tidy.image(CONTENT, store='disk')

    act(f'/volumes/{volume}/action', {'os-reimage': {'image_id': image}})
    assert tidy.statuses(volume)[-1] == 'available'

    assert origin(cloud, volume) == 'cow:stream:reimage'
