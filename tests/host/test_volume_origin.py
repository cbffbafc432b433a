# SPDX-License-Identifier: Apache-2.0
"""How a volume was made is in provider_id, and in the metadata if wanted."""

import ast
import dataclasses
import inspect
import logging
import pathlib

from cinder import objects
from cinder.db import api as db
from cinder.volume.drivers import rbd
from cinder.volume.flows.manager import create_volume
import pytest

from cinder_cow import overwrite
from cinder_cow.cinder_adapter import volume_origin
from cinder_cow.model import Method, RefusalCode, Result, Verification
from tests.host.conftest import IMAGE_ID

CINDER = pathlib.Path(objects.__file__).parents[1]
NAME = 'provider_id'
#: What of Cinder names provider_id, other storages' drivers excepted: the
#: column, its object, the API that shows it, a hook that RBD does not have.
KNOWN = {
    'api/openstack/api_version_request.py',
    'api/v3/views/volumes.py',
    'db/migrations/versions/921e1a36b076_initial.py',
    'db/models.py',
    'db/sqlalchemy/models.py',
    'interface/volume_driver.py',
    'objects/snapshot.py',
    'objects/volume.py',
    'volume/driver.py',
    'volume/manager.py',
    'volume/targets/spdknvmf.py',
}
RESULT = Result('v', IMAGE_ID, Method.CLONE_BASE, 'not-raw', Verification.HASH)


def test_nothing_of_cinder_uses_it_for_rbd():
    found = {
        path.relative_to(CINDER).as_posix()
        for path in CINDER.rglob('*.py')
        if NAME in path.read_text()
    }
    # Each driver knows the volumes of its own storage.
    found = {
        each
        for each in found
        if not each.startswith(('tests/', 'volume/drivers/'))
        or each.startswith('volume/drivers/rbd')
    }
    assert 'objects/volume.py' in found
    assert found <= KNOWN


@pytest.fixture
def manager(cinder):
    """Cinder's module, which needs its objects registered."""
    from cinder.volume import manager

    return manager


def test_the_manager_writes_only_what_a_driver_answers(hosted, manager):
    tree = ast.parse(inspect.getsource(manager))
    users = {
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and NAME in ast.dump(node)
    }

    assert users == {'_sync_provider_info'}
    assert hosted.update_provider_info([], []) == (None, None)


# The text.


@pytest.mark.parametrize(
    ('method', 'reason', 'text'),
    [
        (Method.CLONE, 'cloneable', 'cow:clone'),
        (Method.CLONE_BASE, 'not-raw', 'cow:clone-base:not-raw'),
        (Method.CLONE_BASE, 'based', 'cow:clone-base:based'),
        (Method.BUILD_BASE, 'not-raw', 'cow:build-base:not-raw'),
        (Method.STREAM, 'other-cluster', 'cow:stream:other-cluster'),
        (Method.DELEGATE, 'signed,not-raw', 'cow:delegate:signed,not-raw'),
    ],
)
def test_text_is_method_and_codes(method, reason, text):
    result = dataclasses.replace(RESULT, method=method, reason=reason)

    assert volume_origin.provider_id(result) == text


def test_text_fits_the_column_and_ends_with_a_whole_code():
    """The column has 255 characters in 24 to 29."""
    codes = [code.value for code in RefusalCode] * 2
    lengths = set()
    for count in range(1, len(codes) + 1):
        result = dataclasses.replace(RESULT, reason=','.join(codes[:count]))

        text = volume_origin.provider_id(result)

        lengths.add(len(text))
        kept = text.removeprefix('cow:clone-base:').split(',')
        assert kept == codes[: len(kept)]
        assert len(kept) == count or len(text) + len(codes[len(kept)]) >= 255
    assert 230 < max(lengths) <= 255


# Through Cinder.


@pytest.fixture
def create(hosted, context, volume, image_meta, image_location):
    """Runs the whole task, as cinder-volume does."""
    task = create_volume.CreateVolumeFromSpecTask(None, db, hosted)

    def create():
        task.execute(
            context,
            volume,
            {
                'type': 'image',
                'image_location': image_location,
                'image_id': IMAGE_ID,
                'image_meta': image_meta,
                'image_service': None,
            },
        )
        return objects.Volume.get_by_id(context, volume.id)

    return create


def test_create_stores_it(create):
    assert create().provider_id == 'cow:clone'


def test_what_is_left_to_cinder_says_so(
    create, monkeypatch, image_meta, context, volume
):
    image_meta['disk_format'] = 'qcow2'
    monkeypatch.setattr(
        create_volume.CreateVolumeFromSpecTask,
        '_create_from_image_cache_or_download',
        lambda *_args, **_more: {'provider_location': 'of cinder'},
    )

    found = create()

    assert found.provider_id == 'cow:delegate:not-raw'
    assert found.provider_location == 'of cinder'


def test_it_survives_a_migration(create, context, manager):
    """Also a retype that migrates: Cinder makes a second volume of the first,
    lets it be filled, and exchanges the two.
    """
    source = create()
    skip = manager.VolumeManager._VOLUME_CLONE_SKIP_PROPERTIES
    values = {each: source[each] for each in set(source.keys()) - skip}
    target = objects.Volume(
        context=context, **{**values, 'status': 'migration_target_creating'}
    )
    target.create()
    assert target.provider_id == 'cow:clone'

    source.finish_volume_migration(target)

    found = objects.Volume.get_by_id(context, source.id)
    assert found.provider_id == 'cow:clone'


@pytest.fixture
def reimage(hosted, context, volume, image_meta, monkeypatch):
    """As Cinder's manager does."""

    class Images:
        def show(self, _context, _image_id):
            return image_meta

        def get_location(self, _context, _image_id):
            return None

    def run(_plan, _request, _parts):
        return dataclasses.replace(
            RESULT, volume_id=volume.id, method=Method.STREAM, reason='reimage'
        )

    monkeypatch.setattr(overwrite, 'run', run)
    monkeypatch.setattr(
        rbd.RBDDriver, 'copy_image_to_volume', lambda *_args, **_more: None
    )

    def reimage():
        hosted.copy_image_to_volume(
            context, volume, Images(), IMAGE_ID, disable_sparse=True
        )
        volume.save()
        return objects.Volume.get_by_id(context, volume.id)

    return reimage


def test_after_a_reimage_it_does_not_lie(create, reimage):
    create()

    assert reimage().provider_id == 'cow:stream:reimage'


def test_nor_after_one_by_cinders_own_path(
    create, reimage, image_meta, caplog
):
    caplog.set_level(logging.INFO, 'cinder_cow')
    create()
    image_meta['disk_format'] = 'qcow2'

    assert reimage().provider_id == 'cow:delegate:reimage'
    assert 'method=delegate reason=reimage ' in caplog.text


# The metadata.


@pytest.fixture
def wanted(hosted, monkeypatch):
    monkeypatch.setattr(
        hosted.configuration, 'cow_volume_metadata', True, raising=False
    )


def test_metadata_is_left_alone_by_default(create):
    assert create().metadata == {}


def test_metadata_is_merged(create, wanted, context, volume):
    db.volume_metadata_update(context, volume.id, {'mine': '1'}, False)

    assert create().metadata == {
        'mine': '1',
        'cow_method': 'clone',
        'cow_reason': 'cloneable',
    }


def test_key_that_the_owner_has_set_stays(create, wanted, context, volume):
    db.volume_metadata_update(context, volume.id, {'cow_method': 'x'}, False)

    assert create().metadata == {'cow_method': 'x', 'cow_reason': 'cloneable'}


def test_reimage_writes_over_ours_and_not_over_the_owners(
    create, wanted, reimage, context, volume
):
    create()
    db.volume_metadata_update(context, volume.id, {'cow_reason': 'x'}, False)

    assert reimage().metadata == {'cow_method': 'stream', 'cow_reason': 'x'}


def test_metadata_that_cannot_be_written_fails_no_create(
    create, wanted, monkeypatch, caplog
):
    def fail(*_args):
        raise OSError('the database is away')

    monkeypatch.setattr(db, 'volume_metadata_update', fail)

    found = create()

    assert found.provider_id == 'cow:clone'
    assert f'volume={found.id} its metadata could not be' in caplog.text


def test_metadata_of_many_codes_fits(context, volume):
    """A value has 255 characters."""
    codes = ','.join(code.value for code in RefusalCode)
    result = dataclasses.replace(RESULT, reason=f'{codes},{codes}')

    volume_origin.write_metadata(context, volume, result)

    reason = db.volume_metadata_get(context, volume.id)['cow_reason']
    assert 230 < len(reason) <= 255
    assert codes.startswith(reason) or reason.startswith(codes)
