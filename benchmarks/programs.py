# SPDX-License-Identifier: Apache-2.0
"""What runs in a process of its own: it takes JSON and answers JSON."""

from collections.abc import Callable
import dataclasses
import json
import os
import subprocess
import sys
from typing import Any

from benchmarks.errors import BenchmarkError
from sandbox.stack import Stack

LAST_LINES = 15


def run(stack: Stack, name: str, **arguments: Any) -> Any:
    """What the program `benchmarks.NAME` answers.

    :raises BenchmarkError: with the end of its standard error.
    """
    done = subprocess.run(
        [sys.executable, '-W', 'ignore', '-m', f'benchmarks.{name}'],
        input=json.dumps({'folder': str(stack.folder), **arguments}),
        # Native threads, without eventlet's patches: Cinder's other mode.
        env=os.environ
        | stack.env()
        | {'OS_CINDER_DISABLE_EVENTLET_PATCHING': '1'},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        lines = done.stderr.strip().splitlines()[-LAST_LINES:]
        raise BenchmarkError('\n'.join([f'benchmarks.{name} failed:', *lines]))
    return json.loads(done.stdout)


def answer(main: Callable[..., Any]) -> None:
    """Run the program: its arguments come by stdin, its answer goes out."""
    found = main(**json.load(sys.stdin))
    json.dump(found, sys.stdout, default=dataclasses.astuple)
