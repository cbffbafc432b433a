# SPDX-License-Identifier: Apache-2.0
"""One run, from its images to its judgement."""

from collections.abc import Iterator
import concurrent.futures
import contextlib
import pathlib
import random
import tempfile

from chaos import (
    final_checks,
    growth,
    images,
    injection,
    load,
    pool_shapes,
    single_faults,
    watchdog,
)
from chaos.api_calls import ApiCalls
from chaos.glance_proxy import GlanceProxy
from chaos.history import History, Volume
from chaos.pool import POOLS, Pool
from chaos.report import Report
from chaos.service_log import ServiceLog
from chaos.testbed import Testbed
from chaos.timeline import Timeline
from measuring.screen import step
from sandbox.cloud import Cloud
from sandbox.stack import Stack


def run(
    stack: Stack, seed: int, minutes: float, mode: str, shape: str
) -> Report:
    """Load and faults for so long.

    :param minutes: 0: each fault once, in the middle of a build.
    :param mode: of cinder-volume, eventlet or threading.
    :param shape: of the pool, by its name.
    """
    chosen = pool_shapes.SHAPES[shape]
    with _testbed(stack, seed, mode, chosen) as testbed:
        with step('One volume of each image, to warm up'):
            _warm_up(testbed)
        before = growth.measure(testbed)
        rows: list[single_faults.Row] = []
        with watchdog.watching(testbed):
            if minutes:
                with load.working(testbed, seed):
                    injection.inject_faults(testbed, seed, minutes * 60)
            else:
                rows = single_faults.inject_each(testbed, seed)
        final_checks.judge(testbed)
        report = Report(
            seed,
            minutes,
            mode,
            shape,
            len(testbed.hosts),
            testbed.history,
            testbed.timeline,
            before,
            growth.measure(testbed),
            rows,
        )
        report.judge_growth()
        return report


@contextlib.contextmanager
def _testbed(
    stack: Stack, seed: int, mode: str, shape: pool_shapes.PoolShape
) -> Iterator[Testbed]:
    """cinder-volume with the settings of a run, and its images."""
    clouds = {
        images.ADMIN: Cloud(stack.env()),
        images.DEMO: Cloud(stack.env(), images.DEMO, images.DEMO),
    }
    log = ServiceLog([stack.log_file(e) for e in stack.cinder_volumes])
    with contextlib.ExitStack() as resources:
        resources.enter_context(shape.applied(stack.clusters[0]))
        proxy = resources.enter_context(GlanceProxy(stack.glance_url))
        pools = {
            name: Pool(stack.clusters[0], pool) for name, pool in POOLS.items()
        }
        for pool in pools.values():
            resources.callback(pool.close)
        testbed = Testbed(
            stack,
            clouds,
            pools,
            proxy,
            mode,
            shape,
            History(),
            Timeline(),
            log,
            [],
        )
        with step('cinder-volume restarts'):
            for host in testbed.hosts:
                testbed.restart(host)
        folder = resources.enter_context(tempfile.TemporaryDirectory())
        with step('Images are made and uploaded'):
            testbed.images += images.make(pathlib.Path(folder), seed, clouds)
        resources.callback(_delete_images, testbed)
        yield testbed


def _warm_up(testbed: Testbed) -> None:
    """What works for the first time makes threads and connections."""
    calls = ApiCalls(testbed)
    chooser = random.Random(0)

    def make(image: images.Image) -> None:
        volume = Volume('', image.kind.owner, image.content, 1)
        calls.make(volume, image_id=image.image_id)

    with concurrent.futures.ThreadPoolExecutor(load.WORKERS) as workers:
        list(workers.map(make, testbed.images))
    for _ in testbed.images:
        with testbed.history.claimed(chooser, lambda _each: True) as found:
            if found is not None:
                calls.delete(found)


def _delete_images(testbed: Testbed) -> None:
    for image in testbed.images:
        image.delete()
