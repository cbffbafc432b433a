# SPDX-License-Identifier: Apache-2.0
"""Workers that do one operation after the other."""

from collections.abc import Iterator
import contextlib
import random
import threading
import time
import traceback

from chaos.asking import NOTHING, Asking
from chaos.operations import OPERATIONS, Doing
from chaos.site import Site

WORKERS = 4
#: When there was nothing to do.
PAUSE_SECONDS = 0.5


@contextlib.contextmanager
def working(site: Site, seed: int) -> Iterator[None]:
    """They work meanwhile; each ends what it has begun."""
    ended = threading.Event()
    threads = [
        threading.Thread(
            target=_work,
            args=(site, random.Random(f'{seed} {number}'), ended),
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


def _work(site: Site, chooser: random.Random, ended: threading.Event) -> None:
    doing = Doing(site, chooser, Asking(site))
    while not ended.is_set():
        (operation,) = chooser.choices(
            list(OPERATIONS), list(OPERATIONS.values())
        )
        began = time.monotonic()
        try:
            outcome = operation(doing)
        except Exception:  # noqa: BLE001  a worker does not end unnoticed
            site.book.violated(
                f'{operation.__name__}: {traceback.format_exc()}'
            )
            outcome = 'error'
        if outcome == NOTHING:
            ended.wait(PAUSE_SECONDS)
            continue
        site.book.count(operation.__name__, outcome, time.monotonic() - began)
