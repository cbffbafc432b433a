# SPDX-License-Identifier: Apache-2.0
"""The class that cinder.conf names. Translates, runs, translates back."""

import time

from cinder import exception, interface
from cinder.volume import configuration
from cinder.volume.drivers import rbd
from oslo_config import cfg

from cinder_cow import backends, errors, execute, opts, wiring
from cinder_cow.backends.base import ImageBackend
from cinder_cow.base_images import ensure
from cinder_cow.cinder_adapter import (
    failures,
    glance_selftest,
    image_info,
    periodic_sweep,
    records,
)
from cinder_cow.conversion import selftest
from cinder_cow.model import ImageInfo, Method, Verdict
from cinder_cow.planning import plan
from cinder_cow.transfer.copier import ImageCopier
from cinder_cow.transfer.limiter import CopyLimiter

cfg.CONF.register_opts(opts.OPTS, group=configuration.SHARED_CONF_GROUP)


@interface.volumedriver
class CowRBDDriver(rbd.RBDDriver):
    """Upstream's RBD driver, but for the making of a volume from an image.

    Version history:

    .. code-block:: none

        1.0.0 - Volumes from images are clones, or verified streams

    """

    VERSION = '1.0.0'

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.configuration.append_config_values(opts.OPTS)
        self._turns = CopyLimiter(self.configuration.cow_max_copies)

    @classmethod
    def get_driver_options(cls):
        return super().get_driver_options() + opts.OPTS

    def do_setup(self, context):
        if self.rados is None:
            # Upstream would fail with an AttributeError.
            raise exception.VolumeBackendAPIException(
                data=str(
                    errors.PluginNotLoadable(
                        'cow_backend',
                        backends.NAMESPACE,
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
            self._image_copier()
            finding, examples = glance_selftest.glance_check()
            records.check_result(finding)
            for finding in [*backend.selftest(examples), *selftest.checks()]:
                records.check_result(finding)
            periodic_sweep.start(
                self.configuration.cow_base_sweep_seconds,
                image_info.base_limits(self.configuration),
                self._backend,
            )
        except errors.CowError as exc:
            raise exception.VolumeBackendAPIException(data=str(exc)) from exc

    def clone_image(
        self, context, volume, image_location, image_meta, image_service
    ):
        started = time.monotonic()
        update = {}

        def finish(verified):
            update.update(self._setup_volume(volume) or {})
            if verified is not None:
                records.signature(context, volume, verified)

        with failures.translated(context, volume):
            work = self._work(
                volume,
                image_info.image_info(image_meta, image_location),
                image_info.request(context, volume, image_meta, image_service),
                finish,
            )
            verdict = work.backend.cloneable(work.image)
            records.warn(volume, work.image, verdict)
            facts = ensure.facts(work.bases, work.image, verdict)
            chosen = plan.choose(work.image, work.target, verdict, facts)
            result = execute.run(chosen, work)
        records.report(result.lasting(time.monotonic() - started))
        if result.method is Method.DELEGATE:
            return None, False
        return {**update, 'provider_location': None}, True

    def copy_image_to_volume(
        self, context, volume, image_service, image_id, disable_sparse=False
    ):
        # With disable_sparse the volume holds old data: it is reimaged. Else
        # it is a new one that clone_image has left to Cinder's own way.
        image_meta = image_service.show(context, image_id)
        image = image_info.image_info(
            image_meta, image_service.get_location(context, image_id)
        )
        if not disable_sparse or not image_info.is_plain(volume, image):
            more = {'disable_sparse': True} if disable_sparse else {}
            super().copy_image_to_volume(
                context, volume, image_service, image_id, **more
            )
            return
        started = time.monotonic()
        with failures.translated(context, volume):
            work = self._work(
                volume,
                image,
                image_info.request(context, volume, image_meta, image_service),
            )
            result = execute.overwrite(work)
        records.report(result.lasting(time.monotonic() - started))

    def clear_download(self, context, volume):
        """Called at start-up for a volume that was being filled."""
        with failures.translated(context, volume):
            self._backend().remove(volume.name)

    def cloneable(self, image_info: ImageInfo) -> Verdict:
        """Whether the image lies where a clone of it can be made.

        The first hook of the blueprint "Efficient volumes from images".
        """
        return self._backend().cloneable(image_info)

    def clone(self, image_info: ImageInfo, volume_name: str) -> None:
        """Make the volume out of the image's blocks: the second hook."""
        self._backend().clone(image_info, volume_name)

    def _work(self, volume, image, request, finish=lambda _verified: None):
        backend, image_copier = self._backend(), self._image_copier()
        return execute.CreateRequest(
            image,
            image_info.target(volume),
            backend,
            finish,
            image_copier,
            request,
            wiring.bases(self.configuration, backend, image_copier),
        )

    def _backend(self) -> ImageBackend:
        return backends.load(self.configuration.cow_backend, self._settings())

    def _image_copier(self) -> ImageCopier:
        return wiring.image_copier(
            self.configuration, self._settings(), self._turns
        )

    def _settings(self):
        # Cinder may have failed over to another cluster.
        return image_info.settings(
            self.configuration, self._get_config_tuple()
        )
