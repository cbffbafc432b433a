# SPDX-License-Identifier: Apache-2.0
"""Keeps a lease while the work under it makes progress."""

from collections.abc import Iterator
import contextlib

from oslo_log import log as logging

from cinder_cow import copying, errors, native
from cinder_cow.backends.base_store import Lease

LOG = logging.getLogger(__name__)

#: A copy reports every 10 s, and a lease lasts for half a minute.
LEAST_SECONDS = 30.0


class LeaseWatch:
    """Stops the work when the lease is lost. Thread-safe.

    Work that makes no progress keeps no lease: it expires, and another host
    goes on.
    """

    def __init__(self, name: str, lease: Lease, stall_seconds: float) -> None:
        """:param stall_seconds: without progress, after which it expires."""
        #: Ends the copies and conversions that it is given to.
        self.cancellation = copying.Cancellation()
        self._name = name
        self._lease = lease
        self._seconds = max(stall_seconds, LEAST_SECONDS)
        self._bytes_done = -1
        self._lost = native.event()
        lease.on_lost(self._stop)
        self.progress()

    @property
    def is_lost(self) -> bool:
        """Whether another has the lease, as far as is known."""
        return bool(self._lost.is_set())

    def progress(self) -> None:
        """The work goes on."""
        self.keep(self._seconds)

    def copied(self, progress: copying.Progress) -> None:
        """A copy reports: it goes on if there are more bytes than before."""
        if progress.bytes_done != self._bytes_done:
            self._bytes_done = progress.bytes_done
            self.progress()

    def keep(self, seconds: float) -> None:
        """The work may take so long until the next call."""
        self._lease.keep(max(seconds, self._seconds))

    def check(self) -> None:
        """Renew the lease.

        :raises LeaseLost: when another has it.
        """
        self._lease.check()

    @contextlib.contextmanager
    def loss_named(self) -> Iterator[None]:
        """What fails after the lease was lost fails because of that.

        :raises LeaseLost: in place of any error of a copy or of the storage.
        :raises CopyCancelled: when the request was cancelled.
        """
        try:
            yield
        except errors.LeaseLost:
            raise
        except (errors.CowError, copying.CopyError) as exc:
            if isinstance(exc, copying.Cancelled) and not self.is_lost:
                raise errors.CopyCancelled(f'base {self._name}') from exc
            if not self.is_lost:
                raise
            LOG.debug('base=%s ended by: %s', self._name, exc)
            raise self._loss() from exc

    def _stop(self) -> None:
        self._lost.set()
        self.cancellation.cancel(self._loss())

    def _loss(self) -> errors.LeaseLost:
        return errors.LeaseLost(
            self._name, 'another host has it; the work was stopped'
        )
