# SPDX-License-Identifier: Apache-2.0
"""The record of a base in the form of the first release.

It lay in the metadata of the base's RBD image, and librbd copied it into
every clone. It is only read here, and moved.
"""

import contextlib
import json

import rbd

from cinder_cow.backends.rbd import base_records
from cinder_cow.backends.rbd.pool import Pool

PREFIX = 'cinder_cow.'
INFO = 'cinder_cow.info'
#: Seconds since the epoch, of the last clone.
LAST_USED = 'cinder_cow.last_used'
#: With a Glance image's id: seconds since the epoch, of its first use.
IMAGE = 'cinder_cow.image.'


def read(image: rbd.Image) -> base_records.BaseRecord | None:
    """The record of a base that was made so; None where it is none.

    :raises ValueError: when it makes no sense.
    """
    known = _all(image)
    if INFO not in known:
        return None
    info = base_records.info_of(json.loads(known[INFO]))
    images = {
        key.removeprefix(IMAGE): float(value)
        for key, value in known.items()
        if key.startswith(IMAGE)
    }
    return base_records.BaseRecord(
        rbd_id=str(image.id()),
        info=info,
        last_used=float(known.get(LAST_USED, info.created)),
        images=images or {info.image_id: info.created},
    )


def is_there(image: rbd.Image) -> bool:
    """Whether clones would inherit anything of ours."""
    return bool(_all(image))


def remove(pool: Pool, name: str) -> None:
    """Have the next clones inherit nothing."""
    with pool.changing(name) as image:
        for key in _all(image):
            with contextlib.suppress(KeyError):  # another host removes it too
                image.metadata_remove(key)


def _all(image: rbd.Image) -> dict[str, str]:
    return {
        key: value
        for key, value in image.metadata_list()
        if key.startswith(PREFIX)
    }
