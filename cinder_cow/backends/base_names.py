# SPDX-License-Identifier: Apache-2.0

"""What bases are called. Pure.

A base's name carries the identity of its content: the format that the bytes
are read as, and their hash. So two images with equal bytes share one base,
and an edit of an image's metadata changes nothing.
"""

import re

from cinder_cow.model import ImageInfo
from cinder_cow.planning.formats import RAW_FORMATS

BASE = 'cow-base-'
SCRATCH = 'cow-scratch-'
RETIRED = 'cow-retired-'
_HEX = re.compile(r'[0-9a-f]{32,}')
_WORD = re.compile(r'[0-9a-z_-]+')


def base_name(image: ImageInfo, shared: bool = True) -> str:
    """The name of the image's base.

    By its hash, or where Glance has none by its id, and its checksum if there
    is one: then no other image shares the base. What one signature was
    verified of is never taken for another.

    :param shared: whether images may share a base: not where a location may
        point at bytes that Glance never hashed.
    """
    kind = 'raw' if image.disk_format in RAW_FORMATS else image.disk_format
    algo = (image.hash_algo or '').lower()
    value = (image.hash_value or '').lower()
    signed = f'-signed-{image.signature}' if image.signature else ''
    if shared and _WORD.fullmatch(algo) and _HEX.fullmatch(value):
        return f'{BASE}{kind}-{algo}-{value}{signed}'
    checksum = (image.checksum or '').lower()
    tail = f'-{checksum}' if _HEX.fullmatch(checksum) else ''
    return f'{BASE}{kind}-image-{image.image_id}{tail}{signed}'


def is_ours(name: str) -> bool:
    """Whether that is the name of something that belongs to a base."""
    return name.startswith((BASE, SCRATCH, RETIRED))


def scratch_name(base: str) -> str:
    """What an image's own bytes are called while its base is made of them."""
    return SCRATCH + base.removeprefix(BASE)
