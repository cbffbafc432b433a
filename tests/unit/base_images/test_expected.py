# SPDX-License-Identifier: Apache-2.0
"""What is expected of a build. What builds do is in test_builder.py."""

import dataclasses

import pytest

from cinder_cow import errors
from cinder_cow.base_images import builder
from cinder_cow.model import Verification
from cinder_cow.transfer import copier
from cinder_cow.transfer.limiter import CopyLimiter
from cinder_cow.transfer.model import CopyRequest, CopySettings
from tests.fakes.source import LETTER_BYTES, MemorySource
from tests.unit.sources.filling import sized

SHARED = f'cow-base-qcow2-sha512-{"ab" * 64}'
OWN = 'cow-base-qcow2-image-x'


@pytest.fixture
def raw(image):
    return dataclasses.replace(image, hash_algo='sha512', hash_value='ab' * 64)


@pytest.fixture
def qcow2(raw):
    return dataclasses.replace(raw, disk_format='qcow2')


def expected(image, name=OWN, in_place=False, verifier=None, **settings):
    image_copier = copier.ImageCopier(
        CopySettings(), [MemorySource(b'content')], CopyLimiter(1)
    )
    base_builder = builder.BaseBuilder(
        builder.BuildSettings(**settings), None, image_copier, None
    )
    request = CopyRequest(glance=None, verifier=verifier)
    found = base_builder.expected(name, image, request, in_place)
    assert found.bytes_copied == image.size_bytes
    return found.source, found.verification, found.signature_verified


@pytest.mark.parametrize('in_place', [True, False])
def test_raw_image_is_copied_from_its_source(raw, in_place):
    found = expected(raw, in_place=in_place)

    assert found == ('memory', Verification.HASH, False)


def test_extents_are_read_as_far_as_there_is_data():
    reading, image = sized('DD-')
    image_copier = copier.ImageCopier(
        CopySettings(), [MemorySource(reading)], CopyLimiter(1)
    )
    base_builder = builder.BaseBuilder(
        builder.BuildSettings(), None, image_copier, None
    )

    found = base_builder.expected(OWN, image, CopyRequest(None), False)

    assert found.bytes_copied == 2 * LETTER_BYTES


def test_foreign_image_is_copied_from_its_source(qcow2):
    assert expected(qcow2) == ('memory', Verification.HASH, False)


def test_image_in_this_cluster_is_read_where_it_lies(qcow2):
    found = expected(qcow2, in_place=True)

    assert found == ('rbd', Verification.ABSENT, False)


def test_it_is_hashed_where_the_base_is_shared_or_a_hash_required(qcow2):
    hashed = ('rbd', Verification.HASH, False)

    assert expected(qcow2, SHARED, in_place=True) == hashed
    assert expected(qcow2, in_place=True, require_hash=True) == hashed


def test_it_is_read_for_its_signature(qcow2):
    found = expected(qcow2, in_place=True, verifier=lambda: None)

    assert found == ('rbd', Verification.HASH, True)


@pytest.mark.parametrize('in_place', [True, False])
def test_image_without_the_hash_that_its_base_needs_ends(qcow2, in_place):
    bare = dataclasses.replace(qcow2, hash_value=None, checksum=None)

    with pytest.raises(errors.ImageUnacceptable, match='no hash'):
        expected(bare, SHARED, in_place)
