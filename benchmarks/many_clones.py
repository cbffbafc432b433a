# SPDX-License-Identifier: Apache-2.0
"""Thousands of clones of one base, and how long the last of them take.

A program: see `programs`. In a pool of its own, which is removed at the end:
that takes no time, where removing the clones would take minutes.
"""

from collections.abc import Iterator
import concurrent.futures
import contextlib
import pathlib
import time
from typing import Any

from benchmarks import programs
from benchmarks.statistics import Cost
from cinder_cow import copying
from cinder_cow.backends import base_names
from cinder_cow.backends.rbd.backend import RbdBackend
from cinder_cow.backends.rbd.settings import RbdSettings
from cinder_cow.model import Base, BaseInfo, ImageInfo, Verification
from sandbox.ceph import Cluster
from sandbox.stack import Stack

MIB = 2**20
POOL = 'benchmark-many-clones'
IMAGE = ImageInfo('many-clones', 'active', 'raw', 'bare', 1024 * MIB)
TAIL = 10
THREADS = 16
#: After so many there is a look at the clock.
BATCH = 64
#: The OSD has work left of the clones before; it is not what is asked for.
REST_SECONDS = 3.0


def main(folder: str, clones: int, most_seconds: float) -> dict[str, Any]:
    """What the first and the last ten took, and how many there were.

    :param most_seconds: to make those between.
    """
    cluster = Stack.load(pathlib.Path(folder)).clusters[0]
    with _pool(cluster):
        backend = RbdBackend(
            RbdSettings(
                cluster_name='ceph',
                conf_path=str(cluster.conf),
                user='admin',
                pool=POOL,
                object_bytes=4 * MIB,
            )
        )
        return _many_clones(backend, clones, most_seconds)


def _many_clones(
    backend: RbdBackend, clones: int, most_seconds: float
) -> dict[str, Any]:
    base = _base(backend)

    def clone(number: int) -> Cost:
        began = time.perf_counter()
        backend.bases().clone(base, f'volume-{number}')
        return Cost(time.perf_counter() - began)

    clone(0)  # opens the connection
    first = [clone(number) for number in range(1, 1 + TAIL)]
    made, began = 1 + TAIL, time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(THREADS) as workers:
        while made < clones - TAIL and (
            time.monotonic() - began < most_seconds
        ):
            batch = range(made, min(made + BATCH, clones - TAIL))
            list(workers.map(clone, batch))
            made += len(batch)
    between = time.monotonic() - began
    time.sleep(REST_SECONDS)
    last = [clone(number) for number in range(made, made + TAIL)]
    return {
        'first': first,
        'last': last,
        'clones': made + TAIL,
        'clones_per_second': (made - 1 - TAIL) / between,
    }


def _base(backend: RbdBackend) -> Base:
    store = backend.bases()
    name = base_names.base_name(IMAGE)
    with store.create(name, IMAGE.size_bytes) as writer:
        terms = copying.CopyTerms(
            block_bytes=writer.block_bytes, destination_is_zero=True
        )
        copying.copy_stream([b'base' * MIB], writer, terms)
    info = BaseInfo(
        image_id=IMAGE.image_id,
        disk_format='raw',
        hash_algo=None,
        hash_value=None,
        source='rbd',
        verification=Verification.ABSENT,
        signature_verified=False,
        stored_bytes=4 * MIB,
        seconds=0.0,
        created=time.time(),
        version='0',
    )
    return store.commit(name, info)


@contextlib.contextmanager
def _pool(cluster: Cluster) -> Iterator[None]:
    cluster.create_pool(POOL)
    try:
        yield
    finally:
        cluster.ceph('config', 'set', 'mon', 'mon_allow_pool_delete', 'true')
        sure = '--yes-i-really-really-mean-it'
        cluster.ceph('osd', 'pool', 'delete', POOL, POOL, sure)


if __name__ == '__main__':
    programs.answer(main)
