# SPDX-License-Identifier: Apache-2.0
"""Cinder's own task makes a volume with our driver."""

import logging

from cinder import exception
from cinder.db import api as db
from cinder.volume.flows.manager import create_volume
import pytest

from cinder_cow.model import SnapshotRef
from tests.host.conftest import CONTENT, IMAGE_ID, SMALL


class ImageService:
    temp_images = None

    def __init__(self, image_meta):
        self._image_meta = image_meta
        self.downloads = 0

    def show(self, context, image_id):
        return self._image_meta

    def download(self, context, image_id, data=None):
        self.downloads += 1
        raise exception.ImageNotFound(image_id=image_id)


@pytest.fixture
def image_service(image_meta):
    return ImageService(image_meta)


@pytest.fixture
def create(hosted, context, volume, image_meta, image_location, image_service):
    """Runs the task as cinder-volume does."""
    task = create_volume.CreateVolumeFromSpecTask(None, db, hosted)

    def create():
        known = {
            'image_location': image_location,
            'image_id': IMAGE_ID,
            'image_meta': image_meta,
            'image_service': image_service,
        }
        return task._create_from_image(context, volume, **known)

    return create


def test_volume_is_cloned_and_bootable(create, hosted, context, volume):
    update = create()

    (name,) = hosted.memory.volumes
    assert name == volume.name
    assert hosted.memory.volumes[name][: len(CONTENT)] == CONTENT
    assert len(hosted.memory.volumes[name]) == SMALL
    assert update == {'provider_location': None, 'provider_id': 'cow:clone'}
    assert db.volume_get(context, volume.id).bootable
    metadata = {
        row.key: row.value
        for row in db.volume_glance_metadata_get(context, volume.id)
    }
    assert metadata['image_id'] == IMAGE_ID
    assert metadata['hw_disk_bus'] == 'virtio'


def test_what_multiattach_keeps_is_not_overwritten(create, hosted):
    saved = {'provider_location': '{"saved_features":61}'}
    hosted._setup_volume = lambda volume: saved

    assert create().items() >= saved.items()


def test_one_info_line_says_what_was_done(create, volume, caplog):
    caplog.set_level(logging.INFO, 'cinder_cow')

    create()

    (line,) = [
        record.message
        for record in caplog.records
        if record.name.startswith('cinder_cow')
    ]
    assert line.startswith(f'volume from image: v=1 volume={volume.id} ')
    assert ' method=clone reason=cloneable pool=images ' in line
    seconds = float(line.partition('seconds=')[2].split()[0])
    assert 0 < seconds < 60


def test_refused_image_goes_cinders_own_way(
    create, hosted, image_meta, image_service, caplog
):
    caplog.set_level(logging.INFO, 'cinder_cow')
    image_meta['disk_format'] = 'qcow2'

    # Cinder's own way asks Glance for the image's bytes.
    with pytest.raises(exception.CinderException):
        create()
    assert image_service.downloads == 1

    assert hosted.memory.volumes == {}
    (line,) = [r.message for r in caplog.records if 'method=' in r.message]
    assert 'method=delegate reason=not-raw ' in line


def test_likely_mistake_is_a_warning_with_the_remedy(
    create, caplog, volume, image_meta, image_location
):
    image_meta['disk_format'] = 'qcow2'
    image_location[1].clear()

    with pytest.raises(exception.CinderException):
        create()

    (warning,) = [
        r.message
        for r in caplog.records
        if r.levelno == logging.WARNING
        and r.name == 'cinder_cow.cinder_adapter.records'
    ]
    assert volume.id in warning
    assert '[glance]' in warning


def test_image_larger_than_the_volume_makes_nothing(create, hosted):
    class Huge(bytes):
        def __len__(self):
            return SMALL + 1

    ref = SnapshotRef(hosted.memory.fsid, 'images', IMAGE_ID, 'snap')
    hosted.memory.images[ref] = Huge()

    with pytest.raises(exception.ImageTooBig):
        create()
    assert hosted.memory.volumes == {}


def test_broken_storage_is_an_error_and_no_download(
    create, hosted, image_service
):
    hosted.memory.failing = {'cloneable'}

    with pytest.raises(exception.VolumeBackendAPIException, match='injected'):
        create()
    assert hosted.memory.volumes == {}
    assert image_service.downloads == 0


def test_failure_of_upstreams_setup_keeps_its_name(
    create, hosted, monkeypatch
):
    def fail(volume):
        raise exception.VolumeTypeNotFound(volume_type_id='gold')

    monkeypatch.setattr(hosted, '_setup_volume', fail)

    with pytest.raises(exception.VolumeTypeNotFound):
        create()
    assert hosted.memory.volumes == {}


def test_update_of_upstreams_setup_is_handed_to_cinder(
    create, hosted, monkeypatch
):
    def enable(volume):
        return {'replication_status': 'enabled'}

    monkeypatch.setattr(hosted, '_setup_volume', enable)

    assert create() == {
        'replication_status': 'enabled',
        'provider_location': None,
        'provider_id': 'cow:clone',
    }
