# SPDX-License-Identifier: Apache-2.0
"""Every format, from one RBD image to another, by the real qemu-img.

The images are read through clones: QEMU's driver opens all for writing, and
the user may only read the pool of the images.
"""

import random
import struct
import subprocess
import uuid

import pytest

from cinder_cow import errors
from cinder_cow.backends.base_store import BlockDevice
from cinder_cow.conversion.convert import ConversionLimits, Converter
from tests.ceph.conversion_bench import Bench

MIB = 2**20
SIZE = 48 * MIB
LIMITS = ConversionLimits(
    seconds=120, cpu_seconds=120, address_space_bytes=4 * 2**30
)
CASES = {
    'qcow2': ('qcow2', 'qcow2', ''),
    'qcow2 version 2': ('qcow2', 'qcow2', '-o compat=0.10'),
    'qcow2 compressed': ('qcow2', 'qcow2', '-c'),
    'qcow2 zstd': ('qcow2', 'qcow2', '-c -o compression_type=zstd'),
    'qcow2 clusters of 2 MiB': ('qcow2', 'qcow2', '-o cluster_size=2M'),
    'qcow2 extended': (
        'qcow2', 'qcow2',
        '-c -o extended_l2=on,compression_type=zstd,cluster_size=128k',
    ),
    'vmdk': ('vmdk', 'vmdk', ''),
    'vmdk streamed': ('vmdk', 'vmdk', '-o subformat=streamOptimized'),
    'vhd': ('vhd', 'vpc', ''),
    'vhd of its exact size': ('vhd', 'vpc', '-o force_size=on'),
    'vhd fixed': ('vhd', 'vpc', '-o subformat=fixed'),
    'vhdx': ('vhdx', 'vhdx', ''),
    'vhdx fixed': ('vhdx', 'vhdx', '-o subformat=fixed'),
    'vdi': ('vdi', 'vdi', ''),
    'vdi static': ('vdi', 'vdi', '-o static=on'),
    'qed': ('qed', 'qed', ''),
    'ploop': ('ploop', 'parallels', ''),
}  # fmt: skip


@pytest.fixture
def bench(lab):
    bench = Bench(lab)
    yield bench
    # The clones first: their parents are in the pool that is swept before.
    for name in lab.names():
        lab.remove(name)


@pytest.fixture(scope='module')
def raw(tmp_path_factory):
    """A disk with data, holes, and a border across objects of 4 and 8 MiB."""
    rng = random.Random(4)
    disk = bytearray(SIZE)
    for start, length in ((0, 4096), (7, 3), (20, 5), (47, 1)):
        data = rng.randbytes(length * MIB if start else length)
        disk[start * MIB : start * MIB + len(data)] = data
    disk[30 * MIB : 31 * MIB] = (b'easily compressed' * 61682)[:MIB]
    path = tmp_path_factory.mktemp('raw') / 'raw'
    path.write_bytes(disk)
    return path


def made(raw, driver, options=''):
    path = raw.with_name(f'{uuid.uuid4()}')
    subprocess.run(
        ['qemu-img', 'convert', '-f', 'raw', '-O', driver]
        + [*options.split(), raw, path],
        check=True,
    )
    return path.read_bytes()


@pytest.mark.parametrize('case', CASES)
def test_each_format_becomes_its_raw_original(bench, raw, case):
    disk_format, driver, options = CASES[case]
    content = made(raw, driver, options)
    image, source = bench.stored(content, disk_format)
    bench.require_safe(image, source)
    converter = Converter(LIMITS)
    size = converter.virtual_size(image, source)
    target = bench.empty(size)
    converter.convert(image, source, target)
    original = raw.read_bytes()
    if driver != 'vpc':  # which has whole cylinders of 16 * 63 sectors
        assert size == len(original)
    assert bench.content(target) == original.ljust(size, b'\0')


def test_holes_are_not_written(bench, raw):
    image, source = bench.stored(made(raw, 'qcow2'), 'qcow2')
    before = len(bench.lab.data_objects())
    Converter(LIMITS).convert(image, source, bench.empty(SIZE))
    assert len(bench.lab.data_objects()) - before == 7  # of 12 objects


def test_qemu_cannot_read_where_the_user_may_not_write(bench, raw):
    image, _ = bench.stored(made(raw, 'qcow2'), 'qcow2')
    source = bench.device(image.image_id, 'images', snapshot='snap')
    with pytest.raises(errors.StorageError, match='not permitted'):
        Converter(LIMITS).virtual_size(image, source)


def test_a_target_that_is_not_there_is_the_storages_failure(bench, raw):
    image, source = bench.stored(made(raw, 'qcow2'), 'qcow2')
    with pytest.raises(errors.StorageError):
        Converter(LIMITS).convert(image, source, bench.device('none'))


def test_a_target_that_is_too_small_is_not_filled(bench, raw):
    image, source = bench.stored(made(raw, 'qcow2'), 'qcow2')
    with pytest.raises(errors.CowError):
        Converter(LIMITS).convert(image, source, bench.empty(SIZE // 2))


def test_a_damaged_image_is_the_images_fault(bench, raw):
    content = bytearray(made(raw, 'qcow2'))
    (first,) = struct.unpack_from('>Q', content, 40)
    content[first : first + 8] = struct.pack('>Q', 4097 | 1 << 63)
    image, source = bench.stored(bytes(content), 'qcow2')
    with pytest.raises(errors.ImageUnacceptable) as caught:
        Converter(LIMITS).convert(image, source, bench.empty(SIZE))
    assert 'ceph.conf' not in str(caught.value)


@pytest.mark.parametrize('size', [2**50, 2**60, 2**63])
def test_a_hostile_size_is_a_number_or_a_refusal(bench, raw, size):
    content = bytearray(made(raw, 'qcow2'))
    content[24:32] = struct.pack('>Q', size)
    image, source = bench.stored(bytes(content), 'qcow2')
    try:
        told = Converter(LIMITS).virtual_size(image, source)
    except errors.ImageUnacceptable:
        return
    assert told == size


def test_too_little_memory_names_the_option(bench, raw):
    image, source = bench.stored(made(raw, 'qcow2'), 'qcow2')
    limits = ConversionLimits(60, 60, 256 * MIB)
    with pytest.raises(errors.ConversionLimitExceeded, match='memory_bytes'):
        Converter(limits).convert(image, source, bench.empty(SIZE))


def test_a_full_pool_is_the_storages_failure(bench, raw):
    # Without a time limit, which is Ceph's default, a full pool makes its
    # clients wait until there is room.
    image, source = bench.stored(made(raw, 'qcow2'), 'qcow2')
    limited = {'CEPH_ARGS': '--rados_osd_op_timeout=5'}
    source = BlockDevice(source.options, limited)
    target = BlockDevice(bench.empty(SIZE).options, limited)
    with bench.lab.full('volumes'), pytest.raises(errors.StorageError):
        Converter(LIMITS).convert(image, source, target)
