# SPDX-License-Identifier: Apache-2.0
"""What we rely on of Cinder is still there, with the same parameters."""

import inspect

from cinder import interface
from cinder.image import glance
from cinder.interface import volume_driver
from cinder.volume.drivers import rbd
from cinder.volume.flows.manager import create_volume
import pytest

from cinder_cow import driver
from cinder_cow.cinder_adapter import cinder_release, copy_on_write_images
from cinder_cow.cinder_adapter.copy_on_write_images import CopyOnWriteImages

OURS = {**vars(CopyOnWriteImages), **vars(driver.CowRBDDriver)}
OVERRIDES = [
    name
    for name, member in OURS.items()
    if callable(getattr(driver.CowRBDDriver, name))
    and hasattr(rbd.RBDDriver, name)
    and not name.startswith('__')
    and not isinstance(member, type)
]


def parameters(function):
    return tuple(inspect.signature(function).parameters)


def test_all_else_is_upstreams():
    """Delete, snapshot, extend, attach, retype, fail over and so on."""
    assert set(OVERRIDES) == {
        'check_for_setup_error',
        'clear_download',
        'clone_image',
        'copy_image_to_volume',
        'do_setup',
        'get_driver_options',
        'get_manageable_volumes',
        'manage_existing_get_size',
    }


@pytest.mark.parametrize('name', OVERRIDES)
def test_override_takes_what_upstream_takes(name):
    ours = getattr(driver.CowRBDDriver, name)

    assert parameters(ours) == parameters(getattr(rbd.RBDDriver, name))


def test_clone_image_takes_what_the_interface_says():
    assert parameters(driver.CowRBDDriver.clone_image) == parameters(
        volume_driver.VolumeDriverCore.clone_image
    )


@pytest.mark.parametrize(
    ('kind', 'methods'),
    [
        (rbd.RBDDriver, cinder_release.UPSTREAM_PRIVATE),
        (glance.GlanceClientWrapper, cinder_release.GLANCE_PRIVATE),
    ],
    ids=['driver', 'glance'],
)
def test_private_methods_begin_with_the_parameters_that_we_give(kind, methods):
    for name, arguments in methods.items():
        theirs = parameters(getattr(kind, name))[1:]
        assert theirs[: len(arguments)] == arguments
    assert list(cinder_release._missing(kind, methods)) == []


def test_image_service_holds_that_client():
    service = glance.get_default_image_service()

    assert isinstance(service._client, glance.GlanceClientWrapper)


def test_every_private_name_that_the_driver_uses_is_listed():
    sources = [
        inspect.getsource(module) for module in (driver, copy_on_write_images)
    ]
    used = {
        name
        for name in dir(rbd.RBDDriver)
        if name.startswith('_')
        and not name.startswith('__')
        and any(f'self.{name}(' in source for source in sources)
    }

    assert used == set(cinder_release.UPSTREAM_PRIVATE)


def test_our_names_hide_none_of_upstreams():
    ours = {
        name
        for name in OURS
        if not name.startswith('__') and name not in OVERRIDES
    } - {'VERSION', '_abc_impl'}

    assert ours >= {'cloneable', 'clone', 'cow_parts', 'cow_options'}
    assert not ours & set(dir(rbd.RBDDriver))


def test_hooks_have_the_blueprints_names_and_parameters():
    assert parameters(driver.CowRBDDriver.cloneable) == ('self', 'image_info')
    assert parameters(driver.CowRBDDriver.clone) == (
        'self',
        'image_info',
        'volume_name',
    )


def test_driver_is_registered_and_complete():
    assert driver.CowRBDDriver in interface._volume_register
    assert issubclass(driver.CowRBDDriver, volume_driver.VolumeDriverCore)


def test_cinder_calls_clone_image_first_and_only_for_plain_volumes():
    source = inspect.getsource(
        create_volume.CreateVolumeFromSpecTask._create_from_image
    )

    guard = source.index('volume_is_encrypted = ')
    call = source.index('self.driver.clone_image(')
    download = source.index('self._create_from_image_cache_or_download(')
    assert guard < call < download
