# SPDX-License-Identifier: Apache-2.0
"""The hooks of a Cinder driver whose volumes from images are clones.

Mixed into a driver of any storage that has a backend plugin::

    @interface.volumedriver
    class TapeDriver(CopyOnWriteImages, upstream.TapeDriver): ...
"""

import threading
import time

from cinder import exception
from oslo_config import cfg

from cinder_cow import errors, execute, native, opts, overwrite, wiring
from cinder_cow.cinder_adapter import (
    copy_request,
    failures,
    image_info,
    image_locations,
    metrics,
    partial_volumes,
    periodic_sweep,
    periodic_warm,
    records,
    reimage,
    selftest,
    service_user,
    volume_origin,
)
from cinder_cow.model import Delegate, ImageInfo, Method, Verdict
from cinder_cow.planning.decide import decide, decide_overwrite

CONF = cfg.CONF


class CopyOnWriteImages:
    """Comes before the storage's own driver among the base classes."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.configuration.append_config_values(opts.OPTS)
        self.configuration.append_config_values(
            wiring.plugin_options(self.configuration)
        )
        self._cow_lock = threading.Lock()
        self._cow_made_of = None
        self._cow_parts = None
        self._cow_metrics = metrics.Metrics()

    @classmethod
    def get_driver_options(cls):
        return super().get_driver_options() + opts.OPTS

    def cow_options(self):
        """All options that the parts are made of, ours and Cinder's."""
        return wiring.Options(
            self.configuration,
            glance_name=service_user.glance_name(),
            **{
                each.dest: getattr(CONF, each.dest)
                for each in wiring.CINDER_DEFAULT_OPTIONS
            },
        )

    def cow_parts(self):
        """What works for this backend; made anew when its options change.

        :raises PluginNotLoadable: when it cannot be made.
        """
        options = self.cow_options()
        with self._cow_lock:
            if self._cow_parts is None or self._cow_made_of != options:
                self._cow_parts = wiring.parts(options)
                self._cow_made_of = options
            return self._cow_parts

    def complete_volume(self, volume):
        """What has to be done to a volume that has its content.

        :returns: fields of the volume to be changed, or None.
        """

    def check_for_setup_error(self):
        super().check_for_setup_error()
        try:
            self.cow_parts()
        except errors.CowError as exc:
            raise exception.VolumeBackendAPIException(data=str(exc)) from exc
        if not self._cow_metrics.served:  # Cinder may try a start again
            self._cow_metrics = metrics.start(
                self.configuration.cow_metrics_address,
                self.configuration.config_group,
                self.cow_parts,
            )
        selftest.start(
            self.cow_parts,
            wiring.confinement(self.configuration),
            self._cow_metrics.tested,
        )
        periodic_sweep.start(
            self.configuration.cow_base_sweep_seconds,
            wiring.eviction_limits(self.configuration),
            lambda: self.cow_parts().backend,
            self._cow_metrics.swept,
        )
        periodic_warm.start(
            wiring.warm_settings(self.configuration), self.cow_parts
        )

    def clone_image(
        self, context, volume, image_location, image_meta, image_service
    ):
        started = time.monotonic()
        update = {}

        def finish(verified):
            update.update(self.complete_volume(volume) or {})
            if verified is not None:
                records.signature(context, volume, verified)

        with failures.translated(context, volume, self._cow_metrics.failed):
            parts = self.cow_parts()
            request = execute.CreateRequest(
                image_info.image_info(
                    image_meta,
                    image_locations.complete(image_meta['id'], image_location),
                ),
                image_info.target(volume),
                copy_request.copy_request(
                    context, volume, image_meta, image_service
                ),
                finish,
            )
            # In one native thread, as each clone: see execute.
            decision = native.in_thread(decide)(
                request.image, request.target, parts.backend, parts.base_images
            )
            records.warn(volume, request.image, decision.verdict)
            result = execute.run(decision.plan, request, parts)
        result = result.lasting(time.monotonic() - started)
        self._made(context, volume, result)
        origin = {'provider_id': volume_origin.provider_id(result)}
        if result.method is Method.DELEGATE:
            volume.update(origin)  # Cinder saves it when the volume is ready
            return None, False
        return {'provider_location': None, **origin, **update}, True

    def copy_image_to_volume(
        self, context, volume, image_service, image_id, disable_sparse=False
    ):
        # With disable_sparse the volume holds old data: it is reimaged. Else
        # it is a new one that clone_image has left to Cinder's own way.
        if not disable_sparse:
            super().copy_image_to_volume(
                context, volume, image_service, image_id
            )
            return
        started = time.monotonic()
        image_meta = image_service.show(context, image_id)
        with failures.translated(
            context, volume, self._cow_metrics.failed, reimage=True
        ):
            result = self._overwritten(
                context, volume, image_service, image_meta
            )
        if result is None:
            result = self._reimaged_by_cinder(
                context, volume, image_service, image_id, image_meta
            )
        result = result.lasting(time.monotonic() - started)
        self._made(context, volume, result)
        # Cinder saves it with the volume's status.
        volume.update({'provider_id': volume_origin.provider_id(result)})

    def _overwritten(self, context, volume, image_service, image_meta):
        """What was done; None where it is left to Cinder's own way."""
        if volume.encryption_key_id is not None:
            return None
        parts, target = self.cow_parts(), image_info.target(volume)
        plan = decide_overwrite(
            image_info.image_info(image_meta), target, parts.base_images
        )
        if isinstance(plan, Delegate):
            return None
        image_id = image_meta['id']
        location = image_service.get_location(context, image_id)
        request = execute.CreateRequest(
            image_info.image_info(
                image_meta, image_locations.complete(image_id, location)
            ),
            target,
            copy_request.copy_request(
                context, volume, image_meta, image_service
            ),
            lambda _verified: None,
        )
        return overwrite.run(plan, request, parts)

    def _reimaged_by_cinder(
        self, context, volume, image_service, image_id, image_meta
    ):
        super().copy_image_to_volume(
            context, volume, image_service, image_id, disable_sparse=True
        )
        with failures.translated(
            context, volume, self._cow_metrics.failed, reimage=True
        ):
            reimage.clear_old_bytes(
                volume, image_meta, self.cow_parts().backend
            )
        return records.reimaged_by_cinder(volume, image_id)

    def _made(self, context, volume, result):
        records.report(result)
        self._cow_metrics.made(result)
        if self.configuration.cow_volume_metadata:
            volume_origin.write_metadata(context, volume, result)

    def clear_download(self, context, volume):
        """Called at start-up for each volume that was being filled."""
        partial_volumes.remove_later(
            context, volume, lambda: self.cow_parts().backend
        )

    def cloneable(self, image_info: ImageInfo) -> Verdict:
        """Whether the image lies where a clone of it can be made.

        The first hook of the blueprint "Efficient volumes from images".
        """
        return self.cow_parts().backend.cloneable(image_info)

    def clone(self, image_info: ImageInfo, volume_name: str) -> None:
        """Make the volume out of the image's blocks: the second hook."""
        self.cow_parts().backend.clone(image_info, volume_name)
