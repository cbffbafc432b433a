# SPDX-License-Identifier: Apache-2.0
"""An image is deleted in Glance while there are volumes that are its clones.

As doc/source/operations.rst promises, by the format of the clones.
"""

import os
import uuid

from openstack import exceptions
import pytest
import rados
import rbd

from cinder_cow.sources.glance_images import GlanceImages

MIB = 2**20
CONTENT = os.urandom(MIB)
FORMAT_1 = ('config', 'set', 'client', 'rbd_default_clone_format', '1')
DEFAULT = ('config', 'rm', 'client', 'rbd_default_clone_format')

pytestmark = pytest.mark.usefixtures('default_configuration')


@pytest.fixture
def image(tidy):
    return tidy.image(CONTENT)


@pytest.fixture
def images(stack):
    """The pool of Glance's images, opened by client.admin."""
    conf = str(stack.clusters[0].conf)
    with (
        rados.Rados(rados_id='admin', conffile=conf) as cluster,
        cluster.open_ioctx('images') as ioctx,
    ):
        yield ioctx


@pytest.fixture
def clone_format_1(stack):
    stack.clusters[0].ceph(*FORMAT_1)
    stack.restart_cinder_volume()
    yield
    stack.clusters[0].ceph(*DEFAULT)
    stack.restart_cinder_volume()


def trashed(ioctx):
    """Ids of the images in the trash, by their names."""
    return {each['name']: each['id'] for each in rbd.RBD().trash_list(ioctx)}


def test_with_format_2_it_goes_to_the_trash_and_its_volumes_go_on(
    tidy, cloud, pool, images, image
):
    volume = tidy.volume('cow', image)

    cloud.delete_image(image)

    assert cloud.connection.image.find_image(image) is None
    assert image not in rbd.RBD().list(images)
    assert image in trashed(images)
    assert pool.read(volume, MIB) == CONTENT
    tidy.delete()
    # It stays there until it is purged.
    rbd.RBD().trash_remove(images, trashed(images)[image])


def test_with_format_1_glance_refuses_until_the_last_volume_is_gone(
    clone_format_1, tidy, cloud, pool, images, image
):
    volume = tidy.volume('cow', image)
    assert pool.parent(volume) == f'images/{image}@snap'

    with pytest.raises(exceptions.ConflictException):
        cloud.delete_image(image)

    assert cloud.connection.image.get_image(image).status == 'active'
    assert pool.read(volume, MIB) == CONTENT
    cloud.delete_volume(volume)
    cloud.delete_image(image)
    assert image not in rbd.RBD().list(images)
    assert image not in trashed(images)


def test_glance_lists_the_images_that_a_sweep_names(tidy, cloud):
    images = GlanceImages(
        cloud.connection.session, cloud.connection.image.get_endpoint()
    )
    made = {tidy.image(CONTENT), tidy.image(CONTENT)}
    named = ','.join([*made, str(uuid.uuid4())])

    assert {each['id'] for each in images.records(id=f'in:{named}')} == made
