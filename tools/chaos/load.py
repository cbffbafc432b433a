# SPDX-License-Identifier: Apache-2.0
"""Workers that do one operation after the other."""

from collections.abc import Iterator
import contextlib
import random
import threading
import time
import traceback

from chaos.api_calls import NOTHING, ApiCalls
from chaos.operations import OPERATIONS, Doing
from chaos.testbed import Testbed

WORKERS = 4
#: When there was nothing to do.
PAUSE_SECONDS = 0.5


@contextlib.contextmanager
def working(testbed: Testbed, seed: int) -> Iterator[None]:
    """They work meanwhile; each ends what it has begun."""
    ended = threading.Event()
    threads = [
        threading.Thread(
            target=_work,
            args=(testbed, random.Random(f'{seed} {number}'), ended),
            name=f'worker-{number}',
        )
        for number in range(WORKERS)
    ]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        ended.set()
        for thread in threads:
            thread.join()


def _work(
    testbed: Testbed, chooser: random.Random, ended: threading.Event
) -> None:
    doing = Doing(testbed, chooser, ApiCalls(testbed))
    while not ended.is_set():
        (operation,) = chooser.choices(
            list(OPERATIONS), list(OPERATIONS.values())
        )
        began = time.monotonic()
        try:
            outcome = operation(doing)
        except Exception:  # noqa: BLE001  a worker does not end unnoticed
            testbed.history.violated(
                f'{operation.__name__}: {traceback.format_exc()}'
            )
            outcome = 'error'
        if outcome == NOTHING:
            ended.wait(PAUSE_SECONDS)
            continue
        testbed.history.count(
            operation.__name__, outcome, time.monotonic() - began
        )
