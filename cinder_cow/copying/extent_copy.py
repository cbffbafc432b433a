# SPDX-License-Identifier: Apache-2.0
"""Copies a source that is read anywhere, by several threads at a time."""

from collections.abc import Iterable, Iterator

from cinder_cow.copying.blocks import PEEK_BYTES, Piece
from cinder_cow.copying.cancellation import Cancellation
from cinder_cow.copying.copy_state import Block
from cinder_cow.copying.errors import Excess, Truncated
from cinder_cow.copying.extents import Extent, covering, divided, merged
from cinder_cow.copying.interfaces import (
    Digest,
    ExtentSource,
    Inspect,
    Report,
    Sink,
)
from cinder_cow.copying.model import Copied, CopyTerms
from cinder_cow.copying.pipeline import Pipeline
from cinder_cow.copying.thread_pool import ThreadPool


def copy_extents(
    source: ExtentSource,
    sink: Sink,
    terms: CopyTerms,
    *,
    digests: Iterable[Digest] = (),
    inspect: Inspect | None = None,
    report: Report | None = None,
    cancellation: Cancellation | None = None,
) -> Copied:
    """What was copied: all of ``source``, to the sink.

    Blocks its caller only, also under eventlet. The inspector and the
    reports are called in the caller's thread. A hole is never read. It costs
    nothing where the destination is zero, unless a digest has to see it.

    :raises Truncated: when a read gives less than was asked for.
    :raises Excess: when it gives more, or the destination is too small.
    :raises Cancelled: when it was, or the error that it was cancelled with.
    """
    limit_bytes = terms.destination_bytes
    if limit_bytes is not None and source.size_bytes > limit_bytes:
        raise Excess(limit_bytes)
    pipeline = Pipeline(
        sink, terms, source.size_bytes, digests, report, cancellation
    )
    readers = _Readers(source, pipeline)

    def pump() -> None:
        if inspect is not None:
            inspect(pipeline.call(readers.peek))
        pipeline.call(readers.pump)

    return pipeline.run(pump)


class _Readers:
    """Takes the extents in order, with the budget for each, and has them read
    in any order. The digests still see them in order.
    """

    def __init__(self, source: ExtentSource, pipeline: Pipeline) -> None:
        self._source = source
        self._size_bytes = source.size_bytes
        self._pipeline = pipeline
        self._crew: ThreadPool[tuple[Block, Extent]] = ThreadPool(
            'reader',
            self._copy,
            pipeline.copy_state.fail,
            pipeline.terms.readers,
        )
        pipeline.crews.insert(1, self._crew)

    def peek(self) -> bytes:
        """What an inspector is shown."""
        return self._read(0, min(PEEK_BYTES, self._size_bytes))

    def pump(self) -> None:
        """Hand all extents over. Blocks."""
        for extent, held_bytes in self._acquired(self._extents()):
            block = self._pipeline.block(extent.length, held_bytes)
            if extent.zero:
                with block:
                    piece = Piece(extent.offset, extent.length, None)
                    self._pipeline.write(block, [piece])
            else:
                self._crew.put((block, extent))
        rest = self._pipeline.rest(self._size_bytes)
        for extent, held_bytes in self._acquired(rest):
            self._pipeline.zero(extent, held_bytes)

    def _acquired(
        self, extents: Iterable[Extent]
    ) -> Iterator[tuple[Extent, int]]:
        """Each when it may be held, and what it holds. None after an error."""
        for extent in extents:
            held_bytes = min(extent.length, self._pipeline.terms.block_bytes)
            if not self._pipeline.copy_state.budget.take(held_bytes):
                return
            yield extent, held_bytes

    def _extents(self) -> Iterator[Extent]:
        """What costs anything is divided into blocks, the rest is not."""
        terms = self._pipeline.terms
        free = terms.destination_is_zero and not self._pipeline.stages
        every = covering(self._source.extents(), self._size_bytes)
        for extent in merged(every):
            if extent.zero and free:
                yield extent
            else:
                yield from divided(extent, terms.block_bytes)

    def _copy(self, item: tuple[Block, Extent]) -> None:
        block, extent = item
        with block:
            if self._pipeline.copy_state.error is None:
                content = self._read(extent.offset, extent.length)
                self._pipeline.copy_state.count_read(extent.length)
                pieces = self._pipeline.pieces(extent.offset, content)
                self._pipeline.write(block, pieces)

    def _read(self, offset: int, length: int) -> bytes:
        content = self._source.read_at(offset, length)
        if len(content) < length:
            raise Truncated(offset + length, offset + len(content))
        if len(content) > length:
            raise Excess(offset + length)
        return content
