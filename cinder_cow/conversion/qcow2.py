# SPDX-License-Identifier: Apache-2.0

"""Whether a qcow2 is one file, in the clear, with tables of a sound size.

Layout and limits: docs/interop/qcow2.txt and block/qcow2.c of QEMU.
"""

from collections.abc import Iterator
from dataclasses import dataclass
import struct

from cinder_cow.backends.base_store import Readable
from cinder_cow.conversion.unsafe import UnsafeImage

MAGIC = b'QFI\xfb'
#: QEMU's own limit of the L1 table.
MOST_L1_BYTES = 32 * 2**20
#: QEMU's own limit of the refcount table.
_MOST_REFCOUNT_BYTES = 8 * 2**20
#: `qemu-img info` prints each of them: a bound on what it prints.
_MOST_SNAPSHOTS = 64

#: The same holds for persistent bitmaps, and the table of their names.
_MOST_BITMAPS = 64
_MOST_BITMAP_DIRECTORY_BYTES = 2**16

_DIRTY, _CORRUPT, _DATA_FILE, _COMPRESSION, EXTENDED_L2 = 1, 2, 4, 8, 16
_DATA_FILE_NAME, _ENCRYPTION, _BITMAPS = 0x44415441, 0x0537BE77, 0x23852875


@dataclass(frozen=True, slots=True)
class Header:
    """What locates the clusters; sizes and offsets in bytes."""

    virtual_bytes: int
    cluster_bits: int
    l1_entries: int
    l1_offset: int
    #: Each entry of L2 has a second word, on the parts of its cluster.
    extended_l2: bool = False

    @property
    def l2_words(self) -> int:
        """Of 64 bits, in each L2 table, which is one cluster."""
        return 1 << (self.cluster_bits - 3)

    @property
    def l2_entries(self) -> int:
        """Of each L2 table."""
        return self.l2_words >> self.extended_l2

    @property
    def l1_needed(self) -> int:
        """Entries of L1 that the virtual size takes."""
        covered = self.l2_entries << self.cluster_bits
        return -(-self.virtual_bytes // covered)


def check(content: Readable) -> Header:
    """What locates the data, when the image is safe.

    :raises UnsafeImage: when it refers to other files, is encrypted, or has
        features or tables that QEMU does not take.
    """
    head = content.read_at(0, 2**16)
    if len(head) < 72 or not head.startswith(MAGIC):
        raise UnsafeImage('it has no header of a qcow2')
    (_, version, backing, _, bits, size, method, l1_entries, l1_offset) = (
        struct.unpack_from('>4sIQIIQIIQ', head)
    )
    if version not in (2, 3):
        raise UnsafeImage(f'its qcow2 version is {version}, not 2 or 3')
    if backing:
        raise UnsafeImage('it has a backing file')
    if method:
        raise UnsafeImage(f'it is encrypted (qcow2 crypt method {method})')
    if not 9 <= bits <= 21:  # QEMU's limits
        raise UnsafeImage(f'its clusters have 2**{bits} bytes')
    _check_counts(head, bits)
    extended = version == 3 and bool(_check_features(head) & EXTENDED_L2)
    header = Header(size, bits, l1_entries, l1_offset, extended)
    _check_l1(header)
    if version == 3:
        _check_extensions(head, 2**bits)
    return header


def _check_l1(header: Header) -> None:
    if header.virtual_bytes >= 2**63:
        raise UnsafeImage(f'its virtual size is {header.virtual_bytes}')
    if header.l1_entries * 8 > MOST_L1_BYTES:
        raise UnsafeImage(f'its L1 table has {header.l1_entries} entries')
    if header.l1_entries < header.l1_needed:
        raise UnsafeImage(
            f'its L1 table has {header.l1_entries} entries, and its virtual'
            f' size takes {header.l1_needed}'
        )
    if header.l1_offset % 2**header.cluster_bits:
        raise UnsafeImage(f'its L1 table begins at {header.l1_offset}')


def _check_counts(head: bytes, bits: int) -> None:
    refcount_clusters, snapshots = struct.unpack_from('>II', head, 56)
    if refcount_clusters << bits > _MOST_REFCOUNT_BYTES:
        raise UnsafeImage(
            f'its refcount table has {refcount_clusters} clusters'
        )
    if snapshots > _MOST_SNAPSHOTS:
        raise UnsafeImage(f'it has {snapshots} internal snapshots')


def _check_features(head: bytes) -> int:
    """The incompatible features, when all are known."""
    (features,) = struct.unpack_from('>Q', head.ljust(80, b'\0'), 72)
    if features & _DATA_FILE:
        raise UnsafeImage('it has a data file (data_file)')
    if features & _CORRUPT:
        raise UnsafeImage('it is marked as corrupt: see qemu-img check')
    unknown = features & ~(_DIRTY | _COMPRESSION | EXTENDED_L2)
    if unknown:
        raise UnsafeImage(f'it has features that are not known: {unknown:#x}')
    return int(features)


def _check_extensions(head: bytes, cluster_bytes: int) -> None:
    for kind, data in _extensions(head, cluster_bytes):
        if kind == _DATA_FILE_NAME:
            raise UnsafeImage('it names a data file (data_file)')
        if kind == _ENCRYPTION:
            raise UnsafeImage('it has a header of encryption')
        if kind == _BITMAPS:
            _check_bitmaps(data)


def _check_bitmaps(data: bytes) -> None:
    count, _, directory_bytes = struct.unpack_from('>IIQ', data.ljust(16))
    if count > _MOST_BITMAPS or directory_bytes > _MOST_BITMAP_DIRECTORY_BYTES:
        raise UnsafeImage(
            f'it has {count} bitmaps, with a directory of {directory_bytes}'
            f' bytes'
        )


def _extensions(
    head: bytes, cluster_bytes: int
) -> Iterator[tuple[int, bytes]]:
    """Types and data of the header's extensions, in the first cluster."""
    (offset,) = struct.unpack_from('>I', head.ljust(104, b'\0'), 100)
    if not 72 <= offset <= cluster_bytes:
        raise UnsafeImage(f'its header has {offset} bytes')
    while offset < cluster_bytes:  # QEMU takes that for the end too
        if offset + 8 > min(len(head), cluster_bytes):
            raise UnsafeImage(
                f'its header extensions have no end in its first'
                f' {len(head)} bytes'
            )
        kind, length = struct.unpack_from('>II', head, offset)
        offset += 8
        if not kind:
            return
        if length > cluster_bytes - offset:
            raise UnsafeImage(f'a header extension has {length} bytes')
        yield kind, head[offset : offset + length]
        offset += -(-length // 8) * 8
