# SPDX-License-Identifier: Apache-2.0
"""Which bases have to go, in what order, and the one way to evict one.

Whether a base has children costs a look into the cluster and may change at
any moment. So that is asked of one base after the other, by :func:`evict`: one
that stays still counts, and the choice goes on past it.
"""

from collections import Counter
from collections.abc import Iterable, Set
from dataclasses import dataclass
import enum
import time

from oslo_log import log as logging

from cinder_cow import errors
from cinder_cow.backends.base_store import (
    BaseStore,
    BuildRecord,
    Room,
    StoredBase,
)

LOG = logging.getLogger(__name__)

#: A base that no volume was made of later than that after it was built is
#: taken to be one that a single request needed. Its use is recorded when it
#: is cloned first, and every ten minutes then.
ONCE_SECONDS = 60
#: Retiring a base is a matter of seconds; a busy cluster may need minutes.
EVICT_SECONDS = 600


class EvictionReason(enum.Enum):
    """Why a base has to go. The values are stable: they stand in logs."""

    #: Glance has none of its images any more. It goes even with children.
    IMAGE_DELETED = 'image-deleted'
    #: No volume was made of it for longer than the limit.
    IDLE = 'idle'
    #: The same, of a base that only one volume was made of.
    USED_ONCE = 'used-once'
    #: All bases together take more than the limit.
    BYTES = 'bytes'
    #: There are more bases than the limit.
    COUNT = 'count'
    #: The bases of one project's images take more than the limit.
    PROJECT_BYTES = 'project-bytes'


@dataclass(frozen=True, slots=True)
class EvictionLimits:
    """What bases may take; None: no limit, nor one below 0."""

    #: Of all bases together, before replication.
    max_bytes: int | None = None
    #: Where there are no `max_bytes`: that part of what the pool can hold.
    max_share: float | None = None
    max_count: int | None = None
    #: Part of those bytes that the images of one project may take.
    max_share_per_project: float | None = None
    #: Since a volume was last made of a base.
    max_idle_seconds: int | None = None
    #: The same, of a base that only one volume was made of.
    once_idle_seconds: int | None = None

    def allowed_bytes(self, room: Room | None) -> int | None:
        """Of all bases together; None: no limit.

        :param room: None where it is not known: then there is no share.
        """
        if self.max_bytes is not None and self.max_bytes >= 0:
            return self.max_bytes
        if self.max_share is None or room is None:
            return None
        return int(self.max_share * room.capacity_bytes)

    def allowed_project_bytes(self, room: Room | None) -> int | None:
        """Of the bases of one project's images; None: no limit."""
        allowed = self.allowed_bytes(room)
        if self.max_share_per_project is None or allowed is None:
            return None
        return int(self.max_share_per_project * allowed)


class Totals:
    """What bases take, all together and by project."""

    def __init__(self, stored: Iterable[StoredBase]) -> None:
        self.bytes = 0
        self.count = 0
        self.project_bytes: Counter[str] = Counter()
        for base in stored:
            self._add(base, 1)

    def remove(self, base: StoredBase) -> None:
        """It is gone."""
        self._add(base, -1)

    def _add(self, base: StoredBase, sign: int) -> None:
        self.count += sign
        self.bytes += sign * base.info.stored_bytes
        if base.info.owner:
            self.project_bytes[base.info.owner] += (
                sign * base.info.stored_bytes
            )


def in_order(
    stored: Iterable[StoredBase], deleted: Set[str] = frozenset()
) -> list[StoredBase]:
    """First those of deleted images, then the least recently used first."""
    return sorted(
        stored,
        key=lambda base: (
            not is_orphan(base, deleted),
            base.last_used,
            base.name,
        ),
    )


def is_orphan(base: StoredBase, deleted: Set[str]) -> bool:
    """Whether all its images are deleted."""
    return images_of(base) <= deleted


def images_of(base: StoredBase) -> Set[str]:
    """The Glance images of a base; there is always one."""
    return base.image_ids or {base.info.image_id}


def over_limits(
    base: StoredBase, limits: EvictionLimits, room: Room | None, totals: Totals
) -> EvictionReason | None:
    """Which limit of space the base helps to exceed."""
    allowed = limits.allowed_bytes(room)
    if allowed is not None and totals.bytes > allowed:
        return EvictionReason.BYTES
    if limits.max_count is not None and totals.count > limits.max_count >= 0:
        return EvictionReason.COUNT
    allowed = limits.allowed_project_bytes(room)
    owner = base.info.owner
    if allowed is not None and owner and totals.project_bytes[owner] > allowed:
        return EvictionReason.PROJECT_BYTES
    return None


def idle_for_too_long(
    base: StoredBase, limits: EvictionLimits, now: float
) -> EvictionReason | None:
    """Whether it was not used for too long, and which limit says so.

    :param now: seconds since the epoch. The clock of the host that used the
        base may be ahead of ours.
    """
    idle = max(0.0, now - base.last_used)
    most = limits.max_idle_seconds
    if most is not None and 0 <= most <= idle:
        return EvictionReason.IDLE
    most = limits.once_idle_seconds
    used_once = (
        not base.info.warmed
        and base.last_used - base.info.created <= ONCE_SECONDS
    )
    if used_once and most is not None and 0 <= most <= idle:
        return EvictionReason.USED_ONCE
    return None


class Outcome(enum.Enum):
    """What came of one try to evict a base."""

    #: It had no children: it is gone, and its bytes with the next purge.
    EVICTED = 'evicted'
    #: It has children: it is found no more, and goes after the last of them.
    RETIRED = 'retired'
    #: It stays: there are volumes that were cloned from it.
    HAS_CHILDREN = 'has-children'
    #: It stays: another process is building or evicting it.
    LEASED = 'leased'


def evict(
    store: BaseStore,
    name: str,
    even_with_children: bool = False,
    dry_run: bool = False,
) -> Outcome:
    """Retire the base, under its own lease, so that no builder is disturbed.

    A clone that is made between the look for children and the retiring keeps
    the bytes until it is deleted itself: none loses its parent.

    A note stands in the storage meanwhile, among those of builds: where this
    process dies with the lease, a sweep finds the name by it, and removes what
    is left of the lease.

    :param dry_run: only find out what would be done.
    :raises LeaseLost: and nothing is done.
    :raises StorageError: when the storage fails.
    """
    lease = store.lease(name)
    if lease is None:
        return Outcome.LEASED
    with lease:
        lease.keep(EVICT_SECONDS)
        has_children = store.has_children(name)
        if has_children and not even_with_children:
            return Outcome.HAS_CHILDREN
        if not dry_run:
            lease.check()
            note = BuildRecord(written=time.time())
            store.set_build_record(name, note)
            store.retire(name)
            LOG.debug('base=%s retired', name)
    if not dry_run:
        _remove_note(store, name, note)
    return Outcome.RETIRED if has_children else Outcome.EVICTED


def _remove_note(store: BaseStore, name: str, note: BuildRecord) -> None:
    """Unless a builder has written another in its place by now."""
    try:
        if store.build_record(name) == note:
            store.set_build_record(name, None)
    except errors.StorageError as exc:
        LOG.warning('base=%s its note is left to a sweep: %s', name, exc)
