# SPDX-License-Identifier: Apache-2.0
"""Cinder's terms into ours, and our errors into its own."""

from unittest import mock

from cinder import exception
from cinder.image import glance
from cinder.message import api, message_field
from cinder.volume import volume_types, volume_utils
from hypothesis import given, settings
from hypothesis import strategies as st
import pytest

from cinder_cow import driver, errors
from cinder_cow.backends.rbd.settings import RbdSettings
from cinder_cow.cinder_adapter import failures, image_info

URL = 'rbd://f/images/i/snap'
OTHER = 'file:///i'


@pytest.mark.parametrize(
    ('answer', 'urls'),
    [
        (None, ()),
        ((None, None), ()),
        ((None, []), ()),
        ((URL, None), (URL,)),
        ((URL, []), (URL,)),
        ((None, [{'url': URL, 'metadata': {}}]), (URL,)),
        ((URL, [{'url': OTHER}, {'url': URL}]), (OTHER, URL)),
        ((URL, [{'url': OTHER}]), (OTHER, URL)),
        ((None, [{'metadata': {}}, {'url': URL}]), (URL,)),
    ],
)
def test_every_shape_of_get_location_is_read(answer, urls):
    assert image_info.locations(answer) == urls


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)
ENTRY = JSON | st.fixed_dictionaries(
    {'url': JSON}, optional={'metadata': JSON}
)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(direct_url=JSON, listed=st.none() | st.lists(ENTRY))
def test_any_answer_of_get_location_gives_urls(direct_url, listed):
    found = image_info.locations((direct_url, listed))

    assert all(isinstance(url, str) and url for url in found)
    assert len(set(found)) == len(found)


def test_image_is_described_in_our_terms(image_meta, image_location):
    image = image_info.image_info(image_meta, image_location)

    assert image.image_id == image_meta['id']
    assert image.status == 'active'
    assert image.disk_format == 'raw'
    assert image.container_format == 'bare'
    assert image.size_bytes == image_meta['size']
    assert image.locations == (image_location[1][0]['url'],)
    assert not image.signed


def test_image_that_glance_knows_little_of():
    image = image_info.image_info(
        {'id': 'i', 'size': None, 'properties': None}
    )

    assert image.size_bytes == 0
    assert image.disk_format == 'unknown'
    assert image.locations == ()


@pytest.mark.parametrize(
    'name',
    [
        'img_signature',
        'img_signature_hash_method',
        'img_signature_key_type',
        'img_signature_certificate_uuid',
    ],
)
def test_image_with_any_signature_property_is_signed(image_meta, name):
    image_meta['properties'][name] = 'x'

    assert image_info.image_info(image_meta).signed


def test_settings_are_those_of_the_backends_section(hosted):
    hosted._active_config = {
        'name': 'ceph',
        'conf': 'c.conf',
        'user': 'cinder',
    }
    settings = RbdSettings.from_options(hosted.cow_options())

    assert settings.cluster_name == 'ceph'
    assert settings.conf_path == 'c.conf'
    assert settings.user == 'cinder'
    assert settings.pool == 'volumes'
    assert settings.object_bytes == 8 * 2**20
    assert settings.timeout_seconds == 7
    assert settings.image_pools == ('images', 'gold')
    assert settings.strict_locations is False
    assert settings.verify_signatures is True


def test_parts_are_made_anew_when_cinder_has_failed_over(hosted):
    before = driver.CowRBDDriver.cow_parts(hosted)
    assert driver.CowRBDDriver.cow_parts(hosted) is before

    hosted._active_config = {'name': 'far', 'conf': '/far.conf', 'user': 'u'}
    hosted._active_backend_id = 'far'
    after = driver.CowRBDDriver.cow_parts(hosted)

    assert after.backend.settings.conf_path == '/far.conf'


def test_replicated_volume_type_is_known(context, volume):
    kind = volume_types.create(
        context, 'mirrored', {'replication_enabled': '<is> True'}
    )
    assert not image_info.target(volume).replicated

    volume.volume_type_id = kind.id
    volume.save()
    volume.refresh()

    assert image_info.target(volume).replicated


@pytest.fixture
def told():
    """The failures that were told of."""
    return []


def test_image_too_big_ends_the_create_with_a_message_for_the_user(
    context, volume, told
):
    with (
        pytest.raises(exception.ImageTooBig, match='does not fit') as caught,
        failures.translated(context, volume, told.append),
    ):
        raise errors.ImageTooBig('i-1', 2**31, 2**30)

    assert 'i-1' in str(caught.value)
    (message,) = messages(context, volume)
    assert message['detail_id'] == '007'  # NOT_ENOUGH_SPACE_FOR_IMAGE


def messages(context, volume):
    return [
        each
        for each in api.API().get_all(context)
        if each['resource_uuid'] == volume.id
    ]


CREATED, COPIED, REIMAGED = (
    message_field.Action.CREATE_VOLUME_FROM_BACKEND[0],
    message_field.Action.COPY_IMAGE_TO_VOLUME[0],
    message_field.Action.REIMAGE_VOLUME[0],
)
UNACCEPTABLE = message_field.Detail.IMAGE_FORMAT_UNACCEPTABLE[0]


@pytest.mark.parametrize(
    ('error', 'action', 'detail'),
    [
        # As Cinder's own path, where conversion is disabled.
        (errors.ConversionDisabled('i-1', 'qcow2'), COPIED, UNACCEPTABLE),
        (errors.ImageUnacceptable('i-1', 'x'), COPIED, UNACCEPTABLE),
        (errors.SignatureInvalid('i-1', 'x'), COPIED, '011'),
        # As where its own driver fails to make a volume: 012.
        (errors.CopyTimedOut('i-1', 60), CREATED, '012'),
        (errors.SourceDamaged('i-1', 'glance', 'x'), CREATED, '012'),
        (errors.SourceUnreachable('i-1', 'glance', 'x'), CREATED, '012'),
        (errors.StorageFull('grow', OSError('x')), CREATED, '012'),
        (errors.TooManyCopies(32), CREATED, '012'),
        (errors.BuildFailed('i-1', 'ImageTooBig', 'x'), COPIED, '007'),
    ],
    ids=lambda value: type(value).__name__,
)
def test_owner_finds_a_message_after_every_failure(
    context, volume, told, error, action, detail
):
    with (
        pytest.raises(exception.CinderException),
        failures.translated(context, volume, told.append),
    ):
        raise error

    (message,) = messages(context, volume)
    assert (message['action_id'], message['detail_id']) == (action, detail)
    assert told == [error]


def test_message_of_a_reimage_says_so(context, volume, told):
    with (
        pytest.raises(exception.ImageTooBig),
        failures.translated(context, volume, told.append, reimage=True),
    ):
        raise errors.ImageTooBig('i-1', 2**31, 2**30)

    (message,) = messages(context, volume)
    assert message['action_id'] == REIMAGED


def test_reimage_that_may_not_convert_has_one_message(
    context, volume, told, monkeypatch
):
    """Cinder writes it where the driver has failed of that."""
    from cinder.volume import manager  # only after register_all()

    def fail(*_args, **_more):
        with failures.translated(context, volume, told.append, reimage=True):
            raise errors.ConversionDisabled('i-1', 'qcow2')

    monkeypatch.setattr(volume_utils, 'copy_image_to_volume', fail)
    monkeypatch.setattr(
        glance, 'get_remote_image_service', lambda *_: (mock.Mock(), 'i-1')
    )
    cinders = mock.Mock(message_api=api.API())

    with pytest.raises(exception.ImageConversionNotAllowed):
        manager.VolumeManager.reimage(cinders, context, volume, {'id': 'i-1'})

    (message,) = messages(context, volume)
    assert (message['action_id'], message['detail_id']) == (
        REIMAGED,
        UNACCEPTABLE,
    )


@pytest.mark.parametrize(
    'error',
    [
        errors.StorageError('clone x', OSError('why')),
        errors.StorageUnreachable('connect', OSError('why')),
        errors.StorageFull('grow x', OSError('why')),
        errors.VolumeExists('volumes/volume-why'),
        errors.PluginNotLoadable('cow_backend', 'group', 'why', 'x'),
    ],
)
def test_failure_of_the_storage_names_volume_and_cause(
    context, volume, told, error, caplog
):
    with (
        pytest.raises(exception.VolumeBackendAPIException) as caught,
        failures.translated(context, volume, told.append),
    ):
        raise error

    assert f'volume={volume.id} ' in caplog.text
    assert 'why' in caplog.text
    assert 'why' in str(caught.value)
    assert caught.value.__cause__ is error


def test_every_error_of_ours_is_translated(context, volume, told):
    leaves = [errors.CowError]
    for kind in leaves:
        leaves.extend(kind.__subclasses__())
    assert len(leaves) > 5
    for kind in leaves:
        error = kind.__new__(kind)
        error.image_id = 'i'
        error.reason = 'r'
        error.kind = 'SourceDamaged'
        with (
            pytest.raises(exception.CinderException),
            failures.translated(context, volume, told.append),
        ):
            raise error


@pytest.mark.parametrize(
    ('error', 'expected'),
    [
        # The first lets the scheduler try another host, the second ends it.
        (errors.TooManyCopies(32), exception.VolumeBackendAPIException),
        (errors.CopyTimedOut('i-1', 60), exception.ImageCopyFailure),
    ],
    ids=['too many', 'timed out'],
)
def test_copy_that_finds_no_place_may_be_tried_on_another_host(
    context, volume, told, error, expected
):
    with (
        pytest.raises(expected, match='cow_'),
        failures.translated(context, volume, told.append),
    ):
        raise error


def test_error_of_cinders_own_passes_unchanged(context, volume, told):
    error = exception.ReplicationError(reason='x', volume_id='y')

    with (
        pytest.raises(exception.ReplicationError) as caught,
        failures.translated(context, volume, told.append),
    ):
        raise error
    assert caught.value is error
    assert told == [error]


@pytest.mark.parametrize(
    ('kind', 'wanted'),
    [
        ('ImageUnacceptable', exception.ImageUnacceptable),
        ('SignatureInvalid', exception.ImageSignatureVerificationException),
        ('SourceUnreachable', exception.GlanceConnectionFailed),
        ('SourceDamaged', exception.ImageCopyFailure),
        ('StorageFull', exception.VolumeBackendAPIException),
        ('of a newer version', exception.VolumeBackendAPIException),
    ],
)
def test_failed_base_is_told_as_if_it_had_failed_here(
    context, volume, told, kind, wanted
):
    with (
        pytest.raises(wanted, match='the cause'),
        failures.translated(context, volume, told.append),
    ):
        raise errors.BuildFailed('image-1', kind, 'the cause')
