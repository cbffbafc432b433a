# SPDX-License-Identifier: Apache-2.0
"""Made-up images, descriptors, answers and messages of QEMU.

Only an ImageUnacceptable comes out, within bounds. The profile `long` of
hypothesis, by `pytest --hypothesis-profile=long`, tries far more of them.
"""

import json
import re
import struct

from hypothesis import given
from hypothesis import strategies as st

from cinder_cow import errors
from cinder_cow.backends.base_store import BlockDevice
from cinder_cow.conversion import (
    detection,
    header_check,
    qemu_errors,
    qemu_info,
    vmdk,
)
from cinder_cow.conversion.unsafe import UnsafeImage
from cinder_cow.model import ImageInfo
from tests.corpus import hostile, vmdk_images
from tests.corpus.content import Content

MIB = 2**20
FORMATS = ['qcow2', 'vmdk', 'vhd', 'vhdx', 'vdi', 'qed', 'ploop', 'raw']
#: To begin with: they are of the right format, and most of them pass.
SEEDS = {
    'qcow2': hostile.qcow2(),
    'vmdk': vmdk_images.sparse(),
    'vhd': hostile._vhd(),
    'vhdx': b'vhdxfile'.ljust(MIB, b'\0'),
    'vdi': hostile._vdi(),
    'qed': b'QED\0'.ljust(MIB, b'\0'),
    'ploop': hostile._ploop(),
    'raw': bytes(MIB),
}
EDGES = [0, 1, 2**9, 2**16, 2**20, 2**31, 2**32 - 1, 2**40, 2**63, 2**64 - 1]
#: A field that is replaced: where, and by what.
fields = st.tuples(
    st.one_of(st.integers(0, 512), st.integers(0, MIB - 8)),
    st.one_of(
        st.binary(min_size=1, max_size=16),
        st.sampled_from(EDGES).map(lambda each: struct.pack('<Q', each)),
        st.sampled_from(EDGES).map(lambda each: struct.pack('>Q', each)),
        st.integers(0, 2**32 - 1).map(lambda each: struct.pack('>I', each)),
        st.integers(0, 2**32 - 1).map(lambda each: struct.pack('<I', each)),
    ),
)


def checked(disk_format, content, **more):
    """Anything but a refusal in plain words is the test's failure."""
    image = ImageInfo('image-1', 'active', disk_format, 'bare')
    said = ''
    try:
        header_check.require_safe(image, content, **more)
    except errors.ImageUnacceptable as exc:
        said = str(exc)
    except errors.ImageTooBig:
        assert more
    assert said.isprintable()
    assert len(said) < 4096


@given(
    st.sampled_from(FORMATS),
    st.lists(fields, max_size=8),
    st.one_of(st.none(), st.integers(0, MIB)),
)
def test_spoilt_headers_and_tables(disk_format, changes, cut):
    content = bytearray(SEEDS[disk_format])
    for offset, data in changes:
        content[offset : offset + len(data)] = data
    opened = Content(content[:cut])
    checked(disk_format, opened)
    assert opened.read_bytes < 300 * MIB
    checked(disk_format, Content(content[:cut]), volume_bytes=MIB)


@given(st.sampled_from(FORMATS), st.binary(max_size=4096))
def test_bytes_of_no_format(disk_format, head):
    assert isinstance(detection.containers(head), frozenset)
    checked(disk_format, Content(head.ljust(8192, b'\0')))


@given(
    st.sampled_from(FORMATS), st.binary(max_size=2048), st.integers(0, 2**50)
)
def test_bytes_behind_a_magic_number(disk_format, tail, size_bytes):
    head = SEEDS[disk_format][:16] + tail
    checked(disk_format, Content(head, max(len(head), size_bytes)))


white = st.sampled_from([' ', '\t', '  ', '\v', '\f', '\r', '\n', '\u00a0'])
lines = st.one_of(
    st.sampled_from(
        [
            'version=1',
            'CID=fffffffe',
            'parentCID=ffffffff',
            'createType="monolithicSparse"',
            'createType="streamOptimized"',
            'createType="monolithicFlat"',
            'createtype="monolithicSparse"',
            '# createType: monolithicFlat"',
            '# a comment',
            '',
            'RW 2048 SPARSE "image.vmdk"',
            'ddb.adapterType = "ide"',
            'parentFileNameHint="/etc/passwd"',
        ]
    ),
    st.builds(
        '{1}{0}{2}{0}{3}{0}"{4}"{0}{5}'.format,
        white,
        st.sampled_from(['RW', 'rw', 'RDONLY', 'NOACCESS', 'Rw']),
        st.sampled_from(['0', '4', '2048', '-1', '0x4']),
        st.sampled_from(['SPARSE', 'FLAT', 'VMFS', 'VMFSSPARSE', 'ZERO']),
        st.sampled_from(['x', 'image.vmdk', '/etc/passwd', 'nbd:h:1', '..']),
        st.sampled_from(['', '0', '=', '0 =']),
    ),
    st.text(max_size=40),
)
#: What QEMU takes for an extent, as its sscanf does: any white space, and
#: line breaks too.
QEMU_EXTENT = re.compile(rb'(?:RW|RDONLY|NOACCESS)\s+\d+\s+[A-Z]+\s*"', re.I)


@given(
    st.lists(lines, max_size=12),
    st.sampled_from(['\n', '\r\n', '\r', '\n\n']),
    st.booleans(),
)
def test_descriptors_of_a_vmdk(found, line_break, complete):
    if complete:
        found = vmdk_images.PLAIN_DESCRIPTOR.splitlines()[1:] + found
    text = line_break.join(['# Disk DescriptorFile', *found, ''])
    content = vmdk_images.sparse(
        text.encode(errors='replace').decode('latin-1')
    )
    try:
        vmdk.check(Content(content))
    except UnsafeImage:
        return
    read = content[512 : 21 * 512].partition(b'\0')[0]
    assert read.lower().count(b'createtype') == 1
    assert b'parentfilenamehint' not in read.lower()
    extents = QEMU_EXTENT.findall(read)
    assert len(extents) == 1
    assert b' SPARSE "' in extents[0]


RBD = BlockDevice({'driver': 'rbd', 'pool': 'p', 'image': 'i'}, {})
NODE = '{"driver":"rbd","pool":"p","image":"i"}'
OURS = ['name', f'json:{NODE}', f'json:{{"driver":"qcow2","file":{NODE}}}']
keys = st.sampled_from(
    [
        'filename',
        'format',
        'virtual-size',
        'backing-filename',
        'data-file',
        'children',
        'format-specific',
        'data',
        'extents',
        'create-type',
        'info',
    ]
)
answers = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.text(max_size=8),
        st.sampled_from([*OURS, '/etc/passwd', 'qcow2', 'vmdk', 'json:{}']),
        st.sampled_from(['monolithicSparse', 'json:[', f'json:[{NODE}]']),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(keys, inner, max_size=4)
    ),
    max_leaves=12,
)


def filenames(found):
    """Of any depth."""
    match found:
        case dict():
            for key, value in found.items():
                if key == 'filename':
                    yield value
                yield from filenames(value)
        case list():
            for each in found:
                yield from filenames(each)


@given(answers, st.sampled_from(['qcow2', 'vmdk']), st.booleans())
def test_answers_of_qemu(found, driver, complete):
    if complete and isinstance(found, dict):
        data = {'create-type': 'monolithicSparse', 'extents': [{}]}
        found = {
            'format-specific': {'data': data},
            **found,
            'format': driver,
            'virtual-size': 5,
        }
    try:
        size = qemu_info.virtual_size(
            json.dumps(found), driver, 'name', RBD, vmdk.ONE_FILE_TYPES
        )
    except UnsafeImage:
        return
    assert size == found['virtual-size']
    assert found['format'] == driver
    assert all(each in OURS for each in filenames(found))


@given(st.text(max_size=200))
def test_output_of_qemu(output):
    try:
        qemu_info.virtual_size(output, 'qcow2', 'name', RBD, ())
    except UnsafeImage:
        return
    raise AssertionError(output)


RUN = qemu_errors.Run(
    ImageInfo('image-1', 'active', 'vmdk', 'bare'),
    'convert', 'json:{"s":1}', 'json:{"t":1}', 9, 9, 2**30,
)  # fmt: skip
FRAMES = ["Unsupported image type '{}'", 'Invalid extent line: {}']
words = st.lists(
    st.one_of(
        st.text(max_size=20),
        st.sampled_from(
            [
                '\n',
                'qemu-img: ',
                'error while writing at byte 0: ',
                'error connecting: ',
                'No space left on device',
                'Cannot allocate memory',
                'Could not open \'json:{"t":1}\': ',
                "Unknown driver 'rbd'",
                ': ',
            ]
        ),
    ),
    max_size=6,
).map(''.join)


@given(st.sampled_from(FRAMES), words)
def test_text_of_the_image_in_qemus_messages(frame, text):
    said = frame.replace('{}', text)
    found = qemu_errors.failure(
        RUN, 1, f'qemu-img: Could not open \'json:{{"s":1}}\': {said}\n'
    )
    assert type(found) is errors.ImageUnacceptable
    assert str(found).isprintable()


@given(words, st.integers(-64, 255))
def test_messages_of_qemu(text, code):
    found = qemu_errors.failure(RUN, code, text)
    assert isinstance(found, errors.CowError)
    assert str(found).isprintable()
