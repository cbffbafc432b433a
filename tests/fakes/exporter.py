# SPDX-License-Identifier: Apache-2.0
"""All that cinder-volume and `cinder-cow stats --prometheus` tell, made up.

Each call of text() is some seconds later in the life of a cloud.
"""

import itertools
import threading

import prometheus_client

BASE = 'cow-base-qcow2-sha512-' + 128 * '5'
CREATES = (
    ('clone', 'cloneable'),
    ('clone-base', 'not-raw'),
    ('build-base', 'not-raw'),
    ('stream', 'replicated'),
)
GAUGES = {
    'copies_running': 2,
    'copies_waiting': 1,
    'builds_running': 1,
    'selftest_failures': 0,
    'pool_bases': 4,
    'pool_base_bytes': 3 * 2**30,
    'pool_shared_bytes': 40 * 2**30,
    'pool_trash_images': 2,
    'pool_trash_bytes': 2**30,
    'pool_failed_builds': 0,
}


class Exporter:
    def __init__(self, backend='cow'):
        self._backend = backend
        self._registry = prometheus_client.CollectorRegistry()
        self._steps = itertools.count(1)
        self._lock = threading.Lock()
        self._creates = self._made('Counter', 'creates', 'method', 'reason')
        self._seconds = self._made('Histogram', 'create_seconds', 'method')
        self._copied = self._made('Counter', 'copied_bytes', 'source')
        self._failures = self._made('Counter', 'failures', 'kind')
        self._evictions = self._made('Counter', 'evictions', 'reason')
        self._lost = self._made('Counter', 'connections_lost')
        self._progress = self._made('Gauge', 'build_progress_ratio', 'base')
        self._volumes = self._made('Gauge', 'pool_volumes', 'method')
        self._children = self._made('Gauge', 'pool_base_children', 'base')
        for name, value in GAUGES.items():
            self._made('Gauge', name).labels(backend).set(value)

    def text(self):
        with self._lock:
            self._live(next(self._steps))
            return prometheus_client.generate_latest(self._registry)

    def _made(self, kind, name, *labels):
        return getattr(prometheus_client, kind)(
            f'cinder_cow_{name}',
            name,
            ('backend', *labels),
            registry=self._registry,
        )

    def _live(self, step):
        for share, (method, reason) in enumerate(CREATES, 1):
            self._creates.labels(self._backend, method, reason).inc(5 - share)
            self._seconds.labels(self._backend, method).observe(
                0.05 * share**3
            )
            self._volumes.labels(self._backend, method).set(step * (5 - share))
        self._copied.labels(self._backend, 'rbd').inc(200 * 2**20)
        self._copied.labels(self._backend, 'glance').inc(50 * 2**20)
        self._failures.labels(self._backend, 'SourceStalled').inc(0.1)
        self._evictions.labels(self._backend, 'idle').inc(0.1)
        self._lost.labels(self._backend)
        self._progress.labels(self._backend, BASE).set(step % 20 / 20)
        self._children.labels(self._backend, BASE).set(3 * step)
