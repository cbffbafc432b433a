# SPDX-License-Identifier: Apache-2.0
"""The way to end a copy from outside."""

from collections.abc import Callable, Iterator
import contextlib

from cinder_cow import native
from cinder_cow.copying.errors import Cancelled

#: Ends something that waits, with this error. It must not wait itself.
Stop = Callable[[BaseException], None]


class Cancellation:
    """Ends the copies that it was given to, and those that it will be.

    Thread-safe. Once cancelled it stays so.
    """

    def __init__(self) -> None:
        self._lock = native.lock()
        self._error: BaseException | None = None
        self._stops: list[Stop] = []

    @property
    def error(self) -> BaseException | None:
        """What the copies end with, or None as long as they may go on."""
        return self._error

    def cancel(self, error: BaseException | None = None) -> None:
        """End the copies with ``error``, or :class:`Cancelled` if None.

        From any thread; returns at once. The first call counts.
        """
        with self._lock:
            if self._error is not None:
                return
            self._error = error if error is not None else Cancelled()
            # The copy itself first, then what wakes its source: the error of
            # a source that was woken is not the copy's.
            stops = list(reversed(self._stops))
        for stop in stops:
            stop(self._error)

    def check(self) -> None:
        """Return as long as the copies may go on.

        :raises BaseException: what it was cancelled with.
        """
        if self._error is not None:
            raise self._error

    @contextlib.contextmanager
    def stopping(self, stop: Stop) -> Iterator[None]:
        """Call ``stop`` when it is cancelled, or at once if it is.

        Of several, the one that was entered last is called first.
        """
        with self._lock:
            self._stops.append(stop)
            error = self._error
        try:
            if error is not None:
                stop(error)
            yield
        finally:
            with self._lock:
                self._stops.remove(stop)
