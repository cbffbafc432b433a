# SPDX-License-Identifier: Apache-2.0
"""What a base tells of itself, in the metadata of its RBD image.

Read it with `rbd image-meta list`.
"""

import dataclasses
import json
from typing import Any

import rbd

from cinder_cow.backends.base_store import StoredBase
from cinder_cow.model import BaseInfo, Verification

STORY = 'cinder_cow.info'
#: Seconds since the epoch, of the last clone.
LAST_USED = 'cinder_cow.last_used'
#: With a Glance image's id: seconds since the epoch, of its first use.
IMAGE = 'cinder_cow.image.'


def write(image: rbd.Image, info: BaseInfo) -> None:
    """All that is known of a base when it is made."""
    image.metadata_set(STORY, _text(info))
    write_use(image, info.image_id, info.created)


def read(image: rbd.Image) -> BaseInfo:
    """How the base came to be.

    :raises ValueError: when that does not stand there.
    """
    try:
        return _info(image.metadata_get(STORY))
    except KeyError:
        raise ValueError(f'there is no {STORY}') from None


def write_use(image: rbd.Image, image_id: str, now: float) -> None:
    """The base was cloned for that Glance image."""
    image.metadata_set(LAST_USED, f'{now:.0f}')
    key = IMAGE + image_id
    try:
        image.metadata_get(key)
    except KeyError:
        image.metadata_set(key, f'{now:.0f}')


def kept(name: str, image: rbd.Image) -> StoredBase:
    """The base as a sweep sees it.

    :raises ValueError: when what stands there makes no sense.
    """
    told = dict(image.metadata_list())
    if STORY not in told:
        raise ValueError(f'there is no {STORY}')
    info = _info(told[STORY])
    image_ids = {
        key.removeprefix(IMAGE) for key in told if key.startswith(IMAGE)
    }
    return StoredBase(
        name,
        info,
        last_used=float(told.get(LAST_USED, info.created)),
        image_ids=frozenset(image_ids | {info.image_id}),
    )


def _text(info: BaseInfo) -> str:
    told = dataclasses.asdict(info)
    return json.dumps({**told, 'verification': info.verification.value})


def _info(text: str) -> BaseInfo:
    told: Any = json.loads(text)
    if not isinstance(told, dict):
        raise ValueError(f'{STORY} is no object of JSON')
    # A later version may tell more.
    known = {
        field.name: told[field.name]
        for field in dataclasses.fields(BaseInfo)
        if field.name in told
    }
    try:
        known['verification'] = Verification(known['verification'])
        return BaseInfo(**known)
    except (KeyError, TypeError) as exc:
        raise ValueError(f'{STORY} is incomplete: {exc}') from None
