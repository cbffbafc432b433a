# SPDX-License-Identifier: Apache-2.0
"""The plugins of the documents, as they stand, through Cinder's own task."""

import functools
import http.server
import importlib.util
import pathlib
import threading
import types

from cinder import exception
from cinder.db import api as db
from cinder.volume import configuration
from cinder.volume import driver as volume_driver
from cinder.volume.flows.manager import create_volume
from oslo_config import cfg
import pytest

from cinder_cow import errors, opts, plugins
from tests.host.conftest import CONTENT, IMAGE_ID

CONF = cfg.CONF
EXAMPLES = pathlib.Path(__file__).parents[2] / 'doc' / 'source' / 'examples'
GIB = 2**30


def example(name):
    spec = importlib.util.spec_from_file_location(
        name, EXAMPLES / f'{name}.py'
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def modules(monkeypatch):
    """The examples, found by their names as entry points are."""
    found = {
        'directory': example('directory').DirectoryBackend,
        'web': example('web').WebSource,
    }
    load = plugins.load
    monkeypatch.setattr(
        plugins,
        'load',
        lambda option, namespace, name, kind: (
            found[name]
            if name in found
            else load(option, namespace, name, kind)
        ),
    )
    return found


@pytest.fixture
def folder(tmp_path):
    for name in ('volumes', 'images'):
        (tmp_path / name).mkdir()
    return tmp_path


@pytest.fixture
def driver(cinder, modules, folder):
    settings = {'cow_backend': 'directory', 'cow_sources': ['web']}
    conf = configuration.Configuration(
        volume_driver.volume_opts, config_group='files'
    )
    conf.append_config_values(opts.OPTS)
    for name, value in settings.items():
        CONF.set_override(name, value, group='files')
    made = example('directory').DirectoryDriver(configuration=conf)
    CONF.set_override('directory_path', str(folder / 'volumes'), group='files')
    CONF.set_override('web_url', 'http://127.0.0.1:1', group='files')
    made.set_initialized()
    yield made
    for name in (*settings, 'directory_path', 'web_url'):
        CONF.clear_override(name, group='files')


def create(driver, context, volume, locations, **changes):
    task = create_volume.CreateVolumeFromSpecTask(None, db, driver)
    image_meta = {
        'id': IMAGE_ID,
        'name': 'debian',
        'status': 'active',
        'disk_format': 'raw',
        'container_format': 'bare',
        'size': len(CONTENT),
        'min_disk': 0,
        'min_ram': 0,
        'properties': {},
        **changes,
    }
    task._create_from_image(
        context,
        volume,
        image_location=(None, [{'url': each} for each in locations]),
        image_id=IMAGE_ID,
        image_meta=image_meta,
        image_service=types.SimpleNamespace(_client=None),
    )


def content(folder, volume):
    file = folder / 'volumes' / volume.name
    assert file.stat().st_size == GIB
    with open(file, 'rb') as opened:
        return opened.read(len(CONTENT) + 1)


def test_image_in_the_file_store_is_cloned(
    driver, context, volume, folder, caplog
):
    caplog.set_level('INFO', 'cinder_cow')
    image = folder / 'images' / IMAGE_ID
    image.write_bytes(CONTENT)

    create(driver, context, volume, [f'file://{image}'])

    assert content(folder, volume) == CONTENT + b'\0'
    assert ' method=clone ' in caplog.text


@pytest.fixture
def web(folder):
    """A web server with the image."""
    (folder / 'images' / IMAGE_ID).write_bytes(CONTENT)
    handler = functools.partial(
        http.server.SimpleHTTPRequestHandler, directory=folder / 'images'
    )
    server = http.server.HTTPServer(('127.0.0.1', 0), handler)
    server.timeout = 0.05
    closing = []

    def serve():
        while not closing:
            server.handle_request()

    serving = threading.Thread(target=serve)
    serving.start()
    CONF.set_override(
        'web_url', f'http://127.0.0.1:{server.server_port}', group='files'
    )
    yield server
    closing.append(True)
    serving.join()
    server.server_close()


def test_other_image_is_streamed_from_the_source(
    driver, web, context, volume, folder, caplog
):
    caplog.set_level('INFO', 'cinder_cow')

    create(driver, context, volume, ['swift://somewhere/else'])

    assert content(folder, volume) == CONTENT + b'\0'
    assert ' method=stream ' in caplog.text
    assert ' source=web ' in caplog.text


def test_failed_copy_leaves_no_volume(driver, web, context, volume, folder):
    with pytest.raises(exception.CinderException):
        create(driver, context, volume, [], size=len(CONTENT) + 1)

    assert list((folder / 'volumes').iterdir()) == []


def test_volume_that_is_there_is_left_as_it_is(
    driver, context, volume, folder
):
    precious = folder / 'volumes' / volume.name
    precious.write_bytes(b'precious')

    with pytest.raises(errors.VolumeExists):
        driver.cow_parts().backend.open(volume.name, GIB)
    assert precious.read_bytes() == b'precious'


def test_examples_are_short():
    for name in ('directory', 'web'):
        assert len((EXAMPLES / f'{name}.py').read_text().splitlines()) < 100
