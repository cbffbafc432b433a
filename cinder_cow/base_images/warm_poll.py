# SPDX-License-Identifier: Apache-2.0
"""Which images of Glance are new since they were last looked at.

Glance is asked for those that changed since the newest that was seen. However
an image came to be active, Glance has changed its `updated_at` then.
"""

from collections.abc import Iterator
import dataclasses
import datetime
from typing import Any, Protocol

from cinder_cow.backends.base_store import BaseStore, StoredBase
from cinder_cow.base_images import eviction
from cinder_cow.base_images.warm_records import (
    UsedImage,
    WarmRecord,
    WarmRecords,
    WarmStage,
    Watermark,
)
from cinder_cow.planning import warm_policy
from cinder_cow.planning.warm_policy import Name, WarmPolicy

#: An image may be listed so much later than its `updated_at` says: hosts of
#: Glance whose clocks differ, and transactions that take their time. So long
#: the images before the newest are looked at again.
SETTLE_SECONDS = 120
#: As Glance writes `updated_at`.
TIME = '%Y-%m-%dT%H:%M:%SZ'


class Images(Protocol):
    """What is asked of :class:`cinder_cow.sources.glance_images`."""

    def records(self, **filters: str) -> Iterator[dict[str, Any]]:
        """All images that match."""

    def record(self, image_id: str) -> dict[str, Any] | None:
        """One image; None: there is none."""


def queue_new(
    records: WarmRecords,
    images: Images,
    policy: WarmPolicy,
    used_names: set[Name],
    now: float,
) -> None:
    """Queue the images that are new or changed and that the policy wants.

    Where there are none it is one request, and nothing is written.

    :param now: seconds since the epoch.
    :raises Exception: of Glance's client; nothing is remembered then.
    """
    seen = records.watermark
    if seen is None or seen.policy != policy.value:
        seen = Watermark(policy.value)
    newest, queued = seen.updated_at, []
    for image in images.records(
        **warm_policy.filters(policy), **_since(seen, now)
    ):
        newest = max(newest, image['updated_at'])
        if _is_new(records, image) and warm_policy.wants(
            policy, image, used_names
        ):
            queued.append(_queued(image, now))
    if newest != seen.updated_at:
        seen = Watermark(policy.value, newest, now)
    records.write(queued, None if seen == records.watermark else seen)


def _since(seen: Watermark, now: float) -> dict[str, str]:
    """Of Glance's API."""
    order = {'sort': 'updated_at:asc'}
    if not seen.updated_at:
        return order
    if now - seen.seen > SETTLE_SECONDS:
        return {'updated_at': f'gt:{seen.updated_at}', **order}
    begin = datetime.datetime.strptime(seen.updated_at, TIME)
    begin -= datetime.timedelta(seconds=SETTLE_SECONDS)
    return {'updated_at': f'gte:{begin.strftime(TIME)}', **order}


def _is_new(records: WarmRecords, image: dict[str, Any]) -> bool:
    known = records.images.get(image['id'])
    return known is None or known.updated_at != image['updated_at']


def _queued(image: dict[str, Any], now: float) -> WarmRecord:
    return WarmRecord(
        image['id'],
        image.get('name') or '',
        image['updated_at'],
        WarmStage.QUEUED,
        written=now,
    )


def used_names(
    records: WarmRecords,
    images: Images,
    store: BaseStore,
    used_seconds: float,
    now: float,
) -> set[Name]:
    """The owners and names of images whose bases volumes were made of.

    They are remembered: Glance is asked once for each image, and an image
    that was deleted meanwhile, or whose base was evicted, has a name still.

    :param used_seconds: how long ago that may be.
    :raises Exception: of Glance's client.
    """
    oldest = now - used_seconds
    changed: dict[str, UsedImage] = {}
    for base in store.recorded_bases():
        if base.last_used < oldest or not _made_a_volume(base):
            continue
        for image_id in eviction.images_of(base):
            known = records.used.get(image_id)
            if known is None:
                changed[image_id] = _looked_up(images, image_id, base)
            # Not with each volume.
            elif base.last_used - known.last_used > used_seconds / 10:
                changed[image_id] = dataclasses.replace(
                    known, last_used=base.last_used
                )
    gone = [
        image_id
        for image_id, each in records.used.items()
        if image_id not in changed and each.last_used < oldest
    ]
    records.write_used(changed, gone)
    return {(e.owner, e.name) for e in records.used.values() if e.name}


def _made_a_volume(base: StoredBase) -> bool:
    """Not where it was built ahead only. Its use is recorded in seconds."""
    return not base.info.warmed or base.last_used > base.info.created + 1


def _looked_up(images: Images, image_id: str, base: StoredBase) -> UsedImage:
    record = images.record(image_id) or {}
    owner, name = warm_policy.name_of(record)
    return UsedImage(name, owner, base.last_used)
