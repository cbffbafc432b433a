# SPDX-License-Identifier: Apache-2.0
"""At most so many at once, the others in the order of their coming."""

import collections
from collections.abc import Iterator
import contextlib
import threading


class CopyLimiter:
    """Waits with the host's own kind of thread: green under eventlet.

    A copy that waits must hold none of the few native threads of eventlet's
    pool. `threading.Semaphore` keeps no order.
    """

    def __init__(self, limit: int) -> None:
        self._free = limit
        self._waiting: collections.deque[threading.Event] = collections.deque()
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def slot(self) -> Iterator[None]:
        """Waits for a turn, and gives it up at the end."""
        self._take()
        try:
            yield
        finally:
            self._give_up()

    def _take(self) -> None:
        with self._lock:
            if self._free:
                self._free -= 1
                return
            turn = threading.Event()
            self._waiting.append(turn)
        try:
            turn.wait()
        except BaseException:  # killed: the turn may be ours already
            self._leave(turn)
            raise

    def _leave(self, turn: threading.Event) -> None:
        with self._lock:
            if turn in self._waiting:
                self._waiting.remove(turn)
                return
        self._give_up()

    def _give_up(self) -> None:
        with self._lock:
            if self._waiting:
                self._waiting.popleft().set()
            else:
                self._free += 1
