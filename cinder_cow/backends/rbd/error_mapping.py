# SPDX-License-Identifier: Apache-2.0
"""librados' and librbd's exceptions into ours, at the edge."""

from collections.abc import Iterator
import contextlib
import errno
import os

from oslo_log import log as logging
import rados
import rbd

from cinder_cow import errors

LOG = logging.getLogger(__name__)

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
_FULL_CODES = (errno.ENOSPC, errno.EDQUOT)


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
    except rbd.ImageBusy as exc:
        raise errors.StorageBusy(action, exc) from exc
    except (rados.Error, rbd.Error) as exc:
        # EDQUOT has no class of its own in rados.
        if getattr(exc, 'errno', None) in _FULL_CODES:
            raise errors.StorageFull(action, exc) from exc
        raise errors.StorageError(action, exc) from exc


@contextlib.contextmanager
def warning_unless_lost(action: str) -> Iterator[None]:
    """Continues on an error of one image of many, with a WARNING.

    :raises StorageUnreachable: the others would fail alike.
    """
    try:
        with mapped(action):
            yield
    except errors.StorageUnreachable:
        raise
    except errors.StorageError as exc:
        LOG.warning('%s', exc)


def of_status(action: str, status: int) -> errors.StorageError:
    """The error for a negative status that an asynchronous call ended with."""
    cause = OSError(-status, os.strerror(-status))
    match -status:
        case errno.ESHUTDOWN:
            return errors.ConnectionLost(action, cause)
        case errno.ETIMEDOUT:
            return errors.StorageUnreachable(action, cause)
        case code if code in _FULL_CODES:
            return errors.StorageFull(action, cause)
        case _:
            return errors.StorageError(action, cause)
