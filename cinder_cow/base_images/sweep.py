# SPDX-License-Identifier: Apache-2.0
"""Keeps the bases within their limits, by one sweep at a time in the cluster.

A base goes in two steps: it is retired, so that nobody finds it any more, and
then removed if it has no children. Everything is done under the base's own
lease: no builder is disturbed. The sweep's own lease expires when the sweep
makes no progress: another host goes on then.
"""

from collections.abc import Callable, Iterable, Iterator, Set
import contextlib
from dataclasses import dataclass
import time

from oslo_log import log as logging

from cinder_cow.backends import base_names
from cinder_cow.backends.base_store import (
    BaseStore,
    BuildRecord,
    Lease,
    Room,
    StoredBase,
)
from cinder_cow.base_images import eviction
from cinder_cow.base_images.eviction import (
    EvictionLimits,
    EvictionReason,
    Outcome,
    Totals,
)
from cinder_cow.base_images.sweep_lease import SweepLease

LOG = logging.getLogger(__name__)

#: Of the lease that a sweep holds.
SWEEP = 'sweep'
#: To clean up after one build: the removal of a large image takes minutes.
CLEAN_UP_SECONDS = 1800
#: How long others can read why a build failed.
RECORD_SECONDS = 3600


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
    #: Names of the bases whose build was abandoned; what was left of it was
    #: removed.
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
    :param dry_run: change nothing; leases are taken and released.
    :raises StorageError: when the store cannot even say what it holds.
    """
    lease = store.lease(SWEEP)
    if lease is None:
        return None
    with lease, SweepLease(lease) as sweep_lease:
        sweeping = _Sweeping(store, sweep_lease, now, dry_run)
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
        self,
        store: BaseStore,
        lease: SweepLease,
        now: Callable[[], float],
        dry_run: bool,
    ) -> None:
        self.evicted: list[EvictedBase] = []
        self.retired: list[EvictedBase] = []
        self.freed_bytes = 0
        self.abandoned_builds: list[str] = []
        self.purged: list[str] = []
        self.failures: list[str] = []
        self._store = store
        self._lease = lease
        self._now = now
        self._dry_run = dry_run
        self._prefix = 'dry run: ' if dry_run else ''

    def free_retired(self) -> None:
        """Remove what has lost its last child since it was retired."""
        if self._dry_run:
            return
        with self._continue_on_error('remove retired bases'):
            self.purged += self._store.purge()

    def clean_up_abandoned_builds(self) -> None:
        """Remove what dead builders left, and records that nobody needs.

        What bears our names is found in the pool itself, whatever the
        records say.
        """
        left: set[str] = set()
        recorded: set[str] = set()
        with self._continue_on_error('look for unfinished bases'):
            # Also what is being built at this moment.
            left = {
                base_names.base_of(each) for each in self._store.abandoned()
            }
        with self._continue_on_error('look for records of builds'):
            recorded = set(self._store.build_records())
        for name in sorted(left | recorded):
            with (
                self._continue_on_error(f'clean up the build of {name}'),
                _leased(self._store, name) as lease,
            ):
                if lease is not None:  # else it is being built
                    self._clean_up(name, lease, name in left)

    def evict(
        self,
        limits: EvictionLimits,
        deleted_images: Callable[[Iterable[str]], set[str]],
    ) -> None:
        """Let the bases go that have to, and can."""
        stored = self._store.stored_bases()
        deleted = self._deleted(stored, deleted_images)
        room = self._room()
        totals = Totals(stored)
        now = self._now()
        for base in eviction.in_order(stored, deleted):
            reason = (
                EvictionReason.IMAGE_DELETED
                if eviction.is_orphan(base, deleted)
                else eviction.idle_for_too_long(base, limits, now)
                or eviction.over_limits(base, limits, room, totals)
            )
            with self._continue_on_error(f'evict the base {base.name}'):
                if reason and self._evict(base, reason, now):
                    totals.remove(base)
                else:
                    self._forget(base, deleted)
        self._free_evicted()

    def _clean_up(self, name: str, lease: Lease, has_left: bool) -> None:
        record = self._store.build_record(name)
        if record is None and not has_left:  # it was finished meanwhile
            return
        if not self._dry_run:
            if self._store.find(name) is None:
                lease.check()
                self._store.discard(name)
            self._store.discard(base_names.scratch_name(name))
            # Only now: else nobody would look for what could not be removed.
            if record is not None and self._is_done_with(record):
                self._store.set_build_record(name, None)
        # A note of an eviction names no image.
        if has_left or (record and record.image_id and not record.kind):
            LOG.info(
                '%sremoved what an abandoned build left: base=%s',
                self._prefix,
                name,
            )
            self.abandoned_builds.append(name)

    def _is_done_with(self, record: BuildRecord) -> bool:
        """Whether its builder died, or nobody asks any more why it failed."""
        age = self._now() - record.written
        return not record.kind or age > RECORD_SECONDS

    def _deleted(
        self,
        stored: Iterable[StoredBase],
        deleted_images: Callable[[Iterable[str]], set[str]],
    ) -> set[str]:
        image_ids = {
            each
            for base in stored
            for each in eviction.images_of(base) - base.foreign_ids
        }
        if not image_ids:
            return set()
        try:
            return deleted_images(sorted(image_ids))
        except Exception as exc:  # noqa: BLE001  whatever Glance's client has
            self._fail(f'Could not ask for deleted images: {exc}')
            return set()

    def _room(self) -> Room | None:
        """None: a share of the pool is no limit in this sweep."""
        with self._continue_on_error('ask for the room in the pool'):
            return self._store.room()
        return None

    def _evict(
        self, base: StoredBase, reason: EvictionReason, now: float
    ) -> bool:
        """Whether it went, or would go."""
        outcome = eviction.evict(
            self._store,
            base.name,
            even_with_children=reason is EvictionReason.IMAGE_DELETED,
            dry_run=self._dry_run,
        )
        if outcome not in (Outcome.EVICTED, Outcome.RETIRED):
            return False
        gone = _evicted_base(base, reason, now)
        LOG.info('%s%s %s', self._prefix, outcome.value, gone)
        if outcome is Outcome.RETIRED:
            self.retired.append(gone)
        else:
            self.evicted.append(gone)
        return True

    def _forget(self, base: StoredBase, deleted: Set[str]) -> None:
        """A base that others still use keeps no ids of deleted images."""
        gone = eviction.images_of(base) & deleted
        if gone and not gone >= base.image_ids and not self._dry_run:
            self._store.forget_images(base.name, sorted(gone))

    def _free_evicted(self) -> None:
        freed = sum(each.stored_bytes for each in self.evicted)
        if self._dry_run:
            self.freed_bytes = freed
        elif self.evicted:
            with self._continue_on_error('remove the evicted bases'):
                self._store.purge()
                self.freed_bytes = freed

    @contextlib.contextmanager
    def _continue_on_error(self, action: str) -> Iterator[None]:
        """One step. The sweep ends when another host has taken over.

        The lease that is lost within a step is a build's: the next goes on.
        """
        self._lease.begin(action)
        try:
            yield
        except Exception as exc:  # noqa: BLE001  one base stops no others
            self._fail(f'Could not {action}: {exc}')

    def _fail(self, failure: str) -> None:
        LOG.warning('%s', failure)
        self.failures.append(failure)


@contextlib.contextmanager
def _leased(store: BaseStore, name: str) -> Iterator[Lease | None]:
    """The lease on a build; None: another has it."""
    lease = store.lease(name)
    if lease is None:
        yield None
        return
    with lease:
        lease.keep(CLEAN_UP_SECONDS)
        yield lease


def _evicted_base(
    base: StoredBase, reason: EvictionReason, now: float
) -> EvictedBase:
    return EvictedBase(
        base.name,
        tuple(sorted(eviction.images_of(base))),
        reason,
        base.info.stored_bytes,
        max(0.0, now - base.last_used),
    )
