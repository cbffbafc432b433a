# SPDX-License-Identifier: Apache-2.0
"""Dumps all stacks when nothing moves."""

from collections.abc import Iterator
import contextlib
import faulthandler
import os
import signal
import threading
import time

from chaos.site import Site

#: A fault lasts 40 s, and what waits for a client that died 60 s more.
STILL_SECONDS = 180.0


@contextlib.contextmanager
def watching(site: Site) -> Iterator[None]:
    """It looks every second meanwhile."""
    ended = threading.Event()
    thread = threading.Thread(target=_watch, args=(site, ended), daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _watch(site: Site, ended: threading.Event) -> None:
    while not ended.wait(1):
        if time.monotonic() - site.book.moved > STILL_SECONDS:
            site.book.moved = time.monotonic()
            site.book.violated(
                f'nothing has ended for {STILL_SECONDS:.0f} s; the stacks of'
                f' cinder-volume are in its log'
            )
            dump(site)


def dump(site: Site) -> None:
    """Stacks of all threads: of cinder-volume into its log, and our own."""
    for host in site.hosts:
        for pid in site.stack.cinder_volume_pids(host).values():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGUSR2)  # oslo.reports writes one
    faulthandler.dump_traceback()
