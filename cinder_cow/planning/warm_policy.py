# SPDX-License-Identifier: Apache-2.0
"""Which images have their bases built before a volume is asked for. Pure."""

from collections.abc import Mapping, Set
import enum
from typing import Any

#: The property of an image that asks for it, or forbids it.
PROPERTY = 'cow_warm'


class WarmPolicy(enum.Enum):
    """Which images are warmed: `cow_warm_images`."""

    OFF = 'off'
    #: Those with the property `cow_warm=true`.
    MARKED = 'marked'
    PUBLIC = 'public'
    #: Those that have the name and owner of one that was used of late.
    USED = 'used'
    ALL = 'all'


#: The owner and the name of an image.
Name = tuple[str, str]


def filters(policy: WarmPolicy) -> dict[str, str]:
    """Of Glance's API, for a list of the images that may be wanted.

    Hidden images are in none: they are there for old servers alone.
    """
    visibility = 'public' if policy is WarmPolicy.PUBLIC else 'all'
    return {'status': 'active', 'visibility': visibility}


def wants(
    policy: WarmPolicy, record: Mapping[str, Any], used_names: Set[Name]
) -> bool:
    """Whether the image is to be warmed.

    :param record: as Glance's API shows the image.
    :param used_names: of images that volumes were made of.
    """
    mark = str(record.get(PROPERTY, '')).strip().lower()
    if mark == 'false' or record.get('status') != 'active':
        return False
    match policy:
        case WarmPolicy.OFF:
            return False
        case WarmPolicy.MARKED:
            return mark == 'true'
        case WarmPolicy.PUBLIC:
            return record.get('visibility') == 'public'
        case WarmPolicy.USED:
            return name_of(record) in used_names
        case WarmPolicy.ALL:
            return True


def name_of(record: Mapping[str, Any]) -> Name:
    """The image's owner and name; an image may have neither."""
    return record.get('owner') or '', record.get('name') or ''
