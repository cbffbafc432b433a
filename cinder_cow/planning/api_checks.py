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


class ImageNotActive(errors.CowError):
    """Glance has no data of the image, or does not give it."""

    def __init__(self, image_id: str, status: object) -> None:
        super().__init__(
            f"Cinder's API takes active images only, and the image"
            f' {image_id} has the status {status!r}.'
            f' {_remedy(image_id, status)}.'
        )


class VolumeTooSmall(errors.CowError):
    """The volume is smaller than the image's `min_disk`."""

    def __init__(self, image_id: str, size_gib: int, least_gib: int) -> None:
        super().__init__(
            f'A volume of {size_gib} GiB is smaller than min_disk of the image'
            f' {image_id}, which is {least_gib} GiB. Ask for a volume of at'
            f' least {least_gib} GiB, or correct the image: openstack image'
            f' set --min-disk GIB {image_id}'
        )


def least_gib(record: Mapping[str, Any]) -> int:
    """The smallest volume that Cinder makes of the image, in GiB."""
    sizes = (record.get('size'), record.get('virtual_size'))
    of_bytes = [-(-int(each or 0) // GIB) for each in sizes]
    return max(1, int(record.get('min_disk') or 0), *of_bytes)


def require_taken(record: Mapping[str, Any], size_gib: int) -> None:
    """See that Cinder would take the order of such a volume.

    :raises ImageNotActive: when it would not.
    :raises VolumeTooSmall: when the image asks for a larger one.
    :raises ImageTooBig: when the image is known not to fit.
    """
    image_id = record['id']
    status = record.get('status')
    if status != 'active':
        raise ImageNotActive(image_id, status)
    for name in ('size', 'virtual_size'):
        found = int(record.get(name) or 0)
        if found > size_gib * GIB:
            raise errors.ImageTooBig(image_id, found, size_gib * GIB)
    least = int(record.get('min_disk') or 0)
    if least > size_gib:
        raise VolumeTooSmall(image_id, size_gib, least)


def _remedy(image_id: str, status: object) -> str:
    if status == 'queued':
        return (
            f'It has no data yet: glance image-upload --file PATH {image_id}'
        )
    if status in COMING:
        return 'Wait until it is active'
    if status == 'deactivated':
        return (
            f'If whoever deactivated it agrees: openstack image set'
            f' --activate {image_id}'
        )
    return 'Upload it anew'
