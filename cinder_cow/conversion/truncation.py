# SPDX-License-Identifier: Apache-2.0

"""Whether an image is cut off: its tables point behind its end.

QEMU reads zeros there, without a word, in qcow2, vmdk, vdi and ploop. It sees
for itself that a vhd, vhdx or qed is cut off, and so does the decompression
of a compressed cluster.
"""

from array import array
from collections.abc import Iterable, Iterator
import struct
import sys

from cinder_cow.backends.base_store import Readable
from cinder_cow.model import ImageInfo

#: Tables are near to each other: read so much at once, or one table.
_WINDOW_BYTES = 2**18
#: Of tables, after which the check is given up: 2 TiB of a common qcow2.
_MOST_BYTES = 2**28
_QCOW2_OFFSET = (1 << 56) - (1 << 9)
_QCOW2_COMPRESSED = 1 << 62
_VMDK_FOOTER = 0xFFFFFFFFFFFFFFFF
_SECTOR = 512


class CutOff(Exception):
    """Something of the image lies behind its end."""


class _Enough(Exception):
    """There are more tables than are worth a look."""


def require_whole(image: ImageInfo, content: Readable) -> None:
    """:raises CutOff: when a table, or data, begins behind the end.

    What begins before the end counts as whole: QEMU itself does not write
    the last cluster to its end.
    """
    walk = _WALKS.get(image.disk_format)
    if walk is None:
        return
    try:
        for offset in walk(_Tables(content)):
            if offset >= content.size_bytes:
                raise CutOff(
                    f'it is cut off: it has {content.size_bytes} bytes, and'
                    f' data at {offset}'
                )
    except _Enough:
        return


class _Tables:
    """Reads arrays of integers."""

    def __init__(self, content: Readable) -> None:
        self._content = content
        self._start = 0
        self._window = b''
        self._left = _MOST_BYTES

    @property
    def size_bytes(self) -> int:
        return self._content.size_bytes

    def fields(self, layout: str, offset: int) -> tuple[int, ...]:
        """:param layout: as of the module struct."""
        return struct.unpack(
            layout, self._read(offset, struct.calcsize(layout))
        )

    def table(self, layout: str, offset: int, count: int) -> 'array[int]':
        """:param layout: byte order and type, `<I` or `>Q`."""
        values = array(layout[1])
        size = count * values.itemsize
        self._left -= size
        if self._left < 0:
            raise _Enough
        values.frombytes(self._read(offset, size))
        if (layout[0] == '<') != (sys.byteorder == 'little'):
            values.byteswap()
        return values

    def _read(self, offset: int, length: int) -> bytes:
        if offset + length > self.size_bytes:
            raise CutOff(
                f'it is cut off: it has {self.size_bytes} bytes, and a table'
                f' from {offset} to {offset + length}'
            )
        end = self._start + len(self._window)
        if offset < self._start or offset + length > end:
            self._start = offset
            self._window = self._content.read_at(
                offset, max(length, _WINDOW_BYTES)
            )
        skip = offset - self._start
        return self._window[skip : skip + length]


def _qcow2(tables: _Tables) -> Iterator[int]:
    """Highest offsets. docs/interop/qcow2.txt of QEMU has the layout."""
    bits, _, _, count, first = tables.fields('>IQIIQ', 20)
    if not 9 <= bits <= 21:  # QEMU refuses it
        return
    entries = 2 ** (bits - 3)
    seconds = {
        entry & _QCOW2_OFFSET for entry in tables.table('>Q', first, count)
    }
    compressed = (1 << (62 - (bits - 8))) - 1
    for second in sorted(seconds - {0}):
        values = tables.table('>Q', second, entries)
        yield max(
            each & compressed
            if each & _QCOW2_COMPRESSED
            else 0
            if each & 1  # reads as zeros, wherever it is
            else each & _QCOW2_OFFSET
            for each in values
        )


def _vmdk(tables: _Tables) -> Iterator[int]:
    """Of the sparse extent; VMware's Virtual Disk Format 5.0."""
    layout = '<QQQQIQQ'
    header = tables.fields(layout, 12)
    if header[-1] == _VMDK_FOOTER:
        header = tables.fields(layout, tables.size_bytes - 1024 + 12)
    capacity, grain, _, _, entries, _, directory = header
    if not (grain and entries):  # QEMU refuses it
        return
    count = -(-capacity // (grain * entries))
    seconds = set(tables.table('<I', directory * _SECTOR, count))
    for second in sorted(seconds - {0}):
        values = tables.table('<I', second * _SECTOR, entries)
        yield max(values) * _SECTOR


def _vdi(tables: _Tables) -> Iterator[int]:
    """block/vdi.c of QEMU has the layout."""
    first, data = tables.fields('<II', 0x154)
    size, _, count = tables.fields('<III', 0x178)
    for values in _pieces(tables, first, count):
        used = [each for each in values if each < 0xFFFFFFFE]
        yield data + max(used) * size if used else 0


def _ploop(tables: _Tables) -> Iterator[int]:
    """docs/interop/parallels.txt of QEMU has the layout."""
    sectors, count = tables.fields('<II', 28)
    old = tables.fields('<16B', 0) == tuple(b'WithoutFreeSpace')
    for values in _pieces(tables, 64, count):
        yield max(values) * _SECTOR * (1 if old else sectors)


def _pieces(
    tables: _Tables, offset: int, count: int
) -> Iterable['array[int]']:
    """One long table of 32 bits each, so as not to hold it all."""
    step = _WINDOW_BYTES // 4
    for start in range(0, count, step):
        yield tables.table('<I', offset + 4 * start, min(step, count - start))


_WALKS = {'qcow2': _qcow2, 'vmdk': _vmdk, 'vdi': _vdi, 'ploop': _ploop}
