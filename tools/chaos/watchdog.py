# SPDX-License-Identifier: Apache-2.0
"""Dumps all stacks when nothing moves."""

from collections.abc import Iterator
import contextlib
import faulthandler
import os
import signal
import threading
import time

from chaos.testbed import Testbed

#: A fault lasts 40 s, and what waits for a client that died 60 s more.
STILL_SECONDS = 180.0


@contextlib.contextmanager
def watching(testbed: Testbed) -> Iterator[None]:
    """It looks every second meanwhile."""
    ended = threading.Event()
    thread = threading.Thread(
        target=_watch, args=(testbed, ended), daemon=True
    )
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _watch(testbed: Testbed, ended: threading.Event) -> None:
    while not ended.wait(1):
        if time.monotonic() - testbed.history.moved > STILL_SECONDS:
            testbed.history.moved = time.monotonic()
            testbed.history.violated(
                f'nothing has ended for {STILL_SECONDS:.0f} s; the stacks of'
                f' cinder-volume are in its log'
            )
            dump(testbed)


def dump(testbed: Testbed) -> None:
    """Stacks of all threads: of cinder-volume into its log, and our own."""
    for host in testbed.hosts:
        for pid in testbed.stack.cinder_volume_pids(host).values():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGUSR2)  # oslo.reports writes one
    faulthandler.dump_traceback()
