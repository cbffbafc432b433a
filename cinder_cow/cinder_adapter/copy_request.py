# SPDX-License-Identifier: Apache-2.0
"""What a copy needs of Cinder: Glance, signatures, progress, status."""

from typing import Any

from cinder_cow.cinder_adapter import image_info, records
from cinder_cow.transfer import signatures
from cinder_cow.transfer.model import CopyRequest


def copy_request(
    context: Any, volume: Any, image_meta: dict[str, Any], image_service: Any
) -> CopyRequest:
    """The copy of the image into the volume, as the volume's user."""
    image_id = image_meta['id']
    properties = image_meta.get('properties') or {}
    verifier = None
    if image_info.signed(image_meta) and image_info.verify_signatures():

        def verifier():
            return signatures.verifier(context, image_id, properties)

    return CopyRequest(
        glance=lambda: glance_client(context, image_service),
        project=volume.project_id or '',
        volume_id=volume.id,
        verifier=verifier,
        report=lambda progress: records.progress(volume, image_id, progress),
        on_start=lambda: records.downloading(volume),
    )


def glance_client(context: Any, image_service: Any) -> Any:
    """A `glanceclient.Client` for one download, as the volume's user.

    Cinder chooses among its Glance servers.
    """
    wrapper = image_service._client
    return wrapper.client or wrapper._create_onetime_client(context)
