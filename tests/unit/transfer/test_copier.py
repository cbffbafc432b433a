# SPDX-License-Identifier: Apache-2.0
"""From a source in memory into a volume in memory, by the real engine."""

import dataclasses

import pytest

from cinder_cow import errors
from cinder_cow.copying import Cancellation
from cinder_cow.transfer.copier import ImageCopier
from cinder_cow.transfer.limiter import CopyLimiter
from cinder_cow.transfer.model import CopyRequest, CopySettings
from tests.fakes.source import LETTER_BYTES, MemorySource, thread_pool
from tests.unit.conftest import IMAGE_ID
from tests.unit.sources.filling import (
    AWAY,
    BARE,
    BLOCK,
    BROKE,
    CONTENT,
    HASHED,
    NAME,
    QCOW2,
    RANDOM,
    ROOM,
    SIZE,
    STALLED,
    SUMMED,
    TARGET,
    WHOLE,
    WRONG,
    RecordingBackend,
    Verifier,
    fails,
    fill,
    sized,
)


@pytest.fixture
def backend():
    return RecordingBackend()


@pytest.fixture(autouse=True)
def _all_is_quiet(backend):
    """No thread of the engine is left, and no reading or writer open."""
    yield
    assert thread_pool() == []


@pytest.mark.parametrize('chunk_bytes', [17, 4095, BLOCK, BLOCK + 1, 2**20])
def test_volume_holds_the_image_and_zeros_behind_it(backend, chunk_bytes):
    result = fill(backend, MemorySource(CONTENT, chunk_bytes=chunk_bytes))

    assert backend.volumes == {NAME: WHOLE}
    assert (result.source, result.verification.value) == ('memory', 'hash')
    assert result.bytes_copied == 9 * BLOCK + 17
    assert backend.closed == 1


def test_image_may_fill_the_volume_to_its_last_byte(backend):
    exact = dataclasses.replace(TARGET, size_bytes=SIZE)

    fill(backend, MemorySource(CONTENT), target=exact)

    assert backend.volumes == {NAME: CONTENT}


def test_volume_holds_what_extents_hold(backend):
    reading, image = sized('-D-')
    target = dataclasses.replace(TARGET, size_bytes=4 * LETTER_BYTES)

    result = fill(backend, MemorySource(reading), image=image, target=target)

    assert backend.volumes == {NAME: reading.content + bytes(LETTER_BYTES)}
    assert result.bytes_copied == LETTER_BYTES


# Verification.


@pytest.mark.parametrize('retries', [0, 1, 2])
def test_wrong_hash_is_tried_again_so_often_and_never_handed_over(
    backend, retries
):
    source = MemorySource(WRONG)

    said = fails(errors.SourceDamaged, backend, source, retries=retries)
    assert f'image {IMAGE_ID} from memory' in said
    assert 'sha512' in said
    assert source.opened == 1 + retries


@pytest.mark.parametrize('image', [HASHED, SUMMED])
@pytest.mark.parametrize(
    'first',
    [WRONG, CONTENT[:-1], CONTENT + b'x', (CONTENT[:9999], BROKE), AWAY],
    ids=['wrong', 'short', 'long', 'broke', 'away'],
)
def test_second_try_that_is_right_succeeds(backend, caplog, first, image):
    source = MemorySource(first, CONTENT)

    fill(backend, source, image=image)

    assert backend.volumes == {NAME: WHOLE}
    assert source.opened == 2
    assert caplog.text.count('The copy is tried again.') == 1


def test_nothing_of_the_first_try_is_left(backend):
    noise = RANDOM.randbytes(SIZE)

    fill(backend, MemorySource(noise, CONTENT))

    assert backend.volumes == {NAME: WHOLE}


@pytest.mark.parametrize('content', [CONTENT[:-1], CONTENT + b'x', b''])
@pytest.mark.parametrize('image', [BARE, HASHED])
def test_other_size_is_damage_also_without_a_hash(backend, content, image):
    source = MemorySource(content)

    said = fails(errors.SourceDamaged, backend, source, image=image)
    assert str(SIZE) in said
    assert source.opened == 2


def test_extents_of_unknown_size_are_copied_whole(backend):
    """Nova's snapshots: librbd alone knows how large they are."""
    reading, image = sized('D-D-')
    image = dataclasses.replace(image, size_bytes=0, hash_algo=None)
    target = dataclasses.replace(TARGET, size_bytes=reading.size_bytes)

    fill(backend, MemorySource(reading), image=image, target=target)

    assert backend.volumes == {NAME: reading.content}


@pytest.mark.parametrize('letters', [3, 5])
def test_extents_of_another_size_are_damage_also_without_a_hash(
    backend, letters
):
    reading, image = sized('D---')
    image = dataclasses.replace(image, size_bytes=letters * LETTER_BYTES)
    target = dataclasses.replace(TARGET, size_bytes=8 * LETTER_BYTES)

    source = MemorySource(reading)
    said = fails(
        errors.SourceDamaged, backend, source, image=image, target=target
    )
    assert f'image {IMAGE_ID} from memory' in said
    assert backend.operations == []


def test_stalled_source_is_not_tried_again(backend):
    source = MemorySource((CONTENT[:9999], STALLED))

    fails(errors.SourceStalled, backend, source)
    assert source.opened == 1


def test_checksum_is_checked_where_there_is_no_hash(backend):
    result = fill(backend, MemorySource(CONTENT), image=SUMMED)

    assert result.verification.value == 'checksum'
    backend.volumes.clear()
    said = fails(
        errors.SourceDamaged, backend, MemorySource(WRONG), image=SUMMED
    )
    assert 'its md5 is ' in said


def test_without_a_hash_verification_is_absent(backend):
    result = fill(backend, MemorySource(WRONG), image=BARE)

    assert result.verification.value == 'absent'
    assert backend.volumes[NAME][:SIZE] == WRONG


def test_required_hash_that_is_missing_stops_before_the_volume(backend):
    backend.failing = {'open'}
    source = MemorySource(CONTENT)

    said = fails(
        errors.ImageUnacceptable,
        backend,
        source,
        image=BARE,
        require_hash=True,
    )
    assert 'cow_require_hash' in said
    assert source.opened == 1


@pytest.mark.parametrize(
    ('pattern', 'require_hash', 'verification'),
    [
        ('D-', False, 'hash'),
        ('D--', False, 'absent'),
        ('D--', True, 'hash'),
        ('---', False, 'absent'),
    ],
)
def test_holes_are_hashed_where_it_is_worth_it_or_required(
    backend, pattern, require_hash, verification
):
    reading, image = sized(pattern)
    target = dataclasses.replace(TARGET, size_bytes=reading.size_bytes)

    result = fill(
        backend,
        MemorySource(reading),
        image=image,
        target=target,
        require_hash=require_hash,
    )

    assert result.verification.value == verification
    assert backend.volumes == {NAME: reading.content}


def test_wrong_extents_are_found_by_the_hash(backend):
    reading, _ = sized('ED')
    _, image = sized('DD')
    target = dataclasses.replace(TARGET, size_bytes=reading.size_bytes)

    source = MemorySource(reading)
    fails(errors.SourceDamaged, backend, source, image=image, target=target)


# Size and format.


def test_unknown_size_is_what_comes(backend):
    unknown = dataclasses.replace(HASHED, size_bytes=0)

    fill(backend, MemorySource(CONTENT), image=unknown)

    assert backend.volumes == {NAME: WHOLE}


def test_unknown_size_that_does_not_fit_is_too_big(backend):
    unknown = dataclasses.replace(BARE, size_bytes=0)
    source = MemorySource(WHOLE + b'x')

    said = fails(errors.ImageTooBig, backend, source, image=unknown)
    assert f'volume of {ROOM} bytes' in said
    assert source.opened == 1


def test_extents_that_do_not_fit_are_too_big_before_the_volume(backend):
    backend.failing = {'open'}
    reading, image = sized('DDD')
    source = MemorySource(reading)

    for size_bytes in (0, image.size_bytes):
        asked = dataclasses.replace(image, size_bytes=size_bytes)
        said = fails(errors.ImageTooBig, backend, source, image=asked)
        assert f'Image {IMAGE_ID} holds {3 * LETTER_BYTES} bytes' in said
        assert f'volume of {ROOM} bytes' in said
    assert reading.reads == []


def test_qcow2_that_is_declared_raw_is_refused_before_a_write(backend):
    source = MemorySource(QCOW2)

    said = fails(errors.ImageUnacceptable, backend, source, image=BARE)
    assert 'its content is qcow2' in said
    assert backend.operations == []
    assert source.opened == 1


def test_qcow2_in_extents_is_refused_before_a_write(backend):
    reading, image = sized('D')
    reading.content = b'QFI\xfb\0\0\0\3'.ljust(LETTER_BYTES, b'\0')

    source = MemorySource(reading)
    fails(errors.ImageUnacceptable, backend, source, image=image)
    assert backend.operations == []


# Callbacks.


def test_copy_says_when_it_begins_and_how_far_it_is(backend):
    called = []

    fill(
        backend,
        MemorySource(WRONG, CONTENT),
        on_start=lambda: called.append('on_start'),
        report=called.append,
    )

    assert called[0] == 'on_start'
    assert called.count('on_start') == 1
    assert (called[-1].bytes_done, called[-1].size_bytes) == (SIZE, SIZE)


def test_copy_says_how_far_it_is_as_often_as_asked(backend):
    called = []

    fill(
        backend,
        MemorySource(CONTENT),
        report=called.append,
        progress_seconds=0,
    )

    assert len(called) > 1


@pytest.mark.parametrize('name', ['report', 'verifier'])
def test_foreign_error_is_named_and_ends_the_copy(backend, name):
    def fail(*_args):
        raise AttributeError('injected')

    said = fails(
        errors.SourceError, backend, MemorySource(CONTENT), **{name: fail}
    )
    assert 'AttributeError: injected' in said


@pytest.mark.parametrize('when', ['open', 'chunks', 'first chunk'])
def test_foreign_error_of_a_source_is_named(backend, when):
    parts = {'chunks': (CONTENT[:9999], KeyError('injected'))}
    given = parts.get(when, KeyError('injected'))
    source = MemorySource(given if when != 'first chunk' else (given,))

    said = fails(errors.SourceError, backend, source)
    name = 'its source' if when == 'open' else 'memory'
    assert f'image {IMAGE_ID} from {name}: KeyError:' in said
    assert "'injected'" in said
    assert source.opened == 1


def test_caller_that_fails_before_the_copy_ends_it(backend):
    def fail():
        raise ValueError('injected')

    fails(ValueError, backend, MemorySource(CONTENT), on_start=fail)


def test_each_try_has_a_verifier_of_its_own(backend):
    called = []

    fill(
        backend,
        MemorySource(CONTENT[:-1], CONTENT),
        finish=called.append,
        verifier=Verifier,
    )

    assert called == [True]


def test_wrong_signature_leaves_no_volume_and_is_not_tried_again(backend):
    source = MemorySource(WRONG)

    fails(
        errors.SignatureInvalid, backend, source, image=BARE, verifier=Verifier
    )
    assert source.opened == 1


def test_log_tells_each_step_of_a_copy_once_and_no_block(backend, caplog):
    caplog.set_level('DEBUG')

    fill(backend, MemorySource(WRONG, CONTENT))

    lines = [each.getMessage() for each in caplog.records]
    steps = [each.partition(' copy: ')[2] for each in lines]
    starts = (
        'waits for a slot',
        'has a slot',
        *2
        * (
            'begins',
            'source memory is open',
            'destination is open',
            'has the first',
        ),
        'done, 36881 bytes written',
    )
    found = [each for each in steps if each]
    assert len(found) == len(starts)
    assert all(map(str.startswith, found, starts))
    assert sum(IMAGE_ID in each for each in lines) >= len(starts) - 2


# Cancelled from outside.


def test_copy_that_is_cancelled_leaves_no_volume(backend):
    cancellation = Cancellation()

    class Endless(MemorySource):
        def open(self, image, glance):
            reading = super().open(image, glance)
            chunks = reading.chunks

            def cancelled():
                yield next(chunks())
                cancellation.cancel()
                yield from chunks()

            reading.chunks = cancelled
            return reading

    source = Endless(CONTENT)
    fails(errors.CopyCancelled, backend, source, cancellation=cancellation)
    assert source.opened == 1


def test_extents_that_are_cancelled_leave_no_volume(backend):
    reading, image = sized('D' * 8)
    target = dataclasses.replace(TARGET, size_bytes=reading.size_bytes)
    cancellation = Cancellation()
    read_at = reading.read_at

    def cancelled(offset, length):
        cancellation.cancel()
        return read_at(offset, length)

    reading.read_at = cancelled

    fails(
        errors.CopyCancelled,
        backend,
        MemorySource(reading),
        image=image,
        target=target,
        cancellation=cancellation,
    )


def test_copy_that_is_cancelled_while_it_waits_for_a_slot_says_so():
    limiter = CopyLimiter(1)
    image_copier = ImageCopier(CopySettings(), [], limiter)
    cancellation = Cancellation()
    cancellation.cancel()
    request = CopyRequest(None, volume_id='v-1', cancellation=cancellation)

    with (
        limiter.slot('other'),
        pytest.raises(errors.CopyCancelled, match='v-1'),
        image_copier.slot(request),
    ):
        raise AssertionError('there is no slot')


@pytest.mark.parametrize('ahead', [False, True])
def test_who_waits_for_anothers_copy_has_a_place_but_not_ahead(ahead):
    image_copier = ImageCopier(CopySettings(), [], CopyLimiter(1))
    request = CopyRequest(None, project='p', ahead=ahead)

    with image_copier.waiting(request) as place:
        place.check()
        assert place.project == 'p'
        assert image_copier.copies_waiting == (0 if ahead else 1)
    assert image_copier.copies_waiting == 0


def test_copies_that_have_a_slot_are_counted():
    image_copier = ImageCopier(CopySettings(), [], CopyLimiter(2))

    with image_copier.slot(CopyRequest(None)):
        assert image_copier.copies_running == 1
    assert image_copier.copies_running == 0


def test_cancellation_with_an_error_is_raised_as_that_error(backend):
    lost = errors.LeaseLost('cow-base-1', 'expired')
    cancellation = Cancellation()
    cancellation.cancel(lost)
    source = MemorySource(CONTENT)

    with pytest.raises(errors.LeaseLost) as caught:
        fill(backend, source, cancellation=cancellation)
    assert caught.value is lost
    assert source.opened == 0


# The destination's own faults.


def test_volume_that_was_there_is_left_as_it_is(backend):
    backend.volumes[NAME] = bytearray(b'precious')

    with pytest.raises(errors.VolumeExists):
        fill(backend, MemorySource(CONTENT))
    assert backend.volumes == {NAME: b'precious'}


@pytest.mark.parametrize('source', [MemorySource(AWAY), MemorySource([])])
def test_volume_that_was_there_outlives_a_source_that_fails(backend, source):
    backend.volumes[NAME] = bytearray(b'precious')

    with pytest.raises(errors.SourceUnreachable):
        fill(backend, source)
    assert backend.volumes == {NAME: b'precious'}


def test_volume_that_appears_while_a_copy_waits_is_not_removed(backend):
    def on_start():
        backend.volumes[NAME] = bytearray(b'precious')

    with pytest.raises(errors.VolumeExists):
        fill(backend, MemorySource(CONTENT), on_start=on_start)
    assert backend.volumes == {NAME: b'precious'}


def test_volume_of_another_is_not_removed_for_a_second_try(backend):
    class Late(MemorySource):
        def open(self, image, glance):
            if self.opened:
                backend.volumes[NAME] = bytearray(b'precious')
            return super().open(image, glance)

    with pytest.raises(errors.VolumeExists):
        fill(backend, Late(AWAY, CONTENT))
    assert backend.volumes == {NAME: b'precious'}


def test_volume_that_another_makes_between_two_tries_is_not_removed(backend):
    remove = backend.remove

    def removed(name):
        backend.remove = remove
        remove(name)
        backend.volumes[name] = bytearray(b'precious')

    backend.remove = removed

    with pytest.raises(errors.VolumeExists):
        fill(backend, MemorySource(WRONG, CONTENT))
    assert backend.volumes == {NAME: b'precious'}


@pytest.mark.parametrize('fail_at', [1, 5, 10, 'flush'])
def test_failed_write_leaves_no_volume(backend, fail_at):
    backend.fail_at = fail_at
    source = MemorySource(CONTENT)

    fails(errors.StorageError, backend, source)
    assert backend.closed == 1
    assert source.opened == 1


class Unclosable(RecordingBackend):
    """Its volumes cannot be closed."""

    def _of(self, writer):
        def close():
            self.closed += 1
            raise errors.ConnectionLost('close', OSError('injected'))

        writer.close = close
        return writer

    def open(self, volume_name, size_bytes):
        return self._of(super().open(volume_name, size_bytes))


@pytest.mark.parametrize('kind', [KeyboardInterrupt, SystemExit])
def test_killed_copy_closes_all_and_leaves_no_volume(backend, kind):
    def kill(_progress):
        raise kind

    source = MemorySource(CONTENT)
    with pytest.raises(kind):
        fill(backend, source, report=kill)

    assert backend.closed == 1
    assert all(each.closed for each in source.readings)
    assert backend.volumes == {}


def test_close_that_fails_hides_no_error_before_it(caplog):
    backend = Unclosable()
    backend.fail_at = 2

    said = fails(errors.StorageError, backend, MemorySource(CONTENT))
    assert 'Could not write' in said
    assert 'Could not close' in caplog.text


def test_close_that_fails_is_an_error_of_its_own():
    backend = Unclosable()

    said = fails(errors.ConnectionLost, backend, MemorySource(CONTENT))
    assert 'Could not close' in said


def test_volume_that_cannot_be_opened_is_removed(backend):
    backend.failing = {'open'}

    fails(errors.StorageError, backend, MemorySource(CONTENT))


def test_failed_removal_between_tries_is_called(backend, caplog):
    backend.failing = {'remove'}

    with pytest.raises(errors.StorageError, match='remove'):
        fill(backend, MemorySource(WRONG))
    assert 'volume-v-1 may be left behind' in caplog.text
