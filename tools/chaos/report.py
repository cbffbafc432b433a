# SPDX-License-Identifier: Apache-2.0
"""What a run was: for the eye and as JSON."""

from collections.abc import Iterator, Sequence
import dataclasses
from dataclasses import dataclass
import json
import pathlib
from typing import Any

from rich import console, table

from chaos import growth, single_faults
from chaos.api_calls import DONE, FAILED, LOST, REFUSED
from chaos.growth import Figures
from chaos.history import History
from chaos.timeline import Timeline

OUTCOMES = (DONE, FAILED, REFUSED, LOST)


@dataclass(frozen=True, slots=True)
class Report:
    """One run."""

    seed: int
    minutes: float
    mode: str
    #: Of the pool, by its name.
    shape: str
    hosts: int
    history: History
    timeline: Timeline
    before: Figures
    after: Figures
    #: Of each fault alone, where that was asked for.
    rows: Sequence[single_faults.Row] = ()

    def judge_growth(self) -> None:
        """Write down what has grown by more than may be."""
        for field in dataclasses.fields(Figures):
            grown = getattr(self.after, field.name) - getattr(
                self.before, field.name
            )
            allowed = self.hosts * getattr(growth.ALLOWED, field.name)
            if grown > allowed:
                self.history.violated(
                    f'cinder-volume has grown by {grown} {field.name},'
                    f' and may by {allowed}'
                )

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        return {
            'seed': self.seed,
            'minutes': self.minutes,
            'mode': self.mode,
            'pool': self.shape,
            'hosts': self.hosts,
            'operations': self._operations(),
            'faults': self._faults(),
            'before': dataclasses.asdict(self.before),
            'after': dataclasses.asdict(self.after),
            'left_by_cinder': sorted(self.history.left_by_cinder),
            'each': [dataclasses.asdict(row) for row in self.rows],
            'violations': self.history.violations,
        }

    def write(self, path: pathlib.Path) -> None:
        """As JSON."""
        path.write_text(json.dumps(self.plain(), indent=2) + '\n')

    def show(self, screen: console.Console) -> None:
        """Print the tables."""
        if self.rows:
            screen.print(single_faults.shown(self.rows))
        screen.print(self._operations_table())
        screen.print(self._faults_table())
        screen.print(self._figures_table())
        for line in self._sentences():
            screen.print(line, highlight=False, soft_wrap=True)

    def _operations(self) -> dict[str, dict[str, Any]]:
        history = self.history
        return {
            name: {
                **{each: history.outcomes[name, each] for each in OUTCOMES},
                'longest_seconds': round(history.longest_seconds[name], 1),
            }
            for name in sorted({name for name, _outcome in history.outcomes})
        }

    def _faults(self) -> dict[str, dict[str, Any]]:
        return {
            name: {
                'times': times,
                'no_target': self.timeline.no_target[name],
                'failures': {
                    cause: count
                    for (fault, cause), count in self.history.causes.items()
                    if fault == name
                },
            }
            for name, times in sorted(self.timeline.counts().items())
        }

    def _operations_table(self) -> table.Table:
        drawn = table.Table(title='Operations')
        for column in ('operation', *OUTCOMES, 'longest s'):
            drawn.add_column(
                column, justify='left' if column == 'operation' else 'right'
            )
        for name, row in self._operations().items():
            drawn.add_row(name, *(str(each) for each in row.values()))
        return drawn

    def _faults_table(self) -> table.Table:
        drawn = table.Table(title='Faults')
        drawn.add_column('fault')
        drawn.add_column('times', justify='right')
        drawn.add_column('no target', justify='right')
        drawn.add_column('failures, by the cause that they named')
        for name, row in self._faults().items():
            failures = ', '.join(
                f'{cause} {count}'
                for cause, count in sorted(row['failures'].items())
            )
            drawn.add_row(
                name, str(row['times']), str(row['no_target']), failures
            )
        return drawn

    def _figures_table(self) -> table.Table:
        drawn = table.Table('cinder-volume', 'before', 'after')
        after = dataclasses.asdict(self.after)
        for name, value in dataclasses.asdict(self.before).items():
            drawn.add_row(name, str(value), str(after[name]))
        return drawn

    def _sentences(self) -> Iterator[str]:
        if self.history.left_by_cinder:
            yield (
                f'{len(self.history.left_by_cinder)} volumes or snapshots were'
                f' left by the RBD driver of Cinder itself, and removed'
            )
        for violation in self.history.violations:
            yield f'VIOLATED {violation}'
        yield (
            f'seed {self.seed}, {self.minutes:g} minutes, {self.mode},'
            f' pool {self.shape}, hosts {self.hosts}:'
            f' {len(self.history.violations)} violations'
        )
