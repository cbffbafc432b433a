# SPDX-License-Identifier: Apache-2.0

"""The size of a disk by the head of an image's stream."""

import random
import subprocess

import pytest

from cinder_cow.base_images import header_size
from cinder_cow.base_images.scratch_check import NullWriter

MIB = 2**20
#: Glance's names, and QEMU's.
FORMATS = {
    'qcow2': 'qcow2',
    'vmdk': 'vmdk',
    'vdi': 'vdi',
    'vhd': 'vpc',
    'vhdx': 'vhdx',
    'qed': 'qed',
}


@pytest.fixture(params=FORMATS)
def disk_format(request):
    return request.param


def create(folder, disk_format, size_bytes):
    file = folder / 'image'
    subprocess.run(
        ['qemu-img', 'create', '-q', '-f', FORMATS[disk_format]]
        + [file, str(size_bytes)],
        check=True,
    )
    return file.read_bytes()


@pytest.mark.parametrize('size_bytes', [64 * MIB, 130 * 2**30])
def test_it_is_what_qemu_says(tmp_path, disk_format, size_bytes):
    head = create(tmp_path, disk_format, size_bytes)[: 4 * MIB]

    found = header_size.disk_bytes(disk_format, head)

    # A vhd has whole cylinders.
    assert size_bytes <= found < size_bytes * 1.01


def test_short_or_foreign_heads_have_none(tmp_path, disk_format):
    head = create(tmp_path, disk_format, 64 * MIB)[: 4 * MIB]

    for length in (0, 1, 4, 11):
        assert header_size.disk_bytes(disk_format, head[:length]) is None
    assert header_size.disk_bytes(disk_format, b'x' * MIB) is None


@pytest.mark.parametrize('disk_format', ['raw', 'ploop', 'iso', ''])
def test_other_formats_have_none(disk_format):
    assert header_size.disk_bytes(disk_format, b'QFI\xfb' * 100) is None


@pytest.mark.parametrize('order', [1, -1])
def test_pieces_make_up_the_head_in_any_order(tmp_path, disk_format, order):
    """Grains of zeros between them are not written."""
    content = create(tmp_path, disk_format, 64 * MIB)[: 4 * MIB]
    grains = [
        (start, content[start : start + 65536])
        for start in range(0, len(content), 65536)
        if any(content[start : start + 65536])
    ]
    found = []

    def inspect(head):
        found.append(header_size.disk_bytes(disk_format, head))
        return found[-1] is not None

    writer = header_size.HeadInspector(NullWriter(), inspect)
    for start, grain in grains[::order]:
        writer.start_write(start, grain, lambda _failure: None)
    writer.start_write(8 * MIB, b'x', lambda _failure: None)

    assert found[-1] == header_size.disk_bytes(disk_format, content)
    assert found.index(found[-1]) == len(found) - 1  # and no look after it


def test_no_head_raises_anything(tmp_path, disk_format):
    """Heads with random bytes in them; the seed is fixed."""
    head = create(tmp_path, disk_format, 64 * MIB)[: 256 * 1024]
    chance = random.Random(19)
    for _ in range(100):
        broken = bytearray(head[: chance.randrange(len(head))])
        for _ in range(min(64, len(broken))):
            # Most of them where the header is.
            limit = chance.choice((64, 1024, len(broken)))
            position = chance.randrange(min(limit, len(broken)))
            broken[position] = chance.randrange(256)

        found = header_size.disk_bytes(disk_format, bytes(broken))

        assert found is None or found >= 0
