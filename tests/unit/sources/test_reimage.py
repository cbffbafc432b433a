# SPDX-License-Identifier: Apache-2.0
"""Over a volume that holds old bytes."""

import dataclasses

import pytest

from cinder_cow import errors
from cinder_cow import overwrite as overwriting
from cinder_cow.model import Method, Stream, Target
from tests.fakes.request import asked, nothing, overwrite
from tests.fakes.source import LETTER_BYTES, MemorySource, thread_pool
from tests.unit.sources.filling import (
    AWAY,
    BARE,
    CONTENT,
    HASHED,
    NAME,
    QCOW2,
    RANDOM,
    ROOM,
    SIZE,
    STALLED,
    TARGET,
    WHOLE,
    WRONG,
    RecordingBackend,
    Verifier,
    sized,
)


@pytest.fixture
def old():
    backend = RecordingBackend()
    backend.volumes[NAME] = bytearray(b'o' * ROOM)
    yield backend
    assert thread_pool() == []


def reimage(backend, *sources, image=HASHED, **more):
    return overwrite(image, TARGET, backend, nothing, sources, **more)


def test_reimage_leaves_no_old_byte(old):
    result = reimage(old, MemorySource(CONTENT))

    assert old.volumes == {NAME: WHOLE}
    assert (result.method, result.reason) == (Method.STREAM, 'reimage')


def test_reimage_leaves_no_old_byte_in_holes_and_behind_them(old):
    reading, image = sized('-')
    target = Target('v-1', NAME, 2 * LETTER_BYTES)
    old.volumes[NAME] = bytearray(b'o' * target.size_bytes)

    overwrite(image, target, old, nothing, [MemorySource(reading)])

    assert old.volumes == {NAME: bytes(target.size_bytes)}


def test_reimage_by_exactly_the_volumes_bytes(old):
    target = dataclasses.replace(TARGET, size_bytes=SIZE)
    old.volumes[NAME] = bytearray(b'o' * SIZE)

    overwrite(HASHED, target, old, nothing, [MemorySource(CONTENT)])

    assert old.volumes == {NAME: CONTENT}


def test_reimage_by_exactly_the_volumes_extents(old):
    reading, image = sized('D-')
    target = Target('v-1', NAME, reading.size_bytes)
    old.volumes[NAME] = bytearray(b'o' * target.size_bytes)

    overwrite(image, target, old, nothing, [MemorySource(reading)])

    assert old.volumes == {NAME: reading.content}


def test_reimage_has_a_slot_meanwhile(old):
    request, parts = asked(
        HASHED, TARGET, old, nothing, [MemorySource(CONTENT)]
    )
    running = []
    reopen = old.reopen

    def reopened(name):
        running.append(parts.image_copier._limiter.running)
        return reopen(name)

    old.reopen = reopened

    overwriting.run(Stream(TARGET.size_bytes, ()), request, parts)

    assert running == [1]


def test_reimage_that_is_tried_again_leaves_no_byte_of_the_first(old):
    noise = RANDOM.randbytes(SIZE)

    reimage(old, MemorySource(noise, CONTENT))

    assert old.volumes == {NAME: WHOLE}


@pytest.mark.parametrize(
    ('content', 'image', 'error'),
    [
        (QCOW2, BARE, errors.ImageUnacceptable),
        (AWAY, BARE, errors.SourceUnreachable),
        (
            CONTENT,
            dataclasses.replace(BARE, size_bytes=ROOM + 1),
            errors.ImageTooBig,
        ),
    ],
    ids=['qcow2', 'away', 'too big'],
)
def test_reimage_that_is_refused_leaves_the_old_bytes(
    old, content, image, error
):
    with pytest.raises(error):
        reimage(old, MemorySource(content), image=image)
    assert old.volumes == {NAME: b'o' * ROOM}


def test_reimage_that_does_not_fit_names_the_image_and_both_sizes(old):
    image = dataclasses.replace(BARE, size_bytes=ROOM + 1)

    with pytest.raises(errors.ImageTooBig) as caught:
        reimage(old, MemorySource(CONTENT), image=image)

    assert vars(caught.value) == {
        'image_id': image.image_id,
        'image_bytes': ROOM + 1,
        'volume_bytes': ROOM,
    }


@pytest.mark.parametrize('signed', [True, False])
def test_reimage_is_finished_with_its_signature(old, signed):
    told = []

    overwrite(
        HASHED,
        TARGET,
        old,
        told.append,
        [MemorySource(CONTENT)],
        verifier=Verifier if signed else None,
    )

    assert told == [signed]


@pytest.mark.parametrize('content', [WRONG, (CONTENT[:9999], STALLED)])
def test_reimage_that_fails_keeps_the_volume(old, content):
    with pytest.raises(errors.SourceError):
        reimage(old, MemorySource(content))
    assert len(old.volumes[NAME]) == ROOM
