# SPDX-License-Identifier: Apache-2.0
"""What is expected of a copy, beside what the copy then does."""

import dataclasses

import pytest

from cinder_cow import errors
from cinder_cow.transfer import copier
from cinder_cow.transfer.limiter import CopyLimiter
from cinder_cow.transfer.model import CopyRequest, CopySettings
from tests.fakes.source import LETTER_BYTES, MemorySource
from tests.unit.sources.filling import (
    AWAY,
    BARE,
    CONTENT,
    HASHED,
    ROOM,
    SIZE,
    SUMMED,
    TARGET,
    RecordingBackend,
    fill,
    sized,
)


def expected(image, source, most_bytes=ROOM, verifier=None, **settings):
    image_copier = copier.ImageCopier(
        CopySettings(**settings), [source], CopyLimiter(1)
    )
    request = CopyRequest(glance=None, verifier=verifier)
    found = image_copier.expected(image, request, most_bytes)
    assert all(each.closed for each in source.readings)
    return found


@pytest.mark.parametrize('image', [HASHED, SUMMED, BARE])
def test_source_and_verification_are_those_of_the_copy(image):
    found = expected(image, MemorySource(CONTENT))

    done = fill(RecordingBackend(), MemorySource(CONTENT), image=image)
    assert (found.source, found.verification) == (
        done.source,
        done.verification,
    )
    assert found.bytes_copied == SIZE


@pytest.mark.parametrize('pattern', ['DD-', 'D---'])
def test_holes_are_not_read_and_may_be_too_many_to_hash(pattern):
    reading, image = sized(pattern)

    found = expected(image, MemorySource(reading), reading.size_bytes)

    done = fill(
        RecordingBackend(),
        MemorySource(sized(pattern)[0]),
        image=image,
        target=dataclasses.replace(TARGET, size_bytes=reading.size_bytes),
    )
    assert found.verification is done.verification
    assert found.bytes_copied == pattern.count('D') * LETTER_BYTES
    assert reading.reads == []


def test_signature_is_expected_and_no_verifier_is_made():
    def verifier():
        raise AssertionError('nothing is copied')

    assert expected(
        HASHED, MemorySource(CONTENT), verifier=verifier
    ).signature_verified


def test_source_is_asked_as_the_user_of_the_request():
    source = MemorySource(CONTENT)
    asked, open_ = [], source.open

    def opened(image, glance):
        asked.append(glance)
        return open_(image, glance)

    source.open = opened
    image_copier = copier.ImageCopier(CopySettings(), [source], CopyLimiter(1))

    image_copier.expected(HASHED, CopyRequest('user'), ROOM)

    assert asked == ['user']


def test_what_would_end_the_copy_is_raised():
    reading, image = sized('DD')
    with pytest.raises(errors.ImageTooBig):
        expected(image, MemorySource(reading), most_bytes=1)
    with pytest.raises(errors.SourceUnreachable):
        expected(HASHED, MemorySource(AWAY))
    with pytest.raises(errors.SourceUnreachable, match='any of cow_sources'):
        expected(HASHED, MemorySource([]))
    with pytest.raises(errors.ImageUnacceptable, match='cow_require_hash'):
        expected(BARE, MemorySource(CONTENT), require_hash=True)
    longer = dataclasses.replace(image, size_bytes=image.size_bytes + 1)
    with pytest.raises(errors.SourceDamaged):
        expected(longer, MemorySource(sized('DD')[0]), 2**30)
