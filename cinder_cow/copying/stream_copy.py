# SPDX-License-Identifier: Apache-2.0
"""Copies a source that is read from its beginning to its end."""

from collections.abc import Callable, Iterable, Iterator
import functools

from cinder_cow.copying import blocks
from cinder_cow.copying.cancellation import Cancellation
from cinder_cow.copying.interfaces import Digest, Inspect, Report, Sink
from cinder_cow.copying.model import Copied, CopyTerms
from cinder_cow.copying.pipeline import Pipeline


def copy_stream(
    chunks: Iterable[bytes],
    sink: Sink,
    terms: CopyTerms,
    *,
    size_bytes: int | None = None,
    digests: Iterable[Digest] = (),
    inspect: Inspect | None = None,
    report: Report | None = None,
    cancellation: Cancellation | None = None,
) -> Copied:
    """What was copied: all of ``chunks``, to the sink, from byte 0.

    Blocks its caller only, also under eventlet. The source is read, the
    inspector and the reports are called in the caller's thread. A source
    that stalls has to raise by itself: see
    :mod:`cinder_cow.copying.interfaces`.

    :param size_bytes: the source's size; None if it is not known.
    :raises Truncated: when less comes.
    :raises Excess: when more comes, or more than the destination holds.
    :raises Cancelled: when it was, or the error that it was cancelled with.
    """
    pipeline = Pipeline(sink, terms, size_bytes, digests, report, cancellation)
    checked = blocks.size_checked(
        _until_failed(chunks, pipeline), size_bytes, terms.destination_bytes
    )
    if inspect is not None:
        checked = blocks.inspected(checked, inspect)

    def put_all() -> None:
        pipeline.acquire_block()
        for write in _writes(checked, pipeline):
            pipeline.writer.put(write)
            pipeline.acquire_block()

    return pipeline.run(put_all)


def _until_failed(
    chunks: Iterable[bytes], pipeline: Pipeline
) -> Iterator[bytes]:
    """The same chunks. Raises the copy's error when it has failed."""
    for chunk in chunks:
        pipeline.check()
        yield chunk


def _writes(
    chunks: Iterable[bytes], pipeline: Pipeline
) -> Iterator[Callable[[], None]]:
    """What the writer has to call, with a block acquired for each."""
    block_bytes = pipeline.terms.block_bytes
    offset = 0
    for parts in blocks.in_blocks(chunks, block_bytes):
        length = sum(map(len, parts))
        yield functools.partial(_write, pipeline, offset, parts)
        offset += length
    for extent in pipeline.zeros_behind(offset):
        yield functools.partial(pipeline.zero, extent, block_bytes)


def _write(pipeline: Pipeline, offset: int, parts: list[blocks.Part]) -> None:
    if pipeline.copy_state.error is not None:
        return
    content = blocks.joined(parts)
    length = len(content)
    pipeline.copy_state.count_read(length)
    with pipeline.new_block(length, pipeline.terms.block_bytes) as block:
        pipeline.write(block, blocks.split_at_zeros(offset, content))
