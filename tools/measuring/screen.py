# SPDX-License-Identifier: Apache-2.0
"""What the user sees while something is measured."""

from collections.abc import Iterator
import contextlib
import sys
import time

from rich import console

SCREEN = console.Console(width=None if sys.stdout.isatty() else 120)
_STARTED = time.monotonic()


def elapsed() -> float:
    """Seconds since the start of the program."""
    return time.monotonic() - _STARTED


@contextlib.contextmanager
def step(title: str) -> Iterator[None]:
    """A line for something that takes a while, with its seconds."""
    began = time.monotonic()
    with SCREEN.status(title):
        yield
    seconds = time.monotonic() - began
    SCREEN.print(
        f'[green]{elapsed():5.0f} s[/green] {title} ({seconds:.1f} s)',
        highlight=False,
        soft_wrap=True,
    )


def tell(text: str) -> None:
    """A line."""
    SCREEN.print(text, highlight=False, soft_wrap=True)
