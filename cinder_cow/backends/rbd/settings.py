# SPDX-License-Identifier: Apache-2.0
"""What the RBD backend reads of cinder.conf."""

from dataclasses import dataclass
from typing import Any, Self

MIB = 2**20


@dataclass(frozen=True, slots=True)
class RbdSettings:
    """Which cluster, as whom, which pools, and what is trusted there."""

    cluster_name: str
    #: Path of ceph.conf; empty: where librados looks by itself.
    conf_path: str
    user: str | None
    #: Of the volumes.
    pool: str
    #: Least object size of a new volume.
    object_bytes: int
    #: Time limit of connecting and of each operation; negative: Ceph's own.
    timeout_seconds: int = -1
    connect_attempts: int = 3
    connect_interval_seconds: int = 5
    #: Pools whose images may be cloned; empty: any but the two below.
    image_pools: tuple[str, ...] = ()
    strict_locations: bool = True
    verify_signatures: bool = True
    #: Where base images are kept; empty: in ``pool``.
    base_pool: str = ''
    #: The Glance whose images volumes are made of, where several share the
    #: bases: see :func:`cinder_cow.sources.glance_images.glance_name`.
    glance_name: str = ''

    @classmethod
    def from_options(cls, options: Any) -> Self:
        """The settings in one section of cinder.conf."""
        return cls(
            cluster_name=options.rbd_cluster_name,
            conf_path=options.rbd_ceph_conf,
            user=options.rbd_user,
            pool=options.rbd_pool,
            object_bytes=options.rbd_store_chunk_size * MIB,
            timeout_seconds=options.rados_connect_timeout,
            connect_attempts=options.rados_connection_retries,
            connect_interval_seconds=options.rados_connection_interval,
            image_pools=tuple(options.cow_image_pools),
            strict_locations=options.cow_strict_locations,
            verify_signatures=options.verify_glance_signatures != 'disabled',
            base_pool=options.cow_base_pool,
            glance_name=options.glance_name,
        )
