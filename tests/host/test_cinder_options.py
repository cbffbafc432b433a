# SPDX-License-Identifier: Apache-2.0
"""Switches that Cinder obeys on the path that the driver replaces."""

from cinder import exception
from cinder.db import api as db
from cinder.volume.flows.manager import create_volume
from oslo_config import cfg
import pytest

from cinder_cow import wiring
from tests.fakes.bases import MemoryBases
from tests.host.conftest import IMAGE_ID

CONF = cfg.CONF


@pytest.fixture
def store(hosted):
    hosted.memory.bases = lambda: store
    store = MemoryBases(hosted.memory)
    return store


@pytest.fixture
def create(hosted, store, context, volume, image_meta):
    task = create_volume.CreateVolumeFromSpecTask(None, db, hosted)

    def create():
        return task._create_from_image(
            context,
            volume,
            image_location=(None, []),
            image_id=IMAGE_ID,
            image_meta=image_meta,
            image_service=None,
        )

    return create


def test_conversion_is_refused_where_cinder_refuses_it(
    create, hosted, store, image_meta, volume
):
    image_meta['disk_format'] = 'qcow2'
    CONF.set_override('image_conversion_disable', True)
    try:
        with pytest.raises(exception.ImageConversionNotAllowed, match='qcow2'):
            create()
    finally:
        CONF.clear_override('image_conversion_disable')
    assert hosted.memory.volumes == {}
    assert store.things == {}


def test_options_of_cinder_have_its_own_defaults(cinder, hosted):
    """Who reads cinder.conf without Cinder takes the same for granted."""
    for each in wiring.CINDER_DEFAULT_OPTIONS:
        assert CONF[each.dest] == each.default, each.dest
    registered = {
        option.dest: option for option in hosted.get_driver_options()
    }
    for each in wiring.CINDER_BACKEND_OPTIONS:
        if each.dest in registered:
            assert registered[each.dest].default == each.default, each.dest


@pytest.mark.parametrize(
    'types', [['streamOptimized'], ['monolithicSparse'], []]
)
def test_vmdk_allowed_types_reach_the_converter(hosted, types):
    CONF.set_override('vmdk_allowed_types', types)
    try:
        converter = wiring.converter(hosted.cow_options())
    finally:
        CONF.clear_override('vmdk_allowed_types')
    assert converter._trust.vmdk_types == tuple(types)
