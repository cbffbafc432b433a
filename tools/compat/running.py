# SPDX-License-Identifier: Apache-2.0
"""Commands, and where what they make is kept."""

from collections.abc import Mapping
import os
import pathlib
import subprocess
from types import MappingProxyType

from compat.releases import REPO

FOLDER = REPO / '.cache' / 'compat'


class Failed(Exception):
    """A command failed, or took too long: the end of what it said."""


def run(
    *command: object,
    seconds: float,
    folder: pathlib.Path = REPO,
    variables: Mapping[str, str] = MappingProxyType({}),
) -> str:
    """What the command wrote.

    :param folder: where it runs.
    :param variables: of its environment, beside those of this process.

    :raises Failed: when it fails, or does not end in so many seconds.
    """
    try:
        done = subprocess.run(
            [str(each) for each in command],
            cwd=folder,
            env={**os.environ, **variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=seconds,
        )
    except subprocess.TimeoutExpired as exc:
        raise Failed(f'{command[0]}: no end after {seconds:.0f} s') from exc
    if done.returncode:
        raise Failed(done.stdout.strip())
    return done.stdout
