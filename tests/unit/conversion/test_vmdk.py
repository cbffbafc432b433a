# SPDX-License-Identifier: Apache-2.0
"""The first wall alone: what QEMU would open a file for never reaches it."""

import struct

import pytest

from cinder_cow.conversion import vmdk
from cinder_cow.conversion.unsafe import UnsafeImage
from tests.corpus import vmdk_images
from tests.corpus.content import Content
from tests.corpus.vmdk_images import PLAIN_DESCRIPTOR, SECTOR, sparse

READERS = dict(vmdk_images.file_readers('/etc/passwd'))

VMWARE = """# Disk DescriptorFile\r
version=1\r
encoding="windows-1252"\r
CID=7c3a2f11\r
parentCID=ffffffff\r
isNativeSnapshot="no"\r
createType="streamOptimized"\r
\r
# Extent description\r
RDONLY 2048 SPARSE "Windows 10 (caf\xe9).vmdk"\r
\r
# The Disk Data Base \r
#DDB\r
\r
ddb.longContentID = "d4b5c2f0a3e1f6a7b8c9d0e17c3a2f11"\r
ddb.uuid = "60 00 C2 9e 6e 2b 3b 8e-5f 1c 7d 2a 0b 9a 4c 3d"\r
ddb.thinProvisioned = "1"\r
ddb.toolsInstallType = "4"\r
"""
VIRTUALBOX = """# Disk DescriptorFile
version=1
CID=5a3bc03d
parentCID=ffffffff
createType="streamOptimized"

# Extent description
RW 2048 SPARSE "box-disk1.vmdk"

# The disk Data Base 
#DDB

ddb.virtualHWVersion = "4"
ddb.adapterType="ide"
ddb.geometry.cylinders="20"
ddb.uuid.image="7a1c3c52-2b5c-4f4e-9d3e-0d6b7f1e2a3b"
ddb.uuid.parent="00000000-0000-0000-0000-000000000000"
ddb.comment=""
"""  # noqa: W291  as VirtualBox writes it


def refusal(content, **more):
    with pytest.raises(UnsafeImage) as caught:
        vmdk.check(Content(content), **more)
    return str(caught.value)


@pytest.mark.parametrize('name', READERS)
def test_a_vmdk_that_names_a_file_is_refused(name):
    assert refusal(READERS[name])


@pytest.mark.parametrize(
    'text',
    [PLAIN_DESCRIPTOR, VMWARE, VIRTUALBOX],
    ids=['qemu', 'vmware', 'vb'],
)
def test_descriptors_of_the_usual_tools_pass(text):
    header = vmdk.check(Content(sparse(text)))
    assert header.virtual_bytes == 2048 * SECTOR


@pytest.mark.parametrize('capacity', [0, 2**54, 2**63, 2**64 - 1])
def test_a_capacity_that_makes_qemu_read_the_text_is_refused(capacity):
    assert 'capacity' in refusal(sparse(capacity=capacity))


@pytest.mark.parametrize(
    ('changes', 'words'),
    [
        ({'version': 0}, 'version'),
        ({'version': 4}, 'version'),
        ({'grain': 0}, 'grains'),
        ({'grain': 1}, 'grains'),
        ({'grain': 129}, 'grains'),
        ({'entries': 0}, 'grain tables'),
        ({'entries': 513}, 'grain tables'),
        ({'descriptor_sector': 2}, 'descriptor begins'),
        ({'descriptor_sectors': 0}, 'descriptor has 0'),
        ({'descriptor_sectors': 2**40}, 'descriptor has'),
    ],
)
def test_a_header_that_no_tool_writes_is_refused(changes, words):
    assert words in refusal(sparse(**changes))


LINE = 'RW 2048 SPARSE "image.vmdk"'


@pytest.mark.parametrize(
    'line',
    [
        '',
        f'{LINE}\n{LINE}',
        f'{LINE}\nRW 4 FLAT "/etc/passwd" 0',
        f'{LINE}\nRW 4 ZERO',
        'RW\t2048\tSPARSE\t"image.vmdk"',
        'RW  2048  SPARSE  "image.vmdk"',
        'RW 2048\nSPARSE "image.vmdk"',
        'RW 2048 SPARSE\n"image.vmdk"',
        'rw 2048 sparse "image.vmdk"',
        'RW 2048 FLAT "image.vmdk" 0',
        'RW 2048 VMFS "image.vmdk" 0',
        'RW 2048 SPARSE "/etc/passwd"',
        'RW 2048 SPARSE "..\\\\x"',
        'RW 2048 SPARSE "nbd:localhost:10809"',
        'RW 2048 SPARSE "json:{}"',
        'RW 2048 SPARSE "image.vmdk" 0 =',
        ' RW 2048 SPARSE "image.vmdk"',
        'RW 2048 SPARSE "ima\vge.vmdk"',
        'RW 2048 SPARSE image.vmdk',
    ],
)
def test_anything_but_one_plain_sparse_extent_is_refused(line):
    assert refusal(sparse(PLAIN_DESCRIPTOR.replace(LINE, line)))


TYPE = 'createType="monolithicSparse"'


@pytest.mark.parametrize(
    'line',
    [
        '',
        'createtype="monolithicSparse"',
        'CREATETYPE="monolithicSparse"',
        f'{TYPE}\n{TYPE}',
        f'# createType: monolithicFlat"\n{TYPE}',
        f'# CREATETYPE\n{TYPE}',
        f'ddb.x = "createType=x"\n{TYPE}',
        'createType="monolithicFlat"',
        'createType="monolithicsparse"',
        'createType="twoGbMaxExtentSparse"',
        'createType="vmfs"',
        'createType="custom"',
        'createType="monolithicSparse" x',
        'createType=monolithicSparse',
        'createType\t="monolithicSparse"',
        'createType="No space left on device"',
        'createType="\x1b[31m"',
        'createType="mono\nlithicSparse"',
    ],
)
def test_anything_but_one_known_create_type_is_refused(line):
    assert refusal(sparse(PLAIN_DESCRIPTOR.replace(TYPE, line)))


@pytest.mark.parametrize(
    'more',
    [
        'parentFileNameHint="x"',
        'PARENTFILENAMEHINT="x"',
        '# parentFileNameHint="x"',
        'parentCID=0',
        'no value',
        'a\tb="c"',
        '\x1b]0;title\x07',
        '\0RW 4 FLAT "/etc/passwd" 0',
        '=',
    ],
)
def test_a_line_that_is_not_expected_is_refused(more):
    assert refusal(sparse(f'{PLAIN_DESCRIPTOR}{more}\n'))


def with_first_line(line):
    return sparse(PLAIN_DESCRIPTOR.replace('# Disk DescriptorFile', line))


@pytest.mark.parametrize(
    'line',
    [
        '# Description file created by VMDK stream converter',
        '# Disk Descriptor File',
    ],
)
def test_the_first_line_is_any_comment(line):
    assert vmdk.check(Content(with_first_line(line)))


@pytest.mark.parametrize(
    'line', ['', 'version=1', '# \x1b[31m', '# createType="monolithicFlat"']
)
def test_another_first_line_is_refused(line):
    assert refusal(with_first_line(line))


@pytest.mark.parametrize(
    'line',
    [
        '  ddb.comment = "x"',
        '\tddb.comment\t=\t""',
        'ddb.uuid  =  "60 00"\t',
        'ddb.deletable="true"',
    ],
)
def test_entries_of_the_disk_data_base_may_be_indented(line):
    assert vmdk.check(Content(sparse(f'{PLAIN_DESCRIPTOR}{line}\n')))


@pytest.mark.parametrize(
    'line',
    [
        ' version=1',
        'version\t=1',
        '\tcreateType="monolithicFlat"',
        'ddb.x = "a\tb"',
        '\vddb.x = "a"',
        'ddb.x = "a" RW 4 FLAT "b"',
    ],
)
def test_other_entries_may_not_be_indented(line):
    assert refusal(sparse(f'{PLAIN_DESCRIPTOR}{line}\n'))


@pytest.mark.parametrize('name', ['win{1}.vmdk', 'a b.vmdk', '\xdcbung.vmdk'])
def test_an_extent_may_have_any_plain_name(name):
    content = sparse(PLAIN_DESCRIPTOR.replace('image.vmdk', name))
    assert vmdk.check(Content(content))


def test_operators_choice_of_types_is_obeyed():
    content = sparse()
    assert vmdk.check(Content(content), ('monolithicSparse',))
    said = refusal(content, allowed_types=('streamOptimized',))
    assert 'monolithicSparse is not in vmdk_allowed_types' in said
    assert refusal(content, allowed_types=())


def test_no_choice_of_types_lets_others_in():
    flat = PLAIN_DESCRIPTOR.replace('monolithicSparse', 'monolithicFlat')
    assert refusal(sparse(flat), allowed_types=('monolithicFlat',))


def streamed(**footer):
    head = sparse(directory=vmdk_images.AT_END)
    marker = struct.pack('<QII', 1, 0, 3).ljust(SECTOR, b'\0')
    return head + marker + sparse(**footer)[:SECTOR] + bytes(SECTOR)


def test_the_footer_says_where_the_tables_are():
    assert vmdk.check(Content(streamed(directory=33))).directory == 33


@pytest.mark.parametrize(
    'footer',
    [
        {'capacity': 0},
        {'capacity': 4096},
        {'grain': 64},
        {'entries': 1},
        {'directory': vmdk_images.AT_END},
        {'version': 9},
    ],
)
def test_a_footer_that_contradicts_the_header_is_refused(footer):
    assert refusal(streamed(**footer))


def test_a_missing_footer_is_refused():
    assert 'footer' in refusal(sparse(directory=vmdk_images.AT_END))
