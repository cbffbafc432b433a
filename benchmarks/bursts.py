# SPDX-License-Identifier: Apache-2.0
"""Many volumes at once in a whole cinder-volume."""

from collections.abc import Iterator
import contextlib
import os
import signal
import time

from benchmarks import journal
from benchmarks.clock import Clock
from benchmarks.setup import CALLERS, Setup
from benchmarks.statistics import Cost, Measured, compared, in_turns
from measuring import screen

#: Nothing is under way any more in what is stopped.
IDLE_SECONDS = 1.0


def through_the_api(setup: Setup) -> Iterator[Measured]:
    """From the first call until the last volume is available."""

    count = setup.rounds.through_api

    def burst(driver: str, image_id: str) -> Cost:
        with (
            setup.volumes(many=True) as volumes,
            screen.step(f'{driver}: {count} volumes through the API'),
        ):
            began, clock = time.time(), Clock(setup.stack)
            ids = volumes.ask(driver, image_id, count)
            ends = setup.wait_ended(ids)
            cores = clock.read().core_seconds
            return Cost(max(ends[each] for each in ids) - began, cores)

    image_id = setup.raw('ceph')
    found = in_turns(
        setup.rounds.large,
        cow=lambda _round: burst('cow', image_id),
        upstream=lambda _round: burst('upstream', image_id),
    )
    yield compared(
        'api_burst50_vs_upstream',
        found['cow'],
        found['upstream'],
        volumes=count,
        at_once=CALLERS,
    )


def in_the_process(setup: Setup) -> Iterator[Measured]:
    """All wait in the scheduler's queue before the process may begin.

    Else it would wait for the API, which makes fewer a second.
    """
    count = setup.rounds.in_process

    def burst(driver: str, image_id: str) -> Cost:
        title = f'{driver}: {count} volumes in one cinder-volume'
        with setup.volumes(many=True) as volumes, screen.step(title):
            with _held_back(setup):
                ids = volumes.ask(driver, image_id, count)
                clock = Clock(setup.stack)
            setup.wait_ended(ids)
            cores = clock.read().core_seconds
            if driver == 'cow':
                setup.require_method('clone', *ids)
            return Cost(journal.span(setup.journal(), ids), cores)

    image_id = setup.raw('ceph')
    found = in_turns(
        setup.rounds.large,
        cow=lambda _round: burst('cow', image_id),
        upstream=lambda _round: burst('upstream', image_id),
    )
    yield compared(
        'burst100_vs_upstream',
        found['cow'],
        found['upstream'],
        volumes=count,
        at_once=CALLERS,
    )


@contextlib.contextmanager
def _held_back(setup: Setup) -> Iterator[None]:
    """The scheduler gets no CPU, and hands nothing on meanwhile."""
    time.sleep(IDLE_SECONDS)
    pid = setup.stack.cinder_scheduler_pid()
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)
