# SPDX-License-Identifier: Apache-2.0

"""Whether an image is cut off: its tables point behind its end.

QEMU reads zeros there, without a word, in qcow2, vmdk, vdi and ploop. It sees
for itself that a vhd, vhdx or qed is cut off, and so does the decompression
of a compressed cluster.

The tables are an attacker's: their size is held against the virtual size,
they are read in pieces, and no more of them than some limits. What is behind
these limits is not looked at. This check finds accidents, and none of the
walls against attacks depends on it.
"""

from array import array
from collections.abc import Iterator
import contextlib
import struct
import sys
import time

from cinder_cow.backends.base_store import Readable
from cinder_cow.conversion import ploop, qcow2, vdi, vmdk
from cinder_cow.conversion.unsafe import UnsafeImage

#: Tables lie near to each other: so much is read at once, and kept.
_WINDOW_BYTES = 2**16
#: Of tables, in all: 1 TiB of data in a common qcow2. 2 s of one core.
_MOST_BYTES = 2**27
#: Reads of the storage, of 1 ms each and more.
_MOST_READS = 4096
_MOST_SECONDS = 10
#: Of 32 or 64 bits, in one piece of a table.
_PIECE_ENTRIES = _WINDOW_BYTES // 8

_QCOW2_OFFSET = (1 << 56) - (1 << 9)
_QCOW2_COMPRESSED = 1 << 62
_QCOW2_ZERO = 1
_SECTOR = 512


class _Enough(Exception):
    """There are more tables than are worth a look."""


class Walk:
    """Looks at one image's tables, within limits."""

    def __init__(self, content: Readable) -> None:
        self._content = content
        self._size_bytes = content.size_bytes
        self._start = 0
        self._window = b''
        self._bytes_left = _MOST_BYTES
        self._reads_left = _MOST_READS
        self._deadline = time.monotonic() + _MOST_SECONDS

    def pieces(
        self, layout: str, offset: int, count: int
    ) -> Iterator['array[int]']:
        """A table of that many integers, a few at a time.

        :param layout: byte order and type, `<I` or `>Q`.
        """
        size = struct.calcsize(layout)
        self._require_inside(offset, count * size)
        for start in range(0, count, _PIECE_ENTRIES):
            values = array(layout[1])
            entries = min(_PIECE_ENTRIES, count - start)
            values.frombytes(self._read(offset + start * size, entries * size))
            if (layout[0] == '<') != (sys.byteorder == 'little'):
                values.byteswap()
            yield values

    def require_data_at(self, offset: int) -> None:
        """What begins before the end counts as whole.

        QEMU itself does not write the last cluster to its end.
        """
        if offset >= self._size_bytes:
            raise UnsafeImage(
                f'it is cut off: it has {self._size_bytes} bytes, and data'
                f' at {offset}'
            )

    def _require_inside(self, offset: int, length: int) -> None:
        if offset + length > self._size_bytes:
            raise UnsafeImage(
                f'it is cut off: it has {self._size_bytes} bytes, and a table'
                f' from {offset} to {offset + length}'
            )

    def _read(self, offset: int, length: int) -> bytes:
        self._require_inside(offset, length)
        self._bytes_left -= length
        if self._bytes_left < 0 or time.monotonic() > self._deadline:
            raise _Enough
        end = self._start + len(self._window)
        if offset < self._start or offset + length > end:
            self._reads_left -= 1
            if self._reads_left < 0:
                raise _Enough
            self._start = offset
            self._window = self._content.read_at(offset, _WINDOW_BYTES)
        skip = offset - self._start
        return self._window[skip : skip + length]


def require_whole_qcow2(content: Readable, header: qcow2.Header) -> None:
    """:raises UnsafeImage: when a table, or data, begins behind the end."""
    with contextlib.suppress(_Enough):
        walk = Walk(content)
        compressed = (1 << (62 - (header.cluster_bits - 8))) - 1
        for table in _second_tables(
            walk, '>Q', header.l1_offset, header.l1_needed
        ):
            second = table & _QCOW2_OFFSET
            for values in walk.pieces('>Q', second, header.l2_words):
                if header.extended_l2:
                    values = _with_data(values)
                walk.require_data_at(_highest(values, compressed))


def _with_data(values: 'array[int]') -> 'array[int]':
    """Extended entries without their second words: those with data.

    The lower half of a second word says which parts have data. It is zero in
    an entry of a compressed cluster, which has data nevertheless.
    """
    return array(
        'Q',
        (
            each if each & _QCOW2_COMPRESSED or parts & 0xFFFFFFFF else 0
            for each, parts in zip(values[::2], values[1::2], strict=True)
        ),
    )


def _highest(values: 'array[int]', compressed: int) -> int:
    """The highest offset of data that these entries of an L2 table name."""
    return max(
        each & compressed
        if each & _QCOW2_COMPRESSED
        else 0
        if each & _QCOW2_ZERO  # reads as zeros, wherever it is
        else each & _QCOW2_OFFSET
        for each in values
    )


def require_whole_vmdk(content: Readable, header: vmdk.Header) -> None:
    """:raises UnsafeImage: when a table, or data, begins behind the end."""
    with contextlib.suppress(_Enough):
        walk = Walk(content)
        covered = header.grain * header.table_entries
        count = -(-header.capacity // covered)
        for table in _second_tables(
            walk, '<I', header.directory * _SECTOR, count
        ):
            for values in walk.pieces(
                '<I', table * _SECTOR, header.table_entries
            ):
                walk.require_data_at(max(values) * _SECTOR)


def _second_tables(
    walk: Walk, layout: str, offset: int, count: int
) -> Iterator[int]:
    """Where a table of tables has some, without repetitions in a row."""
    last = 0
    for values in walk.pieces(layout, offset, count):
        for each in values:
            if each and each != last:
                last = each
                yield each


def require_whole_vdi(content: Readable, header: vdi.Header) -> None:
    """:raises UnsafeImage: when a table, or data, begins behind the end."""
    with contextlib.suppress(_Enough):
        walk = Walk(content)
        for values in walk.pieces('<I', header.table, header.needed):
            used = [each for each in values if each < vdi.NO_BLOCK]
            if used:
                walk.require_data_at(
                    header.data + max(used) * header.block_bytes
                )


def require_whole_ploop(content: Readable, header: ploop.Header) -> None:
    """:raises UnsafeImage: when a table, or data, begins behind the end."""
    with contextlib.suppress(_Enough):
        walk = Walk(content)
        for values in walk.pieces('<I', ploop.TABLE, header.needed):
            walk.require_data_at(max(values) * header.unit_bytes)
