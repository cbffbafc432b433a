# SPDX-License-Identifier: Apache-2.0
"""The lease of a sweep, which a sweep that is stuck does not keep."""

import time
import types
from typing import Self

from oslo_log import log as logging

from cinder_cow import errors, native
from cinder_cow.backends.base_store import Lease

LOG = logging.getLogger(__name__)

#: One step of a sweep: to remove one large image takes minutes, and all that
#: are retired are removed in one step.
STEP_SECONDS = 1800.0


class SweepLease:
    """Kept from step to step. A context manager: the sweep's length."""

    def __init__(
        self, lease: Lease, step_seconds: float = STEP_SECONDS
    ) -> None:
        self._lease = lease
        self._step_seconds = step_seconds
        self._action = 'begin'
        self._began = time.monotonic()
        self._lost = native.event()
        self._over = native.event()
        self._watching = native.thread(self._watch, 'cow-sweep-watch')
        lease.on_lost(self._lost.set)

    def begin(self, action: str) -> None:
        """The next step begins.

        :raises LeaseLost: when another host sweeps by now.
        """
        if self._lost.is_set():
            raise errors.LeaseLost(
                'sweep', 'another host goes on with the sweep'
            )
        self._action, self._began = action, time.monotonic()
        self._lease.keep(self._step_seconds)

    def __enter__(self) -> Self:
        self._watching.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: types.TracebackType | None,
    ) -> None:
        self._over.set()

    def _watch(self) -> None:
        """In a native thread: a step that is stuck is one line in the log."""
        reported = 0.0
        while not self._over.wait(self._step_seconds / 4):
            began = self._began
            seconds = time.monotonic() - began
            if seconds >= self._step_seconds and began != reported:
                reported = began
                LOG.warning(
                    'The sweep of base images is stuck: for %d s it has tried'
                    ' to %s. Another host may sweep now. See `ceph status`;'
                    ' a restart of this service ends it.',
                    seconds,
                    self._action,
                )
