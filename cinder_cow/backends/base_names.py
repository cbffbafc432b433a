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
#: Whoever adds a location to an image chooses the hash and its algorithm. Two
#: contents of equal md5 or sha1 can be made at will: one project's base would
#: be another's.
SHARED_ALGORITHMS = frozenset(
    {
        'sha256',
        'sha384',
        'sha512',
        'sha3_256',
        'sha3_384',
        'sha3_512',
        'blake2b',
    }
)
#: Ends the name of a base whose image may have come from any location.
ANY_LOCATION = '-any-location'
_HEX = re.compile(r'[0-9a-f]{32,}')
_STRONG_HEX = re.compile(r'[0-9a-f]{64,}')


def base_name(image: ImageInfo, strict_locations: bool = True) -> str:
    """The name of the image's base.

    By its hash, where that is sha256 or stronger; else by the image's id, and
    its checksum if there is one: then no other image shares the base. What
    one signature was verified of is never taken for another.

    :param strict_locations: whether only locations are trusted that Glance
        itself wrote. Without it no base is shared, since a location may point
        at bytes that Glance never hashed; and a base that was made so has a
        name of its own, under which it is not found with it.
    """
    kind = 'raw' if image.disk_format in RAW_FORMATS else image.disk_format
    algo = (image.hash_algo or '').lower()
    value = (image.hash_value or '').lower()
    signed = f'-signed-{image.signature}' if image.signature else ''
    if (
        strict_locations
        and algo in SHARED_ALGORITHMS
        and _STRONG_HEX.fullmatch(value)
    ):
        return f'{BASE}{kind}-{algo}-{value}{signed}'
    checksum = (image.checksum or '').lower()
    tail = f'-{checksum}' if _HEX.fullmatch(checksum) else ''
    origin = '' if strict_locations else ANY_LOCATION
    return f'{BASE}{kind}-image-{image.image_id}{tail}{signed}{origin}'


def is_shared(name: str) -> bool:
    """Whether the base of that name is for all images of one hash.

    Only bytes that have that hash may stand under the name: who can name a
    hash in Glance could make other projects' volumes otherwise.
    """
    _format, _, rest = name.removeprefix(BASE).partition('-')
    return rest.partition('-')[0] in SHARED_ALGORITHMS


def is_ours(name: str) -> bool:
    """Whether that is the name of something that belongs to a base."""
    return name.startswith((BASE, SCRATCH, RETIRED))


def scratch_name(base: str) -> str:
    """What an image's own bytes are called while its base is made of them."""
    return SCRATCH + base.removeprefix(BASE)


def base_of(name: str) -> str:
    """The base that a scratch or an unfinished base belongs to."""
    if name.startswith(SCRATCH):
        return BASE + name.removeprefix(SCRATCH)
    return name
