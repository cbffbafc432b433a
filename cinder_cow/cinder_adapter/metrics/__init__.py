# SPDX-License-Identifier: Apache-2.0
"""What this process counts for Prometheus, where `cow_metrics_address` is set.

Else nothing of it is imported, and no thread is started.
"""

from collections.abc import Callable

from oslo_log import log as logging

from cinder_cow.base_images.sweep import SweepResult
from cinder_cow.execute import Parts
from cinder_cow.model import Result

LOG = logging.getLogger(__name__)


class Metrics:
    """Counts nothing: where no metrics are served."""

    served = False

    def made(self, result: Result) -> None:
        """A volume was made, written over, or left to Cinder."""

    def failed(self, exc: Exception) -> None:
        """A volume was not made."""

    def swept(self, result: SweepResult) -> None:
        """Bases were looked at, and some went."""

    def tested(self, failures: int) -> None:
        """So many checks of the self-test failed."""


def start(address: str, backend: str, parts: Callable[[], Parts]) -> Metrics:
    """Serve the metrics of this backend; what has to be told of events.

    What keeps them from being served is an ERROR in the log, and the service
    goes on without.

    :param address: `cow_metrics_address`.
    :param backend: its section of cinder.conf.
    :param parts: answers what works for it, without waiting.
    """
    if not address:
        return Metrics()
    # Here, so that it costs nothing where it is not wanted.
    from cinder_cow.cinder_adapter.metrics import counting, listening, server

    try:
        listener = listening.listener(address)
    except (OSError, ValueError) as exc:
        LOG.error(
            'No metrics of the backend %s are served: cow_metrics_address ='
            ' %s: %s. Give each backend an address of its own, as'
            ' 127.0.0.1:9282 or unix:/run/cinder/cow-metrics.sock, and restart'
            ' cinder-volume.',
            backend,
            address,
            exc,
        )
        return Metrics()
    metrics = counting.CountedMetrics(backend, parts)
    server.serve(listener, metrics.registry)
    LOG.info('Metrics of the backend %s are served at %s', backend, address)
    return metrics
