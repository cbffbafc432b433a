# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.
"""Many volumes at once in a whole cinder-volume."""

from collections.abc import Iterator
import contextlib
import os
import signal
import threading
import time

import pymysql

from benchmarks import journal
from benchmarks import screen
from benchmarks.errors import BenchmarkError
from benchmarks.scene import CALLERS
from benchmarks.scene import Scene
from benchmarks.statistics import Measured
from benchmarks.statistics import compared
from benchmarks.statistics import in_turns

THROUGH_API = 50
IN_PROCESS = 100
#: Well below service_down_time.
HEARTBEAT_SECONDS = 2.0
STOPPED_SECONDS = 90.0
KEEP_ALIVE = 'UPDATE services SET updated_at = UTC_TIMESTAMP() WHERE host = %s'
#: Nothing is under way in the process when it is stopped.
IDLE_SECONDS = 1.0


def through_the_api(scene: Scene) -> Iterator[Measured]:
    """From the first call until the last volume is available."""

    def burst(driver: str, image_id: str) -> float:
        with (
            scene.volumes(many=True) as volumes,
            screen.step(f'{driver}: {THROUGH_API} volumes through the API'),
        ):
            began = time.time()
            ids = volumes.ask(driver, image_id, THROUGH_API)
            ends = scene.wait_ended(ids)
            return max(ends[each] for each in ids) - began

    image_id = scene.raw('ceph')
    found = in_turns(
        scene.rounds.large,
        cow=lambda _round: burst('cow', image_id),
        upstream=lambda _round: burst('upstream', image_id),
    )
    yield compared('api_burst50_vs_upstream', found['cow'], found['upstream'])


def in_the_process(scene: Scene) -> Iterator[Measured]:
    """All wait in the queue of the process before it may begin.

    Else it would wait for the API, which makes fewer a second.
    """

    def burst(driver: str, image_id: str) -> float:
        title = f'{driver}: {IN_PROCESS} volumes in one cinder-volume'
        with scene.volumes(many=True) as volumes, screen.step(title):
            time.sleep(IDLE_SECONDS)
            with _stopped(scene, driver):
                ids = volumes.ask(driver, image_id, IN_PROCESS)
            scene.wait_ended(ids)
            if driver == 'cow':
                scene.require_method('clone', *ids)
            return journal.span(scene.journal(), ids)

    image_id = scene.raw('ceph')
    found = in_turns(
        scene.rounds.large,
        cow=lambda _round: burst('cow', image_id),
        upstream=lambda _round: burst('upstream', image_id),
    )
    yield compared(
        'burst100_vs_upstream',
        found['cow'],
        found['upstream'],
        at_once=CALLERS,
    )


@contextlib.contextmanager
def _stopped(scene: Scene, driver: str) -> Iterator[None]:
    """The driver's process gets no CPU, and nobody notices.

    A service that does not report for service_down_time gets no volumes from
    the scheduler; so its row in the database is kept fresh.

    :raises BenchmarkError: when it takes too long: the process may have been
        stopped while it held a lock in the database that the API waits for.
    """
    pid = scene.stack.cinder_volume_pids()[driver]
    ended, overdue = threading.Event(), threading.Event()
    deadline = time.monotonic() + STOPPED_SECONDS

    def report() -> None:
        while not ended.wait(HEARTBEAT_SECONDS):
            if time.monotonic() > deadline:
                overdue.set()
                os.kill(pid, signal.SIGCONT)
                return
            with contextlib.suppress(pymysql.MySQLError):
                scene.stack.sql('cinder', KEEP_ALIVE, f'sandbox@{driver}')

    reporter = threading.Thread(target=report, daemon=True)
    os.kill(pid, signal.SIGSTOP)
    try:
        reporter.start()
        yield
    finally:
        ended.set()
        os.kill(pid, signal.SIGCONT)
        reporter.join()
    if overdue.is_set():
        raise BenchmarkError(
            f'the API took more than {STOPPED_SECONDS:.0f} s to ask for the'
            f' volumes'
        )
