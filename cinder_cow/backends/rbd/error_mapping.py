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
"""librados' and librbd's exceptions into ours, at the edge."""

from collections.abc import Iterator
import contextlib
import errno
import os

import rados
import rbd

from cinder_cow import errors

#: The connection itself is of no more use, and does nothing more. ESHUTDOWN
#: is what a client gets that stands on the cluster's blocklist.
LOST = (
    rbd.ConnectionShutdown,
    rados.ConnectionShutdown,
    rados.RadosStateError,
)
#: What was asked may have been done, or may still be.
TIMED_OUT = (rbd.Timeout, rados.TimedOut)
FULL = (rbd.NoSpace, rbd.DiskQuotaExceeded, rados.NoSpace)


@contextlib.contextmanager
def mapped(action: str) -> Iterator[None]:
    """Names the ``action`` that failed: "Could not <action>: ..."."""
    try:
        yield
    except LOST as exc:
        raise errors.ConnectionLost(action, exc) from exc
    except TIMED_OUT as exc:
        raise errors.StorageUnreachable(action, exc) from exc
    except FULL as exc:
        raise errors.StorageFull(action, exc) from exc
    except (rados.Error, rbd.Error) as exc:
        raise errors.StorageError(action, exc) from exc


def of_status(action: str, status: int) -> errors.StorageError:
    """The error for a negative status that an asynchronous call ended with."""
    cause = OSError(-status, os.strerror(-status))
    match -status:
        case errno.ESHUTDOWN:
            return errors.ConnectionLost(action, cause)
        case errno.ETIMEDOUT:
            return errors.StorageUnreachable(action, cause)
        case errno.ENOSPC | errno.EDQUOT:
            return errors.StorageFull(action, cause)
        case _:
            return errors.StorageError(action, cause)
