# SPDX-License-Identifier: Apache-2.0

"""Whether a vmdk is one sparse file that names no other file.

QEMU opens the files that a vmdk's descriptor names, when it takes the vmdk
for one of several files. What it takes for what is decided by its own, lax
reading. So this reading is strict: it accepts what the tools of VMware,
VirtualBox and QEMU write, and refuses everything else.

Layout: VMware's Virtual Disk Format 5.0, and block/vmdk.c of QEMU.
"""

from collections.abc import Collection
from dataclasses import dataclass
import re
import struct

from cinder_cow.backends.base_store import Readable
from cinder_cow.conversion.unsafe import UnsafeImage

SECTOR_BYTES = 512
#: Those whose one file holds everything. Cinder's own default of the option
#: vmdk_allowed_types.
ONE_FILE_TYPES = ('streamOptimized', 'monolithicSparse')
MAGIC = b'KDMV'

_LAYOUT = '<4sIIQQQQIQQQ'
_AT_END = 0xFFFFFFFFFFFFFFFF
#: The footer's marker, the footer and the end marker, a sector each.
_TAIL_BYTES = 3 * SECTOR_BYTES
_FOOTER_MARKER = struct.pack('<QII', 1, 0, 3)
#: QEMU looks for the parent's name in so much from sector 1 on.
_PARENT_BYTES = 20 * SECTOR_BYTES
#: Digits of a content id.
_CID_BYTES = 8
#: VMware, VirtualBox and QEMU write 20 sectors.
_MOST_DESCRIPTOR_SECTORS = 128
#: The specification has this number alone, and all tools write it.
_TABLE_ENTRIES = 512

_EXTENT = re.compile(r'(RW|RDONLY) [0-9]{1,19} SPARSE "([^"]+)"')
_ENTRY = re.compile(r'([A-Za-z][\w.:-]*) ?= ?("[^"]*"|[\w.-]*)', re.ASCII)
#: QEMU looks for none of these; some tools indent them, or use tabs.
_DDB = re.compile(
    r'[ \t]*(ddb\.[\w.:-]*)[ \t]*=[ \t]*("[^"]*"|[\w.-]*)[ \t]*', re.ASCII
)
_TYPE = re.compile(r'createType ?= ?"(\w+)"', re.ASCII)
#: What could lead out of the folder, or be the name of a protocol.
_NO_FILE_NAME = re.compile(r'[/\\:]')
_NO_PARENT = ('ffffffff', '"ffffffff"')


@dataclass(frozen=True, slots=True)
class Header:
    """Of the sparse extent; offsets and sizes in sectors of 512 bytes."""

    version: int
    capacity: int
    grain: int
    descriptor: int
    descriptor_size: int
    table_entries: int
    directory: int

    @property
    def virtual_bytes(self) -> int:
        """Of the disk that the image holds."""
        return self.capacity * SECTOR_BYTES


def check(
    content: Readable, allowed_types: Collection[str] = ONE_FILE_TYPES
) -> Header:
    """What locates the data, when the image is safe.

    :param allowed_types: Cinder's option `vmdk_allowed_types`.
    :raises UnsafeImage: when it is not exactly what is expected.
    """
    header = _checked(read_header(content.read_at(0, SECTOR_BYTES)))
    _check_descriptor(_descriptor(content, header), allowed_types)
    if header.directory != _AT_END:
        return header
    footer = _footer(content)
    if (footer.capacity, footer.grain) != (header.capacity, header.grain):
        raise UnsafeImage('its footer contradicts its header')
    return footer


def read_header(sector: bytes) -> Header:
    """:raises UnsafeImage: when it is no sparse extent's."""
    if len(sector) < SECTOR_BYTES or not sector.startswith(MAGIC):
        raise UnsafeImage('it has no header of a sparse vmdk (KDMV)')
    _, version, _, capacity, grain, at, size, entries, _, directory, _ = (
        struct.unpack_from(_LAYOUT, sector)
    )
    return Header(version, capacity, grain, at, size, entries, directory)


def _checked(header: Header) -> Header:
    if not 1 <= header.version <= 3:
        raise UnsafeImage(f'its vmdk version is {header.version}, not 1 to 3')
    if not 0 < header.capacity < 2**54:
        # 0 makes QEMU open the files that the descriptor names.
        raise UnsafeImage(f'its header has the capacity {header.capacity}')
    if header.grain not in {2**bits for bits in range(3, 17)}:
        raise UnsafeImage(f'its grains have {header.grain} sectors')
    if header.table_entries != _TABLE_ENTRIES:
        raise UnsafeImage(
            f'its grain tables have {header.table_entries} entries, not'
            f' {_TABLE_ENTRIES}'
        )
    if header.descriptor != 1:
        raise UnsafeImage(
            f'its descriptor begins at sector {header.descriptor}, not 1'
        )
    if not 0 < header.descriptor_size <= _MOST_DESCRIPTOR_SECTORS:
        raise UnsafeImage(
            f'its descriptor has {header.descriptor_size} sectors'
        )
    return header


def _descriptor(content: Readable, header: Header) -> str:
    length = header.descriptor_size * SECTOR_BYTES
    read = content.read_at(SECTOR_BYTES, max(length, _PARENT_BYTES))
    if b'parentfilenamehint' in read.lower():
        raise UnsafeImage('it has a parent, which is another file')
    # It ends at the first NUL, for QEMU and oslo.utils too. QEMU writes a
    # shorter content id over a longer one, and leaves the old end behind.
    text, _, rest = read[:length].partition(b'\0')
    if len(rest.strip(b'\0')) > _CID_BYTES:
        raise UnsafeImage('there is something behind its descriptor')
    try:
        return text.decode()
    except UnicodeDecodeError:
        return text.decode('latin-1')  # VMware writes windows-1252 too


def _check_descriptor(text: str, allowed_types: Collection[str]) -> None:
    first, *lines = map(_plain, text.split('\n'))
    # Tools differ in its words. QEMU does not look at it in a sparse extent.
    if not first or not _is_comment(first):
        raise UnsafeImage('the first line of its descriptor is no comment')
    extents, types = [], []
    for line in lines:
        if extent := _EXTENT.fullmatch(line):
            extents.append(extent[2])
        elif entry := _ENTRY.fullmatch(line):
            types += _type(line, entry[1], entry[2])
        elif not _is_comment(line):
            raise _unexpected(line)
    if len(extents) != 1:
        raise UnsafeImage(
            f'its descriptor names {len(extents)} extents, not one'
        )
    _check_extent_name(extents[0])
    # QEMU takes the first that it finds, wherever it stands.
    if len(types) != 1 or text.lower().count('createtype') != 1:
        raise UnsafeImage('its descriptor has not exactly one createType')
    require_type(types[0], allowed_types)


def _plain(line: str) -> str:
    line = line.rstrip('\r ')
    entry = _DDB.fullmatch(line)
    return f'{entry[1]} = {entry[2]}' if entry else line


def _is_comment(line: str) -> bool:
    return not line or (line[0] == '#' and line.isprintable())


def require_type(found: object, allowed_types: Collection[str]) -> None:
    """:raises UnsafeImage: when a vmdk of that type is not converted."""
    if found not in ONE_FILE_TYPES:
        raise UnsafeImage(
            f'its createType is {str(found)[:40]!r}, not'
            f' {" or ".join(ONE_FILE_TYPES)}'
        )
    if found not in allowed_types:
        raise UnsafeImage(
            f'its createType {found} is not in vmdk_allowed_types'
        )


def _type(line: str, name: str, value: str) -> list[str]:
    """The type that the line gives, if it does."""
    if not line.isprintable():
        raise _unexpected(line)
    if name.lower() == 'parentcid' and value.lower() not in _NO_PARENT:
        raise UnsafeImage('it has a parent, which is another file')
    if name.lower() != 'createtype':
        return []
    found = _TYPE.fullmatch(line)
    if found is None:
        raise _unexpected(line)
    return [found[1]]


def _check_extent_name(name: str) -> None:
    if _NO_FILE_NAME.search(name) or not name.isprintable():
        raise UnsafeImage(
            f'its descriptor names the extent {name[:80]!r}, which is no'
            f' plain file name'
        )


def _unexpected(line: str) -> UnsafeImage:
    return UnsafeImage(
        f'its descriptor has a line that is not expected: {line[:80]!r}'
    )


def _footer(content: Readable) -> Header:
    start = max(0, content.size_bytes - _TAIL_BYTES)
    tail = content.read_at(start, _TAIL_BYTES)
    if not tail.startswith(_FOOTER_MARKER):
        raise UnsafeImage('it has no footer where its header says so')
    footer = _checked(read_header(tail[SECTOR_BYTES : 2 * SECTOR_BYTES]))
    if footer.directory == _AT_END:
        raise UnsafeImage('its footer refers to another footer')
    return footer
