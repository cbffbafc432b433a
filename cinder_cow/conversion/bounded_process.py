# SPDX-License-Identifier: Apache-2.0

"""A process of which no more is kept in memory than a bound.

What a program writes may be an attacker's, and as long as they like. The
threads here are native without eventlet, and green under it, as the pipes
are: the caller alone is blocked.
"""

from collections.abc import Mapping, Sequence
import contextlib
from dataclasses import dataclass
import os
import signal
import subprocess
import threading
import time
from typing import Any

#: Of standard output. A program that writes more is killed.
MOST_OUTPUT_BYTES = 2 * 2**20
#: Of standard error: the end of what it writes.
_KEPT_ERROR_BYTES = 2**16
_PIECE_BYTES = 2**16
#: Between the end of the output and the end of the process.
_POLL_SECONDS = 0.01
#: For the threads that read, once the process is dead.
_LAST_SECONDS = 5


class TimedOut(Exception):
    """The process took longer than it may. It is still running."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a process ended, and what it wrote."""

    #: Negative: the signal that ended it.
    code: int
    output: str
    error: str
    #: It wrote more to standard output than is kept, and was killed.
    too_long: bool


class BoundedProcess:
    """One process, which can be killed from any thread."""

    def __init__(self) -> None:
        self.cancelled = False
        self._process: Any = None
        #: Not its number, which may be another's by the time of a kill.
        self._descriptor = -1
        self._readers: list[threading.Thread] = []
        self._output = bytearray()
        self._error = bytearray()
        self._too_long = False

    def run(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        seconds: int,
    ) -> Ended:
        """How it ended. Call :meth:`end` afterwards, whatever happened.

        :raises TimedOut: when it runs longer.
        """
        deadline = time.monotonic() + seconds
        self._start(command, environment)
        for reader in self._readers:
            reader.join(max(0.0, deadline - time.monotonic()))
            if reader.is_alive():
                raise TimedOut
        while (code := self._process.poll()) is None:
            if time.monotonic() > deadline:
                raise TimedOut
            time.sleep(_POLL_SECONDS)
        return Ended(
            code,
            self._output.decode(errors='replace'),
            self._error.decode(errors='replace'),
            self._too_long,
        )

    def cancel(self) -> None:
        """Kill it; from any thread."""
        self.cancelled = True
        self._kill()

    def end(self) -> None:
        """It does not outlive the wait for it, whatever ended that."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.poll() is None:
            process.kill()
            process.wait()
        for reader in self._readers:
            reader.join(_LAST_SECONDS)
        for pipe in (process.stdout, process.stderr):
            pipe.close()
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def _start(
        self, command: Sequence[str], environment: Mapping[str, str]
    ) -> None:
        self._process = subprocess.Popen(  # noqa: S603  the caller's command
            command,
            # Without a buffer, a read answers what is there.
            bufsize=0,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
        )
        self._descriptor = os.pidfd_open(self._process.pid)
        if self.cancelled:
            self._kill()
        for read in (self._read_output, self._read_error):
            reader = threading.Thread(target=read, daemon=True)
            self._readers.append(reader)
            reader.start()

    def _kill(self) -> None:
        if self._descriptor >= 0:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._descriptor, signal.SIGKILL)

    def _read_output(self) -> None:
        pipe = self._process.stdout
        while piece := pipe.read(_PIECE_BYTES):
            if len(self._output) + len(piece) > MOST_OUTPUT_BYTES:
                self._too_long = True
                self._kill()
                return
            self._output += piece

    def _read_error(self) -> None:
        pipe = self._process.stderr
        while piece := pipe.read(_PIECE_BYTES):
            self._error += piece
            del self._error[:-_KEPT_ERROR_BYTES]
