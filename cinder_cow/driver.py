# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.
"""The class that cinder.conf names. Translates, runs, translates back."""

import time

from cinder import exception
from cinder import interface
from cinder.volume import configuration
from cinder.volume.drivers import rbd
from oslo_config import cfg

from cinder_cow import backends
from cinder_cow import errors
from cinder_cow import execute
from cinder_cow import host
from cinder_cow import opts
from cinder_cow import plan
from cinder_cow.backends.base import ImageBackend
from cinder_cow.model import ImageInfo
from cinder_cow.model import Method
from cinder_cow.model import Verdict

cfg.CONF.register_opts(opts.OPTS, group=configuration.SHARED_CONF_GROUP)


@interface.volumedriver
class CowRBDDriver(rbd.RBDDriver):
    """Upstream's RBD driver, but for the making of a volume from an image.

    Version history:

    .. code-block:: none

        1.0.0 - Volumes from images are copy-on-write clones

    """

    VERSION = '1.0.0'

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.configuration.append_config_values(opts.OPTS)

    @classmethod
    def get_driver_options(cls):
        return super().get_driver_options() + opts.OPTS

    def do_setup(self, context):
        if self.rados is None:
            # Upstream would fail with an AttributeError.
            raise exception.VolumeBackendAPIException(
                data=str(
                    errors.BackendNotLoadable(
                        self.configuration.cow_backend,
                        'there is no Python module rados or rbd',
                    )
                )
            )
        super().do_setup(context)

    def check_for_setup_error(self):
        super().check_for_setup_error()
        try:
            backend = self._backend()
            finding, examples = host.glance_finding()
            host.report_finding(finding)
            for finding in backend.findings(examples):
                host.report_finding(finding)
        except errors.CowError as exc:
            raise exception.VolumeBackendAPIException(data=str(exc)) from exc

    def clone_image(
        self, context, volume, image_location, image_meta, image_service
    ):
        started = time.monotonic()
        image = host.image_info(image_meta, image_location)
        target = host.target(volume)
        update = {}

        def finish():
            update.update(self._setup_volume(volume) or {})

        with host.translated(context, volume):
            verdict = self.cloneable(image)
            chosen = plan.choose(image, target, verdict)
            result = execute.run(
                chosen, image, target, self._backend(), finish
            )
        host.report(result.lasting(time.monotonic() - started), verdict)
        if result.method is Method.DELEGATE:
            return None, False
        return {**update, 'provider_location': None}, True

    def cloneable(self, image_info: ImageInfo) -> Verdict:
        """Whether the image lies where a clone of it can be made.

        The first hook of the blueprint "Efficient volumes from images".
        """
        return self._backend().cloneable(image_info)

    def clone(self, image_info: ImageInfo, volume_name: str) -> None:
        """Make the volume out of the image's blocks: the second hook."""
        self._backend().clone(image_info, volume_name)

    def _backend(self) -> ImageBackend:
        return backends.load(
            self.configuration.cow_backend,
            host.settings(self.configuration, self._get_config_tuple()),
        )
