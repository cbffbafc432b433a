# SPDX-License-Identifier: Apache-2.0
"""What Cinder says of an image and a volume arrives in the copy."""

import dataclasses
import hashlib
import logging

from cinder import exception, objects
from cinder.db import api as db
from cinder.volume.drivers import rbd
from cinder.volume.flows.manager import create_volume
from cursive import signature_utils
from oslo_config import cfg
import pytest

from cinder_cow.cinder_adapter import copy_request, image_info
from cinder_cow.model import ImageInfo, Target
from tests.fakes import signing
from tests.fakes.bases import MemoryBases
from tests.fakes.source import MemorySource
from tests.host.conftest import IMAGE_ID, SMALL

CONF = cfg.CONF
CONTENT = signing.CONTENT
GIB = 2**30


class ImageService:
    """Glance, whose image's bytes the driver asks its sources for."""

    _client = None

    def __init__(self, image_meta):
        self.image_meta = image_meta

    def show(self, context, image_id):
        return self.image_meta

    def get_location(self, context, image_id):
        return (None, [])


@pytest.fixture
def image_meta(image_meta):
    return {**image_meta, 'size': len(CONTENT)}


@pytest.fixture
def signed(image_meta, monkeypatch):
    there = signing.certificates()
    monkeypatch.setattr(
        signature_utils, 'get_certificate', lambda _context, uuid: there[uuid]
    )
    return {**image_meta, 'properties': signing.properties()}


@pytest.fixture
def store(hosted):
    hosted.memory.bases = lambda: store
    store = MemoryBases(hosted.memory)
    return store


@pytest.fixture
def create(hosted, context, volume):
    """Cinder's own task, with the bytes that a source has of the image."""
    task = create_volume.CreateVolumeFromSpecTask(None, db, hosted)

    def create(image_meta, content=CONTENT, location=(None, [])):
        hosted.sources = [MemorySource(content)]
        return task._create_from_image(
            context,
            volume,
            image_location=location,
            image_id=IMAGE_ID,
            image_meta=image_meta,
            image_service=ImageService(image_meta),
        )

    return create


def glance_metadata(context, volume):
    rows = db.volume_glance_metadata_get(context, volume.id)
    return {row.key: row.value for row in rows}


# Signatures.


@pytest.mark.parametrize('bases', [False, True], ids=['stream', 'base'])
def test_bad_signature_leaves_no_volume(
    create, hosted, signed, request, bases
):
    if bases:
        store = request.getfixturevalue('store')

    with pytest.raises(exception.ImageSignatureVerificationException):
        create(signed, signing.WRONG)

    assert hosted.memory.volumes == {}
    assert not bases or store.things == {}


def test_bad_signature_counts_where_the_image_could_be_cloned(
    create, hosted, signed, image_location
):
    with pytest.raises(exception.ImageSignatureVerificationException):
        create(signed, signing.WRONG, image_location)

    assert hosted.memory.volumes == {}


def test_good_signature_is_recorded(create, hosted, signed, context, volume):
    create(signed)

    (content,) = hosted.memory.volumes.values()
    assert content[: len(CONTENT)] == CONTENT
    assert glance_metadata(context, volume)['signature_verified'] == 'True'


def test_signature_is_not_read_where_cinder_does_not_ask_for_it(
    create, hosted, signed, context, volume
):
    CONF.set_override('verify_glance_signatures', 'disabled')
    try:
        create(signed, signing.WRONG)
    finally:
        CONF.clear_override('verify_glance_signatures')

    assert len(hosted.memory.volumes) == 1
    assert 'signature_verified' not in glance_metadata(context, volume)


def test_base_of_a_signed_image_is_its_own(create, hosted, store, signed):
    """Its unsigned twin may have been verified by nobody."""
    create(signed)

    ((name, base),) = store.things.items()
    assert base.info.signature_verified
    twin = image_info.image_info({**signed, 'properties': {}})
    assert hosted.cow_parts().base_images.name(twin) != name


# What Glance says, in our terms.


def test_all_that_glance_says_arrives(signed):
    signature = image_info.image_info(signed).signature
    said = {
        'id': 'i-1',
        'status': 'deactivated',
        'disk_format': 'vmdk',
        'container_format': 'ovf',
        'size': 12345,
        'os_hash_algo': 'sha512',
        'os_hash_value': 'ab' * 64,
        'checksum': 'cd' * 16,
        'owner': 'project-of-the-image',
        'properties': signed['properties'],
    }

    image = image_info.image_info(said, ('rbd://a/b/c/d', []))

    assert signature
    assert image == ImageInfo(
        image_id='i-1',
        status='deactivated',
        disk_format='vmdk',
        container_format='ovf',
        size_bytes=12345,
        locations=('rbd://a/b/c/d',),
        signed=True,
        signature=signature,
        hash_algo='sha512',
        hash_value='ab' * 64,
        checksum='cd' * 16,
        owner='project-of-the-image',
    )
    # None of it has the value that a field has by itself.
    for field in dataclasses.fields(ImageInfo):
        assert getattr(image, field.name) != field.default


def test_volume_is_described_in_our_terms(volume):
    volume.size = 3

    assert image_info.target(volume) == Target(
        volume.id, volume.name, 3 * GIB, replicated=False
    )


# What a copy needs of the volume.


def test_copy_is_the_volumes_and_its_projects(context, volume, image_meta):
    request = copy_request.copy_request(
        context, volume, image_meta, ImageService(image_meta)
    )

    assert request.project == 'project'
    assert request.volume_id == volume.id
    assert request.verifier is None


def test_volume_is_downloading_while_bytes_flow(
    create, hosted, context, volume, image_meta, monkeypatch
):
    """And a line of the log says how far it is."""
    seen = []
    real = MemorySource.open

    def looked_at(source, image, glance):
        found = objects.Volume.get_by_id(context, volume.id)
        seen.append(found.status)
        return real(source, image, glance)

    monkeypatch.setattr(MemorySource, 'open', looked_at)

    create(image_meta)

    assert seen == ['downloading']


def test_progress_of_a_copy_is_in_the_log(create, volume, image_meta, caplog):
    caplog.set_level(logging.INFO, 'cinder_cow')

    create(image_meta)

    assert f'volume={volume.id} image={IMAGE_ID} copying: 100 %' in caplog.text


def test_wrong_hash_of_glance_leaves_no_volume(create, hosted, image_meta):
    wrong = {
        **image_meta,
        'os_hash_algo': 'sha256',
        'os_hash_value': hashlib.sha256(signing.WRONG).hexdigest(),
    }

    with pytest.raises(exception.ImageCopyFailure, match='sha256'):
        create(wrong)
    assert hosted.memory.volumes == {}


# A volume that is there gets another image.


@pytest.fixture
def reimage(hosted, context, volume, image_meta):
    """As Cinder calls it; what Cinder's own way was asked for instead."""
    asked = []

    def upstreams(_driver, _context, _volume, _service, image_id, **more):
        asked.append((image_id, more))

    def reimage(**changes):
        hosted.sources = [MemorySource(CONTENT)]
        hosted.memory.volumes[volume.name] = bytearray(b'o' * SMALL)
        service = ImageService({**image_meta, **changes})
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(rbd.RBDDriver, 'copy_image_to_volume', upstreams)
            hosted.copy_image_to_volume(
                context, volume, service, IMAGE_ID, disable_sparse=True
            )
        return asked

    return reimage


def test_reimage_overwrites_every_byte(reimage, hosted, volume):
    assert reimage() == []

    content = hosted.memory.volumes[volume.name]
    assert content == CONTENT + bytes(SMALL - len(CONTENT))


def test_reimage_of_another_format_copies_its_base(
    reimage, hosted, volume, store, image_meta, caplog
):
    """Nothing of Cinder's own way, which differs between its releases."""
    caplog.set_level(logging.INFO, 'cinder_cow')
    qcow2 = {**image_meta, 'disk_format': 'qcow2'}
    name = hosted.cow_parts().base_images.name(image_info.image_info(qcow2))
    store.add(name, CONTENT)

    assert reimage(disk_format='qcow2') == []

    content = hosted.memory.volumes[volume.name]
    assert content == CONTENT + bytes(SMALL - len(CONTENT))
    assert 'method=stream reason=reimage ' in caplog.text
    assert volume.provider_id == 'cow:stream:reimage'


def test_reimage_of_another_format_goes_cinders_own_way(
    reimage, hosted, volume
):
    assert reimage(disk_format='qcow2') == [
        (IMAGE_ID, {'disable_sparse': True})
    ]
    assert hosted.memory.volumes[volume.name] == b'o' * SMALL


def test_reimage_by_cinder_leaves_nothing_behind_the_disk(
    reimage, hosted, volume
):
    reimage(disk_format='qcow2', virtual_size=SMALL - 5000)

    content = hosted.memory.volumes[volume.name]
    assert content == b'o' * (SMALL - 5000) + bytes(5000)


def test_disk_without_a_header_is_no_smaller_than_its_file(
    reimage, hosted, volume
):
    reimage(disk_format='ami', virtual_size=4096, size=SMALL - 5000)

    content = hosted.memory.volumes[volume.name]
    assert content == b'o' * (SMALL - 5000) + bytes(5000)


@pytest.mark.parametrize(
    'record',
    [
        {'disk_format': 'qcow2', 'virtual_size': None},
        {'container_format': 'compressed', 'virtual_size': 4096},
    ],
)
def test_what_cannot_be_cleared_after_a_reimage_is_told(
    reimage, hosted, volume, caplog, record
):
    reimage(**record)

    assert hosted.memory.volumes[volume.name] == b'o' * SMALL
    (line,) = [e for e in caplog.messages if 'old bytes' in e]
    assert volume.id in line
    assert 'Upload the image anew' in line


def test_encrypted_volume_is_not_overwritten_in_the_clear(
    reimage, hosted, volume
):
    volume.encryption_key_id = '6e0c3e9a-0000-4000-8000-000000000001'

    assert reimage() == [(IMAGE_ID, {'disable_sparse': True})]
    assert hosted.memory.volumes[volume.name] == b'o' * SMALL


def test_reimage_that_is_too_large_leaves_the_old_bytes(
    reimage, hosted, volume
):
    with pytest.raises(exception.ImageTooBig):
        reimage(size=SMALL + 1)
    assert hosted.memory.volumes[volume.name] == b'o' * SMALL
