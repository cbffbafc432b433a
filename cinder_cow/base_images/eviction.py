# SPDX-License-Identifier: Apache-2.0
"""Which bases have to go, and in what order. Pure.

Whether a base has children costs a look into the cluster and may change at
any moment. So that is asked by whoever evicts, of one base after the other:
one that stays still counts, and the choice goes on past it.
"""

from collections.abc import Iterable, Iterator, Set
from dataclasses import dataclass
import enum

from cinder_cow.backends.base_store import StoredBase


class EvictionReason(enum.Enum):
    """Why a base has to go. The values are stable: they stand in logs."""

    #: Glance has none of its images any more. It goes even with children.
    IMAGE_DELETED = 'image-deleted'
    #: No volume was made of it for longer than the limit.
    IDLE = 'idle'
    #: All bases together take more than the limit.
    BYTES = 'bytes'


@dataclass(frozen=True, slots=True)
class EvictionLimits:
    """What bases may take; None: no limit, nor one below 0."""

    #: Of all bases together, before replication.
    max_bytes: int | None = None
    #: Since a volume was last made of a base.
    max_idle_seconds: int | None = None


@dataclass(frozen=True, slots=True)
class Candidate:
    """A base that has to go if it can."""

    kept: StoredBase
    reason: EvictionReason


class EvictionOrder:
    """Iterated, it gives the candidates one by one.

    First those of deleted images, then the least recently used first; of
    equals, by name. :meth:`gone` is told of each that went, before the next
    is asked for: without it the bytes are taken to be still there.
    """

    def __init__(
        self,
        kept: Iterable[StoredBase],
        limits: EvictionLimits,
        now: float,
        deleted: Set[str] = frozenset(),
    ) -> None:
        """:param now: seconds since the epoch.

        :param deleted: ids of the images that Glance has no more.
        """
        self._limits = limits
        self._now = now
        self._deleted = deleted
        self._kept = sorted(kept, key=self._rank)
        self._total_bytes = sum(each.info.stored_bytes for each in self._kept)

    def __iter__(self) -> Iterator[Candidate]:
        for each in self._kept:
            reason = self._reason(each)
            if reason is not None:
                yield Candidate(each, reason)

    def gone(self, candidate: Candidate) -> None:
        """It is not found any more: its bytes do not count."""
        self._total_bytes -= candidate.kept.info.stored_bytes

    def _rank(self, kept: StoredBase) -> tuple[bool, float, str]:
        return not self._is_orphan(kept), kept.last_used, kept.name

    def _reason(self, kept: StoredBase) -> EvictionReason | None:
        if self._is_orphan(kept):
            return EvictionReason.IMAGE_DELETED
        most_idle = self._limits.max_idle_seconds
        # The clock of the host that used it may be ahead of ours.
        idle = max(0.0, self._now - kept.last_used)
        if most_idle is not None and 0 <= most_idle <= idle:
            return EvictionReason.IDLE
        most_bytes = self._limits.max_bytes
        if most_bytes is not None and self._total_bytes > most_bytes:
            return EvictionReason.BYTES
        return None

    def _is_orphan(self, kept: StoredBase) -> bool:
        return images_of(kept) <= self._deleted


def images_of(kept: StoredBase) -> Set[str]:
    """The Glance images of a base; there is always one."""
    return kept.image_ids or {kept.info.image_id}
