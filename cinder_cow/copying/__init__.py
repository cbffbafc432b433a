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

from cinder_cow.copying.blocks import GRAIN_BYTES
from cinder_cow.copying.blocks import PEEK_BYTES
from cinder_cow.copying.cancellation import Cancellation
from cinder_cow.copying.errors import Cancelled
from cinder_cow.copying.errors import CopyError
from cinder_cow.copying.errors import Excess
from cinder_cow.copying.errors import Truncated
from cinder_cow.copying.extent_copy import copy_extents
from cinder_cow.copying.extents import Extent
from cinder_cow.copying.interfaces import Digest
from cinder_cow.copying.interfaces import Done
from cinder_cow.copying.interfaces import ExtentSource
from cinder_cow.copying.interfaces import Inspect
from cinder_cow.copying.interfaces import Report
from cinder_cow.copying.interfaces import Sink
from cinder_cow.copying.model import Copied
from cinder_cow.copying.model import Progress
from cinder_cow.copying.model import Terms
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
    'Terms',
    'Truncated',
    'copy_extents',
    'copy_stream',
]
