# SPDX-License-Identifier: Apache-2.0
"""What lies in the pool, as metrics of Prometheus.

The rates and times of cinder-volume's work are counted by its own processes.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Gauge

from cinder_cow.backends.statistics import PoolStatistics

PREFIX = 'cinder_cow_pool'


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
    statistics = pool.statistics

    def gauge(name: str, text: str, *labels: str) -> Gauge:
        return Gauge(
            f'{PREFIX}_{name}', text, ('backend', *labels), registry=found
        )

    volumes = gauge(
        'volumes', 'Volumes in the pool, by whose blocks they share', 'method'
    )
    for origin, number in statistics.volumes.items():
        volumes.labels(backend, origin.value).set(number)
    children = gauge(
        'base_children', 'Volumes that were cloned from the base', 'base'
    )
    for name, base in pool.bases.items():
        children.labels(backend, name).set(base.children)
    for name, text, value in (
        ('bases', 'Base images', len(pool.bases)),
        (
            'base_bytes',
            'Bytes of base images, before replication',
            pool.base_bytes,
        ),
        (
            'shared_bytes',
            'Bytes of images and bases, once for each of their clones',
            statistics.shared_bytes,
        ),
        (
            'trash_images',
            'Images in the trash of the pools that volumes need',
            statistics.trash_images,
        ),
        (
            'trash_bytes',
            'Bytes of them, before replication',
            statistics.trash_bytes,
        ),
        (
            'failed_builds',
            'Builds of bases that failed, within the last hour',
            pool.failed_builds,
        ),
    ):
        gauge(name, text).labels(backend).set(value)
    return found
