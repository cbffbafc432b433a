# SPDX-License-Identifier: Apache-2.0
"""The copy engine: from a source to a sink, by way of the digests.

It knows neither Glance nor Ceph nor Cinder. :func:`copy_stream` takes chunks
as they come, :func:`copy_extents` reads what a source has, in parallel. What
they are made between is described in :mod:`~cinder_cow.copying.interfaces`;
the way of the bytes in :mod:`~cinder_cow.copying.pipeline`.

What is guaranteed:

* Every byte of the source is in the destination and was seen by each digest
  in order, or an error is raised. A zero that is not written counts as well.
* Every operation's end is looked at. The first error wins, whoever had it:
  nothing is begun after it, what is under way is awaited, and then it is
  raised. The sink is not used after the return, and no thread is left; that
  holds for ``KeyboardInterrupt`` and a killed green thread too.
* No more than ``memory_bytes`` are held, and one chunk: from when a chunk is
  taken over until all digests have seen it and the sink is done with it. A
  ``memory_bytes`` of less than a block counts as one block.
* An inspector sees the first bytes before anything is written.
* Only the caller waits: under eventlet, other green threads go on.

What is not guaranteed:

* While a block is joined of its chunks, both are there: one block more for
  a moment.
* A source or a sink that never returns is waited for: it must have a limit
  of time of its own.
* After an error the destination holds anything. An operation that another
  thread was just about to begin may still be begun.
"""

from cinder_cow.copying.blocks import GRAIN_BYTES, PEEK_BYTES
from cinder_cow.copying.cancellation import Cancellation
from cinder_cow.copying.errors import Cancelled, CopyError, Excess, Truncated
from cinder_cow.copying.extent_copy import copy_extents
from cinder_cow.copying.extents import Extent
from cinder_cow.copying.interfaces import (
    Digest,
    Done,
    ExtentSource,
    Inspect,
    Report,
    Sink,
)
from cinder_cow.copying.model import Copied, CopyTerms, Progress
from cinder_cow.copying.stream_copy import copy_stream

__all__ = [
    'GRAIN_BYTES',
    'PEEK_BYTES',
    'Cancellation',
    'Cancelled',
    'Copied',
    'CopyError',
    'Digest',
    'Done',
    'Excess',
    'Extent',
    'ExtentSource',
    'Inspect',
    'Progress',
    'Report',
    'Sink',
    'CopyTerms',
    'Truncated',
    'copy_extents',
    'copy_stream',
]
