# SPDX-License-Identifier: Apache-2.0
"""What is known of each base, in one RADOS object of the base pool.

Not in the metadata of the base's RBD image: librbd copies that into every
clone, and the ids of other projects' images would lie in users' volumes.

Each base has the key `NAME/info`, `NAME/last_used`, and `NAME/image/ID` for
each Glance image that volumes were made of, with `NAME/glance/ID`, which says
what Glance that is. A name of RBD holds no slash.
Read them with `rados --pool POOL listomapvals cow_bases`.
"""

from collections.abc import Iterable, Iterator, Mapping
import contextlib
import dataclasses
from dataclasses import dataclass, field
import json
from typing import Any

import rados

from cinder_cow.backends.rbd import omap
from cinder_cow.model import BaseInfo, Verification

OBJECT = 'cow_bases'
#: Of the images whose volumes were made of one base, the last that were used:
#: so large is a record at most, some 15 KiB.
MOST_IMAGES = 128
_INFO = '/info'
_LAST_USED = '/last_used'
_IMAGE = '/image/'
_GLANCE = '/glance/'
#: In the info: whose record it is, since a name may be used again.
_RBD_ID = 'rbd_id'


@dataclass(frozen=True, slots=True)
class BaseRecord:
    """What is known of a base."""

    #: Of RBD: the name may be another base's later.
    rbd_id: str
    info: BaseInfo
    #: Seconds since the epoch.
    last_used: float
    #: When the base was last used for each Glance image.
    images: Mapping[str, float]
    #: The name of the Glance that has the image, where it is known.
    glances: Mapping[str, str] = field(default_factory=dict)

    def foreign(self, glance: str) -> frozenset[str]:
        """The images that another Glance has than the one of that name."""
        return frozenset(
            image_id
            for image_id in self.images
            if self.glances.get(image_id, glance) != glance
        )


def read(ioctx: rados.Ioctx, name: str) -> BaseRecord | None:
    """The record; None where there is none.

    :raises ValueError: when it makes no sense.
    """
    found = dict(omap.items(ioctx, OBJECT, name + '/'))
    return _parse(name, found) if name + _INFO in found else None


def read_all(ioctx: rados.Ioctx) -> dict[str, BaseRecord]:
    """The records of all bases; a damaged one is left out."""
    by_base: dict[str, dict[str, bytes]] = {}
    for key, value in omap.items(ioctx, OBJECT):
        by_base.setdefault(key.partition('/')[0], {})[key] = value
    found = {}
    for name, items in by_base.items():
        if name + _INFO in items:
            with contextlib.suppress(ValueError, TypeError, KeyError):
                found[name] = _parse(name, items)
    return found


def write(ioctx: rados.Ioctx, name: str, record: BaseRecord) -> None:
    """Write the record in place of all that stood under that name."""
    values = {
        name + _INFO: _text(record),
        name + _LAST_USED: _seconds(record.last_used),
    }
    for image_id, used in _newest(record.images):
        values[name + _IMAGE + image_id] = _seconds(used)
        if record.glances.get(image_id):
            values[name + _GLANCE + image_id] = record.glances[
                image_id
            ].encode()
    before = {key for key, _value in omap.items(ioctx, OBJECT, name + '/')}
    omap.write(ioctx, OBJECT, values, removed=before - set(values))


def write_use(
    ioctx: rados.Ioctx, name: str, image_id: str, now: float, glance: str
) -> None:
    """The base was cloned for an image of the Glance of that name."""
    found = dict(omap.items(ioctx, OBJECT, name + '/'))
    if name + _INFO not in found:
        return  # retired meanwhile
    others = _images(name, found)
    others.pop(image_id, None)
    kept = {each for each, _used in _newest(others)[: MOST_IMAGES - 1]}
    values = {
        name + _LAST_USED: _seconds(now),
        name + _IMAGE + image_id: _seconds(now),
    }
    if glance:
        values[name + _GLANCE + image_id] = glance.encode()
    omap.write(ioctx, OBJECT, values, removed=_keys(name, set(others) - kept))


def forget_images(
    ioctx: rados.Ioctx, name: str, image_ids: Iterable[str]
) -> None:
    """Remove those Glance images from the record."""
    omap.remove(ioctx, OBJECT, _keys(name, image_ids))


def remove(ioctx: rados.Ioctx, name: str) -> None:
    """Remove the record, and the object with the last one."""
    keys = [key for key, _value in omap.items(ioctx, OBJECT, name + '/')]
    if keys:
        omap.remove(ioctx, OBJECT, keys)


def names(ioctx: rados.Ioctx) -> set[str]:
    """The names of all that have a record, or a part of one."""
    return {key.partition('/')[0] for key, _value in omap.items(ioctx, OBJECT)}


def _keys(name: str, image_ids: Iterable[str]) -> list[str]:
    """All that is known of those images."""
    return [
        name + kind + image_id
        for image_id in image_ids
        for kind in (_IMAGE, _GLANCE)
    ]


def _newest(images: Mapping[str, float]) -> list[tuple[str, float]]:
    by_use = sorted(images.items(), key=lambda item: item[1], reverse=True)
    return by_use[:MOST_IMAGES]


def _parse(name: str, found: Mapping[str, bytes]) -> BaseRecord:
    known: Any = json.loads(found[name + _INFO])
    info = info_of(known)
    return BaseRecord(
        rbd_id=str(known.get(_RBD_ID, '')),
        info=info,
        last_used=float(found.get(name + _LAST_USED, info.created)),
        images=_images(name, found),
        glances={
            key: value.decode(errors='replace')
            for key, value in _of_images(name, _GLANCE, found)
        },
    )


def _images(name: str, found: Mapping[str, bytes]) -> dict[str, float]:
    return {
        image_id: float(value)
        for image_id, value in _of_images(name, _IMAGE, found)
    }


def _of_images(
    name: str, kind: str, found: Mapping[str, bytes]
) -> Iterator[tuple[str, bytes]]:
    """What is written of that kind, by the ids of the images."""
    prefix = name + kind
    for key, value in found.items():
        if key.startswith(prefix):
            yield key.removeprefix(prefix), value


def _text(record: BaseRecord) -> bytes:
    known = {
        **dataclasses.asdict(record.info),
        'verification': record.info.verification.value,
        _RBD_ID: record.rbd_id,
    }
    return json.dumps(known).encode()


def _seconds(when: float) -> bytes:
    return f'{when:.0f}'.encode()


def info_of(known: Any) -> BaseInfo:
    """The info that was parsed from JSON; a later version may have more.

    :raises ValueError: when it makes no sense.
    """
    if not isinstance(known, dict):
        raise ValueError('its info is no object of JSON')
    fields = {
        field.name: known[field.name]
        for field in dataclasses.fields(BaseInfo)
        if field.name in known
    }
    try:
        fields['verification'] = Verification(fields['verification'])
        return BaseInfo(**fields)
    except (KeyError, TypeError) as exc:
        raise ValueError(f'its info is incomplete: {exc}') from None
