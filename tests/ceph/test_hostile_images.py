# SPDX-License-Identifier: Apache-2.0
"""The corpus of hostile images, as RBD images, against the real thing."""

import contextlib
import pathlib

import pytest

from cinder_cow import errors
from cinder_cow.conversion.confinement import Confinement
from cinder_cow.conversion.convert import (
    ConversionLimits,
    ConversionTrust,
    Converter,
)
from tests.ceph.conversion_bench import Bench
from tests.corpus import hostile, vmdk_images

LIMITS = ConversionLimits(
    seconds=30, cpu_seconds=10, address_space_bytes=4 * 2**30
)
CONFINED = ConversionTrust(confinement=Confinement(required=True))
NOT_CONFINED = ConversionTrust(confinement=Confinement(on=False))
IMAGES = hostile.images()
#: Those that QEMU opens /etc/passwd for: see tests/unit/conversion.
READER = 'vmdk of capacity 0, tabs'


@pytest.fixture(scope='module')
def bench(clone_v2_lab):
    yield Bench(clone_v2_lab)
    # Once for all: QEMU crashes of some, and Ceph keeps the watch of a client
    # that died for half a minute.
    clone_v2_lab.sweep(seconds=120)


def is_sent(name):
    """Whether QEMU gets it too: it fails of the others in no time, or never.

    A million lines take it minutes.
    """
    slow = ('million', 'zeros', 'text and one byte')
    return not any(each in name for each in slow)


def stored(bench, name):
    disk_format, content = IMAGES[name]
    return bench.stored(content, disk_format)


@pytest.mark.parametrize('name', IMAGES)
def test_a_hostile_image_never_becomes_a_volume(bench, name):
    image, source = stored(bench, name)
    with pytest.raises(errors.ImageUnacceptable) as caught:
        bench.require_safe(image, source)
    assert image.image_id in str(caught.value)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize('name', [each for each in IMAGES if is_sent(each)])
def test_qemu_behind_its_walls_takes_nothing_from_the_host(bench, name):
    # Past the first wall. What is not refused holds only what it holds.
    image, source = stored(bench, name)
    target = bench.empty(2**20)
    converter = Converter(LIMITS, CONFINED)
    with contextlib.suppress(
        errors.ImageUnacceptable,
        errors.StorageError,
        errors.ConversionLimitExceeded,
    ):
        if converter.virtual_size(image, source) <= 2**20:
            converter.convert(image, source, target)
    host = pathlib.Path('/etc/passwd').read_bytes()[:64]
    assert host not in bench.content(target)


def test_the_second_wall_holds_alone_on_ceph(bench):
    content = dict(vmdk_images.file_readers('/etc/passwd'))[READER]
    image, source = bench.stored(content, 'vmdk')
    with pytest.raises(errors.ImageUnacceptable, match='another file'):
        Converter(LIMITS, NOT_CONFINED).virtual_size(image, source)


def test_another_projects_volume_is_behind_the_first_two_walls(bench):
    # The third lets qemu-img reach the cluster. QEMU 7.2 by itself refuses
    # extents by a protocol where the descriptor is on RBD.
    victim = bench.empty(2**20).options
    path = f'rbd:volumes/{victim["image"]}:id=cinder:conf={victim["conf"]}'
    content = dict(vmdk_images.file_readers(path))[READER]
    image, source = bench.stored(content, 'vmdk')
    with pytest.raises(errors.ImageUnacceptable):
        bench.require_safe(image, source)
    with pytest.raises(errors.ImageUnacceptable):
        Converter(LIMITS, CONFINED).virtual_size(image, source)


def test_the_third_wall_holds_alone_on_ceph(bench):
    content = dict(vmdk_images.file_readers('/etc/passwd'))[READER]
    image, source = bench.stored(content, 'vmdk')
    with pytest.raises(errors.ImageUnacceptable, match='Permission denied'):
        Converter(LIMITS, CONFINED).virtual_size(image, source)
