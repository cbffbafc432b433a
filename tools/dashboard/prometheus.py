# SPDX-License-Identifier: Apache-2.0
"""Debian's Prometheus on loopback, for as long as it is asked."""

from collections.abc import Callable, Iterator, Mapping, Sequence
import contextlib
import pathlib
import subprocess
import tempfile
import time
from typing import Any
import urllib.parse

import requests

from dashboard.errors import DashboardError
from sandbox import ports

#: Between two values of a course, where the time is short.
STEP_SECONDS = 1
START_SECONDS = 30.0
#: One answer of the query API: its labels, and pairs of time and value.
Series = tuple[dict[str, str], list[tuple[float, float]]]


class Prometheus:
    """One that runs; made by started()."""

    def __init__(self, url: str) -> None:
        self._url = url

    def last(self, expr: str) -> list[Series]:
        """The values of now, one of each series."""
        found = self._asked('query', query=expr)
        return [(each['metric'], _pairs([each['value']])) for each in found]

    def course(self, expr: str, begin: float, end: float) -> list[Series]:
        """The values from one time to another, both in seconds since 1970."""
        found = self._asked(
            'query_range',
            query=expr,
            start=begin,
            end=end,
            step=max(STEP_SECONDS, (end - begin) / 200),
        )
        return [(each['metric'], _pairs(each['values'])) for each in found]

    def wait_ready(self, alive: Callable[[], bool]) -> None:
        """
        :raises DashboardError: when it ends, or does not answer in time.
        """
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and alive():
            with contextlib.suppress(requests.ConnectionError):
                if requests.get(f'{self._url}/-/ready', timeout=5).ok:
                    return
            time.sleep(0.1)
        raise DashboardError('prometheus does not start')

    def _asked(self, what: str, **parameters: Any) -> list[Any]:
        answer = requests.get(
            f'{self._url}/api/v1/{what}', params=parameters, timeout=60
        ).json()
        if answer['status'] != 'success':
            raise DashboardError(f'{parameters["query"]}: {answer["error"]}')
        found: list[Any] = answer['data']['result']
        return found


@contextlib.contextmanager
def started(exporters: Mapping[str, int]) -> Iterator[Prometheus]:
    """A Prometheus that reads those exporters.

    :param exporters: the URL of each, and how often to read it, in seconds.
    :raises DashboardError: when it does not start.
    """
    with (
        tempfile.TemporaryDirectory(prefix='cinder-cow-dashboard-') as name,
        ports.Ports() as free,
    ):
        folder, address = pathlib.Path(name), f'127.0.0.1:{free.take()}'
        (folder / 'prometheus.yml').write_text(_configuration(exporters))
        with (folder / 'log').open('w') as log:
            process = subprocess.Popen(
                [
                    'prometheus',
                    f'--config.file={folder / "prometheus.yml"}',
                    f'--storage.tsdb.path={folder / "data"}',
                    f'--web.listen-address={address}',
                ],
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        try:
            found = Prometheus(f'http://{address}')
            found.wait_ready(lambda: process.poll() is None)
            yield found
        except DashboardError as exc:
            exc.add_note((folder / 'log').read_text()[-2000:])
            raise
        finally:
            process.terminate()
            process.wait(30)


def _configuration(exporters: Mapping[str, int]) -> str:
    """One job for each exporter: each has a path and a time of its own."""
    lines = ['scrape_configs:']
    for number, (url, seconds) in enumerate(exporters.items()):
        parts = urllib.parse.urlsplit(url)
        lines += [
            f'- job_name: "{number}"',
            f'  scrape_interval: {seconds}s',
            f'  scrape_timeout: {seconds}s',
            f'  scheme: {parts.scheme}',
            f'  metrics_path: {parts.path or "/metrics"}',
            f'  static_configs: [{{targets: ["{parts.netloc}"]}}]',
        ]
    return '\n'.join(lines) + '\n'


def _pairs(values: Sequence[Sequence[Any]]) -> list[tuple[float, float]]:
    return [(float(moment), float(value)) for moment, value in values]
