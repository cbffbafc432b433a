# SPDX-License-Identifier: Apache-2.0
"""The copy engine: bytes from a source to a sink, and into digests.

It knows neither Glance nor Ceph nor Cinder. :func:`copy_stream` reads a source
in order, :func:`copy_extents` reads what a source holds, in parallel. What it
needs of sources and sinks is in :mod:`~cinder_cow.copying.interfaces`, its
threads in :mod:`~cinder_cow.copying.pipeline`. Imports native alone.

What is guaranteed:

* Every byte of the source is in the destination and every digest got it in
  order, or an error is raised. A zero that is not written counts as well.
* The end of every operation is checked. The first error wins, wherever it
  comes from: no operation is started after it, those that were started are
  awaited, and then it is raised. After that the sink is not used and no
  thread is left; also after ``KeyboardInterrupt`` and a killed green thread.
* No more than ``memory_bytes`` and one chunk are in flight: from when a chunk
  is read until all digests have got it and the sink has ended its operation.
  The engine itself drops a block's content when the digests have got it and
  the sink's operations are started: from then on only the sink has it. A
  ``memory_bytes`` of less than a block counts as one block.
* An inspector gets the first bytes before anything is written.
* Only the caller waits: under eventlet, other green threads go on.

What is not guaranteed:

* While a block is joined of its chunks both are in memory: one block more
  for a moment.
* A source or a sink that never returns is waited for: it needs a time limit
  of its own. A source that is read in order can be interrupted: see
  :class:`Cancellation`.
* After an error the destination may hold anything. An operation that another
  thread is about to start may still be started.
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
