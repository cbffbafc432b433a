# SPDX-License-Identifier: Apache-2.0
"""What a run knows: its volumes, what was done, and what went wrong."""

from collections import Counter
from collections.abc import Callable, Iterator
import contextlib
from dataclasses import dataclass, field
import random
import threading
import time

from chaos.contents import Content


@dataclass(eq=False, slots=True)
class Volume:
    """A volume as it should be."""

    volume_id: str
    project: str
    #: None: after a failure it may hold anything.
    content: Content | None
    size_gib: int
    #: The backend that has it, which is also its volume type.
    backend: str = 'cow'
    #: By their ids.
    snapshots: dict[str, Content] = field(default_factory=dict)


class History:
    """Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._volumes: list[Volume] = []
        self._claimed: set[Volume] = set()
        self.outcomes: Counter[tuple[str, str]] = Counter()
        self.causes: Counter[tuple[str, str]] = Counter()
        self.longest_seconds: dict[str, float] = {}
        self.violations: list[str] = []
        #: The ids of the volumes that were asked for of an image.
        self.of_images: set[str] = set()
        #: Ids of what nobody works at any more, whatever its status says.
        self.lost: set[str] = set()
        #: RBD images that the driver of Cinder left.
        self.left_by_cinder: set[str] = set()
        self.moved = time.monotonic()

    @property
    def volumes(self) -> list[Volume]:
        """All that should be there."""
        with self._lock:
            return list(self._volumes)

    @contextlib.contextmanager
    def made(self, volume: Volume) -> Iterator[None]:
        """Write down a new volume, which nobody else uses meanwhile."""
        with self._lock:
            self._volumes.append(volume)
            self._claimed.add(volume)
        try:
            yield
        finally:
            self._release(volume)

    @contextlib.contextmanager
    def claimed(
        self, chooser: random.Random, suits: Callable[[Volume], bool]
    ) -> Iterator[Volume | None]:
        """A volume that nobody else uses meanwhile; None: there is none."""
        with self._lock:
            free = [
                each
                for each in self._volumes
                if each not in self._claimed and suits(each)
            ]
            volume = chooser.choice(free) if free else None
            if volume is not None:
                self._claimed.add(volume)
        try:
            yield volume
        finally:
            if volume is not None:
                self._release(volume)

    def gone(self, volume: Volume) -> None:
        """It is deleted."""
        with self._lock:
            self._volumes.remove(volume)

    def count(self, operation: str, outcome: str, seconds: float) -> None:
        """One more operation has ended."""
        with self._lock:
            self.outcomes[operation, outcome] += 1
            self.longest_seconds[operation] = max(
                seconds, self.longest_seconds.get(operation, 0.0)
            )
            self.moved = time.monotonic()

    def explained(self, fault: str, cause: str) -> None:
        """A failure whose cause fits what was injected."""
        with self._lock:
            self.causes[fault, cause] += 1

    def violated(self, text: str) -> None:
        """Something is not as it must be."""
        print(f'VIOLATED {text}', flush=True)
        with self._lock:
            self.violations.append(text)

    def _release(self, volume: Volume) -> None:
        with self._lock:
            self._claimed.discard(volume)
