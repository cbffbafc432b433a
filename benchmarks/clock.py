# SPDX-License-Identifier: Apache-2.0
"""What something takes, of time and of the machine's cores."""

import os
import time

from benchmarks.statistics import Cost
from sandbox.stack import Stack


class Clock:
    """Runs from when it is made.

    Core-seconds are those of all services of the sandbox, of this process and
    of all their ended children: whoever does the work, it is counted.
    """

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._cores = self._core_seconds()
        self._began = time.perf_counter()

    def read(self) -> Cost:
        """Since it was made."""
        seconds = time.perf_counter() - self._began
        return Cost(seconds, self._core_seconds() - self._cores)

    def _core_seconds(self) -> float:
        return self._stack.core_seconds() + sum(os.times()[:4])
