# SPDX-License-Identifier: Apache-2.0
import random

import pytest

from cinder_cow.copying import blocks
from cinder_cow.copying.blocks import GRAIN_BYTES, PEEK_BYTES, Piece
from cinder_cow.copying.errors import Excess, Truncated
from tests.unit.copying.memory import BLOCK, chunked, some

SIZES = (0, 1, 17, 4095, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK + 4095)
CHUNKS = (17, 4095, GRAIN_BYTES, GRAIN_BYTES + 1, BLOCK, BLOCK + 2**20)


def in_blocks(chunks, block_bytes=BLOCK):
    return list(map(blocks.joined, blocks.in_blocks(chunks, block_bytes)))


@pytest.mark.parametrize('size', SIZES)
@pytest.mark.parametrize('chunk_bytes', CHUNKS)
def test_blocks_are_the_same_however_the_bytes_come(size, chunk_bytes):
    whole = some(size)

    got = in_blocks(chunked(whole, chunk_bytes))

    assert got == list(chunked(whole))
    assert {type(block) for block in got} <= {bytes}


def test_blocks_of_chunks_of_any_length():
    lengths = random.Random(3)
    whole, rest, chunks = some(9 * BLOCK), some(9 * BLOCK), []
    while rest:
        length = lengths.choice([0, 1, 17, 4095, 4096, GRAIN_BYTES, BLOCK * 2])
        chunks.append(rest[:length])
        rest = rest[length:]

    assert in_blocks(chunks) == list(chunked(whole))


def test_chunk_that_is_a_block_is_not_copied():
    chunk = some(BLOCK)

    (block,) = in_blocks([chunk])

    assert block is chunk


def test_small_chunks_are_gathered():
    (parts,) = blocks.in_blocks(chunked(some(BLOCK), 1), BLOCK)

    assert len(parts) == 1


def test_joining_lets_the_chunks_go():
    (parts,) = blocks.in_blocks(chunked(some(BLOCK), 4096), BLOCK)

    blocks.joined(parts)

    assert parts == []


def shape(whole):
    """A letter for each grain that pieces cover, and their lengths."""
    return [
        ('0' if p.content is None else 'D', p.offset, p.length)
        for p in blocks.split_at_zeros(0, whole)
    ]


def grains(pattern):
    kinds = {'D': some(GRAIN_BYTES), '0': bytes(GRAIN_BYTES)}
    return b''.join(kinds[letter] for letter in pattern)


@pytest.mark.parametrize(
    ('pattern', 'tail', 'runs'),
    [
        ('D', b'', 'D:1'),
        ('0', b'', '0:1'),
        ('0000', b'', '0:4'),
        ('DD00D', b'', 'D:2 0:2 D:1'),
        ('0D0', b'', '0:1 D:1 0:1'),
    ],
)
def test_runs_of_grains(pattern, tail, runs):
    got = ' '.join(
        f'{kind}:{length // GRAIN_BYTES}'
        for kind, _, length in shape(grains(pattern) + tail)
    )
    assert got == runs


@pytest.mark.parametrize('length', [1, 17, 4095, GRAIN_BYTES + 1])
def test_odd_tails_are_seen_too(length):
    assert shape(bytes(length)) == [('0', 0, length)]
    almost = bytes(length - 1) + b'x'
    assert shape(almost)[-1][0] == 'D'
    assert sum(length for _, _, length in shape(almost)) == length


def test_one_byte_makes_its_grain_data():
    whole = bytearray(BLOCK)
    whole[GRAIN_BYTES + 5] = 1

    pieces = blocks.split_at_zeros(7 * BLOCK, bytes(whole))

    start = 7 * BLOCK
    grain = bytes(whole[GRAIN_BYTES : 2 * GRAIN_BYTES])
    assert pieces == [
        Piece(start, GRAIN_BYTES, None),
        Piece(start + GRAIN_BYTES, GRAIN_BYTES, grain),
        Piece(start + 2 * GRAIN_BYTES, 2 * GRAIN_BYTES, None),
    ]


def test_block_of_data_is_not_copied():
    whole = some(BLOCK)

    (piece,) = blocks.split_at_zeros(0, whole)

    assert piece.content is whole


@pytest.mark.parametrize('size', [0, 17, PEEK_BYTES, 3 * PEEK_BYTES + 1])
@pytest.mark.parametrize('chunk_bytes', [17, PEEK_BYTES, 2 * PEEK_BYTES])
def test_peek_is_the_head_and_takes_nothing_away(size, chunk_bytes):
    whole, seen = some(size), []

    got = b''.join(blocks.inspected(chunked(whole, chunk_bytes), seen.append))

    assert seen == [whole[:PEEK_BYTES]]
    assert got == whole


def test_excess_is_noticed_before_it_is_handed_on():
    got = []
    with pytest.raises(Excess) as caught:
        got.extend(blocks.size_checked([b'abc', b'de', b'f'], 5, None))

    assert caught.value.expected_bytes == 5


def test_truncation_is_noticed_at_the_end():
    with pytest.raises(Truncated) as caught:
        list(blocks.size_checked([b'abc', b''], 5, 9))

    assert (caught.value.expected_bytes, caught.value.got_bytes) == (5, 3)


def test_source_of_unknown_size_is_limited_by_the_destination():
    assert list(blocks.size_checked([b'abc'], None, 3)) == [b'abc']
    with pytest.raises(Excess):
        list(blocks.size_checked([b'abcd'], None, 3))
