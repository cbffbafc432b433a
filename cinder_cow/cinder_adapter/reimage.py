# SPDX-License-Identifier: Apache-2.0
"""What Cinder's own way of a reimage leaves of the old content."""

from oslo_log import log as logging

from cinder_cow.cinder_adapter import image_info
from cinder_cow.conversion import convert
from cinder_cow.planning import verdict
from cinder_cow.transfer import clearing

LOG = logging.getLogger(__name__)


def clear_old_bytes(volume, image_meta, backend):
    """Make the volume read as zeros behind the image's disk.

    Cinder 29 writes the image, converted, over the beginning of the volume
    (cinder/volume/drivers/rbd.py, _copy_image_to_volume, with skip_create).
    Releases before import it anew. In an encrypted volume the old bytes have
    lost their key.

    :raises StorageError: when they may still be there.
    """
    if volume.encryption_key_id is not None:
        return
    begin = _disk_bytes(image_meta)
    if not begin:
        LOG.warning(
            'volume=%s Glance does not know the size of the disk in image %s:'
            ' behind it the old bytes of the volume stay. Upload the image'
            ' anew, or make a new volume of it.',
            volume.id,
            image_meta['id'],
        )
        return
    target = image_info.target(volume)
    with backend.reopen(target.volume_name) as writer:
        clearing.clear(writer, begin, target.size_bytes)
    LOG.debug('volume=%s is zeros behind %d bytes', volume.id, begin)


def _disk_bytes(image_meta):
    """No less than the disk in the image; 0: Glance does not know.

    What lies in a container, like a compressed file, Glance does not look at.
    """
    if image_meta['container_format'] not in verdict.BARE_CONTAINERS:
        return 0
    virtual_bytes = image_meta.get('virtual_size') or 0
    if image_meta['disk_format'] in convert.FORMATS:
        return virtual_bytes
    return max(virtual_bytes, image_meta.get('size') or 0)
