# SPDX-License-Identifier: Apache-2.0
"""The task in cinder-volume that builds bases before they are asked for."""

import functools

from keystoneauth1 import exceptions as keystone_errors
from oslo_log import log as logging

from cinder_cow import errors
from cinder_cow.base_images import warm, warm_runner
from cinder_cow.cinder_adapter import background, image_info, service_user
from cinder_cow.planning.warm_policy import WarmPolicy
from cinder_cow.sources import glance
from cinder_cow.transfer import signatures
from cinder_cow.transfer.model import CopyRequest

LOG = logging.getLogger(__name__)


def start(settings, parts):
    """Have it done for as long as this process runs; with OFF nothing is.

    :param parts: asked for each time: Cinder may have failed over.
    """
    if settings.policy is WarmPolicy.OFF:
        return
    if not service_user.is_configured():
        LOG.warning(
            'No image is warmed: cow_warm_images = %s needs the [glance]'
            ' section of cinder.conf, with a user that sees the images',
            settings.policy.value,
        )
        return
    background.again_and_again(
        settings.poll_seconds, 'warm images', Warming(settings, parts).once
    )


class Warming:
    """Keeps its session: one more would be a request to Keystone each."""

    def __init__(self, settings, parts):
        self._settings = settings
        self._parts = parts
        self._images = None

    def once(self):
        """Look for new images, and have their bases built."""
        try:
            self._run(self._parts())
        except (errors.CowError, keystone_errors.ClientException) as exc:
            LOG.warning('Could not warm images: %s', exc)

    def _run(self, parts):
        if parts.base_images is None:
            return
        warm_runner.run(
            self._settings,
            parts.base_images.store,
            self,
            functools.partial(self._build, parts),
        )

    def records(self, **filters):
        """Of Glance, which only the process with the lease asks."""
        return self._logged_in().records(**filters)

    def record(self, image_id):
        """One image; None: there is none."""
        return self._logged_in().record(image_id)

    def _logged_in(self):
        if self._images is None:
            # Public images are shown to every user.
            is_public = self._settings.policy is WarmPolicy.PUBLIC
            self._images = (
                service_user.images()
                if is_public
                else service_user.all_images()
            )
        return self._images

    def _build(self, parts, record):
        images = self._logged_in()
        verify = image_info.verify_signatures()
        verifier = signatures.of_record(images.session, record)
        request = CopyRequest(
            glance=lambda: glance.download_client(images.session, images.url),
            project=record.get('owner') or '',
            verifier=verifier if verify else None,
            ahead=True,
        )
        return warm.warm(
            images.image_info(record, verify),
            request,
            parts.backend,
            parts.base_images,
        )
