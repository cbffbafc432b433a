# SPDX-License-Identifier: Apache-2.0
"""The size of an image's disk, from the first bytes of the image.

Only to refuse early: what the header says is the author's word. What is
converted is asked of QEMU, and checked, when all of the image is there.
"""

from collections.abc import Callable, Mapping
import struct
from typing import Any

from oslo_utils.imageutils import format_inspector

from cinder_cow import native
from cinder_cow.backends.writer import Done, VolumeWriter

#: A vhdx by QEMU or Hyper-V has its size in the third MiB.
HEAD_BYTES = 4 * 2**20
_CHUNK_BYTES = 2**16
#: Of a disk of QEMU's vhd driver: with more its geometry says nothing.
_VHD_MOST_SECTORS = 65535 * 16 * 255


def disk_bytes(disk_format: str, head: bytes) -> int | None:
    """What the header says; None where it says nothing that is understood.

    :param head: the first bytes; what comes later is not looked for.
    """
    find = _FORMATS.get(disk_format)
    if find is None:
        return None
    try:
        return find(head)
    except struct.error:  # too short
        return None


def _qcow2(head: bytes) -> int | None:
    # QEMU, docs/interop/qcow2.txt.
    return _at(head, b'QFI\xfb', '>Q', 24)


def _qed(head: bytes) -> int | None:
    # QEMU, docs/interop/qed_spec.rst.
    return _at(head, b'QED\0', '<Q', 48)


def _vmdk(head: bytes) -> int | None:
    # VMware, Virtual Disk Format: the capacity, in sectors.
    sectors = _at(head, b'KDMV', '<Q', 12)
    return None if sectors is None else sectors * 512


def _vdi(head: bytes) -> int | None:
    # QEMU, block/vdi.c, VdiHeader: signature and disk_size.
    if head[64:68] != b'\x7f\x10\xda\xbe':
        return None
    return int(struct.unpack_from('<Q', head, 0x170)[0])


def _vhd(head: bytes) -> int | None:
    """The copy of the footer, which a dynamic vhd begins with.

    QEMU takes the size or the geometry, depending on who made the file.
    """
    size = _at(head, b'conectix', '>Q', 48)
    cylinders, heads, sectors = struct.unpack_from('>HBB', head, 56)
    count = int(cylinders * heads * sectors)
    if size is None or count >= _VHD_MOST_SECTORS:
        return size
    return min(size, count * 512)


def _vhdx(head: bytes) -> int | None:
    """By oslo.utils: it lies in a table that the header points at."""
    inspector: Any = format_inspector.get_inspector('vhdx')()
    try:
        # It keeps only what it knows beforehand to be of use.
        for start in range(0, len(head), _CHUNK_BYTES):
            inspector.eat_chunk(head[start : start + _CHUNK_BYTES])
        return int(inspector.virtual_size) or None
    except Exception:  # noqa: BLE001  parsers fail in many ways
        return None


def _at(head: bytes, magic: bytes, layout: str, offset: int) -> int | None:
    if not head.startswith(magic):
        return None
    return int(struct.unpack_from(layout, head, offset)[0])


_FORMATS: Mapping[str, Callable[[bytes], int | None]] = {
    'qcow2': _qcow2,
    'qed': _qed,
    'vmdk': _vmdk,
    'vdi': _vdi,
    'vhd': _vhd,
    'vhdx': _vhdx,
}


class HeadInspector(VolumeWriter):
    """Hands everything on, and looks at what stands at the beginning."""

    def __init__(
        self, writer: VolumeWriter, inspect: Callable[[bytes], bool]
    ) -> None:
        """:param inspect: answers whether it has seen enough. What it raises
        ends the copy.
        """
        self._writer = writer
        self._inspect = inspect
        self._head = bytearray()
        self._lock = native.lock()
        self._is_over = False

    @property
    def block_bytes(self) -> int:
        return self._writer.block_bytes

    def start_write(self, offset: int, data: bytes, done: Done) -> None:
        if offset < HEAD_BYTES and not self._is_over:
            self._look_at(offset, data)
        self._writer.start_write(offset, data, done)

    def start_zero(self, offset: int, length: int, done: Done) -> None:
        self._writer.start_zero(offset, length, done)

    def flush(self) -> None:
        self._writer.flush()

    def close(self) -> None:
        self._writer.close()

    def _look_at(self, offset: int, data: bytes) -> None:
        """What is not written is zero; readers may come in any order."""
        data = data[: HEAD_BYTES - offset]
        with self._lock:
            end = offset + len(data)
            self._head.extend(bytes(max(0, end - len(self._head))))
            self._head[offset:end] = data
            head = bytes(self._head)
        if self._inspect(head):
            self._is_over = True
