# SPDX-License-Identifier: Apache-2.0
"""What every ImageSource keeps. Run on the fakes and on the real ones.

A subclass gives the fixtures ``source``, ``glance`` (what the source is handed
to reach Glance by), ``image``, an ImageInfo that the source has, and
``content``, its bytes.
"""

import contextlib
import itertools

from cinder_cow.copying import Extent
from cinder_cow.sources.base import ExtentReading, StreamReading


class SourceContract:
    """Of every source: it opens what it has, as often as it is asked."""

    def test_reading_names_its_source(self, source, glance, image):
        with source.open(image, glance) as reading:
            assert isinstance(reading, StreamReading | ExtentReading)
            assert reading.source
            assert ' ' not in reading.source  # it stands in the log's line

    def test_reading_closes_twice(self, source, glance, image):
        reading = source.open(image, glance)
        reading.close()
        reading.close()

    def test_interrupt_does_not_wait_and_fails_never(
        self, source, glance, image
    ):
        with source.open(image, glance) as reading:
            reading.interrupt()
            reading.interrupt()


class StreamSourceContract(SourceContract):
    """Of a source that is read from the beginning to the end."""

    def test_chunks_are_the_image(self, source, glance, image, content):
        for _ in range(2):
            with (
                source.open(image, glance) as reading,
                contextlib.closing(reading.chunks()) as chunks,
            ):
                assert b''.join(chunks) == content

    def test_reading_may_end_early(self, source, glance, image, content):
        with (
            source.open(image, glance) as reading,
            contextlib.closing(reading.chunks()) as chunks,
        ):
            assert content.startswith(next(chunks))


class ExtentSourceContract(SourceContract):
    """Of a source that is read anywhere, and whose holes are known."""

    def test_bytes_are_the_images_at_any_offset(
        self, source, glance, image, content
    ):
        with source.open(image, glance) as reading:
            assert reading.size_bytes == len(content)
            for offset, length in (
                (0, len(content)),
                (17, 4095),
                (len(content) - 1, 1),
            ):
                found = reading.read_at(offset, length)
                assert bytes(found) == content[offset : offset + length]

    def test_what_is_in_no_extent_of_data_is_zero(
        self, source, glance, image, content
    ):
        with source.open(image, glance) as reading:
            data = [each for each in reading.extents() if not each.zero]
            assert sum(each.length for each in data) == reading.data_bytes
        assert data
        end = Extent(len(content), 0, zero=False)
        position = 0
        for extent in itertools.chain(data, [end]):
            assert position <= extent.offset  # in order, and none twice
            assert not any(content[position : extent.offset])
            position = extent.offset + extent.length
        assert position == len(content)
