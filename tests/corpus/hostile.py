# SPDX-License-Identifier: Apache-2.0
"""All hostile images that are one file: name, Glance's format, content."""

import struct

from tests.corpus import vmdk_images

MIB = 2**20


def qcow2(
    version=3,
    backing=0,
    bits=16,
    virtual_bytes=MIB,
    method=0,
    l1_entries=1,
    l1_offset=2**16,
    refcount_clusters=1,
    snapshots=0,
    features=0,
    header_bytes=104,
    more=b'',
    pieces=(),
):
    """A header, and pieces of bytes by their offsets, in 1 MiB."""
    head = struct.pack(
        '>4sIQIIQIIQQIIQQQQII', b'QFI\xfb', version, backing, 9, bits,
        virtual_bytes, method, l1_entries, l1_offset, 2**17,
        refcount_clusters, snapshots, 2**18, features, 0, 0, 4, header_bytes,
    )  # fmt: skip
    content = bytearray(MIB)
    content[: len(head) + len(more)] = head + more
    for offset, piece in pieces:
        content[offset : offset + len(piece)] = piece
    return bytes(content)


def extension(kind, data):
    """Of a qcow2's header."""
    return struct.pack('>II', kind, len(data)) + data.ljust(
        -(-len(data) // 8) * 8, b'\0'
    )


def _bitmaps(count, directory_bytes):
    data = struct.pack('>IIQQ', count, 0, directory_bytes, 2**18)
    return extension(0x23852875, data)


def many_bitmaps(count):
    """A qcow2 that QEMU describes at length: each name is escaped to 6 KiB."""
    entries = bytearray()
    for number in range(count):
        name = b'%06d' % number + b'\1' * 1017
        entries += struct.pack(
            '>QIIBBHI', 2**18, 1, 0, 1, 31, len(name), 0
        ) + name.ljust(-(-len(name) // 8) * 8, b'\0')
    directory = 5 * 2**16
    head = bytearray(qcow2(l1_entries=2, virtual_bytes=2**30)[:directory])
    struct.pack_into('>QIIQQ', head, 48, 2**17, 1, 0, 0, 0)
    struct.pack_into('>Q', head, 88, 1)  # the bitmaps are consistent
    data = struct.pack('>IIQQ', count, 0, len(entries), directory)
    head[104:136] = extension(0x23852875, data)
    struct.pack_into('>Q', head, 2**17, 3 * 2**16)
    return bytes(head + entries).ljust(directory + len(entries) + 2**16, b'\0')


def _qcow2_images(path):
    yield 'backing file', qcow2(backing=512, pieces=[(512, path.encode())])
    yield 'data file', qcow2(features=4)
    name = extension(0x44415441, path.encode())
    yield 'data file, by its name alone', qcow2(more=name)
    yield 'crypt header', qcow2(more=extension(0x0537BE77, bytes(16)))
    yield '65 bitmaps', qcow2(more=_bitmaps(65, 2**10))
    yield 'bitmaps of 1 MiB', qcow2(more=_bitmaps(1, MIB))
    unknown = struct.pack('>II', 0x12345678, 2**17)
    yield 'extension of two clusters', qcow2(more=unknown)
    yield 'names behind 64 KiB', qcow2(bits=21, l1_offset=2**21, more=unknown)
    yield 'AES', qcow2(method=1)
    yield 'LUKS', qcow2(method=2)
    yield 'marked as corrupt', qcow2(features=2)
    yield 'unknown feature', qcow2(features=1 << 40)
    yield 'unknown version', qcow2(version=7)
    yield 'version 1', b'QFI\xfb\0\0\0\1' + bytes(MIB)
    yield 'clusters of one byte', qcow2(bits=0)
    yield 'clusters of 2 GiB', qcow2(bits=31)
    yield 'L1 of 64 MiB', qcow2(l1_entries=2**23)
    yield 'L1 of 32 GiB', qcow2(l1_entries=2**32 - 1)
    yield 'L1 that is too short', qcow2(virtual_bytes=2**60)
    yield 'L1 behind the end', qcow2(l1_offset=2**40)
    yield 'L1 that is not aligned', qcow2(l1_offset=2**16 + 1)
    yield 'negative size', qcow2(virtual_bytes=2**64 - 1)
    yield 'refcounts without end', qcow2(refcount_clusters=2**32 - 1)
    yield 'snapshots without end', qcow2(snapshots=2**32 - 1)
    yield 'header without end', qcow2(header_bytes=2**32 - 1)
    l2 = struct.pack('>Q', 2**50)
    yield 'L2 behind the end', qcow2(pieces=[(2**16, l2)])
    data = struct.pack('>Q', 3 * 2**16) + struct.pack('>Q', 2**50)
    yield (
        'data behind the end',
        qcow2(pieces=[(2**16, data[:8]), (3 * 2**16, data[8:])]),
    )
    yield 'a header alone', qcow2()[:104]


def _vmdk_images(path):
    yield from vmdk_images.file_readers(path)
    plain = vmdk_images.PLAIN_DESCRIPTOR
    for name, text in (
        ('the words of a full pool', 'No space left on device'),
        ('codes of a terminal', '\x1b[31m\x1b]0;owned\x07'),
        ('line breaks', 'x\nqemu-img: error while writing at byte 0: x'),
    ):
        flat = plain.replace('monolithicSparse', text)
        yield f'createType with {name}', vmdk_images.sparse(flat)
        yield (
            f'createType with {name}, of capacity 0',
            vmdk_images.sparse(flat, capacity=0),
        )
    yield (
        'a million lines',
        b'# Disk DescriptorFile\ncreateType="vmfs"\n'.ljust(MIB, b'\n'),
    )
    for name, protocol in (
        ('NBD', 'nbd:127.0.0.1:1'),
        ('HTTP', 'http://[::1]/'),
    ):
        line = f'RW 4 FLAT "{protocol}" 0'
        yield (
            f'an extent by {name}',
            vmdk_images.sparse(vmdk_images.descriptor(line), capacity=0),
        )
    yield 'tables without end', vmdk_images.sparse(capacity=2**53)
    yield 'tables of one entry', vmdk_images.sparse(entries=1)


def _vhd(kind=3):
    footer = struct.pack(
        '>8sIIQI4sI4sQQIII', b'conectix', 2, 0x10000, 512, 0, b'qemu', 0,
        b'Wi2k', MIB, MIB, 0x00100404, kind, 0,
    )  # fmt: skip
    return footer.ljust(MIB, b'\0')


def _vdi(kind=1, blocks=1, virtual_bytes=MIB, block_bytes=MIB):
    content = bytearray(MIB)
    struct.pack_into('<IIII', content, 0x40, 0xBEDA107F, 0x10001, 400, kind)
    struct.pack_into('<II', content, 0x154, 512, 1024)
    struct.pack_into('<Q', content, 0x170, virtual_bytes)
    struct.pack_into('<III', content, 0x178, block_bytes, 0, blocks)
    return bytes(content)


def _ploop(sectors=2048, entries=1, virtual_sectors=2048):
    head = struct.pack(
        '<16sIIIIIQ', b'WithouFreSpacExt', 2, 16, 1, sectors, entries,
        virtual_sectors,
    )  # fmt: skip
    return head.ljust(MIB, b'\0')


def _other_images(path):
    qed = struct.pack('<4sIIIQQQQQ', b'QED\0', 65536, 4, 1, 1, 0, 0, 0, MIB)
    yield 'qed', 'with a backing file', qed.ljust(MIB, b'\0')
    yield 'vhd', 'that is a difference', _vhd(kind=4)
    yield 'vhd', 'of no known type', _vhd(kind=99)
    yield 'vhdx', 'that is a header alone', b'vhdxfile'.ljust(MIB, b'\0')
    yield 'vdi', 'that is a difference', _vdi(kind=4)
    yield 'vdi', 'with blocks of one byte', _vdi(block_bytes=1)
    yield 'vdi', 'with blocks of no bytes', _vdi(block_bytes=0)
    yield 'vdi', 'larger than its table', _vdi(virtual_bytes=2**60)
    yield 'vdi', 'with a table behind its end', _vdi(2, 2**20, 2**40)
    yield 'ploop', 'with clusters of no bytes', _ploop(sectors=0)
    yield 'ploop', 'with a table without end', _ploop(entries=2**32 - 1)
    yield 'ploop', 'larger than its table', _ploop(virtual_sectors=2**50)
    text = b'a' * 520 + b'\x80' + bytes(MIB)
    for disk_format in ('qcow2', 'vmdk', 'vhd', 'vhdx', 'vdi', 'qed', 'ploop'):
        yield disk_format, 'that is text and one byte', text
        yield disk_format, 'of zeros', bytes(MIB)
    yield 'vmdk', 'that is a qcow2', qcow2()
    yield 'qcow2', 'that is a vmdk', vmdk_images.sparse()
    yield 'vhd', 'that is a qcow2 too', qcow2() + _vhd()[:512]


def images(path='/etc/passwd'):
    """:param path: of a file that they want to be read."""
    found = {}
    for name, content in _qcow2_images(path):
        found[f'qcow2: {name}'] = 'qcow2', content
    for name, content in _vmdk_images(path):
        found[f'vmdk: {name}'] = 'vmdk', content
    for disk_format, name, content in _other_images(path):
        found[f'{disk_format} {name}'] = disk_format, content
    return found
