# SPDX-License-Identifier: Apache-2.0
"""The library's parsers fail in many ways; none of them gets out."""

import pytest

from cinder_cow import errors
from cinder_cow.conversion import detection, header_check
from cinder_cow.conversion.unsafe import UnsafeImage
from cinder_cow.model import ImageInfo
from tests.corpus.content import Content

#: What made oslo.utils' vmdk inspector raise AttributeError.
ASCII_AND_ONE_BYTE = b'a' * 520 + b'\x80' + bytes(2**16)
FORMATS = ['qcow2', 'vmdk', 'vhd', 'vhdx', 'vdi', 'qed', 'ploop', 'raw', 'x']


def test_text_with_one_byte_of_something_else_is_of_no_format():
    assert detection.containers(ASCII_AND_ONE_BYTE) == frozenset()


@pytest.mark.parametrize('disk_format', FORMATS)
def test_that_text_is_no_image_of_any_format(disk_format):
    image = ImageInfo('image-1', 'active', disk_format, 'bare')
    with pytest.raises(errors.ImageUnacceptable):
        header_check.require_safe(image, Content(ASCII_AND_ONE_BYTE))


@pytest.mark.parametrize('name', sorted(detection.CONTAINERS))
def test_the_second_opinion_fails_only_as_unsafe(name):
    for content in (ASCII_AND_ONE_BYTE, b'', b'KDMV', b'vhdxfile', b'\xff'):
        with pytest.raises(UnsafeImage):
            detection.require_safe(name, Content(content, size_bytes=2**16))


@pytest.mark.parametrize(
    ('head', 'found'),
    [
        (b'QFI\xfb', 'qcow2'),
        (b'QED\0', 'qed'),
        (b'KDMV', 'vmdk'),
        (b'conectix', 'vhd'),
        (b'vhdxfile', 'vhdx'),
        (bytes(64) + b'\x7f\x10\xda\xbe', 'vdi'),
        (b'WithoutFreeSpace', 'ploop'),
        (b'WithouFreSpacExt', 'ploop'),
    ],
)
def test_a_format_is_known_by_its_first_bytes_alone(head, found):
    assert detection.containers(head) == {found}


def test_a_descriptor_of_text_alone_is_a_vmdk():
    text = b'# Disk DescriptorFile\ncreateType="monolithicFlat"\n'
    assert detection.containers(text.ljust(2**20, b'\n')) == {'vmdk'}
