# SPDX-License-Identifier: Apache-2.0
"""What the demo says of its rows: what is right, and how long it took."""

from dataclasses import replace

import pytest

from demo import facts, ratios
from measuring.rows import ALONE, Row

RAW = Row(
    'cow',
    'raw in rbd',
    'next',
    0.5,
    'clone',
    'cloneable',
    'images/i@snap',
    new_bytes=8192,
    content_equal=True,
    temp_bytes=0,
)
FIRST = replace(
    RAW,
    image='qcow2 in rbd',
    case='first',
    method='build-base',
    parent='volumes/cow-base-qcow2-ab@base',
    new_bytes=2**29,
)
NEXT = replace(FIRST, case='next', method='clone-base', new_bytes=8192)
TOGETHER = replace(NEXT, case='4 at once', new_bytes=2**27)
ALONE_ROW = Row('cow', 'raw in rbd', ALONE, 0.04, 'clone')
THEIRS = Row(
    'upstream',
    'qcow2 in rbd',
    'first',
    5.0,
    'copy',
    new_bytes=2**29,
    content_equal=True,
    temp_bytes=2**30,
)
ROWS = [RAW, FIRST, NEXT, TOGETHER, ALONE_ROW, THEIRS]


def wrong(rows):
    return [fact for fact, holds in facts.of_rows(rows).items() if not holds]


def test_rows_that_are_right_have_no_wrong_fact():
    assert len(facts.of_rows(ROWS)) == 5
    assert wrong(ROWS) == []


@pytest.mark.parametrize(
    ('row', 'fact'),
    [
        (replace(RAW, method='stream', parent=None), 'raw image in rbd'),
        (replace(RAW, parent='volumes/x@s'), 'raw image in rbd'),
        (replace(NEXT, parent=None), 'a clone of a base'),
        (replace(RAW, content_equal=False), 'byte for byte'),
        (replace(THEIRS, content_equal=False), 'byte for byte'),
        (replace(RAW, content_equal=None), 'byte for byte'),
        (replace(RAW, new_bytes=2**20), '1 MiB of new space'),
        (replace(NEXT, new_bytes=2**20), '1 MiB of new space'),
        (replace(FIRST, temp_bytes=1), 'No temporary file'),
    ],
)
def test_row_that_is_wrong_is_named(row, fact):
    assert any(fact in found for found in wrong([*ROWS, row]))


def test_slow_rows_are_right_all_the_same():
    assert wrong([replace(row, seconds=900.0) for row in ROWS]) == []


def test_ratio_stands_beside_its_usual_range(monkeypatch):
    monkeypatch.setitem(ratios.USUAL, ('qcow2 in rbd', 'first'), (0.2, 0.3))

    assert list(ratios.lines(ROWS)) == [
        "qcow2 in rbd, first: 0.10 of upstream's time (0.50 s, upstream"
        ' 5.00 s); usually 0.20 to 0.30'
    ]


def test_every_usual_range_is_one():
    assert ratios.USUAL
    for low, high in ratios.USUAL.values():
        assert 0 < low <= high
