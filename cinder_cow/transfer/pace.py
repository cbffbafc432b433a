# SPDX-License-Identifier: Apache-2.0
"""Ends a copy whose source is too slow, or that takes too long in all."""

from collections.abc import Callable, Iterable, Iterator
import contextlib
from dataclasses import dataclass
import time

from cinder_cow import native

#: Seconds over which the least rate is an average.
WINDOW_SECONDS = 60
#: The least that is expected of a window: sources give chunks of 4 MiB, and
#: what has come of the next one is not seen.
WINDOW_BYTES = 16 * 2**20
#: Seconds between two looks at a copy.
LOOK_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class PaceLimits:
    """How slow a copy may be."""

    #: The least average rate of a source that is read as a stream; 0: any.
    min_bytes_per_second: int = 2**20
    #: A silence that may come once in each window: see `cow_stall_seconds`.
    stall_seconds: float = 60
    #: The longest copy, all its tries together.
    copy_seconds: float = 24 * 3600

    @property
    def window_bytes(self) -> int:
        """What has to come in each window."""
        return max(self.min_bytes_per_second * WINDOW_SECONDS, WINDOW_BYTES)

    @property
    def window_seconds(self) -> float:
        """The time for that, which is counted while the source is awaited."""
        return self.stall_seconds + self.window_bytes / max(
            self.min_bytes_per_second, 1
        )


class SourcePace:
    """Measures a source: how much it gives in the time that it is awaited.

    The time in which the copy waits for its destination does not count.
    """

    def __init__(
        self, limits: PaceLimits, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._limits = limits
        self._clock = clock
        self._lock = native.lock()
        self._waiting_since: float | None = None
        #: Of this window.
        self._waited_seconds = 0.0
        self._got_bytes = 0

    def watched(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """The same chunks, and how long each lets its caller wait."""
        rest = iter(chunks)
        while True:
            with self._lock:
                self._waiting_since = self._clock()
            try:
                chunk = next(rest, None)
            finally:
                with self._lock:
                    self._waited_seconds += self._waiting()
                    self._waiting_since = None
            if chunk is None:
                return
            self._count(len(chunk))
            yield chunk

    def _count(self, length: int) -> None:
        with self._lock:
            self._got_bytes += length
            if self._got_bytes >= self._limits.window_bytes:
                self._waited_seconds, self._got_bytes = 0.0, 0

    def too_slow(self) -> str | None:
        """Why the source is too slow, or None. From any thread."""
        limits = self._limits
        with self._lock:
            waited_seconds = self._waited_seconds + self._waiting()
            got_bytes = self._got_bytes
        if (
            not limits.min_bytes_per_second
            or waited_seconds < limits.window_seconds
        ):
            return None
        return (
            f'only {got_bytes} bytes came in {waited_seconds:.0f} s of waiting'
        )

    def _waiting(self) -> float:
        """Seconds since the caller began to wait, 0 if it does not."""
        if self._waiting_since is None:
            return 0.0
        return self._clock() - self._waiting_since


@contextlib.contextmanager
def looked_after(look: Callable[[], None]) -> Iterator[None]:
    """Calls ``look`` every now and then, in a native thread, meanwhile.

    It must not wait, nor raise.
    """
    ended = native.event()

    def run() -> None:
        while not ended.wait(LOOK_SECONDS):
            look()

    thread = native.thread(run, 'cow-pace')
    thread.start()
    try:
        yield
    finally:
        ended.set()
        native.in_thread(thread.join)()
