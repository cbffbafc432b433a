# SPDX-License-Identifier: Apache-2.0
"""Native threads that work through a queue."""

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from cinder_cow import native

T = TypeVar('T')


class ThreadPool(Generic[T]):
    """As many threads as ``count``, and one queue, in order.

    An error of the work is handed to ``fail``, and the pool goes on: it is
    the work that does nothing more when the copy has failed. So the queue is
    always emptied, and nobody waits for what will not come.
    """

    def __init__(
        self,
        name: str,
        work: Callable[[T], None],
        fail: Callable[[BaseException], None],
        count: int = 1,
    ) -> None:
        self._work = work
        self._fail = fail
        self._queue = native.queue()
        self._threads: list[Any] = [
            native.thread(self._run, f'cow-{name}-{number}')
            for number in range(count)
        ]

    def start(self) -> None:
        """Begin to work."""
        for thread in self._threads:
            thread.start()

    def put(self, item: T) -> None:
        """Leave an item to the pool. Does not wait."""
        self._queue.put(item)

    def close(self) -> None:
        """Return when all is worked off and no thread is left.

        Blocks. May be called again, and where the start has failed.
        """
        for _ in self._threads:
            self._queue.put(None)
        for thread in self._threads:
            if thread.is_alive():
                thread.join()

    def _run(self) -> None:
        for item in iter(self._queue.get, None):
            try:
                self._work(item)
            except BaseException as exc:  # noqa: BLE001  raised by the copy
                self._fail(exc)
            del item  # nor held while the thread waits for the next
