# SPDX-License-Identifier: Apache-2.0
"""Keeps the bases within their limits, by one sweeper in the cluster.

A base goes in two steps: it is retired, so that nobody finds it any more, and
then removed if it has no children. A clone that is made between the look and
the retiring keeps the bytes until it is deleted itself, so none loses its
parent. Everything is done under the base's own lease: no builder is disturbed.
"""

from collections.abc import Callable, Iterable, Iterator
import contextlib
from dataclasses import dataclass
import time

from oslo_log import log as logging

from cinder_cow import errors
from cinder_cow.backends import base_names
from cinder_cow.backends.base_store import (
    BaseStore,
    BuildRecord,
    Lease,
    StoredBase,
)
from cinder_cow.base_images.eviction import (
    Candidate,
    EvictionLimits,
    EvictionOrder,
    EvictionReason,
    images_of,
)

LOG = logging.getLogger(__name__)

#: Of the lease that a sweeper holds.
SWEEP = 'sweep'
#: A removal takes as long as it takes. Leases expire when this process dies.
WHILE_ALIVE = float('inf')
#: How long others can read why a build failed.
NOTE_SECONDS = 3600


@dataclass(frozen=True, slots=True)
class EvictedBase:
    """A base that went, and why."""

    name: str
    image_ids: tuple[str, ...]
    reason: EvictionReason
    stored_bytes: int
    idle_seconds: float

    def __str__(self) -> str:
        return (
            f'base={self.name} image={",".join(self.image_ids)}'
            f' reason={self.reason.value} bytes={self.stored_bytes}'
            f' idle={self.idle_seconds:.0f}'
        )


@dataclass(frozen=True, slots=True)
class SweepResult:
    """What a sweep did, or would do."""

    #: Had no children: their bytes are free.
    evicted: tuple[EvictedBase, ...] = ()
    #: Have children: freed by a later sweep, when the last is gone.
    retired: tuple[EvictedBase, ...] = ()
    #: What the evicted took, before replication; 0 where their removal
    #: failed: it is tried again by the next sweep.
    freed_bytes: int = 0
    #: Names of the bases whose builder died, and left what was removed.
    abandoned_builds: tuple[str, ...] = ()
    #: What was retired before and had lost its last child, by its name then.
    purged: tuple[str, ...] = ()
    #: What could not be done: each is in the log as a warning.
    failures: tuple[str, ...] = ()


def sweep(
    store: BaseStore,
    limits: EvictionLimits,
    deleted_images: Callable[[Iterable[str]], set[str]],
    now: Callable[[], float] = time.time,
    dry_run: bool = False,
) -> SweepResult | None:
    """Remove what is not needed. None: another is doing it at this moment.

    One base that fails does not stop the others.

    :param deleted_images: which of these images Glance has no more. When it
        fails, none is taken for deleted.
    :param dry_run: change nothing; leases are taken and given up.
    :raises StorageError: when the store cannot even say what it keeps.
    """
    with _leased(store, SWEEP) as lease:
        if lease is None:
            return None
        sweeping = _Sweeping(store, now, dry_run)
        sweeping.free_retired()
        sweeping.clean_up_abandoned_builds()
        sweeping.evict(limits, deleted_images)
        return SweepResult(
            tuple(sweeping.evicted),
            tuple(sweeping.retired),
            sweeping.freed_bytes,
            tuple(sweeping.abandoned_builds),
            tuple(sweeping.purged),
            tuple(sweeping.failures),
        )


class _Sweeping:
    """One sweep while it goes on."""

    def __init__(
        self, store: BaseStore, now: Callable[[], float], dry_run: bool
    ) -> None:
        self.evicted: list[EvictedBase] = []
        self.retired: list[EvictedBase] = []
        self.freed_bytes = 0
        self.abandoned_builds: list[str] = []
        self.purged: list[str] = []
        self.failures: list[str] = []
        self._store = store
        self._now = now
        self._dry_run = dry_run
        self._prefix = 'dry run: ' if dry_run else ''

    def free_retired(self) -> None:
        """Remove what has lost its last child since it was retired."""
        with self._continue_on_error('remove retired bases'):
            if not self._dry_run:
                self.purged += self._store.purge()

    def clean_up_abandoned_builds(self) -> None:
        """Remove what dead builders left, and notes that nobody needs."""
        names: list[str] = []
        with self._continue_on_error('look for builds that died'):
            names += sorted(self._store.build_records())
        for name in names:
            with (
                self._continue_on_error(f'look after the build of {name}'),
                _leased(self._store, name) as lease,
            ):
                if lease is not None:  # else it is being built
                    self._clean_up_abandoned_build(name, lease)

    def evict(
        self,
        limits: EvictionLimits,
        deleted_images: Callable[[Iterable[str]], set[str]],
    ) -> None:
        """Let the bases go that have to, and can."""
        kept = self._store.stored_bases()
        deleted = self._deleted(kept, deleted_images)
        now = self._now()
        chooser = EvictionOrder(kept, limits, now, deleted)
        for candidate in chooser:
            with self._continue_on_error(
                f'evict the base {candidate.kept.name}'
            ):
                if self._let_go(candidate, now):
                    chooser.gone(candidate)
        if self.evicted and not self._dry_run:
            with self._continue_on_error('remove the evicted bases'):
                self._store.purge()
                self.freed_bytes = _bytes(self.evicted)
        elif self._dry_run:
            self.freed_bytes = _bytes(self.evicted)

    def _clean_up_abandoned_build(self, name: str, lease: Lease) -> None:
        note = self._store.build_record(name)
        if note is None:  # it was finished meanwhile
            return
        if not self._dry_run:
            if self._store.find(name) is None:
                lease.check()
                self._store.discard(name)
            self._store.discard(base_names.scratch_name(name))
            if not note.failures or self._is_old(note):
                self._store.set_build_record(name, None)
        if not note.failures:
            LOG.info(
                '%sremoved what a builder left that died: base=%s',
                self._prefix,
                name,
            )
            self.abandoned_builds.append(name)

    def _is_old(self, note: BuildRecord) -> bool:
        return self._now() - note.written > NOTE_SECONDS

    def _deleted(
        self,
        kept: Iterable[StoredBase],
        deleted_images: Callable[[Iterable[str]], set[str]],
    ) -> set[str]:
        image_ids = {each for base in kept for each in images_of(base)}
        if not image_ids:
            return set()
        try:
            return deleted_images(sorted(image_ids))
        except Exception as exc:  # noqa: BLE001  whatever Glance's client has
            self._fail(f'Could not ask for deleted images: {exc}')
            return set()

    def _let_go(self, candidate: Candidate, now: float) -> bool:
        """Whether it went, or would go."""
        name = candidate.kept.name
        with _leased(self._store, name) as lease:
            if lease is None:
                return False
            has_children = self._store.has_children(name)
            if (
                has_children
                and candidate.reason is not EvictionReason.IMAGE_DELETED
            ):
                return False
            if not self._dry_run:
                lease.check()
                self._store.retire(name)
        gone = _gone(candidate, now)
        LOG.info(
            '%s%s %s',
            self._prefix,
            'retired' if has_children else 'evicted',
            gone,
        )
        (self.retired if has_children else self.evicted).append(gone)
        return True

    @contextlib.contextmanager
    def _continue_on_error(self, action: str) -> Iterator[None]:
        try:
            yield
        except errors.CowError as exc:
            self._fail(f'Could not {action}: {exc}')

    def _fail(self, failure: str) -> None:
        LOG.warning('%s', failure)
        self.failures.append(failure)


@contextlib.contextmanager
def _leased(store: BaseStore, name: str) -> Iterator[Lease | None]:
    """The lease, for as long as this process lives; None: another has it."""
    lease = store.lease(name)
    if lease is None:
        yield None
        return
    with lease:
        lease.keep(WHILE_ALIVE)
        yield lease


def _gone(candidate: Candidate, now: float) -> EvictedBase:
    kept = candidate.kept
    return EvictedBase(
        kept.name,
        tuple(sorted(images_of(kept))),
        candidate.reason,
        kept.info.stored_bytes,
        max(0.0, now - kept.last_used),
    )


def _bytes(gone: Iterable[EvictedBase]) -> int:
    return sum(each.stored_bytes for each in gone)
