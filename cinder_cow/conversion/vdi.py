# SPDX-License-Identifier: Apache-2.0

"""Whether a vdi's table of blocks is of the size that its disk takes.

block/vdi.c of QEMU has the layout.
"""

from dataclasses import dataclass
import struct

from cinder_cow.backends.base_store import Readable
from cinder_cow.conversion.unsafe import UnsafeImage

#: From here on an entry of the table says that there is no block.
NO_BLOCK = 0xFFFFFFFE

_MAGIC = struct.pack('<I', 0xBEDA107F)
#: QEMU takes no other.
_BLOCK_BYTES = 2**20
_DYNAMIC, _STATIC = 1, 2


@dataclass(frozen=True, slots=True)
class Header:
    """What locates the blocks; sizes and offsets in bytes."""

    virtual_bytes: int
    table: int
    data: int
    block_bytes: int = _BLOCK_BYTES

    @property
    def needed(self) -> int:
        """Entries of the table that the virtual size takes."""
        return -(-self.virtual_bytes // self.block_bytes)


def check(content: Readable) -> Header:
    """What locates the data.

    :raises UnsafeImage: when it is of another kind than QEMU takes.
    """
    head = content.read_at(0, 512)
    if len(head) < 512 or head[0x40:0x44] != _MAGIC:
        raise UnsafeImage('it has no header of a vdi')
    (kind,) = struct.unpack_from('<I', head, 0x4C)
    if kind not in (_DYNAMIC, _STATIC):  # others are differences to a parent
        raise UnsafeImage(f'it is a vdi of the type {kind}')
    table, data = struct.unpack_from('<II', head, 0x154)
    (virtual_bytes,) = struct.unpack_from('<Q', head, 0x170)
    block_bytes, _, blocks = struct.unpack_from('<III', head, 0x178)
    if block_bytes != _BLOCK_BYTES:
        raise UnsafeImage(f'its blocks have {block_bytes} bytes, not 1 MiB')
    header = Header(virtual_bytes, table, data)
    if blocks < header.needed:
        raise UnsafeImage(
            f'its table has {blocks} blocks, and its virtual size takes'
            f' {header.needed}'
        )
    return header
