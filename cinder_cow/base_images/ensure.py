# SPDX-License-Identifier: Apache-2.0

"""An image's base: found, waited for, or built, once in the whole cluster.

The builder holds the base's lease. All others, in other threads, processes and
hosts, look every now and then whether the base is there or the lease is free:
its holder has failed then, or died, and one of them goes on.
"""

from collections.abc import Callable, Iterator
import contextlib
import dataclasses
from dataclasses import dataclass, field
import random
import socket
import threading
import time

from oslo_log import log as logging

from cinder_cow import copying, errors
from cinder_cow.backends import base_names
from cinder_cow.backends.base_store import BaseStore, BuildRecord, Lease
from cinder_cow.base_images import build_failures
from cinder_cow.base_images.builder import BaseBuilder
from cinder_cow.base_images.eviction import EVICT_SECONDS
from cinder_cow.model import Base, ImageInfo, Verification
from cinder_cow.planning import plan
from cinder_cow.transfer.model import CopyRequest, CopyResult

LOG = logging.getLogger(__name__)

#: Seconds between two looks: not all hosts at the same time.
PAUSE_SECONDS = (0.1, 0.4)
#: Between two looks of one that waits for another of this process, unless it
#: is woken before.
PROCESS_PAUSE_SECONDS = 1.0
#: A volume whose build lost its lease waits for the next builder. More often
#: than that something is wrong with this host.
MOST_LOSSES = 3


@dataclass(frozen=True, slots=True)
class BaseSettings:
    """Which images have bases, and which bases are used."""

    rule: plan.BaseRule = plan.BaseRule.AUTO
    #: With AUTO, the largest raw image that gets a base.
    auto_bytes: int = 20 * 2**30
    #: Whether images of other formats may be converted on this host.
    may_convert: bool = True
    #: Whether to use only what was verified by a hash.
    require_hash: bool = False
    #: Whether only locations are trusted that Glance itself wrote.
    strict_locations: bool = True
    #: This host, as the others know it.
    host: str = field(default_factory=socket.gethostname)


@dataclass(frozen=True, slots=True)
class Ensured:
    """A base, and whether it was built by this very call."""

    base: Base
    built: bool


@dataclass(slots=True)
class _Ensuring:
    """One call of :meth:`BaseImages.ensure`."""

    name: str
    image: ImageInfo
    request: CopyRequest
    volume_bytes: int
    #: The failures before this call do not count for it.
    before: BuildRecord
    losses: int = 0
    is_waiting: bool = False


class _FoundMeanwhile(Exception):
    """The base is there: no slot is needed any more."""


class _WaitForSlot(copying.Cancellation):
    """Ends a wait for a slot when the base is there."""

    def __init__(
        self,
        is_found: Callable[[], bool],
        cancellation: copying.Cancellation | None,
    ) -> None:
        """:param cancellation: of the request, which ends it too."""
        super().__init__()
        self._is_found = is_found
        self._of_request = cancellation

    def check(self) -> None:
        """Called by who waits, every now and then."""
        if self._of_request is not None:
            self._of_request.check()
        if self._is_found():
            raise _FoundMeanwhile


@contextlib.contextmanager
def _mapped(name: str) -> Iterator[None]:
    """A build ends in an error of ours, which its record can name.

    :raises UnexpectedFailure: for what a library or the host raises.
    """
    try:
        yield
    except errors.CowError:
        raise
    except Exception as exc:
        LOG.exception('base=%s failed', name)
        raise errors.UnexpectedFailure(f'build the base {name}', exc) from exc


class BaseImages:
    """Thread-safe; one instance per backend."""

    def __init__(
        self,
        settings: BaseSettings,
        store: BaseStore,
        base_builder: BaseBuilder,
    ) -> None:
        self.settings = settings
        self.rule = settings.rule
        self.auto_bytes = settings.auto_bytes
        self.may_convert = settings.may_convert
        self._base_builder = base_builder
        self.store = store
        self._lock = threading.Lock()
        #: The bases that a request of this process tries to build.
        self._tried: dict[str, threading.Event] = {}

    def builds(self) -> dict[str, float]:
        """Names of what is being built here: see BaseBuilder.progress."""
        return self._base_builder.progress.current()

    @property
    def evicted_for_room(self) -> int:
        """Bases that went to make room for one that was built here."""
        return self._base_builder.progress.evicted_for_room

    def name(self, image: ImageInfo) -> str:
        """What the image's base is called, whether there is one or not."""
        return base_names.base_name(image, self.settings.strict_locations)

    def find(self, image: ImageInfo) -> Base | None:
        """The image's base, if there is one that may be used.

        :raises StorageError: when that cannot be found out.
        """
        base = self.store.find(self.name(image))
        return base if base is not None and self._suffices(base) else None

    def expected(
        self, image: ImageInfo, request: CopyRequest, in_place: bool
    ) -> CopyResult:
        """What building the image's base would do now.

        :param in_place: whether the image lies where a scratch can be cloned
            of it.
        :raises CowError: what would end it before a byte is copied.
        """
        return self._base_builder.expected(
            self.name(image), image, request, in_place
        )

    def ensure(
        self, image: ImageInfo, request: CopyRequest, volume_bytes: int
    ) -> Ensured:
        """The image's base, in the end.

        :param volume_bytes: what it has to fit into, if it is built here.
        :raises BuildFailed: when it was tried elsewhere meanwhile, and the
            image is at fault, or the tries were too many.
        :raises ImageTooBig: when it does not fit.
        :raises TooManyCopies: when too many wait already.
        :raises CowError: what its building here failed with.
        """
        name = self.name(image)
        before = self.store.build_record(name) or BuildRecord()
        build_failures.require_fit(image, before, volume_bytes)
        ensuring = _Ensuring(name, image, request, volume_bytes, before)
        base = self._look(ensuring)
        if base is not None:
            return base
        # So many may wait, and not all of the service's workers.
        with self._base_builder.waiting(request) as place:
            ensuring.request = dataclasses.replace(request, place=place)
            while True:
                self._pause(ensuring)
                place.check()
                base = self._look(ensuring)
                if base is not None:
                    return base

    def _look(self, ensuring: _Ensuring) -> Ensured | None:
        """The base, found or built here; None: another is building it."""
        base = self.find(ensuring.image)
        if base is not None:
            return Ensured(base, built=False)
        with self._first_of_process(ensuring) as is_first:
            if not is_first:
                return None
            base = self._build_if_free(ensuring)
        return Ensured(base, built=True) if base is not None else None

    @contextlib.contextmanager
    def _first_of_process(self, ensuring: _Ensuring) -> Iterator[bool]:
        """Whether no other request of this process tries to build the base.

        Those that wait for it are woken in the end. Nobody waits for one that
        is made ahead and gives way itself, unless it has the lease.
        """
        name = ensuring.name
        with self._lock:
            is_first = name not in self._tried
            if is_first and not ensuring.request.ahead:
                self._tried[name] = threading.Event()
        try:
            yield is_first
        finally:
            if is_first and not ensuring.request.ahead:
                with self._lock:
                    ended = self._tried.pop(name)
                ended.set()

    def _build_if_free(self, ensuring: _Ensuring) -> Base | None:
        """None: it is there by now, or another is building it.

        The lease is held by who copies, not by who waits for a slot: another
        host may have one free.
        """
        lease = self.store.lease(ensuring.name)
        if lease is None:
            return None
        lease.release()
        try:
            with self._slot(ensuring):
                lease = self.store.lease(ensuring.name)
                if lease is None:
                    return None
                with lease:
                    if self.find(ensuring.image) is not None:
                        return None
                    LOG.debug('base=%s its lease is taken', ensuring.name)
                    base = self._build(ensuring, lease)
                LOG.debug('base=%s its lease is released', ensuring.name)
                return base
        except _FoundMeanwhile:
            return None

    def _slot(
        self, ensuring: _Ensuring
    ) -> contextlib.AbstractContextManager[None]:
        """The right to copy.

        :raises _FoundMeanwhile: when another host was quicker.
        """
        waiting = _WaitForSlot(
            lambda: self.find(ensuring.image) is not None,
            ensuring.request.cancellation,
        )
        request = dataclasses.replace(ensuring.request, cancellation=waiting)
        return self._base_builder.slot(request)

    def _build(self, ensuring: _Ensuring, lease: Lease) -> Base | None:
        """None: the lease was lost, and another builds it."""
        name, image = ensuring.name, ensuring.image
        record = self.store.build_record(name) or BuildRecord()
        build_failures.require_hope(
            image, record, ensuring.before, self.settings.host
        )
        build_failures.require_fit(image, record, ensuring.volume_bytes)
        if self.store.find(name) is not None:
            lease.keep(EVICT_SECONDS)
            lease.check()
            self.store.retire(name)  # it does not suffice
        # It stands before anything is made, so that a sweep finds what a
        # builder has left that died.
        self.store.set_build_record(
            name, build_failures.started(image, record)
        )
        LOG.debug('base=%s image=%s building', name, image.image_id)
        try:
            with _mapped(name):
                base = self._base_builder.build(
                    name, image, ensuring.request, ensuring.volume_bytes, lease
                )
        except errors.LeaseLost as exc:  # the record is the next builder's
            ensuring.losses += 1
            if ensuring.losses >= MOST_LOSSES:
                raise
            LOG.warning('%s The volume waits for the next builder.', exc)
            return None
        except errors.CowError as exc:
            failed = build_failures.failed(
                image, record, exc, self.settings.host
            )
            self._set_record(name, failed)
            raise
        self._set_record(name, None)
        return base

    def _set_record(self, name: str, record: BuildRecord | None) -> None:
        """What happened is known: a failure here would hide it."""
        try:
            self.store.set_build_record(name, record)
        except errors.StorageError as exc:
            LOG.warning(
                'base=%s its build record is left to a sweep: %s', name, exc
            )

    def _pause(self, ensuring: _Ensuring) -> None:
        """Wait a while, for this process or for another host."""
        if not ensuring.is_waiting:
            LOG.info(
                'image=%s waits for its base %s',
                ensuring.image.image_id,
                ensuring.name,
            )
        ensuring.is_waiting = True
        if ensuring.request.cancellation is not None:
            ensuring.request.cancellation.check()
        with self._lock:
            ended = self._tried.get(ensuring.name)
        if ended is not None:
            # Another host may have one free meanwhile.
            ended.wait(PROCESS_PAUSE_SECONDS)
        else:
            time.sleep(random.uniform(*PAUSE_SECONDS))

    def _suffices(self, base: Base) -> bool:
        """It may have been built before its hash was required."""
        return base.info.verification is not Verification.ABSENT or not (
            self.settings.require_hash or base_names.is_shared(base.name)
        )
