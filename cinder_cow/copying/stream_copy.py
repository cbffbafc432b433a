# SPDX-License-Identifier: Apache-2.0
"""Copies a source that comes as it likes, in order."""

from collections.abc import Callable, Iterable, Iterator
import functools

from cinder_cow.copying.blocks import Part, assembled, joined, peeked, sized
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

    Blocks its caller only, also under eventlet. The source is pulled, the
    inspector and the reports are called in the caller's thread. A source
    that stalls has to raise by itself: see
    :mod:`cinder_cow.copying.interfaces`.

    :param size_bytes: how much is to come; None where that is not known.
    :raises Truncated: when less comes.
    :raises Excess: when more comes, or more than the destination holds.
    :raises Cancelled: when it was, or the error that it was cancelled with.
    """
    pipeline = Pipeline(sink, terms, size_bytes, digests, report, cancellation)
    bounded = sized(
        _checked(chunks, pipeline), size_bytes, terms.destination_bytes
    )
    if inspect is not None:
        bounded = peeked(bounded, inspect)

    def pump() -> None:
        pipeline.reserve()
        for work in _works(bounded, pipeline):
            pipeline.writer.put(work)
            pipeline.reserve()

    return pipeline.run(pump)


def _works(
    chunks: Iterable[bytes], pipeline: Pipeline
) -> Iterator[Callable[[], None]]:
    """What the writer has to do, a block's reserve for each."""
    block_bytes = pipeline.terms.block_bytes
    offset = 0
    for parts in assembled(chunks, block_bytes):
        length = sum(map(len, parts))
        yield functools.partial(_write, pipeline, offset, parts)
        offset += length
    for extent in pipeline.rest(offset):
        yield functools.partial(pipeline.zero, extent, block_bytes)


def _checked(chunks: Iterable[bytes], pipeline: Pipeline) -> Iterator[bytes]:
    """The same, as long as the copy has not failed."""
    for chunk in chunks:
        pipeline.check()
        yield chunk


def _write(pipeline: Pipeline, offset: int, parts: list[Part]) -> None:
    if pipeline.copy_state.error is not None:
        return
    content = joined(parts)
    length = len(content)
    pipeline.copy_state.count_read(length)
    with pipeline.block(length, pipeline.terms.block_bytes) as block:
        pipeline.write(block, pipeline.pieces(offset, content))
