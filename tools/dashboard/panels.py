# SPDX-License-Identifier: Apache-2.0
"""What the dashboard's JSON says of each panel."""

from collections.abc import Iterator
from dataclasses import dataclass
import json
import pathlib
import re
from typing import Any

from dashboard.prometheus import Prometheus, Series

LABEL = re.compile(r'\{\{(\w+)\}\}')
#: What Grafana puts in the place of its variables. A rate is taken of five
#: scrapes; Grafana's own takes four.
VARIABLES = {'$backend': '.*', '$__rate_interval': '5s'}


@dataclass(frozen=True, slots=True)
class Target:
    """One query, and how its series are called."""

    expr: str
    legend: str

    def name(self, labels: dict[str, str]) -> str:
        """With {{label}} filled in."""
        return re.sub(
            r'\{\{(\w+)\}\}',
            lambda found: labels.get(found[1], ''),
            self.legend,
        )


@dataclass(frozen=True, slots=True)
class Panel:
    """Where it stands in the grid of 24 columns, and what it shows."""

    kind: str
    title: str
    unit: str
    stacked: bool
    #: Column and row of its upper left corner, columns and rows that it takes.
    grid: tuple[int, int, int, int]
    targets: tuple[Target, ...]

    def read(
        self, prometheus: Prometheus, begin: float, end: float
    ) -> list[tuple[str, Series]]:
        """All series with their names. Both times in seconds since 1970.

        :raises DashboardError: when Prometheus does not know a query.
        """
        found = []
        for target in self.targets:
            series = (
                prometheus.course(target.expr, begin, end)
                if self.kind == 'timeseries'
                else prometheus.last(target.expr)
            )
            found += [(target.name(each[0]), each) for each in series]
        return found


def load(path: pathlib.Path) -> list[Panel]:
    """The panels of a dashboard, from the top."""
    return list(_panels(json.loads(path.read_text())))


def _panels(dashboard: dict[str, Any]) -> Iterator[Panel]:
    for each in dashboard['panels']:
        defaults = each['fieldConfig']['defaults']
        grid = each['gridPos']
        yield Panel(
            kind=each['type'],
            title=each['title'],
            unit=defaults['unit'],
            stacked='stacking' in defaults.get('custom', {}),
            grid=(grid['x'], grid['y'], grid['w'], grid['h']),
            targets=tuple(
                Target(_filled_in(target['expr']), target['legendFormat'])
                for target in each['targets']
            ),
        )


def _filled_in(expr: str) -> str:
    for name, value in VARIABLES.items():
        expr = expr.replace(name, value)
    return expr
