# SPDX-License-Identifier: Apache-2.0
"""What lies in the pool, as metrics of Prometheus.

The rates and times of cinder-volume's work are counted by its own processes.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Gauge

from cinder_cow.backends.statistics import PoolStatistics

PREFIX = 'cinder_cow_pool'
HELP = {
    'volumes': 'Volumes in the pool, by whose blocks they share',
    'bases': 'Base images',
    'base_bytes': 'Bytes of base images, before replication',
    'base_children': 'Volumes that were cloned from the base',
    'shared_bytes': 'Bytes of images and bases, once for each of their clones',
    'trash_images': 'Images in the trash of the pools that volumes need',
    'trash_bytes': 'Bytes of these images, before replication',
    'failed_builds': 'Builds of bases that failed, not tried again since',
}


@dataclass(frozen=True, slots=True)
class BaseUse:
    """What a base takes, and how many volumes share it."""

    stored_bytes: int
    children: int


@dataclass(frozen=True, slots=True)
class Pool:
    """What lies in the pool of one backend."""

    statistics: PoolStatistics
    #: By their names.
    bases: Mapping[str, BaseUse]
    #: Builds that failed, and were not tried again since.
    failed_builds: int

    @property
    def base_bytes(self) -> int:
        """Of all bases, before replication."""
        return sum(each.stored_bytes for each in self.bases.values())


def registry(backend: str, pool: Pool) -> CollectorRegistry:
    """All of it, labelled with the section of cinder.conf."""
    found = CollectorRegistry()

    def gauge(name: str, *labels: str) -> Gauge:
        return Gauge(
            f'{PREFIX}_{name}',
            HELP[name],
            ('backend', *labels),
            registry=found,
        )

    statistics = pool.statistics
    volumes = gauge('volumes', 'method')
    for origin, number in statistics.volumes.items():
        volumes.labels(backend, origin.value).set(number)
    children = gauge('base_children', 'base')
    for name, base in pool.bases.items():
        children.labels(backend, name).set(base.children)
    for name, value in {
        'bases': len(pool.bases),
        'base_bytes': pool.base_bytes,
        'shared_bytes': statistics.shared_bytes,
        'trash_images': statistics.trash_images,
        'trash_bytes': statistics.trash_bytes,
        'failed_builds': pool.failed_builds,
    }.items():
        gauge(name).labels(backend).set(value)
    return found
