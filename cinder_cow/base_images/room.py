# SPDX-License-Identifier: Apache-2.0
"""Room for one more base, made where that is possible.

An image's author chooses how large its disk is. So a base must neither fill
the pool nor push out all others.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from cinder_cow import errors
from cinder_cow.backends.base_store import BaseStore, Room
from cinder_cow.base_images import eviction
from cinder_cow.base_images.eviction import EvictionLimits, Outcome, Totals
from cinder_cow.model import ImageInfo


@dataclass(frozen=True, slots=True)
class Need:
    """A base that is to be built."""

    name: str
    image: ImageInfo
    #: What it can take at most: the size of its disk.
    most_bytes: int


@dataclass(frozen=True, slots=True)
class _Shortage:
    """Why there is no room."""

    reason: str
    #: Whether it may help to evict bases.
    may_end: bool
    #: The project whose bases alone would help; None: any.
    project: str | None = None


def require(store: BaseStore, limits: EvictionLimits, need: Need) -> None:
    """See that the base fits, and evict bases if that is of use.

    Only bases that no volume needs are evicted, the least recently used
    first.

    :raises NoRoomForBase: when it does not fit.
    :raises StorageError: when that cannot be found out.
    """
    stored = eviction.in_order(store.stored_bases())
    totals = Totals(stored)
    reserved = _reserved_bytes(store, need)
    shortage = _shortage(limits, store.room(), totals, need, reserved)
    for base in stored:
        if shortage is None or not shortage.may_end:
            break
        if shortage.project in (None, base.info.owner) and _evicted(
            store, base.name
        ):
            totals.remove(base)
            store.purge()
            shortage = _shortage(limits, store.room(), totals, need, reserved)
    if shortage is not None:
        raise errors.NoRoomForBase(
            f'build the base of image {need.image.image_id}, which can take'
            f' {need.most_bytes} bytes',
            ValueError(shortage.reason),
        )


def _reserved_bytes(store: BaseStore, need: Need) -> int:
    """What the bases may take that are being built at this moment."""
    return sum(
        record.reserved_bytes
        for name, record in store.build_records().items()
        if name != need.name and not record.kind
    )


def _evicted(store: BaseStore, name: str) -> bool:
    return eviction.evict(store, name) is Outcome.EVICTED


def _shortage(
    limits: EvictionLimits,
    room: Room,
    totals: Totals,
    need: Need,
    reserved_bytes: int,
) -> _Shortage | None:
    """The first reason why the base does not fit."""
    found = _shortages(limits, room, totals, need, reserved_bytes)
    return next(found, None)


def _shortages(
    limits: EvictionLimits,
    room: Room,
    totals: Totals,
    need: Need,
    reserved_bytes: int,
) -> Iterator[_Shortage]:
    wanted, owner = need.most_bytes, need.image.owner
    allowed = limits.allowed_project_bytes(room)
    used = totals.project_bytes[owner] if owner else 0
    if owner and allowed is not None and used + wanted > allowed:
        yield _Shortage(
            f'the bases of project {owner} take {used} bytes of the {allowed}'
            f' that cow_base_max_share_per_project allows',
            wanted <= allowed,
            owner,
        )
    allowed = limits.allowed_bytes(room)
    used = totals.bytes + reserved_bytes
    if allowed is not None and used + wanted > allowed:
        yield _Shortage(
            f'all bases take {used} bytes, those that are being built too, of'
            f' the {allowed} that {_byte_option(limits)} allows',
            wanted + reserved_bytes <= allowed,
        )
    most = limits.max_count
    if most is not None and 0 <= most <= totals.count:
        yield _Shortage(
            f'there are {totals.count} bases, and cow_base_max_count is'
            f' {most}',
            most > 0,
        )
    lacking = wanted + reserved_bytes - room.spare_bytes
    if lacking > 0:
        yield _Shortage(
            f'only {room.spare_bytes} bytes can be written until Ceph warns'
            f' that it is nearly full, {reserved_bytes} of them for bases that'
            f' are being built',
            lacking <= totals.bytes,
        )


def _byte_option(limits: EvictionLimits) -> str:
    if limits.max_bytes is not None and limits.max_bytes >= 0:
        return 'cow_base_max_bytes'
    return 'cow_base_max_share'
