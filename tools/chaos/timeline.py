# SPDX-License-Identifier: Apache-2.0
"""Which faults there were, and when."""

from collections import Counter
from collections.abc import Iterator
import contextlib
import dataclasses
from dataclasses import dataclass
import math
import threading
import time

#: What a fault does may be seen so long after its end.
AFTER_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Event:
    """One fault while it lasted, in seconds of the monotonic clock."""

    name: str
    #: Of `causes`: what a failure may name then.
    causes: frozenset[str]
    began: float
    ended: float = math.inf


class Timeline:
    """Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._events: list[Event] = []
        #: Faults that found nothing to be injected into.
        self.no_target: Counter[str] = Counter()

    @contextlib.contextmanager
    def during(self, name: str, causes: frozenset[str]) -> Iterator[None]:
        """The fault lasts meanwhile."""
        event = Event(name, causes, time.monotonic())
        with self._lock:
            self._events.append(event)
            place = len(self._events) - 1
        try:
            yield
        finally:
            with self._lock:
                self._events[place] = dataclasses.replace(
                    event, ended=time.monotonic()
                )

    def counts(self) -> Counter[str]:
        """How often each was."""
        with self._lock:
            return Counter(each.name for each in self._events)

    def since(self, began: float) -> list[Event]:
        """Those that may have something to do with what began then."""
        with self._lock:
            return [
                each
                for each in self._events
                if each.ended + AFTER_SECONDS > began
            ]
