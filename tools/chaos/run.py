# SPDX-License-Identifier: Apache-2.0
"""One run, from its images to its judgement."""

from collections.abc import Iterator
import concurrent.futures
import contextlib
import pathlib
import random
import tempfile

from chaos import each, ending, growth, images, load, strikes, watchdog
from chaos.asking import Asking
from chaos.book import Book, Volume
from chaos.glance_proxy import GlanceProxy
from chaos.pool import POOLS, Pool
from chaos.report import Report
from chaos.service_log import ServiceLog
from chaos.site import Site
from chaos.timeline import Timeline
from measuring.screen import step
from sandbox.cloud import Cloud
from sandbox.stack import Stack


def run(stack: Stack, seed: int, minutes: float, mode: str) -> Report:
    """Load and faults for so long.

    :param minutes: 0: each fault once, in the middle of a build.
    :param mode: of cinder-volume, eventlet or threading.
    """
    with _site(stack, seed, mode) as site:
        with step('One volume of each image, to warm up'):
            _warm_up(site)
        before = growth.measure(site)
        rows: list[each.Row] = []
        with watchdog.watching(site):
            if minutes:
                with load.working(site, seed):
                    strikes.strike(site, seed, minutes * 60)
            else:
                rows = each.each(site, seed)
        ending.judge(site)
        report = Report(
            seed,
            minutes,
            mode,
            len(site.hosts),
            site.book,
            site.timeline,
            before,
            growth.measure(site),
            rows,
        )
        report.judge_growth()
        return report


@contextlib.contextmanager
def _site(stack: Stack, seed: int, mode: str) -> Iterator[Site]:
    """cinder-volume with the settings of a run, and its images."""
    clouds = {
        images.ADMIN: Cloud(stack.env()),
        images.DEMO: Cloud(stack.env(), images.DEMO, images.DEMO),
    }
    log = ServiceLog([stack.log_file(e) for e in stack.cinder_volumes])
    with contextlib.ExitStack() as resources:
        proxy = resources.enter_context(GlanceProxy(stack.glance_url))
        pools = {
            name: Pool(stack.clusters[0], pool) for name, pool in POOLS.items()
        }
        for pool in pools.values():
            resources.callback(pool.close)
        site = Site(
            stack, clouds, pools, proxy, mode, Book(), Timeline(), log, []
        )
        with step('cinder-volume restarts'):
            for host in site.hosts:
                site.restart(host)
        folder = resources.enter_context(tempfile.TemporaryDirectory())
        with step('Images are made and uploaded'):
            site.images += images.make(pathlib.Path(folder), seed, clouds)
        resources.callback(_delete_images, site)
        yield site


def _warm_up(site: Site) -> None:
    """What works for the first time makes threads and connections."""
    asking = Asking(site)
    chooser = random.Random(0)

    def make(image: images.Image) -> None:
        volume = Volume('', image.kind.owner, image.content, 1)
        asking.make(volume, image_id=image.image_id)

    with concurrent.futures.ThreadPoolExecutor(load.WORKERS) as workers:
        list(workers.map(make, site.images))
    for _ in site.images:
        with site.book.claimed(chooser, lambda _each: True) as found:
            if found is not None:
                asking.delete(found)


def _delete_images(site: Site) -> None:
    for image in site.images:
        image.delete()
