# SPDX-License-Identifier: Apache-2.0
"""What the cluster remembers of the images that were warmed, or will be.

So a restart, or another host, goes on where the last one ended. Only who has
the lease of :mod:`cinder_cow.base_images.warm_runner` writes.
"""

from collections.abc import Iterable
import dataclasses
from dataclasses import dataclass
import enum
import json
from typing import Any, TypeVar

from oslo_log import log as logging

from cinder_cow.backends.base_store import BaseStore

LOG = logging.getLogger(__name__)

#: Of images whose warming has ended: some 300 KiB in the cluster.
MOST_ENDED = 1000
_WATERMARK = 'watermark'
_IMAGE = 'image/'
_USED = 'used/'


class WarmStage(enum.Enum):
    """How far the warming of an image is. The values are shown to people."""

    QUEUED = 'queued'
    RUNNING = 'running'
    #: The base is there.
    DONE = 'done'
    #: Volumes from the image need no base, or there is no room for it.
    REFUSED = 'refused'
    FAILED = 'failed'


#: What is tried again only when the image changes.
ENDED = (WarmStage.DONE, WarmStage.REFUSED, WarmStage.FAILED)


@dataclass(frozen=True, slots=True)
class WarmRecord:
    """What became of one image."""

    image_id: str
    image_name: str
    #: Of the image then, as Glance writes it.
    updated_at: str
    stage: WarmStage
    #: Why it was refused, failed or waits.
    why: str = ''
    #: Name of its base.
    base: str = ''
    #: How often it was begun.
    tries: int = 0
    #: Seconds since the epoch.
    written: float = 0.0


@dataclass(frozen=True, slots=True)
class Watermark:
    """How far Glance's images were looked at."""

    #: A value of `cow_warm_images`: another begins anew.
    policy: str
    #: Of the newest image, as Glance writes it; empty: of none.
    updated_at: str = ''
    #: When it was seen first, in seconds since the epoch.
    seen: float = 0.0


@dataclass(frozen=True, slots=True)
class UsedImage:
    """An image that volumes were made of."""

    #: Empty where Glance has it no more.
    name: str
    owner: str
    #: Seconds since the epoch.
    last_used: float


Note = TypeVar('Note', WarmRecord, Watermark, UsedImage)


class WarmRecords:
    """Read when it is made; what is written here is known here too."""

    def __init__(self, store: BaseStore) -> None:
        """:raises StorageError: when they cannot be read."""
        self._store = store
        self.watermark: Watermark | None = None
        self.images: dict[str, WarmRecord] = {}
        self.used: dict[str, UsedImage] = {}
        for key, text in store.warm_notes().items():
            if key == _WATERMARK:
                self.watermark = _parsed(Watermark, key, text)
            elif key.startswith(_IMAGE):
                _keep(self.images, key, _parsed(WarmRecord, key, text))
            elif key.startswith(_USED):
                _keep(self.used, key, _parsed(UsedImage, key, text))

    def unfinished(self) -> list[WarmRecord]:
        """What is queued, or was begun; the oldest image first."""
        found = [e for e in self.images.values() if e.stage not in ENDED]
        return sorted(found, key=lambda each: each.updated_at)

    def write(
        self, records: Iterable[WarmRecord], watermark: Watermark | None = None
    ) -> None:
        """All in one step. The oldest of very many that ended are forgotten.

        :raises StorageError: when they cannot be written.
        """
        notes: dict[str, str | None] = {}
        for record in records:
            self.images[record.image_id] = record
            notes[_IMAGE + record.image_id] = _text(record)
        for image_id in self._too_many():
            del self.images[image_id]
            notes[_IMAGE + image_id] = None
        if watermark is not None:
            self.watermark = watermark
            notes[_WATERMARK] = _text(watermark)
        if notes:
            self._store.write_warm_notes(notes)

    def forget(self, image_id: str) -> None:
        """There is no such image any more."""
        self.images.pop(image_id, None)
        self._store.write_warm_notes({_IMAGE + image_id: None})

    def write_used(
        self, changed: dict[str, UsedImage], gone: Iterable[str]
    ) -> None:
        """Which images were used, and which count no more."""
        notes: dict[str, str | None] = {
            _USED + image_id: _text(each) for image_id, each in changed.items()
        }
        self.used.update(changed)
        for image_id in gone:
            del self.used[image_id]
            notes[_USED + image_id] = None
        if notes:
            self._store.write_warm_notes(notes)

    def _too_many(self) -> list[str]:
        ended = [e for e in self.images.values() if e.stage in ENDED]
        ended.sort(key=lambda each: each.written)
        surplus = max(0, len(ended) - MOST_ENDED)
        return [each.image_id for each in ended[:surplus]]


def _keep(notes: dict[str, Note], key: str, note: Note | None) -> None:
    if note is not None:
        notes[key.partition('/')[2]] = note


def _text(note: WarmRecord | Watermark | UsedImage) -> str:
    known = dataclasses.asdict(note)
    if isinstance(note, WarmRecord):
        known['stage'] = note.stage.value
    return json.dumps(known)


def _parsed(kind: type[Note], key: str, text: str) -> Note | None:
    """A later version may have written more."""
    try:
        known: dict[str, Any] = dict(json.loads(text))
        if 'stage' in known:
            known['stage'] = WarmStage(known['stage'])
        fields = {field.name for field in dataclasses.fields(kind)}
        return kind(**{name: known[name] for name in fields & set(known)})
    except (ValueError, TypeError) as exc:
        LOG.warning('The note of warming %s is damaged: %s', key, exc)
        return None
