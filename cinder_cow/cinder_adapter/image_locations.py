# SPDX-License-Identifier: Apache-2.0
"""Where an image lies, also where Cinder itself was not told."""

from keystoneauth1 import exceptions as keystone_errors

from cinder_cow import errors
from cinder_cow.cinder_adapter import cinder_release, image_info, service_user


def complete(image_id, image_location):
    """What ``get_location`` answered; if that is nothing, what it should have.

    Cinder has asked as the user, who may see the image. Where it does not
    ask as the user of the [glance] section too, that is done here.

    :raises SourceUnreachable: when Keystone or Glance cannot be asked.
    :raises GlanceNotTrusted: when the answer is none of Glance's API.
    """
    if (
        image_info.locations(image_location)
        or cinder_release.asks_as_service_user()
        or not service_user.is_configured()
    ):
        return image_location
    try:
        images = service_user.images()
        record = images.record(image_id) or {'id': image_id}
        urls = images.locations(record)
    except keystone_errors.ClientException as exc:
        raise errors.SourceUnreachable('glance', image_id, exc) from exc
    return None, [{'url': url, 'metadata': {}} for url in urls]
