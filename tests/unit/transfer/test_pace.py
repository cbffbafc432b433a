# SPDX-License-Identifier: Apache-2.0
"""A source that is too slow, by a clock of the test's own."""

import dataclasses
import itertools

import pytest

from cinder_cow import errors
from cinder_cow.copying import Cancellation
from cinder_cow.transfer import pace
from tests.fakes.source import (
    LETTER_BYTES,
    MemorySource,
    MemoryStream,
    thread_pool,
)
from tests.unit.conftest import IMAGE_ID
from tests.unit.sources.filling import (
    CONTENT,
    TARGET,
    RecordingBackend,
    fails,
    fill,
    sized,
)

MIB = 2**20
LIMITS = pace.PaceLimits(min_bytes_per_second=MIB, stall_seconds=30)


class Clock:
    def __init__(self):
        self.seconds = 1000.0

    def __call__(self):
        return self.seconds


class Source:
    """Gives chunks in a rhythm, to a copy that may be slow itself."""

    def __init__(self, limits=LIMITS):
        self.clock = Clock()
        self.pace = pace.SourcePace(limits, self.clock)
        self.worst = None

    def give(self, count, length, seconds, destination_seconds=0):
        def chunks():
            for _ in range(count):
                for _ in range(10):
                    self.clock.seconds += seconds / 10
                    self.worst = self.worst or self.pace.too_slow()
                yield bytes(length)

        for _ in self.pace.watched(chunks()):
            self.clock.seconds += destination_seconds
            self.worst = self.worst or self.pace.too_slow()
        return self.worst


def test_source_of_the_least_rate_is_not_too_slow():
    assert Source().give(count=600, length=MIB, seconds=1) is None


def test_trickle_is_too_slow():
    said = Source().give(count=1000, length=5, seconds=1)

    assert 'bytes came in 9' in said


def test_silence_is_noticed_before_it_ends():
    said = Source().give(count=1, length=MIB, seconds=1000)

    assert said.startswith('only 0 bytes came in')


def test_one_silence_in_a_minute_is_not_too_slow():
    source = Source()

    source.give(count=59, length=MIB, seconds=1)
    source.give(count=1, length=MIB, seconds=29)

    assert source.give(count=600, length=MIB, seconds=1) is None


def test_time_of_the_destination_does_not_count():
    source = Source()

    assert source.give(600, MIB, seconds=0.5, destination_seconds=100) is None


def test_fast_beginning_does_not_excuse_what_follows():
    source = Source()

    assert source.give(count=1000, length=MIB, seconds=0.001) is None
    assert source.give(count=1000, length=5, seconds=1)


def test_rate_of_0_allows_any():
    limits = pace.PaceLimits(min_bytes_per_second=0)

    assert Source(limits).give(count=10, length=1, seconds=10**6) is None


def test_chunk_of_4_mib_is_not_taken_for_silence_at_a_low_rate():
    limits = pace.PaceLimits(min_bytes_per_second=10_000, stall_seconds=1)

    assert Source(limits).give(50, 4 * MIB, seconds=400) is None


# Of a whole copy.


class Trickle(MemorySource):
    """Gives a byte, and then waits until it is interrupted."""

    def __init__(self):
        super().__init__(CONTENT)
        self.interrupted = Cancellation()

    def open(self, image, glance):
        source = self

        class Reading(MemoryStream):
            def chunks(self):
                for number in itertools.count():
                    ended = not number
                    while not ended:
                        pace.native.sleep(0.01)
                        ended = source.interrupted.error
                    yield b'x'

            def interrupt(self):
                source.interrupted.cancel()

        self.readings.append(Reading('trickle', (), 1))
        return self.readings[-1]


@pytest.fixture
def backend():
    yield RecordingBackend()
    assert thread_pool() == []


@pytest.fixture
def short_window(monkeypatch):
    monkeypatch.setattr(pace, 'WINDOW_SECONDS', 0.2)
    monkeypatch.setattr(pace, 'WINDOW_BYTES', 1)
    monkeypatch.setattr(pace, 'LOOK_SECONDS', 0.02)


def test_copy_from_a_trickle_is_given_up(backend, short_window):
    limits = pace.PaceLimits(stall_seconds=0.1)

    said = fails(errors.SourceStalled, backend, Trickle(), pace_limits=limits)
    assert 'only 1 bytes came' in said
    assert 'cow_min_copy_bytes_per_second' in said


def test_copy_that_takes_too_long_is_given_up(backend, short_window):
    limits = pace.PaceLimits(min_bytes_per_second=0, copy_seconds=0.1)

    said = fails(errors.CopyTimedOut, backend, Trickle(), pace_limits=limits)
    assert f'image {IMAGE_ID} ' in said
    assert 'cow_copy_seconds' in said


def test_extents_that_take_too_long_are_given_up(backend, short_window):
    reading, image = sized('D' * 40)
    reading.read_at = slowly(reading.read_at)
    limits = pace.PaceLimits(copy_seconds=0.15)

    fails(
        errors.CopyTimedOut,
        backend,
        MemorySource(reading),
        image=image,
        target=dataclasses.replace(TARGET, size_bytes=reading.size_bytes),
        pace_limits=limits,
        memory_bytes=LETTER_BYTES,
    )


def slowly(function):
    """Some looks are taken at the copy meanwhile."""

    def slow(*args):
        pace.native.sleep(0.1)
        return function(*args)

    return slow


def test_stream_of_a_good_source_is_left_alone(backend, short_window):
    reading = MemoryStream('memory', (CONTENT,), 4096)
    reading.chunks = slowly(reading.chunks)
    limits = pace.PaceLimits(copy_seconds=600)

    fill(backend, MemorySource(reading), pace_limits=limits)


def test_extents_of_a_good_source_are_left_alone(backend, short_window):
    reading, image = sized('DD')
    reading.read_at = slowly(reading.read_at)
    target = dataclasses.replace(TARGET, size_bytes=reading.size_bytes)

    fill(backend, MemorySource(reading), image=image, target=target)
