# SPDX-License-Identifier: Apache-2.0
"""The way to end a copy from outside."""

from collections.abc import Callable, Iterator
import contextlib

from cinder_cow import native


class Cancellation:
    """Ends the copies that it was given to, and those that it will be."""

    def __init__(self) -> None:
        self._lock = native.lock()
        self._cancelled = False
        self._stops: list[Callable[[], None]] = []

    def cancel(self) -> None:
        """End the copy with :class:`~cinder_cow.copying.errors.Cancelled`.

        From any thread; returns at once. A copy whose caller waits for the
        next chunk of a sequential source ends when that wait is over.
        """
        with self._lock:
            self._cancelled = True
            stops = list(self._stops)
        for stop in stops:
            stop()

    @contextlib.contextmanager
    def stopping(self, stop: Callable[[], None]) -> Iterator[None]:
        """Call ``stop`` when it is cancelled, or at once if it is."""
        with self._lock:
            self._stops.append(stop)
            cancelled = self._cancelled
        try:
            if cancelled:
                stop()
            yield
        finally:
            with self._lock:
                self._stops.remove(stop)
