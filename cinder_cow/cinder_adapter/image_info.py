# SPDX-License-Identifier: Apache-2.0
"""Cinder's terms into ours."""

import hashlib
import json
from typing import Any

from cinder.image import glance  # noqa: F401  registers what CONF is asked for
from oslo_config import cfg

from cinder_cow.model import ImageInfo, Target
from cinder_cow.planning import verdict

CONF = cfg.CONF
GIB = 2**30


def image_info(
    image_meta: dict[str, Any], image_location: Any = None
) -> ImageInfo:
    """The image, as Cinder hands it to ``clone_image``."""
    return ImageInfo(
        image_id=image_meta['id'],
        status=image_meta.get('status') or 'unknown',
        disk_format=image_meta.get('disk_format') or 'unknown',
        container_format=image_meta.get('container_format'),
        size_bytes=int(image_meta.get('size') or 0),
        locations=locations(image_location),
        signed=signed(image_meta),
        signature=_signature(image_meta) if verify_signatures() else None,
        hash_algo=image_meta.get('os_hash_algo'),
        hash_value=image_meta.get('os_hash_value'),
        checksum=image_meta.get('checksum'),
        owner=image_meta.get('owner'),
    )


def locations(image_location: Any) -> tuple[str, ...]:
    """The URLs in what ``GlanceImageService.get_location`` answered.

    That is None, or a pair of a URL or None, and a list or None. A hidden
    location leaves (None, None), and in Cinder 27 or newer (None, []).
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


def is_plain(volume: Any, image: ImageInfo) -> bool:
    """Whether the image's bytes can be the volume's as they are."""
    return volume.encryption_key_id is None and verdict.is_the_disk(image)


def signed(image_meta: dict[str, Any]) -> bool:
    """Whether the image carries any property of a signature."""
    return bool(_signature_properties(image_meta))


def _signature(image_meta: dict[str, Any]) -> str | None:
    """A digest of what is to be verified, so that it is not mistaken."""
    found = _signature_properties(image_meta)
    if not found:
        return None
    text = json.dumps(found, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _signature_properties(image_meta: dict[str, Any]) -> dict[str, Any]:
    properties = image_meta.get('properties') or {}
    return {
        name: value
        for name, value in properties.items()
        if name.startswith('img_signature')
    }


def verify_signatures() -> bool:
    """Whether Cinder is to verify the signatures that images carry."""
    return CONF.verify_glance_signatures != 'disabled'
