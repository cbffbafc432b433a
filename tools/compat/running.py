# SPDX-License-Identifier: Apache-2.0
"""Commands, and where what they make is kept."""

from collections.abc import Mapping
import contextlib
import os
import pathlib
import signal
import subprocess
import threading
from types import MappingProxyType

from compat.releases import REPO

FOLDER = REPO / '.cache' / 'compat'
#: For the fixtures of tests to stop what they started: a cloud takes longest.
#: tools/test.sh waits for 180.
END_SECONDS = 120


class Failed(Exception):
    """A command failed, or took too long: the end of what it said."""


class Commands:
    """Those that run now. Safe to use from many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[str]] = set()
        self._interrupted = False

    def run(
        self,
        *command: object,
        seconds: float,
        folder: pathlib.Path = REPO,
        variables: Mapping[str, str] = MappingProxyType({}),
    ) -> str:
        """What the command wrote.

        :param folder: where it runs.
        :param variables: of its environment, beside those of this process.

        :raises Failed: when it fails, does not end in so many seconds, or
            interrupt() was called.
        """
        process = self._start(command, folder, variables)
        try:
            said, _ = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired as exc:
            raise Failed(
                f'{_ended(process)}\n'
                f'{command[0]}: no end after {seconds:.0f} s'
            ) from exc
        finally:
            # After an exception of another kind too.
            _ended(process)
            with self._lock:
                self._running.discard(process)
        if process.returncode:
            raise Failed(said.strip())
        return said

    def interrupt(self) -> None:
        """Interrupt those that run; none is started from now on."""
        with self._lock:
            self._interrupted = True
            running = list(self._running)
        for process in running:
            process.send_signal(signal.SIGINT)

    def _start(
        self,
        command: tuple[object, ...],
        folder: pathlib.Path,
        variables: Mapping[str, str],
    ) -> subprocess.Popen[str]:
        with self._lock:
            if self._interrupted:
                raise Failed('interrupted')
            process = subprocess.Popen(
                [str(each) for each in command],
                cwd=folder,
                env={**os.environ, **variables},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                # The terminal's interrupt, and then ours, would be two: the
                # second one ends the clean-up of pytest's fixtures.
                start_new_session=True,
            )
            self._running.add(process)
        return process


def _ended(process: subprocess.Popen[str]) -> str:
    """What it wrote until it ended, by an interrupt if it still runs."""
    if process.poll() is not None:
        return ''
    process.send_signal(signal.SIGINT)
    with contextlib.suppress(subprocess.TimeoutExpired):
        return process.communicate(timeout=END_SECONDS)[0].strip()
    process.kill()
    return process.communicate()[0].strip()


COMMANDS = Commands()
run = COMMANDS.run
