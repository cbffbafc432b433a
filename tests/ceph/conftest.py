# SPDX-License-Identifier: Apache-2.0
import logging
import uuid

import pytest

from cinder_cow.cli import configuration, main

# A missing binding fails these tests: they are what it is needed for.
from sandbox.ceph import Cluster
from tests.ceph.lab import Lab

CINDER_CAPS = {
    'mon': 'profile rbd',
    'osd': 'profile rbd pool=volumes, profile rbd-read-only pool=images,'
    ' profile rbd-read-only pool=gold',
    'mgr': 'profile rbd pool=volumes',
}
BLIND_CAPS = {**CINDER_CAPS, 'osd': 'profile rbd pool=volumes'}


def _cluster(folder, clone_format):
    cluster = Cluster(folder, clone_format=clone_format)
    with cluster:
        for pool in ('volumes', 'images', 'gold'):
            cluster.create_pool(pool)
        cluster.create_user('cinder', **CINDER_CAPS)
        cluster.create_user('blind', **BLIND_CAPS)
        lab = Lab(cluster)
        try:
            yield lab
        finally:
            lab.close()


@pytest.fixture(scope='session')
def clone_v2_lab(tmp_path_factory):
    yield from _cluster(tmp_path_factory.mktemp('v2'), clone_format=2)


@pytest.fixture(scope='session')
def clone_v1_lab(tmp_path_factory):
    yield from _cluster(tmp_path_factory.mktemp('v1'), clone_format=1)


def _swept(lab):
    try:
        yield lab
    finally:
        lab.sweep()


@pytest.fixture
def lab(clone_v2_lab):
    """A cluster whose clones have format 2."""
    yield from _swept(clone_v2_lab)


@pytest.fixture
def old_lab(clone_v1_lab):
    """Another cluster, whose clones have format 1."""
    yield from _swept(clone_v1_lab)


@pytest.fixture(params=['lab', 'old_lab'])
def either_lab(request):
    return request.getfixturevalue(request.param)


@pytest.fixture
def name():
    """Of a base: another in each test, as long as they get."""
    return f'cow-base-qcow2-sha512-{uuid.uuid4().hex * 4}'


@pytest.fixture
def store(either_lab):
    return either_lab.backend().bases()


@pytest.fixture
def data_pool(lab):
    """Where the data of an image of Glance's lies, apart from its header."""
    known = lab.cluster.ceph('osd', 'pool', 'ls')
    if 'images-data' not in known:
        lab.cluster.create_pool('images-data')
    lab.rados.wait_for_latest_osdmap()
    lab.sparse_image(4096, {0: bytes(4096)}, data_pool='images-data')
    return 'images-data'


@pytest.fixture
def run(either_lab, tmp_path, capsys):
    """Runs a command; answers its exit status, its output and its errors."""
    conf = tmp_path / 'cinder.conf'
    lines = (
        '[DEFAULT]',
        'enabled_backends = cow',
        '[cow]',
        f'volume_driver = {configuration.DRIVER}',
        'rbd_pool = volumes',
        'rbd_user = cinder',
        f'rbd_ceph_conf = {either_lab.conf}',
    )
    conf.write_text('\n'.join(lines))
    root = logging.getLogger()
    level, handlers = root.level, list(root.handlers)

    def run(*argv):
        status = main.main(['base', *argv, '--config-file', str(conf)])
        out, err = capsys.readouterr()
        return status, out, err

    yield run
    root.setLevel(level)
    root.handlers[:] = handlers
