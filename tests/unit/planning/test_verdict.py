# SPDX-License-Identifier: Apache-2.0
import dataclasses

import pytest

from cinder_cow.model import (
    ClonePolicy,
    ImageInfo,
    RefusalCode,
    Snapshot,
    SnapshotRef,
    UnavailableReason,
)
from cinder_cow.planning import verdict

FSID = 'a-a-a'
SITE = ClonePolicy(FSID, 'volumes', 'cinder')
REF = SnapshotRef(FSID, 'images', 'i-1', 'snap')
URL = f'rbd://{FSID}/images/i-1/snap'
IMAGE = ImageInfo('i-1', 'active', 'raw', 'bare', 4096, (URL,))
SEEN = Snapshot(REF, 4096, 2**22, protected=True)


def changed(value, **fields):
    return dataclasses.replace(value, **fields)


def judged(image=IMAGE, site=SITE, found=SEEN, clone_v2=False):
    """The verdict where every candidate is found to be ``found``."""
    screened = verdict.screen(image, site)
    seen = [(ref, found) for ref in screened.candidates]
    return verdict.judge(screened, seen, site, clone_v2)


def the_refusal(**facts):
    answer = judged(**facts)
    assert not answer
    (refusal,) = answer.refusals
    assert refusal.remedy
    return refusal


def test_raw_image_in_our_cluster_is_cloneable():
    answer = judged()

    assert answer
    assert answer.parent is SEEN
    assert answer.refusals == ()


@pytest.mark.parametrize('disk_format', ['iso', 'gpt'])
def test_iso_and_gpt_are_raw_bytes(disk_format):
    assert judged(changed(IMAGE, disk_format=disk_format))


def test_container_of_none_is_bare():
    assert judged(changed(IMAGE, container_format=None))


def test_no_location():
    refusal = the_refusal(image=changed(IMAGE, locations=()))

    assert refusal.code is RefusalCode.NO_LOCATION
    assert refusal.misconfigured
    assert '[glance]' in refusal.remedy


def test_not_rbd():
    refusal = the_refusal(image=changed(IMAGE, locations=('file:///i-1',)))

    assert refusal.code is RefusalCode.NOT_RBD
    assert "'file'" in refusal.reason


def test_malformed_location():
    refusal = the_refusal(image=changed(IMAGE, locations=('rbd://i-1',)))

    assert refusal.code is RefusalCode.MALFORMED_LOCATION
    assert 'rbd://i-1' in refusal.reason


def test_other_cluster_names_both():
    url = 'rbd://b-b-b/images/i-1/snap'
    refusal = the_refusal(image=changed(IMAGE, locations=(url,)))

    assert refusal.code is RefusalCode.OTHER_CLUSTER
    assert 'b-b-b' in refusal.reason
    assert FSID in refusal.reason


def test_pool_of_the_volumes_is_not_allowed():
    url = f'rbd://{FSID}/volumes/i-1/snap'
    refusal = the_refusal(image=changed(IMAGE, locations=(url,)))

    assert refusal.code is RefusalCode.POOL_NOT_ALLOWED
    assert "'volumes'" in refusal.reason


def test_pool_of_the_bases_is_not_allowed():
    url = f'rbd://{FSID}/bases/i-1/snap'
    site = changed(SITE, base_pool='bases')
    refusal = the_refusal(image=changed(IMAGE, locations=(url,)), site=site)

    assert refusal.code is RefusalCode.POOL_NOT_ALLOWED
    assert str(SITE.pool) in refusal.reason.partition('any but')[2]
    assert 'their bases, bases' in str(refusal)


def test_pool_not_listed_is_not_allowed():
    refusal = the_refusal(site=changed(SITE, image_pools=('gold', 'iron')))

    assert refusal.code is RefusalCode.POOL_NOT_ALLOWED
    assert "'images'" in refusal.reason
    assert 'cow_image_pools = gold, iron' in refusal.reason


def test_listed_pool_is_allowed_even_if_it_is_the_volumes_own():
    url = f'rbd://{FSID}/volumes/i-1/snap'
    site = changed(SITE, image_pools=('volumes',))

    assert judged(changed(IMAGE, locations=(url,)), site)


@pytest.mark.parametrize('name', ['volume-i-1', 'i-2', 'i-1 ', 'I-1'])
def test_not_glance_image(name):
    url = f'rbd://{FSID}/images/{name}/snap'
    refusal = the_refusal(image=changed(IMAGE, locations=(url,)))

    assert refusal.code is RefusalCode.NOT_GLANCE_IMAGE
    assert "'i-1'" in refusal.reason
    assert name in refusal.reason


def test_not_glance_snapshot():
    url = f'rbd://{FSID}/images/i-1/snap2'
    refusal = the_refusal(image=changed(IMAGE, locations=(url,)))

    assert refusal.code is RefusalCode.NOT_GLANCE_SNAPSHOT
    assert "'snap2'" in refusal.reason


def test_names_are_free_where_locations_are_not_strict():
    url = f'rbd://{FSID}/images/mine/s1'
    site = changed(SITE, strict_locations=False)

    assert judged(changed(IMAGE, locations=(url,)), site)


def test_pool_is_never_free():
    url = f'rbd://{FSID}/volumes/mine/s1'
    site = changed(SITE, strict_locations=False)
    refusal = the_refusal(image=changed(IMAGE, locations=(url,)), site=site)

    assert refusal.code is RefusalCode.POOL_NOT_ALLOWED


@pytest.mark.parametrize(
    ('absence', 'code'),
    [
        (UnavailableReason.NO_POOL, RefusalCode.POOL_MISSING),
        (UnavailableReason.NO_IMAGE, RefusalCode.IMAGE_MISSING),
        (UnavailableReason.NO_SNAPSHOT, RefusalCode.SNAPSHOT_MISSING),
    ],
)
def test_missing(absence, code):
    refusal = the_refusal(found=absence)

    assert refusal.code is code
    assert 'images/i-1@snap' in refusal.reason


def test_pool_not_readable_comes_with_the_caps_that_mend_it():
    refusal = the_refusal(found=UnavailableReason.DENIED)

    assert refusal.code is RefusalCode.POOL_NOT_READABLE
    assert refusal.misconfigured
    assert 'ceph auth caps client.cinder' in refusal.remedy
    assert 'profile rbd-read-only pool=images' in refusal.remedy


def test_snapshot_unprotected():
    refusal = the_refusal(found=changed(SEEN, protected=False))

    assert refusal.code is RefusalCode.SNAPSHOT_UNPROTECTED
    assert 'rbd snap protect images/i-1@snap' in refusal.remedy


def test_clone_v2_needs_no_protection():
    assert judged(found=changed(SEEN, protected=False), clone_v2=True)


@pytest.mark.parametrize('name', ['qcow2', 'vmdk', 'RAW', ''])
def test_not_raw(name):
    refusal = the_refusal(image=changed(IMAGE, disk_format=name))

    assert refusal.code is RefusalCode.NOT_RAW
    assert repr(name) in refusal.reason


@pytest.mark.parametrize('name', ['ovf', 'compressed'])
def test_container_format(name):
    refusal = the_refusal(image=changed(IMAGE, container_format=name))

    assert refusal.code is RefusalCode.CONTAINER_FORMAT
    assert repr(name) in refusal.reason


def test_signed():
    refusal = the_refusal(image=changed(IMAGE, signed=True))

    assert refusal.code is RefusalCode.SIGNED


def test_signed_is_cloneable_where_signatures_are_not_verified():
    site = changed(SITE, verify_signatures=False)

    assert judged(changed(IMAGE, signed=True), site)


@pytest.mark.parametrize('status', ['queued', 'deactivated', 'deleted'])
def test_not_active(status):
    refusal = the_refusal(image=changed(IMAGE, status=status))

    assert refusal.code is RefusalCode.NOT_ACTIVE
    assert repr(status) in refusal.reason


def test_cloneable_location_wins_wherever_it_stands():
    urls = ['file:///i-1', 'rbd://b/images/i-1/snap', URL, 'rbd://x']
    for turn in range(len(urls)):
        turned = (*urls[turn:], *urls[:turn])
        answer = judged(changed(IMAGE, locations=turned))

        assert answer.parent is SEEN
        assert len(answer.refusals) == 3


def test_first_cloneable_location_is_the_parent():
    site = changed(SITE, image_pools=('images', 'gold'))
    urls = (f'rbd://{FSID}/gold/i-1/snap', URL)
    screened = verdict.screen(changed(IMAGE, locations=urls), site)
    gold = changed(SEEN, ref=screened.candidates[0])

    both = [(gold.ref, gold), (REF, SEEN)]
    assert verdict.judge(screened, both, site, False).parent is gold
    second = [(gold.ref, UnavailableReason.NO_IMAGE), (REF, SEEN)]
    assert verdict.judge(screened, second, site, False).parent is SEEN


def test_no_snapshot_is_looked_at_where_the_image_itself_is_refused():
    assert verdict.screen(changed(IMAGE, signed=True), SITE).candidates == ()


def test_all_that_is_wrong_with_the_image_is_said():
    image = changed(IMAGE, disk_format='qcow2', status='queued', signed=True)

    assert [r.code for r in judged(image).refusals] == [
        RefusalCode.NOT_ACTIVE,
        RefusalCode.NOT_RAW,
        RefusalCode.SIGNED,
    ]
