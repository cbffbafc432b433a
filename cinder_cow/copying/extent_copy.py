# SPDX-License-Identifier: Apache-2.0
"""Copies a source that is read at any offset, by several threads at once."""

from collections.abc import Iterable, Iterator

from cinder_cow.copying import blocks, extents, interfaces
from cinder_cow.copying.cancellation import Cancellation
from cinder_cow.copying.copy_state import Block
from cinder_cow.copying.errors import Excess, Truncated
from cinder_cow.copying.model import Copied, CopyTerms
from cinder_cow.copying.pipeline import Pipeline
from cinder_cow.copying.thread_pool import ThreadPool

#: Blocks that are read at once: librbd gains little by more (aio_write:
#: 677 MB/s with 4, 721 with 16).
READERS = 4


def copy_extents(
    source: interfaces.ExtentSource,
    sink: interfaces.Sink,
    terms: CopyTerms,
    *,
    digests: Iterable[interfaces.Digest] = (),
    inspect: interfaces.Inspect | None = None,
    report: interfaces.Report | None = None,
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

    def put_all() -> None:
        if inspect is not None:
            inspect(pipeline.call_in_writer(readers.read_head))
        pipeline.call_in_writer(readers.put_all)

    return pipeline.run(put_all)


class _Readers:
    """Threads that read the extents in any order.

    The digests still see them in order.
    """

    def __init__(
        self, source: interfaces.ExtentSource, pipeline: Pipeline
    ) -> None:
        self._source = source
        self._size_bytes = source.size_bytes
        self._pipeline = pipeline
        self._threads: ThreadPool[tuple[Block, extents.Extent]] = ThreadPool(
            'reader', self._copy, pipeline.copy_state.fail, READERS
        )
        pipeline.thread_pools.insert(1, self._threads)

    def read_head(self) -> bytes:
        """The bytes for the inspector."""
        return self._read(0, min(blocks.PEEK_BYTES, self._size_bytes))

    def put_all(self) -> None:
        """Queue all extents. Blocks while the budget is used up."""
        for extent, held_bytes in self._acquired(self._extents()):
            block = self._pipeline.new_block(extent.length, held_bytes)
            if extent.zero:
                with block:
                    piece = blocks.Piece(extent.offset, extent.length, None)
                    self._pipeline.write(block, [piece])
            else:
                self._threads.put((block, extent))
        rest = self._pipeline.zeros_behind(self._size_bytes)
        for extent, held_bytes in self._acquired(rest):
            self._pipeline.zero(extent, held_bytes)

    def _acquired(
        self, parts: Iterable[extents.Extent]
    ) -> Iterator[tuple[extents.Extent, int]]:
        """Each with the bytes acquired for it. Ends when the copy failed."""
        for extent in parts:
            held_bytes = min(extent.length, self._pipeline.terms.block_bytes)
            if not self._pipeline.copy_state.budget.acquire(held_bytes):
                return
            yield extent, held_bytes

    def _extents(self) -> Iterator[extents.Extent]:
        """All extents, in blocks but for holes that cost nothing."""
        terms = self._pipeline.terms
        free = terms.destination_is_zero and not self._pipeline.digest_threads
        every = extents.covering(self._source.extents(), self._size_bytes)
        for extent in extents.merged(every):
            if extent.zero and free:
                yield extent
            else:
                yield from extents.divided(extent, terms.block_bytes)

    def _copy(self, item: tuple[Block, extents.Extent]) -> None:
        block, extent = item
        with block:
            if self._pipeline.copy_state.error is None:
                content = self._read(extent.offset, extent.length)
                self._pipeline.copy_state.count_read(extent.length)
                pieces = blocks.split_at_zeros(extent.offset, content)
                self._pipeline.write(block, pieces)

    def _read(self, offset: int, length: int) -> bytes:
        content = self._source.read_at(offset, length)
        if len(content) < length:
            raise Truncated(offset + length, offset + len(content))
        if len(content) > length:
            raise Excess(offset + length)
        return content
