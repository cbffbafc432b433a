# SPDX-License-Identifier: Apache-2.0
"""What Glance says of an image, as the values that are decided by. Pure."""

from collections.abc import Iterable, Mapping
import hashlib
import json
from typing import Any

from cinder_cow.model import ImageInfo

SIGNATURE_PREFIX = 'img_signature'


def image_info(
    record: Mapping[str, Any],
    properties: Mapping[str, Any],
    urls: Iterable[str],
    verify_signatures: bool,
) -> ImageInfo:
    """The image of a record of Glance's API.

    :param properties: the image's own; in Glance's API a part of the record.
    :param urls: of its locations, in Glance's order.
    :param verify_signatures: whether a signature that it has is verified.
    """
    signature = signature_properties(properties)
    return ImageInfo(
        image_id=record['id'],
        status=record.get('status') or 'unknown',
        disk_format=record.get('disk_format') or 'unknown',
        container_format=record.get('container_format'),
        size_bytes=int(record.get('size') or 0),
        locations=tuple(dict.fromkeys(urls)),
        signed=bool(signature),
        signature=_digest(signature)
        if signature and verify_signatures
        else None,
        hash_algo=record.get('os_hash_algo'),
        hash_value=record.get('os_hash_value'),
        checksum=record.get('checksum'),
        owner=record.get('owner'),
    )


def signature_properties(properties: Mapping[str, Any]) -> dict[str, Any]:
    """Those that make an image a signed one."""
    return {
        name: value
        for name, value in properties.items()
        if name.startswith(SIGNATURE_PREFIX)
    }


def _digest(signature: dict[str, Any]) -> str:
    """Of what is to be verified, so that it is not mistaken."""
    text = json.dumps(signature, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:32]
