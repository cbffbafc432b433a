# SPDX-License-Identifier: Apache-2.0
"""What a pool of 2,000 volumes of 50 bases costs who looks at all of it.

`PYTHONPATH=tools python -m benchmarks.large_pool [--volumes N] [--bases N]`,
on a Ceph cluster of its own. The exit status is 1 when something took longer
than it may.
"""

import argparse
from collections.abc import Callable, Iterator
import concurrent.futures
import contextlib
from dataclasses import dataclass
import json
import pathlib
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from typing import Any
import uuid

from cinder_cow import copying
from cinder_cow.backends import base_names
from cinder_cow.backends.rbd import connection
from cinder_cow.backends.rbd.backend import RbdBackend
from cinder_cow.backends.rbd.settings import RbdSettings
from cinder_cow.base_images.eviction import EvictionLimits
from cinder_cow.base_images.sweep import sweep
from cinder_cow.model import (
    Base,
    BaseInfo,
    ImageInfo,
    SnapshotRef,
    Verification,
)
from sandbox.ceph import Cluster

MIB = 2**20
POOL = 'volumes'
USER = 'admin'
BASE_BYTES = 8 * MIB
VOLUME_BYTES = 16 * MIB
THREADS = 16
CREATES = 10
DRIVER = 'cinder_cow.driver.CowRBDDriver'

#: How long each may take, in seconds, with 2,000 volumes of 50 bases on two
#: cores that do other things too.
BOUNDS = {
    'cinder-cow stats': 10.0,
    'cinder-cow base list': 10.0,
    'cinder-cow base sweep': 10.0,
    'periodic statistics': 5.0,
    'periodic sweep': 5.0,
    'self-test': 2.0,
    'first create of a process': 2.0,
    'create': 1.0,
}


@dataclass(frozen=True, slots=True)
class Step:
    name: str
    seconds: float
    #: What it answered.
    answer: Any

    @property
    def is_within_its_bound(self) -> bool:
        return self.seconds <= BOUNDS[self.name]


class LargePool:
    """The pool of one cluster."""

    def __init__(self, conf: str, folder: pathlib.Path) -> None:
        """:param folder: for a cinder.conf."""
        self.backend = RbdBackend(
            RbdSettings('ceph', conf, USER, POOL, 4 * MIB)
        )
        self.images: list[ImageInfo] = []
        self._config = folder / 'large-pool.conf'
        lines = (
            '[DEFAULT]\nenabled_backends = cow\n[cow]',
            f'volume_driver = {DRIVER}\nrbd_pool = {POOL}',
            f'rbd_user = {USER}\nrbd_ceph_conf = {conf}\n',
        )
        self._config.write_text('\n'.join(lines))

    def fill(self, volumes: int, bases: int) -> None:
        """Make so many volumes, as many of each base as of any other."""
        store = self.backend.bases()
        self.images = [
            ImageInfo(str(uuid.uuid4()), 'active', 'qcow2', 'bare', BASE_BYTES)
            for _ in range(bases)
        ]
        with concurrent.futures.ThreadPoolExecutor(THREADS) as workers:
            made = list(workers.map(self._build, self.images))

            def clone(number: int) -> None:
                base = made[number % bases]
                store.clone(base, f'volume-{number}')

            list(workers.map(clone, range(volumes)))

    def steps(self) -> Iterator[Step]:
        """Each when it was done."""
        for words in ('stats', 'base list', 'base sweep'):
            yield _timed(f'cinder-cow {words}', self._command, words)
        yield _timed('periodic statistics', self.backend.statistics)
        yield _timed('periodic sweep', self._sweep)
        connection.shut_down()
        yield _timed('self-test', self._self_test)
        connection.shut_down()
        yield _timed('first create of a process', self._create, self.images[0])
        several = [
            _timed('create', self._create, each).seconds
            for each in self.images[:CREATES]
        ]
        yield Step('create', statistics.median(several), None)

    def _build(self, image: ImageInfo) -> Base:
        store = self.backend.bases()
        name = base_names.base_name(image)
        with store.create(name, image.size_bytes) as writer:
            terms = copying.CopyTerms(
                block_bytes=writer.block_bytes, destination_is_zero=True
            )
            copying.copy_stream([b'base' * (MIB // 4)], writer, terms)
        info = BaseInfo(
            image_id=image.image_id,
            disk_format=image.disk_format,
            hash_algo=None,
            hash_value=None,
            source='glance',
            verification=Verification.ABSENT,
            signature_verified=False,
            stored_bytes=MIB,
            seconds=0.0,
            created=time.time(),
            version='0',
        )
        return store.commit(name, info)

    def _command(self, words: str) -> Any:
        program = pathlib.Path(sys.executable).with_name('cinder-cow')
        done = subprocess.run(
            [str(program), *words.split(), '-f', 'json', '--config-file']
            + [str(self._config)],
            check=True,
            capture_output=True,
        )
        return json.loads(done.stdout)

    def _sweep(self) -> Any:
        store = self.backend.bases()
        return sweep(store, EvictionLimits(), lambda _ids: set())

    def _self_test(self) -> Any:
        with connection.connected(self.backend.settings) as held:
            example = SnapshotRef(held.fsid, 'images', 'none', 'snap')
        return self.backend.selftest([example])

    def _create(self, image: ImageInfo) -> None:
        """As the driver does, of a base that is there."""
        name = f'volume-{uuid.uuid4()}'
        store = self.backend.bases()
        base = store.find(base_names.base_name(image))
        assert base is not None
        store.clone(base, name)
        self.backend.grow(name, VOLUME_BYTES)
        store.used(base, image.image_id)


def _timed(name: str, do: Callable[..., Any], *arguments: Any) -> Step:
    began = time.monotonic()
    answer = do(*arguments)
    return Step(name, time.monotonic() - began, answer)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--volumes', type=int, default=2000)
    parser.add_argument('--bases', type=int, default=50)
    parser.add_argument('--clone-format', type=int, choices=(1, 2), default=2)
    chosen = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with _cluster(chosen.clone_format) as (cluster, folder):
        pool = LargePool(str(cluster.conf), folder)
        began = time.monotonic()
        pool.fill(chosen.volumes, chosen.bases)
        print(f'filled in {time.monotonic() - began:.0f} s', flush=True)
        failed = False
        for step in pool.steps():
            most = BOUNDS[step.name]
            print(f'{step.name:26} {step.seconds:7.3f} s of {most:.0f} s')
            failed |= not step.is_within_its_bound
    return 1 if failed else 0


@contextlib.contextmanager
def _cluster(clone_format: int) -> Iterator[tuple[Cluster, pathlib.Path]]:
    with tempfile.TemporaryDirectory(prefix='cow-large-pool-') as name:
        folder = pathlib.Path(name)
        with Cluster(folder / 'ceph', clone_format=clone_format) as cluster:
            for pool in (POOL, 'images'):
                cluster.create_pool(pool)
            yield cluster, folder


if __name__ == '__main__':
    sys.exit(main())
