# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.
"""Copies a source that comes as it likes, in order."""

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
import functools

from cinder_cow.copying.blocks import Part
from cinder_cow.copying.blocks import assembled
from cinder_cow.copying.blocks import joined
from cinder_cow.copying.blocks import peeked
from cinder_cow.copying.blocks import sized
from cinder_cow.copying.cancellation import Cancellation
from cinder_cow.copying.interfaces import Digest
from cinder_cow.copying.interfaces import Inspect
from cinder_cow.copying.interfaces import Report
from cinder_cow.copying.interfaces import Sink
from cinder_cow.copying.model import Copied
from cinder_cow.copying.model import Terms
from cinder_cow.copying.pipeline import Pipeline


def copy_stream(
    chunks: Iterable[bytes],
    sink: Sink,
    terms: Terms,
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
    :raises Cancelled: when it was.
    """
    pipeline = Pipeline(sink, terms, size_bytes, digests, report, cancellation)
    bounded = sized(chunks, size_bytes, terms.destination_bytes)
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
    for parts in assembled(_watched(chunks, pipeline), block_bytes):
        length = sum(map(len, parts))
        yield functools.partial(_write, pipeline, offset, parts)
        offset += length
    for extent in pipeline.rest(offset):
        yield functools.partial(pipeline.zero, extent, block_bytes)


def _watched(chunks: Iterable[bytes], pipeline: Pipeline) -> Iterator[bytes]:
    for chunk in chunks:
        pipeline.check()
        yield chunk


def _write(pipeline: Pipeline, offset: int, parts: list[Part]) -> None:
    if pipeline.flight.error is not None:
        return
    content = joined(parts)
    length = len(content)
    pipeline.flight.count_read(length)
    with pipeline.block(length, pipeline.terms.block_bytes) as block:
        pipeline.write(block, pipeline.pieces(offset, content))
