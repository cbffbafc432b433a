# SPDX-License-Identifier: Apache-2.0
import dataclasses
import hashlib
import struct

import pytest

from cinder_cow import errors
from cinder_cow.model import ImageInfo, Verification
from cinder_cow.transfer.verification import ContentChecks

CONTENT = b'D0D-' * 1000
IMAGE = ImageInfo('i-1', 'active', 'raw', 'bare', len(CONTENT))
MD5 = hashlib.md5(CONTENT).hexdigest()

#: All that hashlib has a digest of, as Glance takes any name it knows.
ALGORITHMS = sorted(
    name
    for name in hashlib.algorithms_available
    if hashlib.new(name).digest_size
)


def qcow2(version=3, backing=b'', length=4096):
    head = struct.pack('>4sIQIIQ', b'QFI\xfb', version, 0, 0, 16, 2**30)
    if backing:
        head = struct.pack(
            '>4sIQIIQ', b'QFI\xfb', version, 512, len(backing), 16, 2**30
        )
    return (head.ljust(512, b'\0') + backing).ljust(length, b'\0')


VMDK_TEXT = b"""\
# Disk DescriptorFile
version=1
createType="monolithicFlat"
RW 20480 FLAT "/etc/passwd" 0
"""


def vmdk():
    head = struct.pack(
        '<4sIIQQQQIQQ', b'KDMV', 1, 3, 2**21, 128, 1, 20, 512, 21, 26
    )
    return (head.ljust(512, b'\0') + VMDK_TEXT).ljust(2**16, b'\0')


def vdi():
    return (bytes(0x40) + struct.pack('<I', 0xBEDA107F)).ljust(4096, b'\0')


def mbr(kind):
    """A protective MBR of a GPT, or one with a partition of Linux."""
    entry = struct.pack('<B3sB3sII', 0, b'\0\2\0', kind, b'', 1, 2**16)
    return (bytes(446) + entry + bytes(48) + b'\x55\xaa').ljust(65536, b'\0')


def iso():
    return bytes(2**15) + b'\1CD001\1'.ljust(2**15, b'\0')


CONTAINERS = {
    'qcow2': qcow2(),
    'qcow2 of version 2': qcow2(2),
    'qcow2 with a backing file': qcow2(backing=b'/etc/passwd'),
    'vmdk': vmdk(),
    'vmdk described by text': VMDK_TEXT.ljust(600, b'\n'),
    'short vmdk described by text': VMDK_TEXT,
    'vhdx': b'vhdxfile'.ljust(2**18, b'\0'),
    'vhd': b'conectix'.ljust(4096, b'\0'),
    'vdi': vdi(),
    'qed': b'QED\0'.ljust(4096, b'\0'),
    'qcow2 hidden in a disk': qcow2()[:446] + mbr(0x83)[446:],
}
DISKS = {
    'empty': b'',
    'one byte': b'Q',
    'short': b'QFI',
    'zeros': bytes(2**18),
    'text': CONTENT,
    'gpt': mbr(0xEE),
    'mbr': mbr(0x83),
    'iso': iso(),
    'bootable iso': mbr(0x83)[:512] + iso()[512:],
    'luks': b'LUKS\xba\xbe\0\2'.ljust(2**16, b'\0'),
    'qcow2 not at its beginning': bytes(512) + qcow2(),
}


def checks(require_hash=False, hashed=True, verifier=None, **changes):
    image = dataclasses.replace(IMAGE, **changes)
    return ContentChecks(image, 'memory', verifier, hashed, require_hash)


def concluded(held, content=CONTENT):
    for digest in held.digests:
        digest.update(content[:17])
        digest.update(content[17:])
    held.conclude()


@pytest.mark.parametrize('disk_format', ['raw', 'qcow2'])
def test_a_parser_that_fails_does_not_fail_the_copy(disk_format):
    # It made oslo.utils' inspector of vmdk raise AttributeError.
    head = b'a' * 520 + b'\x80' + bytes(2**16)
    image = dataclasses.replace(IMAGE, disk_format=disk_format)
    ContentChecks(image, 'glance', None, True, False).inspect(head)


@pytest.mark.parametrize('head', CONTAINERS.values(), ids=CONTAINERS)
def test_head_of_a_container_is_refused(head):
    with pytest.raises(errors.ImageUnacceptable, match='is declared raw'):
        checks().inspect(head)


def test_refusal_names_what_it_is():
    with pytest.raises(errors.ImageUnacceptable) as caught:
        checks(disk_format='iso').inspect(qcow2())
    assert 'declared iso, and its content is qcow2.' in str(caught.value)
    assert caught.value.image_id == 'i-1'


@pytest.mark.parametrize('head', DISKS.values(), ids=DISKS)
def test_head_of_a_disk_is_accepted(head):
    checks().inspect(head)


@pytest.mark.parametrize('spelled', [str.lower, str.upper])
@pytest.mark.parametrize('algo', ALGORITHMS)
def test_any_hash_that_glance_names_is_checked(algo, spelled):
    value = spelled(hashlib.new(algo, CONTENT).hexdigest())
    held = checks(hash_algo=algo, hash_value=value, checksum='ignored')

    concluded(held)
    assert held.verification is Verification.HASH


def test_algorithm_may_be_spelled_as_openssl_spells_it():
    value = hashlib.sha512(CONTENT).hexdigest()
    held = checks(hash_algo='SHA512', hash_value=value)

    concluded(held)
    assert held.verification is Verification.HASH


@pytest.mark.parametrize('algo', ALGORITHMS)
def test_one_wrong_byte_is_damage(algo):
    value = hashlib.new(algo, CONTENT).hexdigest()
    held = checks(hash_algo=algo, hash_value=value)

    with pytest.raises(errors.SourceDamaged, match=f'Glance records {value}'):
        concluded(held, CONTENT[:-1] + b'?')


@pytest.mark.parametrize('algo', ['crc32', 'shake_128', '', None])
def test_unusable_algorithm_falls_back_to_the_checksum(algo):
    held = checks(hash_algo=algo, hash_value='00', checksum=MD5.upper())

    concluded(held)
    assert held.verification is Verification.CHECKSUM


def test_algorithm_without_a_value_falls_back_to_the_checksum():
    held = checks(hash_algo='sha512', hash_value=None, checksum=MD5)

    concluded(held)
    assert held.verification is Verification.CHECKSUM


def test_wrong_checksum_is_damage():
    held = checks(checksum=MD5)

    with pytest.raises(errors.SourceDamaged, match='its md5 is '):
        concluded(held, CONTENT + b'?')


def test_without_a_hash_nothing_is_verified_and_that_is_said():
    held = checks()

    assert held.digests == []
    concluded(held)
    assert held.verification is Verification.ABSENT


def test_hash_is_not_made_where_it_is_not_worth_it():
    held = checks(hashed=False, checksum=MD5)

    assert held.digests == []
    assert held.verification is Verification.ABSENT


def test_required_hash_is_made_whatever_it_costs():
    held = checks(require_hash=True, hashed=False, checksum=MD5)

    concluded(held)
    assert held.verification is Verification.CHECKSUM


@pytest.mark.parametrize('algo', [None, 'crc32'])
def test_image_without_a_usable_hash_is_refused_where_one_is_required(algo):
    with pytest.raises(errors.ImageUnacceptable, match='cow_require_hash'):
        checks(require_hash=True, hash_algo=algo, hash_value='00')


class Refusing:
    def __init__(self):
        self.seen = b''

    def update(self, data):
        self.seen += data

    def verify(self):
        raise ValueError('secret of the library')


def test_signature_that_does_not_hold_is_named():
    verifier = Refusing()

    with pytest.raises(errors.SignatureInvalid, match='i-1.*ValueError'):
        concluded(checks(verifier=verifier))
    assert verifier.seen == CONTENT


def test_damage_is_told_before_the_signature():
    held = checks(verifier=Refusing(), checksum=MD5)

    with pytest.raises(errors.SourceDamaged):
        concluded(held, CONTENT + b'?')
