# SPDX-License-Identifier: Apache-2.0
"""At most so many copies at once; projects that wait take turns."""

import collections
from collections.abc import Iterator
import contextlib
from dataclasses import dataclass, field
import threading
import time

from cinder_cow import errors
from cinder_cow.copying import Cancellation

#: Seconds between two looks of one that waits whether it was cancelled. The
#: event of its slot wakes it at once; a native thread that cancels cannot.
LOOK_SECONDS = 0.5


@dataclass(eq=False, slots=True)
class _Waiter:
    """A copy that waits for its slot."""

    project: str
    #: Set when the wait is over.
    called: threading.Event = field(default_factory=threading.Event)
    #: Whether it has a :class:`Place` too, and is counted there.
    has_place: bool = False
    #: Whether its place went to another project.
    displaced: bool = False


@dataclass(eq=False, slots=True)
class Place:
    """The place of one that waits for what another copies."""

    project: str
    max_waiting: int
    displaced: bool = False

    def check(self) -> None:
        """Called by who waits, every now and then.

        :raises TooManyCopies: when its place went to another project.
        """
        if self.displaced:
            raise errors.TooManyCopies(self.max_waiting)


class CopyLimiter:
    """Gives each copy of a backend its slot. Thread-safe.

    Waits with the host's own kind of thread: green under eventlet. A copy
    that waits must hold none of the few native threads of eventlet's pool.
    `threading.Semaphore` keeps no order.
    """

    def __init__(self, limit: int, max_waiting: int = 32) -> None:
        self._limit = limit
        self._max_waiting = max_waiting
        #: Of the copies that no volume waits for; beside the others.
        self._limit_ahead = max(1, limit // 2)
        self._running_ahead = 0
        #: By project: the copies that have a slot.
        self._running: collections.Counter[str] = collections.Counter()
        #: By project, in rotation: those that wait, the first in front.
        self._waiting: dict[str, collections.deque[_Waiter]] = {}
        #: By project: those that wait for what another copies.
        self._places: dict[str, list[Place]] = {}
        self._lock = threading.Lock()

    @property
    def running(self) -> int:
        """How many copies have a slot."""
        return self._running.total() + self._running_ahead

    @property
    def waiting(self) -> int:
        """How many wait, for a slot or for what another copies."""
        return sum(map(self._waiting_of, {*self._waiting, *self._places}))

    @contextlib.contextmanager
    def place(self, project: str = '') -> Iterator[Place]:
        """Count among those that wait, and be one less at the end.

        :raises TooManyCopies: when too many wait already.
        """
        place = Place(project, self._max_waiting)
        with self._lock:
            self._require_room(project)
            self._places.setdefault(project, []).append(place)
        try:
            yield place
        finally:
            with self._lock:
                self._give_up(place)

    @contextlib.contextmanager
    def slot(
        self,
        project: str = '',
        cancellation: Cancellation | None = None,
        place: Place | None = None,
    ) -> Iterator[None]:
        """Wait for a slot, and give it back at the end.

        The next slot goes to the project that has the fewest; those that
        have as many take turns. Within a project it goes to the first that
        came.

        :param place: that this waits at already, and is counted by.
        :raises TooManyCopies: when too many wait already; also while this
            waits, when its project has most of the places and another comes.
        :raises BaseException: what it was cancelled with while it waited.
        """
        self._take(_Waiter(project, has_place=place is not None), cancellation)
        try:
            yield
        finally:
            with self._lock:
                self._release(project)

    @contextlib.contextmanager
    def slot_ahead(
        self, cancellation: Cancellation | None = None
    ) -> Iterator[None]:
        """Wait for a slot for what no volume waits for yet.

        There are half as many as the others. One is given only while one of
        the others is free, and takes none of them: whoever comes later does
        not wait for it.

        :raises BaseException: what it was cancelled with while it waited.
        """
        while not self._take_ahead():
            if cancellation is not None:
                cancellation.check()
            time.sleep(LOOK_SECONDS)
        try:
            yield
        finally:
            with self._lock:
                self._running_ahead -= 1

    def _take_ahead(self) -> bool:
        with self._lock:
            is_free = (
                self._running.total() < self._limit
                and self._running_ahead < self._limit_ahead
            )
            self._running_ahead += is_free
        return is_free

    def _take(
        self, waiter: _Waiter, cancellation: Cancellation | None
    ) -> None:
        with self._lock:
            if self._running.total() < self._limit:
                self._running[waiter.project] += 1
                return
            if not waiter.has_place:
                self._require_room(waiter.project)
            queue = self._waiting.setdefault(
                waiter.project, collections.deque()
            )
            queue.append(waiter)
        try:
            while not waiter.called.wait(LOOK_SECONDS):
                if cancellation is not None:
                    cancellation.check()
        except BaseException:  # killed or cancelled
            with self._lock:
                self._leave(waiter)
            raise
        if waiter.displaced:
            raise errors.TooManyCopies(self._max_waiting)

    def _waiting_of(self, project: str) -> int:
        return len(self._places.get(project, ())) + len(self._counted(project))

    def _counted(self, project: str) -> list[_Waiter]:
        """Those that wait for a slot, but for those that have a place."""
        queue = self._waiting.get(project, ())
        return [each for each in queue if not each.has_place]

    def _require_room(self, project: str) -> None:
        """See that one more may wait.

        Where too many wait, the project that has most of them loses its last.

        :raises TooManyCopies: when ``project`` is no better itself.
        """
        if self.waiting < self._max_waiting:
            return
        longest = max(
            {*self._waiting, *self._places},
            key=self._waiting_of,
            default=project,
        )
        if self._waiting_of(longest) <= self._waiting_of(project) + 1:
            raise errors.TooManyCopies(self._max_waiting)
        counted = self._counted(longest)
        if counted:
            counted[-1].displaced = True
            self._remove(counted[-1])
            counted[-1].called.set()
        else:
            place = self._places[longest][-1]
            place.displaced = True
            self._give_up(place)

    def _give_up(self, place: Place) -> None:
        places = self._places.get(place.project, [])
        if place in places:
            places.remove(place)
            if not places:
                del self._places[place.project]

    def _leave(self, waiter: _Waiter) -> None:
        """Give up a place, or the slot that came in the same moment."""
        if waiter in self._waiting.get(waiter.project, ()):
            self._remove(waiter)
        elif not waiter.displaced:
            self._release(waiter.project)

    def _remove(self, waiter: _Waiter) -> None:
        queue = self._waiting[waiter.project]
        queue.remove(waiter)
        if not queue:
            del self._waiting[waiter.project]

    def _release(self, project: str) -> None:
        """Give a slot back, to the next that waits."""
        self._running[project] -= 1
        if not self._running[project]:
            del self._running[project]
        self._to_the_end(project)
        if not self._waiting:
            return
        # Of equals min() gives the first.
        chosen = min(self._waiting, key=lambda each: self._running[each])
        waiter = self._waiting[chosen][0]
        self._remove(waiter)
        self._to_the_end(chosen)
        self._running[chosen] += 1
        waiter.called.set()

    def _to_the_end(self, project: str) -> None:
        """The project had its turn; those of the others come first."""
        if project in self._waiting:
            self._waiting[project] = self._waiting.pop(project)
