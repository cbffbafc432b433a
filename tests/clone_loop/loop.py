# SPDX-License-Identifier: Apache-2.0
"""The process that clones: it may abort, which is what is looked for.

It takes a Job as JSON, and prints what it has done every few seconds.
"""

from collections.abc import Callable, Iterator
import concurrent.futures
import contextlib
from dataclasses import dataclass
import faulthandler
import functools
import json
import resource
import sys
import threading
import time

import rados
import rbd

from cinder_cow.backends.rbd import connection
from cinder_cow.backends.rbd.backend import RbdBackend
from cinder_cow.backends.rbd.pool import Pool
from cinder_cow.backends.rbd.settings import RbdSettings
from cinder_cow.model import Snapshot, SnapshotRef

MIB = 2**20
POOL, PARENT, SNAPSHOT = 'volumes', 'image', 'snap'
SIZE_BYTES = 8 * MIB
GROWN_BYTES = 12 * MIB
#: How long a kept connection lives.
CONNECTION_SECONDS = 0.5
TELL_SECONDS = 10


@dataclass(frozen=True)
class Job:
    conf: str
    clones: int
    threads: int
    seconds: float
    #: kept, as this driver has them; or each, as Cinder's own RBD driver.
    connections: str
    #: clone; life: it is grown and removed too; parent: its parent is made and
    #: removed too, whose image is closed as soon as its snapshot is there;
    #: paused: with this driver's pause before that.
    work: str


class Kept:
    """This driver's own code, on the connection that all threads share."""

    def __init__(self, settings: RbdSettings, parent: Snapshot) -> None:
        self._settings = settings
        self._parent = parent
        self._backend = RbdBackend(settings)

    def clone(self, name: str) -> None:
        self._backend.clone_snapshot(self._parent, name)

    def grow_and_remove(self, name: str) -> None:
        self._backend.grow(name, GROWN_BYTES)
        self._backend.remove(name)

    @contextlib.contextmanager
    def pool(self) -> Iterator[Pool]:
        with (
            connection.connected(self._settings) as held,
            held.pool(POOL) as ioctx,
        ):
            yield Pool(held, ioctx)

    def renew(self) -> None:
        """As after an error: its last user shuts it down."""
        with connection.connected(self._settings) as held:
            held.kept = False


class Each:
    """A connection for each step, closed after it."""

    def __init__(self, settings: RbdSettings, parent: Snapshot) -> None:
        self._settings = settings
        self._parent = parent.ref

    def clone(self, name: str) -> None:
        ref = self._parent
        # Cinder's driver opens one for the parent and one for the clone.
        with self.pool() as parents, self.pool() as pool:
            rbd.RBD().clone(
                parents.ioctx, ref.image, ref.snapshot, pool.ioctx, name
            )

    def grow_and_remove(self, name: str) -> None:
        with self.pool() as pool, rbd.Image(pool.ioctx, name) as image:
            image.resize(GROWN_BYTES)
        with self.pool() as pool:
            rbd.RBD().remove(pool.ioctx, name)

    def renew(self) -> None:
        """They come and go by themselves."""

    @contextlib.contextmanager
    def pool(self) -> Iterator[Pool]:
        with (
            connection.connected_once(self._settings) as held,
            held.pool(POOL) as ioctx,
        ):
            yield Pool(held, ioctx)


class Progress:
    def __init__(self) -> None:
        self.done = 0
        self._lock = threading.Lock()

    def count(self) -> None:
        with self._lock:
            self.done += 1


def main(job: Job) -> None:
    faulthandler.enable()
    _unlimit_cores()
    settings = RbdSettings('ceph', job.conf, 'admin', POOL, 4 * MIB)
    way = (Kept if job.connections == 'kept' else Each)(
        settings, _parent(settings)
    )
    progress = Progress()
    began = time.monotonic()
    stop = threading.Event()
    watchers = [
        threading.Thread(target=_every, args=(stop, seconds, call))
        for seconds, call in (
            (CONNECTION_SECONDS, way.renew),
            (TELL_SECONDS, lambda: _tell(progress.done, began)),
        )
    ]
    for each in watchers:
        each.start()
    try:
        _work(job, way, progress, began + job.seconds)
    finally:
        stop.set()
        for each in watchers:
            each.join()
        _tell(progress.done, began)


def _work(job: Job, way: Kept | Each, progress: Progress, end: float) -> None:
    numbers = iter(range(job.clones))  # next() of it is atomic

    def work(_thread: int) -> None:
        for number in numbers:
            if time.monotonic() > end:
                return
            name = f'volume-{number}'
            if job.work in ('clone', 'life'):
                way.clone(name)
            else:
                _clone_a_new_parent(way, name, job.work == 'paused')
            if job.work == 'life':
                way.grow_and_remove(name)
            progress.count()

    with concurrent.futures.ThreadPoolExecutor(job.threads) as workers:
        list(workers.map(work, range(job.threads)))


def _clone_a_new_parent(way: Kept | Each, name: str, paused: bool) -> None:
    image = f'parent-of-{name}'
    with way.pool() as pool:
        ioctx = pool.ioctx
        opened = pool.changing if paused else functools.partial(_opened, ioctx)
        rbd.RBD().create(ioctx, image, SIZE_BYTES, old_format=False)
        with opened(image) as parent:
            parent.create_snap(SNAPSHOT)
            parent.protect_snap(SNAPSHOT)
        rbd.RBD().clone(ioctx, image, SNAPSHOT, ioctx, name)
        rbd.RBD().remove(ioctx, name)
        with opened(image) as parent:
            parent.unprotect_snap(SNAPSHOT)
            parent.remove_snap(SNAPSHOT)
        rbd.RBD().remove(ioctx, image)


def _opened(ioctx: rados.Ioctx, name: str) -> rbd.Image:
    return rbd.Image(ioctx, name)


def _parent(settings: RbdSettings) -> Snapshot:
    with connection.connected(settings) as held, held.pool(POOL) as ioctx:
        if PARENT not in rbd.RBD().list(ioctx):
            rbd.RBD().create(ioctx, PARENT, SIZE_BYTES, old_format=False)
            with rbd.Image(ioctx, PARENT) as image:
                image.write(b'data' * MIB, 0)
                image.create_snap(SNAPSHOT)
                image.protect_snap(SNAPSHOT)
        ref = SnapshotRef(held.fsid, POOL, PARENT, SNAPSHOT)
        return Snapshot(ref, SIZE_BYTES, 4 * MIB, protected=True)


def _unlimit_cores() -> None:
    _soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))


def _every(
    stop: threading.Event, seconds: float, call: Callable[[], None]
) -> None:
    while not stop.wait(seconds):
        call()


def _tell(done: int, began: float) -> None:
    seconds = round(time.monotonic() - began)
    print(json.dumps([done, seconds]), flush=True)


if __name__ == '__main__':
    main(Job(**json.loads(sys.argv[1])))
