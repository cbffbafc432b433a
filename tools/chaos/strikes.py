# SPDX-License-Identifier: Apache-2.0
"""One fault after the other, with calm between them."""

import random
import time
import traceback

from chaos import faults
from chaos.faults.fault import Fault, Missed
from chaos.site import Site
from measuring.screen import elapsed, tell

CALM_SECONDS = (3.0, 10.0)


def strike(site: Site, seed: int, seconds: float) -> None:
    """Return after that time, with everything mended."""
    chooser = random.Random(f'{seed} faults')
    deadline = time.monotonic() + seconds
    for kind in faults.endless(chooser):
        calm = chooser.uniform(*CALM_SECONDS)
        left = deadline - time.monotonic()
        if left < calm + kind.hold_seconds:
            time.sleep(max(0.0, left))
            return
        time.sleep(calm)
        strike_once(site, kind(site, chooser))


def strike_once(site: Site, fault: Fault) -> None:
    """Return when it is mended, and all works again."""
    tell(f'{elapsed():5.0f} s {fault.name}')
    with site.timeline.during(fault.name, fault.causes):
        try:
            fault.inject()
            time.sleep(fault.hold_seconds)
        except Missed:
            site.timeline.missed[fault.name] += 1
        except Exception:  # noqa: BLE001  what was begun is mended
            site.book.violated(f'{fault.name}: {traceback.format_exc()}')
        _mend(site, fault)


def _mend(site: Site, fault: Fault) -> None:
    try:
        fault.undo()
        site.wait_healthy()
    except Exception:  # noqa: BLE001
        site.book.violated(
            f'{fault.name} is not mended: {traceback.format_exc()}'
        )
