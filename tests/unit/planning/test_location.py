# SPDX-License-Identifier: Apache-2.0
import pytest

from cinder_cow.model import RefusalCode, SnapshotRef
from cinder_cow.planning import location


def test_location_of_glance_is_read():
    assert location.parse('rbd://f-1/images/i-1/snap') == SnapshotRef(
        'f-1', 'images', 'i-1', 'snap'
    )


def test_percent_quoting_is_undone_after_the_cut():
    ref = location.parse('rbd://f/a%2Fb%20c/i%25/snap')

    assert (ref.pool, ref.image) == ('a/b c', 'i%')


@pytest.mark.parametrize(
    'url',
    [
        'rbd://',
        'rbd://image',  # as Glance wrote them before it knew fsids
        'rbd://fsid/pool/image',
        'rbd://fsid/pool/image/snap/more',
        'rbd://fsid//image/snap',
        'rbd:///pool/image/snap',
        'rbd://fsid/pool/image/',
        'rbd://fsid/pool/%FF/snap',
        'rbd://fsid/pool/a%0Ab/snap',
        'rbd://fsid/pool/a%00/snap',
    ],
)
def test_malformed_location_is_refused(url):
    answer = location.parse(url)

    assert answer.code is RefusalCode.MALFORMED_LOCATION
    assert repr(url) in answer.reason


@pytest.mark.parametrize(
    ('url', 'scheme'),
    [
        ('file:///var/lib/glance/images/1', "'file'"),
        ('swift+https://user:secret@host/container/1', "'swift+https'"),
        ('RBD://fsid/pool/image/snap', "'RBD'"),
        ('nothing', "'none'"),
        ('', "'none'"),
    ],
)
def test_other_store_is_refused_by_its_scheme_alone(url, scheme):
    answer = location.parse(url)

    assert answer.code is RefusalCode.NOT_RBD
    assert scheme in answer.reason
    assert 'secret' not in str(answer)


@pytest.mark.parametrize(
    ('url', 'shown'),
    [
        ('swift+https://user:secret@host/1', 'swift+https://...'),
        ('nothing', 'no URL'),
    ],
)
def test_of_a_foreign_location_the_scheme_is_shown(url, shown):
    assert location.label(url) == shown
