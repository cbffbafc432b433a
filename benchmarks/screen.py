# SPDX-License-Identifier: Apache-2.0
"""What the user sees: progress and the table."""

from collections.abc import Iterator
import contextlib
import sys
import time

from rich import console, table

from benchmarks import report

SCREEN = console.Console(width=None if sys.stdout.isatty() else 120)
_STARTED = time.monotonic()


def elapsed() -> float:
    """Seconds since the start of the program."""
    return time.monotonic() - _STARTED


@contextlib.contextmanager
def step(title: str) -> Iterator[None]:
    """Something that takes a while."""
    began = time.monotonic()
    with SCREEN.status(title):
        yield
    seconds = time.monotonic() - began
    SCREEN.print(
        f'[green]{elapsed():5.0f} s[/green] {title} ({seconds:.1f} s)',
        highlight=False,
    )


def tell(text: str) -> None:
    """A line."""
    SCREEN.print(text, highlight=False, soft_wrap=True)


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
