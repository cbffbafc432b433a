# SPDX-License-Identifier: Apache-2.0
"""The class that cinder.conf names as `volume_driver`."""

from cinder import exception, interface
from cinder.volume import configuration
from cinder.volume.drivers import rbd
from oslo_config import cfg

from cinder_cow import backends, errors, opts, wiring
from cinder_cow.cinder_adapter import cinder_release, manageable
from cinder_cow.cinder_adapter.copy_on_write_images import CopyOnWriteImages

cfg.CONF.register_opts(opts.OPTS, group=configuration.SHARED_CONF_GROUP)
cinder_release.register_glance_section()


@interface.volumedriver
class CowRBDDriver(CopyOnWriteImages, rbd.RBDDriver):
    """Upstream's RBD driver, whose volumes from images are clones.

    Version history:

    .. code-block:: none

        1.0.0 - Volumes from images are clones, or verified streams

    """

    VERSION = '1.0.0'

    def do_setup(self, context):
        why = cinder_release.unsupported()
        if why:
            raise exception.VolumeBackendAPIException(data=why)
        if self.rados is None:
            # Upstream would fail with an AttributeError.
            raise exception.VolumeBackendAPIException(
                data=str(
                    errors.PluginNotLoadable(
                        backends.OPTION,
                        backends.NAMESPACE,
                        self.configuration.cow_backend,
                        'there is no Python module rados or rbd',
                    )
                )
            )
        super().do_setup(context)

    def get_manageable_volumes(
        self, cinder_volumes, marker, limit, offset, sort_keys, sort_dirs
    ):
        return manageable.without_bases(
            super().get_manageable_volumes(
                cinder_volumes, marker, limit, offset, sort_keys, sort_dirs
            )
        )

    def manage_existing_get_size(self, volume, existing_ref):
        manageable.refuse_base(existing_ref)
        return super().manage_existing_get_size(volume, existing_ref)

    def complete_volume(self, volume):
        return self._setup_volume(volume)

    def cow_options(self):
        # Another cluster's, once Cinder has failed over.
        name, conf_path, user, _secret = self._get_config_tuple()
        return wiring.Options(
            super().cow_options(),
            rbd_cluster_name=name,
            rbd_ceph_conf=conf_path,
            rbd_user=user,
        )
