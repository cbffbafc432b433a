# SPDX-License-Identifier: Apache-2.0
"""One fault after the other, with calm between them."""

import random
import time
import traceback

from chaos import faults
from chaos.faults.fault import Fault, NoTarget
from chaos.testbed import Testbed
from measuring.screen import elapsed, tell

CALM_SECONDS = (3.0, 10.0)


def inject_faults(testbed: Testbed, seed: int, seconds: float) -> None:
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
        inject_fault(testbed, kind(testbed, chooser))


def inject_fault(testbed: Testbed, fault: Fault) -> None:
    """Return when it is mended, and all works again."""
    tell(f'{elapsed():5.0f} s {fault.name}')
    with testbed.timeline.during(fault.name, fault.causes):
        try:
            fault.inject()
            time.sleep(fault.hold_seconds)
        except NoTarget:
            testbed.timeline.no_target[fault.name] += 1
        except Exception:  # noqa: BLE001  what was begun is mended
            testbed.history.violated(f'{fault.name}: {traceback.format_exc()}')
        _mend(testbed, fault)


def _mend(testbed: Testbed, fault: Fault) -> None:
    try:
        fault.undo()
        testbed.wait_healthy()
    except Exception:  # noqa: BLE001
        testbed.history.violated(
            f'{fault.name} is not mended: {traceback.format_exc()}'
        )
