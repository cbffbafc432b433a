# SPDX-License-Identifier: Apache-2.0
"""Which volumes Cinder's API refuses, before any driver is asked. Pure.

As in cinder/volume/volume_utils.py, check_image_metadata, and in
cinder/image/image_utils.py, check_virtual_size.
"""

from collections.abc import Mapping
from typing import Any

from cinder_cow import errors

GIB = 2**30
#: Of Glance: the data is on its way.
COMING = ('saving', 'uploading', 'importing')


class RefusedByCinder(errors.CowError):
    """Cinder's API makes no volume of the image as it is."""


def least_gib(record: Mapping[str, Any]) -> int:
    """The smallest volume that Cinder makes of the image, in GiB."""
    sizes = (record.get('size'), record.get('virtual_size'))
    of_bytes = [-(-int(each or 0) // GIB) for each in sizes]
    return max(1, int(record.get('min_disk') or 0), *of_bytes)


def require_taken(record: Mapping[str, Any], size_gib: int) -> None:
    """See that Cinder would take the order of such a volume.

    :raises RefusedByCinder: when it would not.
    :raises ImageTooBig: when the image is known not to fit.
    """
    image_id = record['id']
    status = record.get('status')
    if status != 'active':
        raise RefusedByCinder(
            f"Cinder's API takes active images only, and the image"
            f' {image_id} has the status {status!r}. {_remedy(status)}'
        )
    for name in ('size', 'virtual_size'):
        found = int(record.get(name) or 0)
        if found > size_gib * GIB:
            raise errors.ImageTooBig(image_id, found, size_gib * GIB)
    least = int(record.get('min_disk') or 0)
    if least > size_gib:
        raise RefusedByCinder(
            f'A volume of {size_gib} GiB is smaller than min_disk of the image'
            f' {image_id}, which is {least} GiB. Ask for a volume of at least'
            f' {least} GiB, or correct the image: openstack image set'
            f' --min-disk GIB {image_id}'
        )


def _remedy(status: object) -> str:
    if status == 'queued':
        return (
            'It has no data yet: upload it, by openstack image stage and'
            ' import, or glance image-upload'
        )
    if status in COMING:
        return 'Wait until it is active'
    if status == 'deactivated':
        return (
            'If whoever deactivated it agrees: openstack image set --activate'
            ' IMAGE'
        )
    return 'Upload it anew'
