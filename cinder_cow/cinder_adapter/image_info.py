# SPDX-License-Identifier: Apache-2.0
"""Cinder's terms into ours."""

import hashlib
import json
from typing import Any

from cinder.image import glance  # noqa: F401  registers what CONF is asked for
from oslo_config import cfg

from cinder_cow.backends.base import BackendSettings
from cinder_cow.base_images import builder, ensure, eviction
from cinder_cow.cinder_adapter import records
from cinder_cow.conversion import convert
from cinder_cow.model import ImageInfo, Target
from cinder_cow.planning import plan, verdict
from cinder_cow.sources import base as sources
from cinder_cow.transfer import copier, signatures

CONF = cfg.CONF
GIB = 2**30
MIB = 2**20


def image_info(
    image_meta: dict[str, Any], image_location: Any = None
) -> ImageInfo:
    """The image, as Cinder hands it to ``clone_image``."""
    return ImageInfo(
        image_id=image_meta['id'],
        status=image_meta.get('status') or 'unknown',
        disk_format=image_meta.get('disk_format') or 'unknown',
        container_format=image_meta.get('container_format'),
        size_bytes=int(image_meta.get('size') or 0),
        locations=locations(image_location),
        signed=signed(image_meta),
        signature=_signature(image_meta) if verify_signatures() else None,
        hash_algo=image_meta.get('os_hash_algo'),
        hash_value=image_meta.get('os_hash_value'),
        checksum=image_meta.get('checksum'),
    )


def locations(image_location: Any) -> tuple[str, ...]:
    """The URLs in what ``GlanceImageService.get_location`` answered.

    That is None, or a pair of a URL or None, and a list or None. A hidden
    location leaves (None, None), and in Cinder 27 or newer (None, []).
    """
    direct_url, listed = image_location or (None, None)
    urls = [entry.get('url') for entry in listed or ()]
    return tuple(dict.fromkeys(url for url in (*urls, direct_url) if url))


def target(volume: Any) -> Target:
    """The volume to be made."""
    return Target(volume.id, volume.name, int(volume.size) * GIB)


def settings(
    configuration: Any, config_tuple: tuple[Any, ...]
) -> BackendSettings:
    """The backend's settings, from its section of cinder.conf.

    :param config_tuple: what ``_get_config_tuple`` answers: it changes when
        Cinder fails the backend over to another cluster.
    """
    name, conf_path, user, _secret = config_tuple
    return BackendSettings(
        cluster_name=name,
        conf_path=conf_path,
        user=user,
        pool=configuration.rbd_pool,
        object_bytes=configuration.rbd_store_chunk_size * MIB,
        timeout_seconds=configuration.rados_connect_timeout,
        connect_attempts=configuration.rados_connection_retries,
        connect_interval_seconds=configuration.rados_connection_interval,
        image_pools=tuple(configuration.cow_image_pools),
        strict_locations=configuration.cow_strict_locations,
        verify_signatures=verify_signatures(),
        base_pool=configuration.cow_base_pool,
    )


def source_settings(
    configuration: Any, volumes: BackendSettings
) -> sources.SourceSettings:
    """The sources' settings, from the backend's section of cinder.conf."""
    return sources.SourceSettings(
        volumes=volumes,
        remote_clusters=tuple(configuration.cow_remote_clusters.items()),
        glance_stores=tuple(configuration.cow_glance_stores),
        stall_seconds=configuration.cow_stall_seconds,
    )


def fill_settings(configuration: Any) -> copier.CopySettings:
    """How copies are made, from the backend's section of cinder.conf."""
    return copier.CopySettings(
        memory_bytes=configuration.cow_copy_memory_bytes,
        retries=configuration.cow_copy_retries,
        require_hash=configuration.cow_require_hash,
    )


def base_settings(configuration: Any) -> ensure.BaseSettings:
    """Which images have bases, from the backend's section of cinder.conf."""
    return ensure.BaseSettings(
        rule=plan.BaseRule(configuration.cow_base_images),
        auto_bytes=configuration.cow_base_auto_bytes,
        require_hash=configuration.cow_require_hash,
        shared=configuration.cow_strict_locations,
    )


def build_settings(configuration: Any) -> builder.BuildSettings:
    """How bases are made, from the backend's section of cinder.conf."""
    return builder.BuildSettings(
        stall_seconds=configuration.cow_stall_seconds,
        convert_seconds=configuration.cow_convert_seconds,
        require_hash=configuration.cow_require_hash,
    )


def convert_limits(configuration: Any) -> convert.ConversionLimits:
    """What qemu-img may take, from the backend's section of cinder.conf."""
    return convert.ConversionLimits(
        seconds=configuration.cow_convert_seconds,
        cpu_seconds=configuration.cow_convert_seconds,
        address_space_bytes=configuration.cow_convert_memory_bytes,
    )


def base_limits(configuration: Any) -> eviction.EvictionLimits:
    """How many bases are kept, from the backend's section of cinder.conf."""
    return eviction.EvictionLimits(
        max_bytes=configuration.cow_base_max_bytes,
        max_idle_seconds=configuration.cow_base_max_idle_seconds,
    )


def request(
    context: Any, volume: Any, image_meta: dict[str, Any], image_service: Any
) -> copier.CopyRequest:
    """What a copy needs of Cinder."""
    image_id = image_meta['id']
    properties = image_meta.get('properties') or {}
    verified = signed(image_meta) and verify_signatures()
    return copier.CopyRequest(
        glance=lambda: glance_client(context, image_service),
        verifier=(
            (lambda: signatures.verifier(context, image_id, properties))
            if verified
            else None
        ),
        report=lambda progress: records.progress(volume, image_id, progress),
        begun=lambda: records.downloading(volume),
    )


def glance_client(context: Any, image_service: Any) -> Any:
    """A `glanceclient.Client` for one download, as the volume's user.

    Cinder chooses among its Glance servers.
    """
    wrapper = image_service._client
    return wrapper.client or wrapper._create_onetime_client(context)


def is_plain(volume: Any, image: ImageInfo) -> bool:
    """Whether the image's bytes can be the volume's as they are."""
    return volume.encryption_key_id is None and verdict.is_the_disk(image)


def signed(image_meta: dict[str, Any]) -> bool:
    """Whether the image carries any property of a signature."""
    return bool(_signature_properties(image_meta))


def _signature(image_meta: dict[str, Any]) -> str | None:
    """A digest of what is to be verified, so that it is not mistaken."""
    found = _signature_properties(image_meta)
    if not found:
        return None
    text = json.dumps(found, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _signature_properties(image_meta: dict[str, Any]) -> dict[str, Any]:
    properties = image_meta.get('properties') or {}
    return {
        name: value
        for name, value in properties.items()
        if name.startswith('img_signature')
    }


def verify_signatures() -> bool:
    """Whether Cinder is to verify the signatures that images carry."""
    return CONF.verify_glance_signatures != 'disabled'
