# SPDX-License-Identifier: Apache-2.0
"""The INFO line of a volume from an image, as programs read it."""

import pytest

from cinder_cow import log_line as written
from cinder_cow.model import (
    Method,
    Refusal,
    RefusalCode,
    Result,
    SnapshotRef,
    Verification,
)
from measuring import log_line

BEGIN = '2026-01-02 10:00:01.250 7 INFO cinder_cow.x [None req-1 - -] '
LINE = (
    'volume from image: v=1 volume=v-1 image=i-1 method=build-base'
    ' reason=not-raw pool=volumes parent=volumes/cow-base-qcow2-ab@base'
    ' seconds=2.229 bytes=536870912 source=rbd verification=absent'
    ' why="the image is qcow2, a=b. None is needed"'
)


def test_fields_are_those_of_the_line():
    (found,) = log_line.parse(BEGIN + LINE + '\n')

    assert found == log_line.LogLine(
        volume='v-1',
        image='i-1',
        method='build-base',
        reason='not-raw',
        pool='volumes',
        parent='volumes/cow-base-qcow2-ab@base',
        seconds=2.229,
        bytes=536870912,
        source='rbd',
        verification='absent',
        why='the image is qcow2, a=b. None is needed',
    )


def test_field_without_a_value_is_none():
    (found,) = log_line.parse(
        'volume from image: v=1 volume=v image=i method=delegate'
        ' reason=container-format pool=- parent=- seconds=0.001 bytes=0'
        ' source=- verification=delegated'
    )

    assert (found.pool, found.parent, found.source) == (None, None, None)
    assert found.why == ''


def test_fields_that_are_added_later_are_left_out():
    (found,) = log_line.parse(LINE.replace(' why=', ' waited=1.0 why='))

    assert found.verification == 'absent'
    assert found.why.startswith('the image')


def test_line_of_another_version_is_refused():
    with pytest.raises(ValueError, match='version 2'):
        log_line.parse(LINE.replace('v=1', 'v=2'))


def test_line_that_lacks_a_field_is_refused():
    with pytest.raises(KeyError, match='method'):
        log_line.parse(LINE.replace('method=build-base ', ''))


def test_other_lines_of_the_log_are_passed_over():
    log = '\n'.join([BEGIN + 'volume=v-1 copying: 5 %', BEGIN + LINE, ''])

    assert list(log_line.by_volume(log)) == ['v-1']


def test_last_line_of_a_volume_counts():
    log = '\n'.join([LINE, LINE.replace('build-base', 'clone-base')])

    assert log_line.by_volume(log)['v-1'].method == 'clone-base'


def test_line_that_the_package_writes_is_read():
    result = Result(
        'v-1',
        'i-1',
        Method.STREAM,
        'other-cluster',
        Verification.HASH,
        SnapshotRef('f', 'images', 'i-1', 'snap'),
        'glance',
        (Refusal(RefusalCode.OTHER_CLUSTER, 'it is "far"', 'Copy it.'),),
        1.5,
        2**20,
    )

    (found,) = log_line.parse(written.format_result(result))

    assert (found.method, found.seconds, found.bytes) == ('stream', 1.5, 2**20)
    assert found.parent == 'images/i-1@snap'
    assert found.why == "it is 'far'. Copy it."
