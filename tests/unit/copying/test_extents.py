# SPDX-License-Identifier: Apache-2.0
import pytest

from cinder_cow.copying.extents import Extent, covering, divided, merged


def extents(text):
    """``D0:2`` is data at 0 of length 2, ``-`` in its place zeros."""
    for word in text.split():
        offset, length = map(int, word[1:].split(':'))
        yield Extent(offset, length, word[0] == '-')


def text(extents):
    return ' '.join(
        f'{"-" if e.zero else "D"}{e.offset}:{e.length}' for e in extents
    )


@pytest.mark.parametrize(
    ('given', 'size', 'whole'),
    [
        ('', 0, ''),
        ('', 9, '-0:9'),
        ('D0:9', 9, 'D0:9'),
        ('D2:3', 9, '-0:2 D2:3 -5:4'),
        ('-0:2 D2:3 D7:2', 9, '-0:2 D2:3 -5:2 D7:2'),
    ],
)
def test_what_is_left_out_is_zero(given, size, whole):
    assert text(covering(extents(given), size)) == whole


@pytest.mark.parametrize('given', ['D2:3 D4:1', 'D4:1 D2:1', 'D8:2'])
def test_extents_that_contradict_are_a_bug(given):
    with pytest.raises(RuntimeError, match='lies not in'):
        list(covering(extents(given), 9))


@pytest.mark.parametrize(
    ('given', 'fewer'),
    [
        ('', ''),
        ('D0:2 D2:2 D4:1', 'D0:5'),
        ('D0:2 D3:2', 'D0:2 D3:2'),
        ('-0:2 D2:1 -3:1 -4:0 -4:1', '-0:2 D2:1 -3:2'),
    ],
)
def test_neighbours_of_one_kind_are_one(given, fewer):
    assert text(merged(extents(given))) == fewer


@pytest.mark.parametrize(
    ('given', 'parts'),
    [
        ('D0:4', 'D0:4'),
        ('D1:8', 'D1:3 D4:4 D8:1'),
        ('-3:2', '-3:1 -4:1'),
        ('D5:0', ''),
    ],
)
def test_parts_cross_no_block(given, parts):
    (extent,) = extents(given)
    assert text(divided(extent, 4)) == parts
