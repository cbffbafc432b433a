# SPDX-License-Identifier: Apache-2.0
"""Cinder's terms into ours."""

from typing import Any

from cinder.image import glance  # noqa: F401  registers what CONF is asked for
from oslo_config import cfg

from cinder_cow.model import ImageInfo, Target
from cinder_cow.planning import image_record

CONF = cfg.CONF
GIB = 2**30


def image_info(
    image_meta: dict[str, Any], image_location: Any = None
) -> ImageInfo:
    """The image, as Cinder hands it to ``clone_image``."""
    return image_record.image_info(
        image_meta,
        image_meta.get('properties') or {},
        locations(image_location),
        verify_signatures(),
    )


def locations(image_location: Any) -> tuple[str, ...]:
    """The URLs in what ``GlanceImageService.get_location`` answered.

    That is None, or a pair of a URL or None, and a list or None: of every
    release of Cinder, and of a Glance that shows locations or hides them.
    """
    direct_url, listed = image_location or (None, None)
    urls = [
        entry.get('url') for entry in listed or () if isinstance(entry, dict)
    ]
    found = [url for url in (*urls, direct_url) if isinstance(url, str)]
    return tuple(dict.fromkeys(url for url in found if url))


def target(volume: Any) -> Target:
    """The volume to be made."""
    return Target(
        volume.id,
        volume.name,
        int(volume.size) * GIB,
        replicated=bool(volume.volume_type_id and volume.is_replicated()),
    )


def signed(image_meta: dict[str, Any]) -> bool:
    """Whether the image carries any property of a signature."""
    properties = image_meta.get('properties') or {}
    return bool(image_record.signature_properties(properties))


def verify_signatures() -> bool:
    """Whether Cinder is to verify the signatures that images carry."""
    return CONF.verify_glance_signatures != 'disabled'
