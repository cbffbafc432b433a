# SPDX-License-Identifier: Apache-2.0
"""The refusals whose facts come from the cluster, and the real remedies."""

import dataclasses
import shlex

import pytest

from cinder_cow.model import RefusalCode
from tests.ceph.lab import MIB

CONTENT = b'D0D-' * 1024


def the_refusal(backend, image):
    verdict = backend.cloneable(image)
    assert not verdict
    (refusal,) = verdict.refusals
    return refusal


def relocated(image, url):
    return dataclasses.replace(image, locations=(url,))


def test_image_in_another_cluster(lab, old_lab):
    image = old_lab.image(CONTENT)

    refusal = the_refusal(lab.backend(), image)

    assert refusal.code is RefusalCode.OTHER_CLUSTER
    assert lab.fsid in refusal.reason
    assert old_lab.fsid in refusal.reason


def test_image_that_is_not_there(lab):
    image = lab.image(CONTENT)
    gone = 'deadbeef-0000-0000-0000-000000000000'
    url = f'rbd://{lab.fsid}/images/{gone}/snap'
    image = dataclasses.replace(image, image_id=gone, locations=(url,))

    refusal = the_refusal(lab.backend(), image)

    assert refusal.code is RefusalCode.IMAGE_MISSING


def test_snapshot_that_is_not_there(lab):
    image = lab.image(CONTENT, snapshot='other')
    url = f'rbd://{lab.fsid}/images/{image.image_id}/snap'

    refusal = the_refusal(lab.backend(), relocated(image, url))

    assert refusal.code is RefusalCode.SNAPSHOT_MISSING


def test_pool_that_is_not_there(lab):
    image = lab.image(CONTENT)
    url = f'rbd://{lab.fsid}/nowhere/{image.image_id}/snap'

    refusal = the_refusal(lab.backend(), relocated(image, url))

    assert refusal.code is RefusalCode.POOL_MISSING


def test_volume_of_another_project_is_out_of_reach(lab):
    # What a user could write into a location to read somebody's volume.
    victim = lab.image(b'secret' * 1024, pool='volumes', name='volume-v')
    image = lab.image(CONTENT)

    for changed in ({}, {'strict_locations': False}):
        refusal = the_refusal(
            lab.backend(**changed), relocated(image, victim.locations[0])
        )
        assert refusal.code is RefusalCode.POOL_NOT_ALLOWED


def test_private_image_of_another_project_is_out_of_reach(lab):
    victim = lab.image(b'secret' * 1024)
    image = lab.image(CONTENT)

    refusal = the_refusal(lab.backend(), relocated(image, victim.locations[0]))

    assert refusal.code is RefusalCode.NOT_GLANCE_IMAGE


def test_snapshot_of_ones_own_in_a_foreign_image_is_out_of_reach(lab):
    image = lab.image(CONTENT, snapshot='backup')

    refusal = the_refusal(lab.backend(), image)

    assert refusal.code is RefusalCode.NOT_GLANCE_SNAPSHOT


def test_pool_that_we_may_not_read(lab):
    image = lab.image(CONTENT)

    refusal = the_refusal(lab.backend(user='blind'), image)

    assert refusal.code is RefusalCode.POOL_NOT_READABLE
    assert 'client.blind' in refusal.reason


def test_caps_in_the_remedy_do_mend_it(either_lab):
    either_lab.cluster.create_user(
        'mended', mon='profile rbd', osd='profile rbd pool=volumes'
    )
    image = either_lab.image(CONTENT)
    refusal = the_refusal(either_lab.backend(user='mended'), image)
    command = refusal.remedy.partition(': ')[2].partition(' (')[0]
    assert command.startswith('ceph auth caps client.mended')

    either_lab.cluster.ceph(*shlex.split(command)[1:])

    backend = either_lab.backend(user='mended', cluster_name='anew')
    backend.clone(image, 'volume-1')
    assert either_lab.stored() == {'volume-1': CONTENT}


def test_unprotected_snapshot_is_refused_where_clones_have_format_1(old_lab):
    image = old_lab.image(CONTENT, protect=False)

    refusal = the_refusal(old_lab.backend(), image)

    assert refusal.code is RefusalCode.SNAPSHOT_UNPROTECTED


def test_unprotected_snapshot_is_cloned_where_clones_have_format_2(lab):
    image = lab.image(CONTENT, protect=False)

    lab.backend().clone(image, 'volume-1')

    assert lab.stored() == {'volume-1': CONTENT}


@pytest.mark.parametrize('first', [0, 1])
def test_the_copy_that_lies_here_is_found_among_all(lab, old_lab, first):
    image = lab.image(CONTENT)
    urls = [f'file:///images/{image.image_id}', *image.locations]
    urls.insert(first, f'rbd://{old_lab.fsid}/images/{image.image_id}/snap')
    image = dataclasses.replace(image, locations=tuple(urls))

    lab.backend().clone(image, 'volume-1')

    assert lab.stored() == {'volume-1': CONTENT}


def test_pools_that_are_listed_are_the_only_ones(lab):
    gold = lab.image(b'gold' * MIB, pool='gold')
    backend = lab.backend(image_pools=('gold',))

    assert backend.cloneable(gold)
    refusal = the_refusal(backend, lab.image(CONTENT))
    assert refusal.code is RefusalCode.POOL_NOT_ALLOWED
