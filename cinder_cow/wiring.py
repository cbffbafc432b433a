# SPDX-License-Identifier: Apache-2.0
"""Options into working parts, once, for the driver and for the command.

It imports no Cinder. Where Cinder's own options count they are read from the
same object as ours: each option is an attribute, by its name.
"""

import contextlib
from typing import Any

from oslo_config import cfg

from cinder_cow import backends, errors, sources
from cinder_cow.backends.base import ImageBackend
from cinder_cow.base_images import builder, ensure, eviction, warm_runner
from cinder_cow.conversion import convert
from cinder_cow.conversion.confinement import Confinement
from cinder_cow.execute import Parts
from cinder_cow.planning import plan
from cinder_cow.planning.warm_policy import WarmPolicy
from cinder_cow.transfer import copier, limiter, pace
from cinder_cow.transfer.model import CopySettings

#: Cinder's options of a backend that are read here, as Cinder defines them
#: in cinder/volume/drivers/rbd.py and cinder/volume/driver.py: for who reads
#: cinder.conf without Cinder.
CINDER_BACKEND_OPTIONS = (
    cfg.StrOpt('volume_driver', default=''),
    cfg.StrOpt('rbd_cluster_name', default='ceph'),
    cfg.StrOpt('rbd_pool', default='rbd'),
    cfg.StrOpt('rbd_user'),
    cfg.StrOpt('rbd_ceph_conf', default=''),
    cfg.IntOpt('rbd_store_chunk_size', default=4),
    cfg.IntOpt('rados_connect_timeout', default=-1),
    cfg.IntOpt('rados_connection_retries', default=3),
    cfg.IntOpt('rados_connection_interval', default=5),
    cfg.BoolOpt('image_volume_cache_enabled', default=False),
)
#: And those of [DEFAULT]: cinder/image/glance.py, cinder/common/config.py,
#: cinder/image/image_utils.py.
CINDER_DEFAULT_OPTIONS = (
    cfg.StrOpt('verify_glance_signatures', default='enabled'),
    cfg.BoolOpt('image_conversion_disable', default=False),
    cfg.ListOpt(
        'vmdk_allowed_types', default=['streamOptimized', 'monolithicSparse']
    ),
)


class Options:
    """The options of one backend, some of them replaced or added."""

    def __init__(self, options: Any, **replaced: Any) -> None:
        """:param options: what has all others as attributes."""
        self._options = options
        self._replaced = replaced

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Options)
            and self._options == other._options
            and self._replaced == other._replaced
        )

    __hash__ = None  # type: ignore[assignment]

    def __getattr__(self, name: str) -> Any:
        if name in self._replaced:
            return self._replaced[name]
        return getattr(self._options, name)


def plugin_options(options: Any) -> list[cfg.Opt]:
    """The options that the backend and the sources bring themselves.

    A plugin that cannot be loaded brings none: its use will say why.
    """
    found: list[cfg.Opt] = []
    with contextlib.suppress(errors.PluginNotLoadable):
        found.extend(backends.backend_class(options.cow_backend).OPTIONS)
    for name in options.cow_sources:
        with contextlib.suppress(errors.PluginNotLoadable):
            found.extend(sources.source_class(name).OPTIONS)
    return found


def parts(options: Any) -> Parts:
    """What works for the backend of these options.

    :raises PluginNotLoadable: when the backend or a source cannot be made.
    """
    backend = backends.from_options(options)
    image_copier = copier.ImageCopier(
        copy_settings(options),
        sources.from_options(options),
        limiter.CopyLimiter(
            options.cow_max_copies, options.cow_max_waiting_copies
        ),
    )
    return Parts(
        backend, image_copier, _base_images(options, backend, image_copier)
    )


def copy_settings(options: Any) -> CopySettings:
    """How copies are made."""
    return CopySettings(
        memory_bytes=options.cow_copy_memory_bytes,
        retries=options.cow_copy_retries,
        require_hash=options.cow_require_hash,
        pace_limits=pace.PaceLimits(
            min_bytes_per_second=options.cow_min_copy_bytes_per_second,
            stall_seconds=options.cow_stall_seconds,
            copy_seconds=options.cow_copy_seconds,
        ),
    )


def converter(options: Any) -> convert.Converter:
    """What turns images of other formats into raw."""
    trust = convert.ConversionTrust(
        tuple(options.vmdk_allowed_types), confinement(options)
    )
    return convert.Converter(conversion_limits(options), trust)


def confinement(options: Any) -> Confinement:
    """How qemu-img is shut in."""
    return Confinement(required=options.cow_require_confinement)


def conversion_limits(options: Any) -> convert.ConversionLimits:
    """What one run of qemu-img may take."""
    return convert.ConversionLimits(
        seconds=options.cow_convert_seconds,
        cpu_seconds=options.cow_convert_seconds,
        address_space_bytes=options.cow_convert_memory_bytes,
    )


def eviction_limits(options: Any) -> eviction.EvictionLimits:
    """How many bases are kept, and how long."""
    return eviction.EvictionLimits(
        max_bytes=options.cow_base_max_bytes,
        max_share=options.cow_base_max_share,
        max_count=options.cow_base_max_count,
        max_share_per_project=options.cow_base_max_share_per_project,
        max_idle_seconds=options.cow_base_max_idle_seconds,
        once_idle_seconds=options.cow_base_once_idle_seconds,
    )


def warm_settings(options: Any) -> warm_runner.WarmSettings:
    """Which images have their bases built ahead."""
    return warm_runner.WarmSettings(
        policy=WarmPolicy(options.cow_warm_images),
        poll_seconds=options.cow_warm_poll_seconds,
        used_seconds=options.cow_warm_used_seconds,
        at_once=max(1, options.cow_max_copies // 2),
    )


def _base_images(
    options: Any, backend: ImageBackend, image_copier: copier.ImageCopier
) -> ensure.BaseImages | None:
    store = backend.bases()
    if store is None:
        return None
    base_builder = builder.BaseBuilder(
        builder.BuildSettings(
            stall_seconds=options.cow_stall_seconds,
            conversion=conversion_limits(options),
            require_hash=options.cow_require_hash,
            limits=eviction_limits(options),
        ),
        store,
        image_copier,
        converter(options),
    )
    settings = ensure.BaseSettings(
        rule=plan.BaseRule(options.cow_base_images),
        auto_bytes=options.cow_base_auto_bytes,
        may_convert=not options.image_conversion_disable,
        require_hash=options.cow_require_hash,
        strict_locations=options.cow_strict_locations,
    )
    return ensure.BaseImages(settings, store, base_builder)
