# SPDX-License-Identifier: Apache-2.0
"""The bytes that a copy may hold in memory."""

from cinder_cow import native


class Budget:
    """A limit on the bytes held at once. Thread-safe.

    :meth:`acquire` waits, in native threads. All else may be called anywhere.
    """

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        #: The most that was held at once.
        self.peak_bytes = 0
        self._held_bytes = 0
        self._closed = False
        self._changed = native.condition()

    def acquire(self, length: int, seconds: float | None = None) -> bool:
        """Whether ``length`` bytes more are held now.

        False when there was no room in all of ``seconds`` (None: no limit),
        and always when the budget is closed.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._ends_wait(length), seconds)
            if self._closed or not self._fits(length):
                return False
            self._held_bytes += length
            self.peak_bytes = max(self.peak_bytes, self._held_bytes)
            return True

    def _fits(self, length: int) -> bool:
        return self._held_bytes + length <= self.limit_bytes

    def _ends_wait(self, length: int) -> bool:
        return self._closed or self._fits(length)

    def release(self, length: int) -> None:
        """Hold ``length`` bytes less."""
        with self._changed:
            self._held_bytes -= length
            self._changed.notify_all()

    def close(self) -> None:
        """End all waits; nothing more can be acquired."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
