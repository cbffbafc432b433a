# SPDX-License-Identifier: Apache-2.0
"""What is counted of a backend, and by which labels."""

import dataclasses
import pathlib
import re

from cinder import exception
from prometheus_client.parser import text_string_to_metric_families
import pytest

from cinder_cow import errors
from cinder_cow.base_images.sweep import (
    EvictedBase,
    EvictionReason,
    SweepResult,
)
from cinder_cow.cinder_adapter.metrics import counting
from cinder_cow.model import Method, RefusalCode, Result, Verification
from cinder_cow.transfer.model import CopyRequest
from tests import scraping
from tests.fakes.bases import MemoryBases

PAGE = pathlib.Path(__file__).parents[2] / 'doc' / 'source' / 'metrics.rst'
RESULT = Result(
    'v',
    'i',
    Method.STREAM,
    'not-rbd,no-location',
    Verification.HASH,
    source='glance',
    seconds=0.3,
    bytes_copied=512,
)


@pytest.fixture
def counted(hosted):
    return counting.CountedMetrics('cow', hosted.cow_parts)


def read(counted):
    return scraping.values(
        counting.prometheus_client.generate_latest(counted.registry).decode()
    )


def test_create_is_counted_with_its_time_and_its_bytes(counted):
    counted.made(RESULT)
    counted.made(RESULT)

    found = read(counted)
    assert found['creates_total', 'stream', 'not-rbd'] == 2
    assert found['copied_bytes_total', 'glance'] == 1024
    assert found['create_seconds_sum', 'stream'] == pytest.approx(0.6)
    assert found['create_seconds_bucket', '0.25', 'stream'] == 0
    assert found['create_seconds_bucket', '0.5', 'stream'] == 2
    assert found['create_seconds_bucket', '86400.0', 'stream'] == 2


def test_clone_copies_nothing(counted):
    counted.made(
        Result('v', 'i', Method.CLONE, 'cloneable', Verification.SHARED)
    )

    found = read(counted)
    assert found['creates_total', 'clone', 'cloneable'] == 1
    assert not [key for key in found if key[0] == 'copied_bytes_total']


def test_time_that_cinder_takes_is_not_shown_as_ours(counted):
    counted.made(
        Result('v', 'i', Method.DELEGATE, 'signed', Verification.DELEGATED)
    )

    found = read(counted)
    assert found['creates_total', 'delegate', 'signed'] == 1
    assert not [key for key in found if key[0].startswith('create_seconds')]


def test_series_of_creates_are_as_many_as_methods_and_codes(counted):
    """An image's owner chooses its format and its locations."""
    codes = [code.value for code in RefusalCode]
    for method in Method:
        for first in codes:
            for second in codes:
                counted.made(
                    dataclasses.replace(
                        RESULT, method=method, reason=f'{first},{second}'
                    )
                )

    creates = [key for key in read(counted) if key[0] == 'creates_total']
    assert len(creates) == len(Method) * len(codes)


class OfAPlugin(errors.SourceStalled):
    """No class of ours."""


@pytest.mark.parametrize(
    ('error', 'kind'),
    [
        (errors.StorageFull('grow', OSError('x')), 'StorageFull'),
        (errors.BuildFailed('i', 'SourceDamaged', 'x'), 'SourceDamaged'),
        (errors.BuildFailed('i', 'made up', 'x'), 'BuildFailed'),
        (OfAPlugin('i', 'x', 'y'), 'SourceStalled'),
        (exception.VolumeTypeNotFound(volume_type_id='x'), 'Other'),
    ],
)
def test_kind_of_a_failure_is_a_class_of_ours_or_other(counted, error, kind):
    before = read(counted)
    counted.failed(error)

    after = read(counted)
    assert {key for key in after if after[key] != before[key]} == {
        ('failures_total', kind)
    }
    assert before['failures_total', kind] == 0


def gone(reason):
    return EvictedBase('cow-base-x', ('i',), reason, 1, 1.0)


def test_evicted_and_retired_bases_are_counted_by_reason(counted):
    idle, deleted = EvictionReason.IDLE, EvictionReason.IMAGE_DELETED
    counted.swept(SweepResult((gone(idle), gone(idle)), (gone(deleted),)))

    found = read(counted)
    assert found['evictions_total', 'idle'] == 2
    assert found['evictions_total', 'image-deleted'] == 1
    assert found['evictions_total', 'count'] == 0


def test_copies_and_builds_are_looked_up_when_asked(counted, hosted):
    hosted.memory.bases = lambda: store
    store = MemoryBases(hosted.memory)
    parts = hosted.cow_parts()
    progress = parts.base_images._base_builder.progress
    for _ in range(3):
        progress.evicted()
    with (
        progress.shown('cow-base-x'),
        parts.image_copier.slot(CopyRequest(glance=None)),
    ):
        progress.copied('cow-base-x', 0.25)
        found = read(counted)

    assert found['copies_running',] == 1
    assert found['copies_waiting',] == 0
    assert found['builds_running',] == 1
    assert found['build_progress_ratio', 'cow-base-x'] == 0.25
    assert found['evictions_total', 'room'] == 3
    assert found['connections_lost_total',] == 0
    assert read(counted)['copies_running',] == 0


def test_self_test_that_has_not_run_shows_no_zero(counted):
    assert ('selftest_failures',) not in read(counted)

    counted.tested(2)

    assert read(counted)['selftest_failures',] == 2


def test_parts_that_cannot_be_made_hide_no_counter(hosted):
    def parts():
        raise errors.PluginNotLoadable('cow_backend', 'group', 'x', 'y')

    counted = counting.CountedMetrics('cow', parts)
    counted.failed(errors.StorageFull('grow', OSError('x')))

    found = read(counted)
    assert found['failures_total', 'StorageFull'] == 1
    assert found['evictions_total', 'idle'] == 0
    assert ('copies_running',) not in found


def test_page_names_every_metric_with_its_type_and_labels(counted, hosted):
    hosted.memory.bases = lambda: store
    store = MemoryBases(hosted.memory)
    bases = hosted.cow_parts().base_images
    counted.made(RESULT)
    counted.tested(0)

    with bases._base_builder.progress.shown('cow-base-x'):
        text = counting.prometheus_client.generate_latest(counted.registry)
    served = {}
    for family in text_string_to_metric_families(text.decode()):
        name, labels = family.name, {*family.samples[0].labels}
        name += '_total' if family.type == 'counter' else ''
        served[name] = family.type, labels - {'backend', 'le'}

    rows = re.findall(
        r'^   \* - ``(cinder_cow_\w+)``(?: ``{(.+)}``)?\n     - (\w+)$',
        PAGE.read_text(),
        re.M,
    )
    assert served == {
        name: (kind, {*filter(None, labels.split(', '))})
        for name, labels, kind in rows
    }
