# SPDX-License-Identifier: Apache-2.0
"""Which images the source "rbd" reads, and what it says of the others.

The volumes are in ``lab``, the images in ``old_lab``, another cluster.
"""

import dataclasses

import pytest

from cinder_cow import errors
from cinder_cow.model import RefusalCode
from cinder_cow.sources.rbd import RbdSource
from tests.ceph.lab import MIB

CONTENT = b'D0D-' * 2**18 + b'odd'  # 1 MiB and a bit


def source(lab, *clusters, user='cinder', **changed):
    return RbdSource(
        lab.settings(**changed),
        [(cluster.conf, user) for cluster in clusters],
        stall_seconds=20,
    )


def refusals(source, image):
    found = source.open(image, None)
    assert isinstance(found, list)
    return [refusal.code for refusal in found]


def relocated(image, url):
    return dataclasses.replace(image, locations=(url,))


def test_image_in_a_cluster_that_is_named_is_read(lab, old_lab):
    image = old_lab.image(CONTENT)

    with source(lab, old_lab).open(image, None) as reading:
        assert reading.source == 'rbd'
        assert reading.size_bytes == len(CONTENT)
        assert reading.read_at(0, len(CONTENT)) == CONTENT
        assert reading.read_at(17, 4095) == CONTENT[17 : 17 + 4095]


def test_image_in_a_cluster_that_is_not_named_is_refused(lab, old_lab):
    image = old_lab.image(CONTENT)

    assert refusals(source(lab), image) == [RefusalCode.OTHER_CLUSTER]


def test_only_what_exists_is_an_extent_of_data(lab, old_lab):
    image = old_lab.sparse_image(
        64 * MIB, {8 * MIB: b'a' * MIB, 40 * MIB: b'b' * 2 * MIB}
    )

    with source(lab, old_lab).open(image, None) as reading:
        extents = [
            (each.offset, each.length, each.zero) for each in reading.extents()
        ]
        assert reading.data_bytes == 3 * MIB
    assert extents == [(8 * MIB, MIB, False), (40 * MIB, 2 * MIB, False)]


@pytest.mark.parametrize(
    ('options', 'code'),
    [
        ({'name': 'by-hand'}, RefusalCode.NOT_GLANCE_IMAGE),
        ({'snapshot': 'backup'}, RefusalCode.NOT_GLANCE_SNAPSHOT),
    ],
)
def test_names_that_are_not_glances_are_refused_there_too(
    lab, old_lab, options, code
):
    image = old_lab.image(CONTENT, **options)

    assert code in refusals(source(lab, old_lab), image)
    with source(lab, old_lab, strict_locations=False).open(image, None):
        pass


def test_volume_there_is_out_of_reach(lab, old_lab):
    victim = old_lab.image(b'secret' * 1024, pool='volumes', name='volume-v')
    trap = relocated(old_lab.image(CONTENT), victim.locations[0])

    assert RefusalCode.NOT_GLANCE_IMAGE in refusals(source(lab, old_lab), trap)


def test_pools_that_are_listed_are_the_only_ones_there_too(lab, old_lab):
    reads = source(lab, old_lab, image_pools=('gold',))

    refused = refusals(reads, old_lab.image(CONTENT))

    assert RefusalCode.POOL_NOT_ALLOWED in refused
    with reads.open(old_lab.image(CONTENT, pool='gold'), None):
        pass


def test_image_that_is_not_there(lab, old_lab):
    image = old_lab.image(CONTENT)
    old_lab.sweep()

    refused = refusals(source(lab, old_lab), image)

    assert refused == [RefusalCode.OTHER_CLUSTER, RefusalCode.IMAGE_MISSING]


def test_pool_that_we_may_not_read_there(lab, old_lab):
    image = old_lab.image(CONTENT)

    refused = source(lab, old_lab, user='blind').open(image, None)

    assert refused[-1].code is RefusalCode.POOL_NOT_READABLE
    assert 'client.blind' in refused[-1].reason


@pytest.mark.parametrize('first', [0, 1])
def test_copy_that_is_in_reach_is_found_among_all(lab, old_lab, first):
    image = old_lab.image(CONTENT)
    urls = [f'file:///images/{image.image_id}']
    urls.insert(first, image.locations[0])
    image = dataclasses.replace(image, locations=tuple(urls))

    with source(lab, old_lab).open(image, None) as reading:
        assert reading.read_at(0, len(CONTENT)) == CONTENT


def test_unprotected_image_here_is_read(old_lab):
    image = old_lab.image(CONTENT, protect=False)
    assert not old_lab.backend().cloneable(image)

    with source(old_lab).open(image, None) as reading:
        assert reading.read_at(0, len(CONTENT)) == CONTENT


def test_signed_image_here_is_read(lab):
    image = dataclasses.replace(lab.image(CONTENT), signed=True)
    assert not lab.backend().cloneable(image)

    with source(lab).open(image, None) as reading:
        assert reading.read_at(0, len(CONTENT)) == CONTENT


def test_cluster_out_of_reach_is_an_error_and_no_refusal(
    lab, old_lab, tmp_path
):
    image = old_lab.image(CONTENT)
    conf = tmp_path / 'far.conf'
    conf.write_text(
        old_lab.cluster.conf.read_text().replace(
            str(old_lab.cluster.port()), '1'
        )
    )
    reads = RbdSource(
        lab.settings(connect_attempts=1),
        [(str(conf), 'cinder')],
        stall_seconds=1,
    )

    with pytest.raises(errors.StorageUnreachable, match=str(conf)):
        reads.open(image, None)


def test_cluster_out_of_reach_is_not_asked_for_an_image_here(lab, tmp_path):
    image = lab.image(CONTENT)
    nowhere = [(str(tmp_path / 'no.conf'), 'cinder')]

    with RbdSource(lab.settings(), nowhere).open(image, None) as reading:
        assert reading.read_at(0, len(CONTENT)) == CONTENT


def test_lost_connection_is_opened_again(lab, old_lab):
    image = old_lab.image(CONTENT)
    reads = source(lab, old_lab)
    reads.open(image, None).close()
    old_lab.cut_off(reads._clusters[1])

    with reads.open(image, None) as reading:
        assert reading.read_at(0, len(CONTENT)) == CONTENT


def test_connection_lost_while_reading_is_not_used_again(lab, old_lab):
    image = old_lab.image(CONTENT)
    reads = source(lab, old_lab)
    with reads.open(image, None) as reading:
        old_lab.cut_off(reads._clusters[1])
        with pytest.raises(errors.SourceUnreachable, match=image.image_id):
            reading.read_at(0, len(CONTENT))

    with reads.open(image, None) as reading:
        assert reading.read_at(0, len(CONTENT)) == CONTENT
