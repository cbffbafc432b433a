# SPDX-License-Identifier: Apache-2.0
"""Each fault once, in the middle of a build: when does the create end?"""

from collections.abc import Sequence
from dataclasses import dataclass
import random
import threading
import time

from rich import table

from chaos import faults
from chaos.api_calls import DONE, ApiCalls
from chaos.faults.fault import Fault
from chaos.history import Volume
from chaos.images import Image
from chaos.injection import inject_fault
from chaos.testbed import Testbed
from measuring.screen import tell

#: Whose base takes longest: it is downloaded, and then converted.
DISK = 'qcow2-disk'
BUILD_SECONDS = 20.0
#: For a fault that comes first.
INJECT_SECONDS = 1.0
#: In which a create has ended, beside the time that the fault lasts, and in
#: which the next has ended. On a machine with nothing else to do both take a
#: third of that.
END_SECONDS = 90.0
NEXT_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Row:
    """What became of two volumes: asked for before a fault, and after it."""

    fault: str
    outcome: str
    #: What it named, if it failed.
    cause: str
    seconds: float
    next_seconds: float


def inject_each(testbed: Testbed, seed: int) -> list[Row]:
    """All faults, in their order."""
    chooser = random.Random(seed)
    return [_once(testbed, kind(testbed, chooser)) for kind in faults.ALL]


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


def _once(testbed: Testbed, fault: Fault) -> Row:
    (image,) = [e for e in testbed.images if e.kind.disk == DISK]
    testbed.sweep()
    before = testbed.history.causes.copy()
    during = _with_fault(testbed, image, fault)
    outcome, seconds = during.ended()
    named = testbed.history.causes - before
    cause = ', '.join(cause for _fault, cause in named)
    testbed.sweep()
    after, next_seconds = _Create(testbed, image).ended()
    _require(testbed, fault, (outcome, seconds), (after, next_seconds))
    tell(
        f'      create: {outcome} {cause} in {seconds:.1f} s,'
        f' the next in {next_seconds:.1f} s'
    )
    return Row(fault.name, outcome, cause, seconds, next_seconds)


def _with_fault(testbed: Testbed, image: Image, fault: Fault) -> '_Create':
    """A create, and the fault in the middle of it or before; mended again."""
    if not fault.comes_first:
        created = _Create(testbed, image)
        _wait_for_build(testbed)
        inject_fault(testbed, fault)
        return created
    injected = threading.Thread(target=inject_fault, args=(testbed, fault))
    injected.start()
    time.sleep(INJECT_SECONDS)
    created = _Create(testbed, image)
    injected.join()
    return created


def _require(
    testbed: Testbed,
    fault: Fault,
    during: tuple[str, float],
    after: tuple[str, float],
) -> None:
    """What must hold of both creates.

    That a failure names its cause is seen to by ApiCalls.

    :param during: the outcome of the first, and its seconds.
    """
    outcome, seconds = during
    if seconds > fault.hold_seconds + END_SECONDS:
        testbed.history.violated(
            f'{fault.name} of {fault.hold_seconds:.0f} s: the create ended'
            f' after {seconds:.0f} s'
        )
    if fault.is_fatal and outcome == DONE:
        testbed.history.violated(
            f'{fault.name}: a volume was made all the same'
        )
    outcome, seconds = after
    if outcome != DONE or seconds > NEXT_SECONDS:
        testbed.history.violated(
            f'the next volume after {fault.name}: {outcome} in {seconds:.0f} s'
        )


class _Create:
    """A volume that is being made, and deleted again."""

    def __init__(self, testbed: Testbed, image: Image) -> None:
        self._testbed = testbed
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
        calls = ApiCalls(self._testbed)
        volume = Volume('', self._image.kind.owner, self._image.content, 1)
        self._outcome = calls.make(volume, image_id=self._image.image_id)
        self._seconds = time.monotonic() - self._began
        self._testbed.history.count('create', self._outcome, self._seconds)
        self._testbed.wait_healthy()
        if volume in self._testbed.history.volumes:
            calls.delete(volume)


def _wait_for_build(testbed: Testbed) -> None:
    """Return when something is written, or after a while."""
    deadline = time.monotonic() + BUILD_SECONDS
    while not testbed.pools['cow'].writer() and time.monotonic() < deadline:
        time.sleep(0.05)
