# SPDX-License-Identifier: Apache-2.0
"""What a record of tries says of the next one."""

import dataclasses
import time

import pytest

from cinder_cow import errors
from cinder_cow.backends.base_store import BuildRecord
from cinder_cow.base_images import build_failures

AWAY = errors.SourceUnreachable('glance', 'i-1', 'no route')


@pytest.fixture
def record(image):
    """Of two hosts that have tried it."""
    return BuildRecord(
        3,
        'StorageFull',
        'full',
        image_id=image.image_id,
        failures_by_host={'a': 2, 'b': 1},
        virtual_bytes=7,
    )


def test_new_try_forgets_no_failure_of_the_image(image, record):
    started = build_failures.started(image, record)

    assert 0 <= time.time() - started.written < 60
    assert dataclasses.replace(started, written=0) == dataclasses.replace(
        record, kind='', cause='', written=0
    )


def test_failures_of_another_image_of_that_hash_are_not_its_own(image, record):
    other = dataclasses.replace(image, image_id='other')

    started = build_failures.started(other, record)

    assert dataclasses.replace(started, written=0) == BuildRecord(
        image_id='other'
    )


@pytest.mark.parametrize(
    ('host', 'counts'),
    [('a', {'a': 3, 'b': 1}), ('c', {'a': 2, 'b': 1, 'c': 1})],
)
def test_failure_is_counted_by_its_host_with_its_cause(
    image, record, host, counts
):
    failed = build_failures.failed(image, record, AWAY, host)

    assert (failed.failures, failed.failures_by_host) == (4, counts)
    assert (failed.kind, failed.cause) == ('SourceUnreachable', str(AWAY))


def test_disk_that_is_too_big_is_remembered_and_no_failure(image, record):
    too_big = errors.ImageTooBig(image.image_id, 9, 8)

    failed = build_failures.failed(image, record, too_big, 'a')

    assert (failed.kind, failed.cause) == ('ImageTooBig', str(too_big))
    assert failed.virtual_bytes == 9
    assert failed.failures_by_host == record.failures_by_host
    with pytest.raises(errors.ImageTooBig) as caught:
        build_failures.require_fit(image, failed, 8)
    assert vars(caught.value) == vars(too_big)
