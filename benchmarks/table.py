# SPDX-License-Identifier: Apache-2.0
"""The figures as a table on the screen."""

from rich import table

from benchmarks import report
from measuring.screen import SCREEN


def show(doc: report.Document) -> None:
    """Print the table, and why a figure is missing."""
    drawn = table.Table(title='Ours against theirs: medians, and their ratio')
    drawn.add_column('key', no_wrap=True)
    for name in ('value', 'aim', 'ours', 'theirs', 'spread'):
        drawn.add_column(name, justify='right', no_wrap=True)
    drawn.add_column('met')
    for line in report.lines(doc):
        drawn.add_row(*line)
    SCREEN.print(drawn)
    for key, reason in doc['failed'].items():
        SCREEN.print(f'[red]{key}[/red]: ', end='')
        SCREEN.print(reason, markup=False, highlight=False, soft_wrap=True)
