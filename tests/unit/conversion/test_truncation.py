# SPDX-License-Identifier: Apache-2.0
"""Tables that are made to exhaust the host: bounded memory, reads, time."""

import array
import pathlib
import struct
import subprocess
import sys
import time
import tracemalloc

import pytest

from cinder_cow import errors
from cinder_cow.backends.base_store import Readable
from cinder_cow.conversion import header_check, ploop, qcow2, truncation, vmdk
from cinder_cow.conversion.unsafe import UnsafeImage
from cinder_cow.model import ImageInfo
from tests.corpus import vmdk_images

MIB = 2**20
GIB = 2**30


class Tables(Readable):
    """A header, and behind it tables without end, each entry another."""

    def __init__(self, head, entry, layout, size_bytes):
        self._head = bytes(head)
        self._entry = entry
        self._layout = layout
        self.size_bytes_ = size_bytes
        self.reads = 0
        self.most_bytes = 0

    @property
    def size_bytes(self):
        return self.size_bytes_

    def read_at(self, offset, length):
        self.reads += 1
        self.most_bytes = max(self.most_bytes, length)
        width = struct.calcsize(self._layout)
        first = offset // width
        count = -(-(offset + length) // width) - first
        values = array.array(
            self._layout[1], map(self._entry, range(first, first + count))
        )
        if (self._layout[0] == '<') != (sys.byteorder == 'little'):
            values.byteswap()
        start = offset - first * width
        found = bytearray(values.tobytes()[start : start + length])
        head = self._head[offset : offset + length]
        found[: len(head)] = head
        return bytes(found)

    def close(self):
        pass


def vmdk_of_32m_tables(size_bytes=2**40):
    """A directory of 128 MiB, each entry of which is another table."""
    head = vmdk_images.sparse(capacity=2**25 * 512 * 128, grain=128)[
        : 21 * 512
    ]
    return Tables(head, lambda at: 1 + at * 997 % 2**31, '<I', size_bytes)


def qcow2_head(l1_bytes, bits=16, virtual_bytes=None, l1_offset=2**16):
    entries = l1_bytes // 8
    if virtual_bytes is None:
        virtual_bytes = entries << (2 * bits - 3)
    return struct.pack(
        '>4sIQIIQIIQQIIQQQQII', b'QFI\xfb', 3, 0, 0, bits, virtual_bytes, 0,
        entries, l1_offset, 0, 0, 0, 0, 0, 0, 0, 4, 104,
    ).ljust(2**10, b'\0')  # fmt: skip


def qcow2_of_l1(l1_bytes, **more):
    """Each entry is another L2 table, each of whose entries is compressed."""
    return Tables(
        qcow2_head(l1_bytes, **more),
        lambda at: 1 << 62 | at * 2**16 % 2**39,
        '>Q',
        2**40,
    )


def measured(check):
    """Bytes of memory and seconds that it took."""
    started = time.monotonic()
    tracemalloc.start()
    try:
        check()
        return tracemalloc.get_traced_memory()[1], time.monotonic() - started
    finally:
        tracemalloc.stop()


@pytest.fixture
def small_limits(monkeypatch):
    """The same walk, cut shorter: the limits themselves are looked at."""
    assert truncation._MOST_BYTES <= 2**27
    assert truncation._MOST_READS <= 4096
    assert truncation._MOST_SECONDS <= 10
    monkeypatch.setattr(truncation, '_MOST_BYTES', 2**20)
    monkeypatch.setattr(truncation, '_MOST_READS', 16)


def test_a_vmdk_with_a_table_of_128_mib_takes_little(small_limits):
    content = vmdk_of_32m_tables()
    header = vmdk.check(content)
    peak, _ = measured(lambda: truncation.require_whole_vmdk(content, header))
    assert peak < 8 * MIB
    assert content.reads < 99
    assert content.most_bytes <= 2**17


def test_a_qcow2_with_a_large_table_takes_little(small_limits):
    content = qcow2_of_l1(32 * MIB)
    header = qcow2.check(content)
    peak, _ = measured(lambda: truncation.require_whole_qcow2(content, header))
    assert peak < 8 * MIB
    assert content.reads < 99
    assert content.most_bytes <= 2**17


def test_one_table_named_many_times_is_bounded_too(small_limits):
    # Two tables in turn: no repetition in a row, and no set of them.
    content = Tables(
        qcow2_head(MIB, bits=9, l1_offset=2**19),
        lambda at: (2**20, 2**21)[at % 2],
        '>Q',
        2**40,
    )
    header = qcow2.check(content)
    peak, _ = measured(lambda: truncation.require_whole_qcow2(content, header))
    assert peak < 8 * MIB
    assert content.reads < 99


@pytest.mark.parametrize(
    ('limit', 'value'),
    [('_MOST_BYTES', 2**20), ('_MOST_READS', 20), ('_MOST_SECONDS', 0.1)],
)
def test_each_limit_alone_ends_it(monkeypatch, limit, value):
    """Tables that it would look at for hours."""
    content = qcow2_of_l1(32 * MIB)
    header = qcow2.check(content)
    deadline = time.monotonic() + 5
    read_at = content.read_at

    def read_for_a_while(offset, length):
        assert time.monotonic() < deadline, 'it reads on'
        return read_at(offset, length)

    content.read_at = read_for_a_while
    for other in ('_MOST_BYTES', '_MOST_READS', '_MOST_SECONDS'):
        monkeypatch.setattr(truncation, other, 2**50)
    monkeypatch.setattr(truncation, limit, value)

    truncation.require_whole_qcow2(content, header)

    assert content.reads > 3


@pytest.mark.parametrize('layout', ['<I', '>Q'])
@pytest.mark.parametrize('count', [1, 2**13, 2**13 + 1, 2**17 + 3])
def test_every_entry_of_a_table_is_looked_at_in_order(layout, count):
    """Also of one that is far larger than what is read at once."""
    content = Tables(b'', lambda at: at % 2**31, layout, 2**30)
    first = 1000
    offset = first * struct.calcsize(layout)
    walk = truncation.Walk(content)

    for _ in range(2):  # the second time from behind its end
        found = [
            value
            for piece in walk.pieces(layout, offset, count)
            for value in piece
        ]
        assert found == list(range(first, first + count))


def test_last_entry_of_a_large_table_counts():
    entries = 2**17 + 3  # 512 KiB
    header = ploop.Header(
        virtual_bytes=entries * MIB, cluster_bytes=MIB, unit_bytes=MIB
    )
    end = ploop.TABLE // 4 + entries - 1

    def check(last):
        content = Tables(
            b'', lambda at: last if at == end else 1, '<I', 2 * MIB
        )
        truncation.require_whole_ploop(content, header)

    check(1)
    with pytest.raises(UnsafeImage, match='it is cut off'):
        check(2)


def test_an_l1_table_larger_than_qemu_takes_is_refused():
    with pytest.raises(UnsafeImage, match='L1 table'):
        qcow2.check(qcow2_of_l1(64 * MIB))


@pytest.mark.parametrize(
    ('disk_format', 'content'),
    [('vmdk', vmdk_of_32m_tables()), ('qcow2', qcow2_of_l1(32 * MIB))],
)
def test_the_size_is_held_against_the_volume_before_any_table(
    disk_format, content
):
    image = ImageInfo('image-1', 'active', disk_format, 'bare')
    content.reads = 0
    with pytest.raises(errors.ImageTooBig):
        header_check.require_safe(image, content, 10 * GIB)
    assert content.reads < 9


def test_the_whole_check_of_the_largest_tables_takes_little_memory(
    small_limits,
):
    image = ImageInfo('image-1', 'active', 'qcow2', 'bare')
    content = qcow2_of_l1(32 * MIB)
    peak, _ = measured(lambda: header_check.require_safe(image, content))
    assert peak < 64 * MIB
    assert content.most_bytes <= MIB


SCRIPT = """
import eventlet
eventlet.monkey_patch()
from cinder_cow import errors, native
from cinder_cow.conversion import header_check
from cinder_cow.model import ImageInfo
from tests.corpus.content import Content

class Slow(Content):
    @native.in_thread
    def read_at(self, offset, length):
        native.sleep(0.5)
        return super().read_at(offset, length)

ticks = []

def tick():
    while True:
        eventlet.sleep(0.01)
        ticks.append(1)

eventlet.spawn(tick)
image = ImageInfo('image-1', 'active', 'qcow2', 'bare')
try:
    header_check.require_safe(image, Slow(b'QFI', 2**20))
except errors.ImageUnacceptable:
    print(len(ticks) > 10)
"""


def test_green_threads_go_on_while_it_is_checked():
    done = subprocess.run(
        [sys.executable, '-W', 'ignore', '-c', SCRIPT],
        cwd=pathlib.Path(__file__).parents[3],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.stdout.split() == ['True'], done.stderr
