# SPDX-License-Identifier: Apache-2.0
"""The metrics of one backend. doc/source/metrics.rst says what each means.

No label has a value that a tenant can choose, but for the names of the bases
that are being built, of which there are few at a time.
"""

import collections
from collections.abc import Callable, Iterator, Mapping

import prometheus_client
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from cinder_cow import errors
from cinder_cow.base_images.eviction import EvictionReason
from cinder_cow.base_images.sweep import SweepResult
from cinder_cow.cinder_adapter.metrics import Metrics
from cinder_cow.execute import Parts
from cinder_cow.model import Method, Result

#: From a clone, in a tenth of a second, to cow_copy_seconds by default.
BUCKETS_SECONDS = (
    *(0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
    *(60, 120, 300, 600, 1800, 3600, 2 * 3600, 6 * 3600, 24 * 3600),
)
#: Why a base went that was not in the way of limits, but of another base.
ROOM = 'room'
#: The kind of a failure that is not of cinder_cow.errors.
OTHER = 'Other'
KINDS = frozenset(
    name
    for name, kind in vars(errors).items()
    if isinstance(kind, type) and issubclass(kind, errors.CowError)
)

# When each series began is of no use here, and doubles them.
prometheus_client.disable_created_metrics()


class CountedMetrics(Metrics):
    """Thread-safe: called by the threads of the host's own kind."""

    served = True

    def __init__(self, backend: str, parts: Callable[[], Parts]) -> None:
        self.registry = prometheus_client.CollectorRegistry()
        self._backend = backend
        self._creates = self._counter(
            'creates',
            'Volumes from images that were made.',
            'method',
            'reason',
        )
        self._seconds = prometheus_client.Histogram(
            'cinder_cow_create_seconds',
            'How long their making took.',
            ('backend', 'method'),
            buckets=BUCKETS_SECONDS,
            registry=self.registry,
        )
        self._bytes = self._counter(
            'copied_bytes', 'Bytes copied or converted for them.', 'source'
        )
        self._failures = self._counter(
            'failures', 'Volumes from images that were not made.', 'kind'
        )
        #: By reason, of the sweeps of this process.
        self._evicted = collections.Counter(
            {reason.value: 0 for reason in EvictionReason}
        )
        self._selftest = prometheus_client.Gauge(
            'cinder_cow_selftest_failures',
            'Checks that failed at the last self-test.',
            ('backend',),
            registry=self.registry,
        )
        self.registry.register(_Present(backend, parts, self._evicted))
        for each in sorted(KINDS | {OTHER}):  # else a rate misses the first
            self._failures.labels(backend, each)

    def made(self, result: Result) -> None:
        method = result.method.value
        # Of several reasons the first: their combinations are many.
        reason = result.reason.partition(',')[0]
        self._creates.labels(self._backend, method, reason).inc()
        if result.method is not Method.DELEGATE:  # Cinder's time is not known
            self._seconds.labels(self._backend, method).observe(result.seconds)
        if result.bytes_copied and result.source:
            self._bytes.labels(self._backend, result.source).inc(
                result.bytes_copied
            )

    def failed(self, exc: Exception) -> None:
        self._failures.labels(self._backend, kind(exc)).inc()

    def swept(self, result: SweepResult) -> None:
        for gone in (*result.evicted, *result.retired):
            self._evicted[gone.reason.value] += 1

    def tested(self, failures: int) -> None:
        self._selftest.labels(self._backend).set(failures)

    def _counter(
        self, name: str, text: str, *labels: str
    ) -> prometheus_client.Counter:
        return prometheus_client.Counter(
            f'cinder_cow_{name}',
            text,
            ('backend', *labels),
            registry=self.registry,
        )


def kind(exc: Exception) -> str:
    """The class of the error: one of ours, or `Other`."""
    if isinstance(exc, errors.BuildFailed) and exc.kind in KINDS:
        return exc.kind  # as if it had failed here
    names = (each.__name__ for each in type(exc).__mro__)
    return next((name for name in names if name in KINDS), OTHER)


class _Present:
    """What is looked up when a scraper asks."""

    def __init__(
        self,
        backend: str,
        parts: Callable[[], Parts],
        evicted: Mapping[str, int],
    ) -> None:
        self._backend = backend
        self._parts = parts
        self._evicted = evicted

    def describe(self) -> list[Metric]:
        """Nothing: else the library would look it up at once."""
        return []

    def collect(self) -> Iterator[Metric]:
        try:
            parts = self._parts()
        except errors.CowError:  # the log says why
            yield self._evictions(0)
            return
        copier, bases = parts.image_copier, parts.base_images
        yield self._gauge(
            'copies_running', 'Copies that go on.', copier.copies_running
        )
        yield self._gauge(
            'copies_waiting',
            'Copies that wait for a slot, or for what another copies.',
            copier.copies_waiting,
        )
        lost = CounterMetricFamily(
            'cinder_cow_connections_lost',
            'Connections to the storage that were given up after an error.',
            labels=('backend',),
        )
        lost.add_metric((self._backend,), parts.backend.connections_lost)
        yield lost
        yield self._evictions(bases.evicted_for_room if bases else 0)
        if bases is not None:
            yield from self._builds(bases.builds())

    def _evictions(self, for_room: int) -> Metric:
        family = CounterMetricFamily(
            'cinder_cow_evictions',
            'Base images that this process has let go.',
            labels=('backend', 'reason'),
        )
        for reason, count in {**self._evicted, ROOM: for_room}.items():
            family.add_metric((self._backend, reason), count)
        return family

    def _builds(self, builds: dict[str, float]) -> Iterator[Metric]:
        yield self._gauge(
            'builds_running', 'Bases that are being built.', len(builds)
        )
        progress = GaugeMetricFamily(
            'cinder_cow_build_progress_ratio',
            'How much of the image has been copied, of each of them.',
            labels=('backend', 'base'),
        )
        for name, ratio in builds.items():
            progress.add_metric((self._backend, name), ratio)
        yield progress

    def _gauge(self, name: str, text: str, value: float) -> Metric:
        gauge = GaugeMetricFamily(
            f'cinder_cow_{name}', text, labels=('backend',)
        )
        gauge.add_metric((self._backend,), value)
        return gauge
