# SPDX-License-Identifier: Apache-2.0
"""However an image came to be active, it is seen, and warmed."""

import contextlib
import http.server
import threading

import pytest
import rados
import rbd

from sandbox.cloud import Cloud
from tests.e2e.bases import bases, cow_options, evict, lines, packed
from tests.e2e.conftest import Log

MIB = 2**20


@pytest.fixture(scope='module')
def warming(stack):
    options = cow_options(
        stack, cow_warm_images='public', cow_warm_poll_seconds=1
    )
    stack.restart_cinder_volume(options)
    yield
    evict(stack)


@pytest.fixture
def disk(tmp_path):
    return packed(tmp_path, 'qcow2', size=16 * MIB)


def queued(images):
    """The id of an image without data."""
    return images.post(
        '/images',
        json={
            'name': 'e2e',
            'disk_format': 'qcow2',
            'container_format': 'bare',
            'visibility': 'public',
        },
    ).json()['id']


def import_by(images, image_id, method, store):
    begun = images.post(
        f'/images/{image_id}/import',
        json={'method': method, 'stores': [store]},
    )
    assert begun.ok, begun.text


@contextlib.contextmanager
def served(folder):
    """The URL of the folder's files."""

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments):
            super().__init__(*arguments, directory=str(folder))

        def log_message(self, *arguments):
            pass

    with http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        yield f'http://127.0.0.1:{server.server_port}'
        server.shutdown()
        serving.join()


def require_clone_at_once(tidy, pool, log, disk, image_id):
    """See that the first volume is a clone of a base that is there."""
    volume_id = tidy.volume('cow', image_id)

    assert pool.read(volume_id, len(disk.head)) == disk.head
    assert len(lines(log, 'clone-base')) == 1
    assert lines(log, 'build-base') == []


def test_image_of_a_web_download(
    warming, cloud, tidy, pool, log, disk, tmp_path
):
    images = cloud.connection.image
    image_id = queued(images)
    with served(tmp_path) as url:
        method = {'name': 'web-download', 'uri': f'{url}/file'}
        import_by(images, image_id, method, 'disk')
        log.wait(f'image={image_id} warmed: done, built')

    require_clone_at_once(tidy, pool, log, disk, image_id)


def test_image_that_is_copied_into_another_store(
    warming, stack, cloud, tidy, pool, log, disk
):
    image_id = tidy.image(disk.file, disk_format='qcow2', store='disk')
    log.wait(f'image={image_id} warmed: done, built')
    evict(stack)
    assert bases(pool) == []
    later = Log(stack.log_file('cinder-volume'))

    import_by(cloud.connection.image, image_id, {'name': 'copy-image'}, 'ceph')

    later.wait(f'image={image_id} warmed: done, built')
    require_clone_at_once(tidy, pool, later, disk, image_id)


def test_image_whose_location_was_added(
    warming, stack, cloud, tidy, pool, log, disk
):
    """As Nova adds its snapshots: by a service, of an RBD image there."""
    image_id = queued(cloud.connection.image)
    with rbd_image(stack, image_id, disk.file) as url:
        service = Cloud(stack.env(), 'cinder', 'service').connection.image
        added = service.post(
            f'/images/{image_id}/locations',
            json={'url': url, 'validation_data': {}},
        )
        assert added.ok, added.text
        log.wait(f'image={image_id} warmed: done, built', seconds=60)

    require_clone_at_once(tidy, pool, log, disk, image_id)


@contextlib.contextmanager
def rbd_image(stack, name, content):
    """The location of an RBD image in Glance's pool, with its snapshot."""
    conf = str(stack.clusters[0].conf)
    with (
        rados.Rados(rados_id='admin', conffile=conf) as cluster,
        cluster.open_ioctx('images') as ioctx,
    ):
        rbd.RBD().create(ioctx, name, len(content), old_format=False)
        with rbd.Image(ioctx, name) as image:
            image.write(content, 0)
            image.create_snap('snap')
            image.protect_snap('snap')
        yield f'rbd://{cluster.get_fsid()}/images/{name}/snap'
