# SPDX-License-Identifier: Apache-2.0

"""Whether a ploop's table of clusters is of the size that its disk takes.

docs/interop/parallels.txt of QEMU has the layout.
"""

from dataclasses import dataclass
import struct

from cinder_cow.backends.base_store import Readable
from cinder_cow.conversion.unsafe import UnsafeImage

#: Where the table begins.
TABLE = 64

_OLD, _NEW = b'WithoutFreeSpace', b'WithouFreSpacExt'
_SECTOR = 512
#: QEMU's own limits of the cluster's sectors and of the table's entries.
_MOST_SECTORS = (2**31 - 1) // 513
_MOST_ENTRIES = (2**31 - 1) // 4


@dataclass(frozen=True, slots=True)
class Header:
    """What locates the clusters."""

    virtual_bytes: int
    cluster_bytes: int
    #: What the entries of the table count in.
    unit_bytes: int

    @property
    def needed(self) -> int:
        """Entries of the table that the virtual size takes."""
        return -(-self.virtual_bytes // self.cluster_bytes)


def check(content: Readable) -> Header:
    """What locates the data.

    :raises UnsafeImage: when its table does not fit its disk.
    """
    head = content.read_at(0, TABLE)
    if len(head) < TABLE or not head.startswith((_OLD, _NEW)):
        raise UnsafeImage('it has no header of a ploop')
    sectors, entries, virtual_sectors = struct.unpack_from('<IIQ', head, 28)
    if not 0 < sectors <= _MOST_SECTORS or entries > _MOST_ENTRIES:
        raise UnsafeImage(
            f'it has {entries} clusters of {sectors} sectors, which QEMU does'
            f' not take'
        )
    cluster_bytes = sectors * _SECTOR
    old = head.startswith(_OLD)
    if old:
        virtual_sectors &= 0xFFFFFFFF
    header = Header(
        virtual_sectors * _SECTOR,
        cluster_bytes,
        _SECTOR if old else cluster_bytes,
    )
    if entries < header.needed:
        raise UnsafeImage(
            f'its table has {entries} clusters, and its virtual size takes'
            f' {header.needed}'
        )
    return header
