# SPDX-License-Identifier: Apache-2.0

"""Steps that run at once, each after those that it needs."""

from collections.abc import Callable, Sequence
import concurrent.futures
import sys
import time

Future = concurrent.futures.Future[None]


class Steps:
    """Runs steps in threads and reports how long each took.

    Leave it through join() or abandon(); both wait for all threads.
    """

    def __init__(self) -> None:
        self._began = time.monotonic()
        # A step that waits for others holds a thread: one for each step.
        self._pool = concurrent.futures.ThreadPoolExecutor(max_workers=32)
        self._futures: list[Future] = []

    def add(
        self,
        title: str,
        work: Callable[[], None],
        after: Sequence[Future] = (),
    ) -> Future:
        """Run `work` as soon as the steps `after` have ended well."""
        future = self._pool.submit(self._run, title, work, after)
        self._futures.append(future)
        return future

    def join(self) -> None:
        """Return when all have ended; raise the first error at once."""
        done, _ = concurrent.futures.wait(
            self._futures, return_when=concurrent.futures.FIRST_EXCEPTION
        )
        for future in self._futures:
            if future in done:
                future.result()
        self._pool.shutdown()

    def abandon(self) -> None:
        """Return when all threads have ended, whatever they raised."""
        self._pool.shutdown(cancel_futures=True)

    def _run(
        self, title: str, work: Callable[[], None], after: Sequence[Future]
    ) -> None:
        for future in after:
            future.result()
        began = time.monotonic()
        work()
        now = time.monotonic()
        print(
            f'[{now - self._began:5.1f} s] {title} ({now - began:.1f} s)',
            file=sys.stderr,
            flush=True,
        )
