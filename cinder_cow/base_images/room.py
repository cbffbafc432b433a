# SPDX-License-Identifier: Apache-2.0
"""Room for one more base, made where that is possible.

An image's author chooses how large its disk is. So a base must neither fill
the pool nor push out all others.
"""

from collections.abc import Callable, Iterator
import dataclasses
from dataclasses import dataclass

from cinder_cow import errors
from cinder_cow.backends.base_store import BaseStore, Room, StoredBase
from cinder_cow.base_images import eviction
from cinder_cow.base_images.eviction import EvictionLimits, Outcome, Totals
from cinder_cow.model import ImageInfo

#: How often bases are chosen anew that others used meanwhile.
MOST_LOOKS = 3


@dataclass(frozen=True, slots=True)
class Need:
    """A base that is to be built."""

    name: str
    image: ImageInfo
    #: What it can take at most: the size of its disk.
    most_bytes: int
    #: Whether others may go for it.
    may_evict: bool = True


@dataclass(frozen=True, slots=True)
class _Shortage:
    """Why there is no room."""

    reason: str
    #: Whether it may help to evict bases.
    may_end: bool
    #: The project whose bases alone would help; None: any.
    project: str | None = None


@dataclass(frozen=True, slots=True)
class _Reserved:
    """What is being built at this moment, beside the base that is needed."""

    bytes: int
    #: Of them, of the project that needs room.
    project_bytes: int
    count: int


@dataclass(slots=True)
class _Space:
    """What there is; what it would be without some bases."""

    room: Room
    totals: Totals
    reserved: _Reserved

    def remove(self, base: StoredBase) -> None:
        """The base is gone. Ceph counts its bytes only some time later."""
        self.totals.remove(base)
        freed = base.info.stored_bytes
        self.room = dataclasses.replace(
            self.room,
            used_bytes=self.room.used_bytes - freed,
            available_bytes=self.room.available_bytes + freed,
            spare_bytes=self.room.spare_bytes + freed,
        )


def require(
    store: BaseStore,
    limits: EvictionLimits,
    need: Need,
    on_evicted: Callable[[], None] = lambda: None,
) -> None:
    """See that the base fits, and evict bases if that is of use.

    Only bases that no volume needs are evicted, the least recently used
    first; and none, if all of them were not enough.

    :param on_evicted: called for each that went.
    :raises NoRoomForBase: when it does not fit.
    :raises StorageError: when that cannot be found out.
    """
    reason = ''
    for _ in range(MOST_LOOKS):
        stored = eviction.in_order(_finished(store))
        space = _Space(store.room(), Totals(stored), _reserved(store, need))
        shortage = _shortage(limits, space, need)
        if shortage is None:
            return
        reason = shortage.reason
        chosen = _chosen(store, limits, space, need, stored)
        if not chosen:
            break
        evicted = [_evicted(store, base.name) for base in chosen]
        for _ in filter(None, evicted):
            on_evicted()
        store.purge()
        if all(evicted):
            return
        # Volumes were made of one of them meanwhile: look again.
    raise errors.NoRoomForBase(
        f'build the base of image {need.image.image_id}, which can take'
        f' {need.most_bytes} bytes',
        ValueError(reason),
    )


def _chosen(
    store: BaseStore,
    limits: EvictionLimits,
    space: _Space,
    need: Need,
    stored: list[StoredBase],
) -> list[StoredBase]:
    """The bases whose eviction makes enough room; none if that cannot be."""
    chosen: list[StoredBase] = []
    needed: set[str] = set()
    while (shortage := _shortage(limits, space, need)) is not None:
        found = None
        for base in stored if shortage.may_end and need.may_evict else ():
            if (
                base in chosen
                or base.name in needed
                or shortage.project not in (None, base.info.owner)
            ):
                continue
            if not store.has_children(base.name):
                found = base
                break
            needed.add(base.name)
        if found is None:
            return []
        chosen.append(found)
        space.remove(found)
    return chosen


def _finished(store: BaseStore) -> list[StoredBase]:
    """Those that are being built count by what they have reserved."""
    records = store.build_records()
    return [
        base
        for base in store.recorded_bases()
        if base.name not in records or records[base.name].kind
    ]


def _reserved(store: BaseStore, need: Need) -> _Reserved:
    """What the bases may take that are being built at this moment."""
    others = [
        record
        for name, record in store.build_records().items()
        if name != need.name and not record.kind
    ]
    owner = need.image.owner
    return _Reserved(
        sum(record.reserved_bytes for record in others),
        sum(
            record.reserved_bytes
            for record in others
            if owner and record.owner == owner
        ),
        sum(1 for record in others if record.reserved_bytes),
    )


def _evicted(store: BaseStore, name: str) -> bool:
    return eviction.evict(store, name) is Outcome.EVICTED


def _shortage(
    limits: EvictionLimits, space: _Space, need: Need
) -> _Shortage | None:
    """The first reason why the base does not fit."""
    return next(_shortages(limits, space, need), None)


def _shortages(
    limits: EvictionLimits, space: _Space, need: Need
) -> Iterator[_Shortage]:
    room, totals, reserved = space.room, space.totals, space.reserved
    wanted, owner = need.most_bytes, need.image.owner
    allowed = limits.allowed_project_bytes(room)
    used = reserved.project_bytes
    used += totals.project_bytes[owner] if owner else 0
    if owner and allowed is not None and used + wanted > allowed:
        yield _Shortage(
            f'the bases of project {owner} take {used} bytes, those that are'
            f' being built too, of the {allowed} that'
            f' cow_base_max_share_per_project allows',
            wanted + reserved.project_bytes <= allowed,
            owner,
        )
    allowed = limits.allowed_bytes(room)
    used = totals.bytes + reserved.bytes
    if allowed is not None and used + wanted > allowed:
        yield _Shortage(
            f'all bases take {used} bytes, those that are being built too, of'
            f' the {allowed} that {_byte_option(limits)} allows',
            wanted + reserved.bytes <= allowed,
        )
    most, count = limits.max_count, totals.count + reserved.count
    if most is not None and 0 <= most <= count:
        yield _Shortage(
            f'there are {count} bases, and cow_base_max_count is {most}',
            reserved.count < most,
        )
    lacking = wanted + reserved.bytes - room.spare_bytes
    if lacking > 0:
        yield _Shortage(
            f'only {room.spare_bytes} bytes can be written until Ceph warns'
            f' that it is nearly full, {reserved.bytes} of them for bases that'
            f' are being built',
            lacking <= totals.bytes,
        )


def _byte_option(limits: EvictionLimits) -> str:
    if limits.max_bytes is not None and limits.max_bytes >= 0:
        return 'cow_base_max_bytes'
    return 'cow_base_max_share'
