# SPDX-License-Identifier: Apache-2.0
"""The figures as a table on the screen."""

from rich import table

from benchmarks import report
from measuring.screen import SCREEN


def show(doc: report.Document) -> None:
    """Print the table, and why a figure is missing."""
    drawn = table.Table(
        title='Ours against theirs: the median of the ratios of pairs, where'
        ' it lies with 95 % of certainty, and the ratio of the core-seconds'
    )
    drawn.add_column('key', no_wrap=True)
    for name in ('value', 'interval', 'aim', 'met', 'ours', 'theirs', 'cores'):
        drawn.add_column(name, justify='right', no_wrap=True)
    for line in report.lines(doc):
        drawn.add_row(*line)
    SCREEN.print(drawn)
    for key, absolute in doc['absolute'].items():
        if found := absolute.get('outliers'):
            SCREEN.print(f'{key}: pairs far from the others: {found}')
    load = doc['machine'].get('load')
    SCREEN.print(f'Load of the machine: {load}', highlight=False)
    for key, reason in doc['failed'].items():
        SCREEN.print(f'[red]{key}[/red]: ', end='')
        SCREEN.print(reason, markup=False, highlight=False, soft_wrap=True)
