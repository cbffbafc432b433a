# SPDX-License-Identifier: Apache-2.0
"""How far the builds of this process are, for who looks at them meanwhile."""

from collections.abc import Iterator
import contextlib
import threading


class BuildProgress:
    """Thread-safe; one instance per backend."""

    def __init__(self) -> None:
        self._done: dict[str, float] = {}
        self._lock = threading.Lock()
        #: Bases that went to make room for another.
        self.evicted_for_room = 0

    def current(self) -> dict[str, float]:
        """Of each base that is being built, how much of its image is copied.

        From 0 to 1; it is 1 while the image is examined and converted.
        """
        return dict(self._done)

    @contextlib.contextmanager
    def shown(self, name: str) -> Iterator[None]:
        """The base is being built meanwhile."""
        self._done[name] = 0.0
        try:
            yield
        finally:
            del self._done[name]

    def copied(self, name: str, done: float = 1.0) -> None:
        """So much of its image is copied, from 0 to 1."""
        self._done[name] = done

    def evicted(self) -> None:
        """One more base went to make room."""
        with self._lock:
            self.evicted_for_room += 1
