# SPDX-License-Identifier: Apache-2.0
"""A pool of native threads with one queue."""

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from cinder_cow import native

T = TypeVar('T')


class ThreadPool(Generic[T]):
    """``count`` threads that call ``work`` with each item, in order.

    An error of ``work`` is passed to ``fail``, and the pool goes on with the
    next item: so the queue is always emptied. It is for ``work`` to do
    nothing once the copy has failed.
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
        """Start the threads."""
        for thread in self._threads:
            thread.start()

    def put(self, item: T) -> None:
        """Queue an item. Does not wait."""
        self._queue.put(item)

    def close(self) -> None:
        """Return when the queue is empty and all threads have ended.

        Blocks. May be called again, and after a start that failed.
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
            del item  # not held in memory while the thread waits
