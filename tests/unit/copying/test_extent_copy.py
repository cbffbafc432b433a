# SPDX-License-Identifier: Apache-2.0
import hashlib
import threading
import time

import pytest

from cinder_cow.copying import Excess, Extent, Truncated, copy_extents
from tests.unit.copying.memory import (
    BLOCK,
    OLD,
    Injected,
    LateSink,
    MemoryExtents,
    MemorySink,
    Whole,
    terms,
)

PATTERNS = ['', 'D', '-', '0', 'D0D-', '--DD0-D-', 'D' * 9]


@pytest.mark.parametrize('pattern', PATTERNS)
@pytest.mark.parametrize('tail', [0, 1, 17, 4095, BLOCK - 1])
def test_what_is_there_arrives(pattern, tail, budgets):
    source, digest = MemoryExtents(pattern, tail), hashlib.sha512()
    with LateSink(source.size_bytes) as sink:
        copied = copy_extents(source, sink, terms(), digests=[digest])

    whole = source.content
    assert sink.content == whole
    assert digest.digest() == hashlib.sha512(whole).digest()
    assert copied.bytes_read == len(whole) - pattern.count('-') * BLOCK
    assert copied.bytes_written == pattern.count('D') * BLOCK + tail
    assert copied.bytes_written + copied.bytes_zero == len(whole)
    assert budgets[0].peak_bytes <= 4 * BLOCK


def test_holes_are_neither_read_nor_written():
    source = MemoryExtents('-D0-')
    sink = MemorySink(source.size_bytes)

    copy_extents(source, sink, terms())

    assert sorted(source.reads) == [(BLOCK, BLOCK), (2 * BLOCK, BLOCK)]
    assert sink.operations == [('write', BLOCK, BLOCK)]


def test_vast_hole_costs_nothing_without_a_digest():
    source = MemoryExtents('D')
    source.size_bytes = 2**50

    copied = copy_extents(source, MemorySink(BLOCK), terms())

    assert copied.bytes_zero == 2**50 - BLOCK
    assert copied.seconds < 1


def test_digest_sees_holes_as_zeros_in_bounded_parts():
    source, digest = MemoryExtents('-D' + 16 * '-'), Whole()

    copy_extents(source, MemorySink(), terms(memory_bytes=1), digests=[digest])

    assert digest.seen == source.content
    assert digest.calls == 18


def test_digest_sees_the_bytes_in_order_however_they_are_read():
    source, digest = MemoryExtents('DDD-DDD0' * 4, 17), Whole()
    read_at, sizes = source.read_at, iter(range(1000))

    def slow(offset, length):
        time.sleep(0.004 * (next(sizes) % 3))
        return read_at(offset, length)

    source.read_at = slow
    with LateSink(source.size_bytes) as sink:
        copy_extents(source, sink, terms(), digests=[digest])

    assert digest.seen == source.content
    assert sink.content == source.content


def test_old_bytes_are_zeroed_in_holes_and_behind_the_end():
    source = MemoryExtents('-D0', 17)
    size = 5 * BLOCK
    with LateSink(size, OLD) as sink:
        copied = copy_extents(
            source,
            sink,
            terms(destination_is_zero=False, destination_bytes=size),
        )

    assert sink.content == source.content + bytes(size - source.size_bytes)
    assert sorted(sink.operations) == [
        ('write', BLOCK, BLOCK),
        ('write', 3 * BLOCK, 17),
        ('zero', 0, BLOCK),
        ('zero', 2 * BLOCK, BLOCK),
        ('zero', 3 * BLOCK + 17, BLOCK - 17),
        ('zero', 4 * BLOCK, BLOCK),
    ]
    assert copied.bytes_written + copied.bytes_zero == size


def test_blocks_are_read_in_parallel():
    source = MemoryExtents('DDDD')
    together = threading.Barrier(4, timeout=5)
    read_at = source.read_at

    def at_once(offset, length):
        together.wait()
        return read_at(offset, length)

    source.read_at = at_once
    sink = MemorySink(source.size_bytes)

    copy_extents(source, sink, terms())

    assert sink.content == source.content
    assert len(source.threads) == 4


def test_reads_cross_no_block_though_extents_do():
    source = MemoryExtents('DDD')
    source.extents = lambda: [Extent(17, 2 * BLOCK, zero=False)]

    copy_extents(source, MemorySink(), terms(memory_bytes=1))

    assert source.reads == [(17, BLOCK - 17), (BLOCK, BLOCK), (2 * BLOCK, 17)]


@pytest.mark.parametrize('memory_bytes', [1, BLOCK + 1, 2 * BLOCK])
def test_tiny_budget_is_enough(memory_bytes, budgets):
    source, digest = MemoryExtents('DD-D0D', 17), Whole()
    with LateSink(source.size_bytes) as sink:
        copy_extents(
            source, sink, terms(memory_bytes=memory_bytes), digests=[digest]
        )

    assert sink.content == source.content
    assert digest.seen == source.content
    assert budgets[0].peak_bytes <= max(memory_bytes, BLOCK)


def test_inspector_sees_the_head_before_the_first_write():
    source, heads = MemoryExtents('DD'), []
    sink = MemorySink(source.size_bytes)

    def inspect(head):
        assert sink.operations == []
        heads.append((head, threading.current_thread()))

    copy_extents(source, sink, terms(), inspect=inspect)

    head = source.content[: 256 * 1024]
    assert heads == [(head, threading.current_thread())]


def refused(source, kind, **changes):
    sink, digest = MemorySink(source.size_bytes), Whole()
    with pytest.raises(kind) as caught:
        copy_extents(source, sink, terms(**changes), digests=[digest])
    assert not sink.flushed
    assert not sink.pending
    return caught.value, sink


def test_failure_to_read_ends_the_copy():
    source = MemoryExtents('DDDDDDDD')
    source.fail_at = 2 * BLOCK

    _, sink = refused(source, Injected, memory_bytes=1)

    assert [offset for _, offset, _ in sink.operations] == [0, BLOCK]


def test_short_read_is_a_truncation():
    source = MemoryExtents('DDD')
    source.short_at = BLOCK

    error, _ = refused(source, Truncated, memory_bytes=1)

    assert (error.expected_bytes, error.got_bytes) == (
        2 * BLOCK,
        2 * BLOCK - 1,
    )


def test_long_read_is_an_excess():
    source = MemoryExtents('DDD')
    source.read_at = lambda offset, length: bytes(length + 1)

    refused(source, Excess)


def test_failure_to_list_extents_ends_the_copy():
    source = MemoryExtents('DDD')

    def extents():
        yield Extent(0, BLOCK, zero=False)
        raise Injected('extents')

    source.extents = extents

    refused(source, Injected)


def test_destination_that_is_too_small_is_not_written():
    _, sink = refused(MemoryExtents('DD'), Excess, destination_bytes=BLOCK)

    assert sink.operations == []
