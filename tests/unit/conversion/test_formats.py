# SPDX-License-Identifier: Apache-2.0
"""Unusual images by the real qemu-img that are fit for use."""

import os
import struct
import subprocess

import pytest

from cinder_cow import errors
from cinder_cow.backends.base_store import BlockDevice, Readable
from cinder_cow.conversion import detection, header_check
from cinder_cow.conversion.convert import ConversionLimits, Converter
from cinder_cow.model import ImageInfo
from tests.corpus.content import Content

MIB = 2**20
LIMITS = ConversionLimits(20, 20, 4 * 2**30)
EXTENDED = [
    'extended_l2=on',
    'extended_l2=on,cluster_size=128k',
    'extended_l2=on,compression_type=zstd,cluster_size=128k',
]


class File(Readable):
    """Counts what is read."""

    def __init__(self, path):
        self._opened = open(path, 'rb')  # noqa: SIM115
        self.read_bytes = 0

    @property
    def size_bytes(self):
        return os.fstat(self._opened.fileno()).st_size

    def read_at(self, offset, length):
        found = os.pread(self._opened.fileno(), length, offset)
        self.read_bytes += len(found)
        return found

    def close(self):
        self._opened.close()


def image(disk_format):
    return ImageInfo('image-1', 'active', disk_format, 'bare')


def check(disk_format, content):
    header_check.require_safe(image(disk_format), Content(content))


def made(raw, driver, *options):
    path = raw.with_name('made')
    subprocess.run(
        ['qemu-img', 'convert', '-f', 'raw', '-O', driver, *options]
        + [raw, path],
        check=True,
    )
    return path


@pytest.fixture
def raw(tmp_path):
    path = tmp_path / 'raw'
    path.write_bytes(os.urandom(MIB) + bytes(8 * MIB) + b'end' * 4096)
    os.truncate(path, 20 * MIB)
    return path


@pytest.mark.parametrize('compressed', [(), ('-c',)])
@pytest.mark.parametrize('options', EXTENDED)
def test_a_qcow2_with_extended_l2_is_converted(raw, compressed, options):
    path = made(raw, 'qcow2', *compressed, '-o', options)
    check('qcow2', path.read_bytes())
    target = raw.with_name('target')
    target.write_bytes(bytes(20 * MIB))
    devices = [
        BlockDevice({'driver': 'file', 'filename': str(each)}, {})
        for each in (path, target)
    ]
    Converter(LIMITS).convert(image('qcow2'), *devices)
    assert target.read_bytes() == raw.read_bytes()


@pytest.mark.parametrize('compressed', [(), ('-c',)])
@pytest.mark.parametrize('options', EXTENDED)
def test_a_qcow2_with_extended_l2_that_is_cut_off_is_refused(
    raw, compressed, options
):
    content = made(raw, 'qcow2', *compressed, '-o', options).read_bytes()
    with pytest.raises(errors.ImageUnacceptable, match='cut off'):
        check('qcow2', content[: len(content) // 2])


def test_preallocated_extended_entries_without_data_are_whole(raw):
    path = raw.with_name('allocated')
    options = 'extended_l2=on,preallocation=metadata'
    subprocess.run(
        ['qemu-img', 'create', '-q', '-f', 'qcow2', '-o', options, path]
        + ['20M'],
        check=True,
    )
    check('qcow2', path.read_bytes())


@pytest.mark.parametrize(
    'name', ['\xdcbung.vmdk'.encode(), b'\xdcbung.vmdk', b'win{1}.vmdk']
)
@pytest.mark.parametrize('subformat', ['monolithicSparse', 'streamOptimized'])
def test_a_vmdk_may_have_any_plain_name(raw, name, subformat):
    path = made(raw, 'vmdk', '-o', f'subformat={subformat}')
    content = bytearray(path.read_bytes())
    text = content[512 : 21 * 512].rstrip(b'\0').replace(b'made"', name + b'"')
    assert name in text
    content[512 : 21 * 512] = text.ljust(20 * 512, b'\0')
    check('vmdk', content)
    path.write_bytes(content)
    device = BlockDevice({'driver': 'file', 'filename': str(path)}, {})
    found = Converter(LIMITS).virtual_size(image('vmdk'), device)
    assert found == 20 * MIB


def test_a_vmdk_may_have_an_old_end_behind_its_descriptor(raw):
    """QEMU, block/vmdk.c, vmdk_write_cid: ids have no leading zeros."""
    content = bytearray(made(raw, 'vmdk').read_bytes())
    end = content.index(b'\0', 512)
    content[end + 1 : end + 7] = b'"1"\nx\n'

    check('vmdk', content)


@pytest.mark.parametrize('size', ['2100G', '8T'])
def test_a_large_vhdx_in_small_blocks_is_safe(tmp_path, size):
    path = tmp_path / 'image'
    subprocess.run(
        ['qemu-img', 'create', '-q', '-f', 'vhdx', '-o', 'block_size=1M']
        + [path, size],
        check=True,
    )
    content = File(path)
    try:
        header_check.require_safe(image('vhdx'), content)
    finally:
        content.close()
    assert content.read_bytes < 16 * MIB


@pytest.mark.parametrize('offset', [2**29, 2**40, 2**63])
def test_vhdx_metadata_far_away_costs_no_reads(offset):
    guid = struct.pack('<IHH', 0x8B7CA206, 0x4790, 0x4B9A)
    guid += bytes.fromhex('B8FE575F050F886E')
    table = struct.pack('<4sIII', b'regi', 0, 1, 0) + guid
    table += struct.pack('<QII', offset, MIB, 1)
    content = Content(b'vhdxfile', size_bytes=2**50, more={192 * 1024: table})
    with pytest.raises(detection.UnsafeImage):
        detection.require_safe('vhdx', content)
    assert content.read_bytes < 16 * MIB
