# SPDX-License-Identifier: Apache-2.0
"""Real Cinder classes on a real database, with the storage in memory."""

import pytest

# First: a cold import of cinder.image.glance fails in 25 to 29.
from cinder.volume.drivers import rbd  # noqa: F401  isort: skip
from cinder import context as cinder_context
from cinder import objects
from cinder.db import migration
from cinder.volume import configuration
from cinder.volume import driver as volume_driver
from keystoneauth1 import loading
from oslo_config import cfg

from cinder_cow import backends, driver, sources
from cinder_cow.cinder_adapter import image_info
from cinder_cow.cinder_adapter.cinder_release import GLANCE_SECTION
from cinder_cow.model import SnapshotRef
from tests.fakes.backend import MemoryBackend
from tests.fakes.image_api import ImageApi
from tests.host import every_option

CONF = cfg.CONF
MIB = 2**20
CONTENT = b'D0D-' * MIB

CINDER_CONF = """
[DEFAULT]
state_path = {folder}
image_conversion_dir = {folder}/conversion
[database]
connection = sqlite:///{folder}/cinder.sqlite
[oslo_concurrency]
lock_path = {folder}/locks
[cow]
volume_driver = cinder_cow.driver.CowRBDDriver
volume_backend_name = cow
rbd_pool = volumes
rbd_user = cinder
rbd_ceph_conf = {folder}/ceph.conf
rbd_store_chunk_size = 8
rados_connect_timeout = 7
cow_image_pools = images, gold
cow_strict_locations = False
"""


@pytest.fixture(scope='session')
def cinder(tmp_path_factory):
    """Cinder's configuration, read from a file, and its database, made."""
    folder = tmp_path_factory.mktemp('cinder')
    conf = folder / 'cinder.conf'
    text = CINDER_CONF.format(folder=folder) + every_option.section()
    conf.write_text(text)
    CONF([], project='cinder', default_config_files=[str(conf)])
    objects.register_all()
    migration.db_sync()
    return folder


@pytest.fixture
def context(cinder):
    return cinder_context.RequestContext('user', 'project', is_admin=True)


class Hosted(driver.CowRBDDriver):
    """The driver, with its storage and its sources in memory.

    All else is what the options make.
    """

    memory = None
    sources = ()

    def cow_parts(self):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(backends, 'from_options', lambda _: self.memory)
            patch.setattr(sources, 'from_options', lambda _: self.sources)
            return super().cow_parts()


#: What a GiB of a volume is in memory.
SMALL = 16 * MIB


@pytest.fixture
def hosted(cinder, monkeypatch):
    monkeypatch.setattr(image_info, 'GIB', SMALL)
    hosted = Hosted(
        configuration=configuration.Configuration(
            volume_driver.volume_opts, config_group='cow'
        )
    )
    hosted.memory = MemoryBackend()
    hosted.set_initialized()
    return hosted


IMAGE_ID = '0f0e0d0c-0000-4000-8000-000000000001'


@pytest.fixture
def image_meta(hosted):
    """An image in the memory's cluster, as Cinder describes it."""
    ref = SnapshotRef(hosted.memory.fsid, 'images', IMAGE_ID, 'snap')
    hosted.memory.images[ref] = CONTENT
    return {
        'id': IMAGE_ID,
        'name': 'debian',
        'status': 'active',
        'disk_format': 'raw',
        'container_format': 'bare',
        'size': len(CONTENT),
        'min_disk': 0,
        'min_ram': 0,
        'properties': {'hw_disk_bus': 'virtio'},
    }


@pytest.fixture
def image_location(hosted):
    url = f'rbd://{hosted.memory.fsid}/images/{IMAGE_ID}/snap'
    return (None, [{'url': url, 'metadata': {'store': 'ceph'}}])


@pytest.fixture
def volume(context):
    volume = objects.Volume(
        context=context,
        size=1,
        host='lab@cow#cow',
        status='creating',
        project_id='project',
        user_id='user',
    )
    volume.create()
    return volume


@pytest.fixture
def server(cinder):
    """Keystone and Glance, and a [glance] section with a user of them."""
    password = loading.get_auth_plugin_conf_options('password')
    CONF.register_opts(password, group=GLANCE_SECTION)
    server = ImageApi()
    wanted = server.login()
    for name, value in wanted.items():
        CONF.set_override(name, value, group=GLANCE_SECTION)
    CONF.set_override('glance_api_servers', [server.url])
    yield server
    CONF.clear_override('glance_api_servers')
    for name in wanted:
        CONF.clear_override(name, group=GLANCE_SECTION)
    server.close()
