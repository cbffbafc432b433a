# SPDX-License-Identifier: Apache-2.0
"""Each fault once, in the middle of a build: when does the create end?"""

from collections.abc import Sequence
from dataclasses import dataclass
import random
import threading
import time

from rich import table

from chaos import faults
from chaos.asking import DONE, Asking
from chaos.book import Volume
from chaos.faults.fault import Fault
from chaos.images import Image
from chaos.site import Site
from chaos.strikes import strike_once
from measuring.screen import tell

#: Whose base takes longest: it is downloaded, and then converted.
DISK = 'qcow2-disk'
BUILD_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Row:
    """What became of two volumes: asked for before a fault, and after it."""

    fault: str
    outcome: str
    #: What it named, if it failed.
    cause: str
    seconds: float
    next_seconds: float


def each(site: Site, seed: int) -> list[Row]:
    """All faults, in their order."""
    chooser = random.Random(seed)
    return [_once(site, kind(site, chooser)) for kind in faults.ALL]


def shown(rows: Sequence[Row]) -> table.Table:
    """For a terminal."""
    drawn = table.Table('fault', 'create', 'cause', 's', 'next s')
    for row in rows:
        drawn.add_row(
            row.fault,
            row.outcome,
            row.cause,
            f'{row.seconds:.1f}',
            f'{row.next_seconds:.1f}',
        )
    return drawn


def _once(site: Site, fault: Fault) -> Row:
    (image,) = [e for e in site.images if e.kind.disk == DISK]
    site.sweep()
    before = site.book.causes.copy()
    struck = _Create(site, image)
    _wait_for_build(site)
    strike_once(site, fault)
    outcome, seconds = struck.ended()
    named = site.book.causes - before
    cause = ', '.join(cause for _fault, cause in named)
    site.sweep()
    after, next_seconds = _Create(site, image).ended()
    if after != DONE:
        site.book.violated(f'the next volume after {fault.name}: {after}')
    tell(
        f'      create: {outcome} {cause} in {seconds:.1f} s,'
        f' the next in {next_seconds:.1f} s'
    )
    return Row(fault.name, outcome, cause, seconds, next_seconds)


class _Create:
    """A volume that is being made, and deleted again."""

    def __init__(self, site: Site, image: Image) -> None:
        self._site = site
        self._image = image
        self._began = time.monotonic()
        self._seconds = 0.0
        self._outcome = ''
        self._thread = threading.Thread(target=self._make)
        self._thread.start()

    def ended(self) -> tuple[str, float]:
        """Its outcome, and the seconds that it took."""
        self._thread.join()
        return self._outcome, self._seconds

    def _make(self) -> None:
        asking = Asking(self._site)
        volume = Volume('', self._image.kind.owner, self._image.content, 1)
        self._outcome = asking.make(volume, image_id=self._image.image_id)
        self._seconds = time.monotonic() - self._began
        self._site.book.count('create', self._outcome, self._seconds)
        self._site.wait_healthy()
        if volume in self._site.book.volumes:
            asking.delete(volume)


def _wait_for_build(site: Site) -> None:
    """Return when something is written, or after a while."""
    deadline = time.monotonic() + BUILD_SECONDS
    while not site.pools['cow'].writer() and time.monotonic() < deadline:
        time.sleep(0.05)
