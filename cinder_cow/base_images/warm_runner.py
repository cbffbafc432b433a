# SPDX-License-Identifier: Apache-2.0
"""Has the bases of new images built, by one process in the cluster at a time.

What is queued, and what became of it, is remembered in the cluster: when the
process dies, another goes on as soon as the lease has expired.
"""

from collections.abc import Callable
import dataclasses
from dataclasses import dataclass
import threading
import time
from typing import Any

from oslo_log import log as logging

from cinder_cow import errors, native
from cinder_cow.backends.base_store import BaseStore, Lease
from cinder_cow.base_images import warm_poll
from cinder_cow.base_images.warm import WarmResult, WarmStatus
from cinder_cow.base_images.warm_poll import Images
from cinder_cow.base_images.warm_records import (
    WarmRecord,
    WarmRecords,
    WarmStage,
)
from cinder_cow.planning.warm_policy import Name, WarmPolicy

LOG = logging.getLogger(__name__)

#: Of the lease that who warms holds.
WARM = 'warm'
#: The lease is kept so long from each look on: it ends when the process does.
KEEP_SECONDS = 120.0
#: Between two looks, unless a build ends before.
LOOK_SECONDS = 1.0
#: Of an image whose build failed for no fault of its own, or whose builder
#: was killed: it may be what killed it.
MOST_TRIES = 3
#: What says nothing of the image.
NOT_THE_IMAGES_FAULT = (
    errors.LeaseLost,
    errors.StorageUnreachable,
    errors.SourceUnreachable,
)
NEARLY_FULL = 'the pool of the bases is nearly full'

#: Has the base of an image built, by the image's record in Glance's API.
Build = Callable[[dict[str, Any]], WarmResult]


@dataclass(frozen=True, slots=True)
class WarmSettings:
    """Which images are warmed, and how."""

    policy: WarmPolicy = WarmPolicy.OFF
    poll_seconds: float = 30
    used_seconds: float = 7 * 24 * 3600
    #: Bases that are built at once.
    at_once: int = 1


def run(
    settings: WarmSettings, store: BaseStore, images: Images, build: Build
) -> bool:
    """Look for new images, and return when all that is queued has ended.

    Glance is asked again every `poll_seconds` meanwhile.

    :returns: False when another process is doing it.
    :raises LeaseLost: when another process goes on with it by now.
    :raises StorageError: when the storage cannot be asked.
    :raises Exception: of Glance's client.
    """
    lease = store.lease(WARM)
    if lease is None:
        return False
    with lease:
        _Run(settings, store, images, build, lease).until_all_ended()
    return True


class _Run:
    """One run while it goes on."""

    def __init__(
        self,
        settings: WarmSettings,
        store: BaseStore,
        images: Images,
        build: Build,
        lease: Lease,
    ) -> None:
        self._settings = settings
        self._store = store
        self._images = images
        self._build = build
        self._lease = lease
        self._records = WarmRecords(store)
        self._lost = native.event()
        self._ended = threading.Event()
        #: By the image's id: what is being built.
        self._building: dict[str, threading.Thread] = {}
        #: What this run has begun: the image, and when it had changed.
        self._begun: set[tuple[str, str]] = set()
        lease.on_lost(self._lost.set)

    def until_all_ended(self) -> None:
        next_poll = time.monotonic()
        while True:
            self._lease.keep(KEEP_SECONDS)
            if self._lost.is_set():
                raise errors.LeaseLost(WARM, 'another host goes on with it')
            if time.monotonic() >= next_poll:
                self._poll()
                next_poll = time.monotonic() + self._settings.poll_seconds
            self._begin()
            if not self._building:
                return
            self._ended.wait(LOOK_SECONDS)
            self._ended.clear()

    def _poll(self) -> None:
        settings, now = self._settings, time.time()
        names: set[Name] = set()
        if settings.policy is WarmPolicy.USED:
            names = warm_poll.used_names(
                self._records,
                self._images,
                self._store,
                settings.used_seconds,
                now,
            )
        warm_poll.queue_new(
            self._records, self._images, settings.policy, names, now
        )

    def _begin(self) -> None:
        """Begin as many builds as may go on at once."""
        for image_id, thread in list(self._building.items()):
            if not thread.is_alive():
                del self._building[image_id]
        for record in self._records.unfinished():
            if len(self._building) >= self._settings.at_once:
                return
            key = record.image_id, record.updated_at
            if key in self._begun or record.image_id in self._building:
                continue
            if self._store.room().spare_bytes <= 0:
                self._write(record, WarmStage.QUEUED, why=NEARLY_FULL)
                return
            self._begun.add(key)
            thread = threading.Thread(
                target=self._warm, args=(record,), daemon=True
            )
            self._building[record.image_id] = thread
            thread.start()

    def _warm(self, record: WarmRecord) -> None:
        """In a thread of its own."""
        try:
            if record.tries >= MOST_TRIES:
                why = record.why or 'its builder ended each time'
                self._write(record, WarmStage.FAILED, why=why)
                return
            image = self._images.record(record.image_id)
            if image is None or image['status'] != 'active':
                self._records.forget(record.image_id)
                return
            begun = self._write(
                record, WarmStage.RUNNING, tries=record.tries + 1
            )
            self._conclude(begun, self._build(image))
        except Exception as exc:  # the record stays: it is tried again
            LOG.warning('Could not warm image %s: %s', record.image_id, exc)
            LOG.debug('image=%s', record.image_id, exc_info=True)
        finally:
            self._ended.set()

    def _conclude(self, record: WarmRecord, result: WarmResult) -> None:
        stage = _stage(record, result)
        ended = self._write(
            record,
            stage,
            why=result.why or result.status.value,
            base=result.base.name if result.base is not None else '',
        )
        LOG.info(
            'image=%s warmed: %s, %s base=%s',
            ended.image_id,
            stage.value,
            ended.why,
            ended.base,
        )

    def _write(
        self, record: WarmRecord, stage: WarmStage, **changes: Any
    ) -> WarmRecord:
        written = dataclasses.replace(
            record, stage=stage, written=time.time(), **changes
        )
        known = self._records.images.get(record.image_id, record)
        # Else the image has changed meanwhile, and is queued anew.
        if known.updated_at == record.updated_at:
            self._records.write([written])
        return written


def _stage(record: WarmRecord, result: WarmResult) -> WarmStage:
    match result.status:
        case WarmStatus.BUILT | WarmStatus.THERE:
            return WarmStage.DONE
        case WarmStatus.SKIPPED:
            return WarmStage.REFUSED
    if isinstance(result.error, errors.NoRoomForBase):
        return WarmStage.REFUSED
    if record.tries < MOST_TRIES and isinstance(
        result.error, NOT_THE_IMAGES_FAULT
    ):
        return WarmStage.QUEUED
    return WarmStage.FAILED
