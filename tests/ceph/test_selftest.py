# SPDX-License-Identifier: Apache-2.0
import pytest

from cinder_cow.model import SnapshotRef
from tests.ceph.lab import ref


def answers(backend, *refs):
    return {
        finding.question: (finding.ok, str(finding))
        for finding in backend.selftest(refs)
    }


def test_pool_that_can_be_read(lab):
    (ok, _), *_rest = answers(lab.backend(), ref(lab)).values()

    assert ok is True


def test_pool_that_cannot_be_read_comes_with_the_remedy(lab):
    found = answers(lab.backend(user='blind'), ref(lab))

    ok, text = found['May client.blind read the image pool images']
    assert ok is False
    assert 'ceph auth caps client.blind' in text


def test_pool_that_is_not_there_is_a_wrong_option(lab):
    found = answers(lab.backend(image_pools=('imgaes',)), ref(lab))

    ok, text = found['May client.cinder read the image pool imgaes']
    assert ok is False
    assert 'cow_image_pools' in text


def test_images_of_another_cluster_are_no_pools_of_ours(lab, old_lab):
    found = answers(lab.backend(), ref(old_lab, pool='elsewhere'))

    assert list(found) == [
        'Do images lie in the cluster of the volumes',
        'Are clones made in format 2',
    ]
    ok, text = found['Do images lie in the cluster of the volumes']
    assert ok is False
    assert old_lab.fsid in text
    assert lab.fsid in text


def test_clone_format(lab, old_lab):
    question = 'Are clones made in format 2'

    assert answers(lab.backend())[question][0] is True
    ok, text = answers(old_lab.backend())[question]
    assert ok is False
    assert 'ceph osd set-require-min-compat-client mimic' in text


def test_pool_of_the_bases_that_can_be_written(lab):
    question = 'May client.admin write the bases to gold'

    found = answers(lab.backend(user='admin', base_pool='gold'))

    assert found[question][0] is True
    assert lab.leftovers('gold') == []


@pytest.mark.parametrize('pool', ['gold', 'nowhere'])
def test_pool_of_the_bases_that_cannot_be_written_comes_with_the_remedy(
    lab, pool
):
    found = answers(lab.backend(base_pool=pool))

    ok, text = found[f'May client.cinder write the bases to {pool}']
    assert ok is False
    assert f'profile rbd pool={pool}' in text


@pytest.mark.parametrize('example', [True, False])
def test_data_pool_that_cannot_be_read_comes_with_the_remedy(
    lab, data_pool, example
):
    """The clone succeeds, and its first read is EPERM."""
    (name,) = lab.names('images')
    shown = SnapshotRef(
        lab.fsid, 'images', name if example else 'gone', 'snap'
    )

    found = answers(lab.backend(image_pools=('images',)), shown)

    assert found['May client.cinder read the image pool images'][0] is True
    ok, text = found[
        f'May client.cinder read the data of the images in images from the'
        f' pool {data_pool}'
    ]
    assert ok is False
    assert f'profile rbd-read-only pool={data_pool}' in text


def test_data_pools_that_can_be_read(lab, data_pool):
    lab.image(b'in the image pool itself')

    found = answers(lab.backend(user='admin', image_pools=('images',)))

    question = 'May client.admin read the data of the images in images from'
    assert found[f'{question} the pool images'][0] is True
    assert found[f'{question} the pool {data_pool}'][0] is True


def test_data_pool_of_new_volumes_that_cannot_be_used(lab, data_pool):
    conf = lab.cluster.folder / 'data-pool.conf'
    conf.write_text(
        lab.cluster.conf.read_text().replace(
            '[global]', f'[global]\nrbd_default_data_pool = {data_pool}'
        )
    )

    found = answers(lab.backend(conf_path=str(conf)))

    ok, text = found[
        f'May client.cinder use {data_pool}, the rbd_default_data_pool of new'
        f' volumes'
    ]
    assert ok is False
    assert f'profile rbd pool={data_pool}' in text


def test_images_of_several_glances_want_cow_image_pools(lab):
    question = 'Is it known which pools hold the images of this Glance'
    lab.image(b'ours')
    lab.image(b'by hand', pool='gold', name='template')
    assert question not in answers(lab.backend())
    lab.image(b'of another Glance', pool='gold')

    ok, text = answers(lab.backend())[question]
    assert ok is False
    assert 'gold, images hold' in text
    assert 'Set cow_image_pools' in text
    assert question not in answers(lab.backend(image_pools=('images',)))
