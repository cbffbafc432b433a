# SPDX-License-Identifier: Apache-2.0

"""What can go wrong.

::

    SandboxError
    +-- CommandFailed   a command ended with an error
    +-- NotReady        a service died or did not come up in time
    +-- Unanswered      a service refused a call or could not be reached
    +-- Aborted         another step failed, or the user interrupted
"""

import pathlib

TAIL_LINES = 15  # enough for one traceback's end, fits a terminal


def tail(log_file: pathlib.Path) -> str:
    """The last lines of a log file, or a word that there are none."""
    if not log_file.exists():
        return '(no log file)'
    lines = log_file.read_text(errors='replace').splitlines()
    return '\n'.join(lines[-TAIL_LINES:]) or '(the log is empty)'


class SandboxError(Exception):
    """Base of all errors of this package."""


class CommandFailed(SandboxError):
    """A command ended with an error."""

    def __init__(self, command: str, status: int, output: str) -> None:
        super().__init__(
            f'{command} ended with status {status}:\n{output.strip()}'
        )
        self.command = command
        self.status = status
        self.output = output


class NotReady(SandboxError):
    """A service died or did not come up in time."""

    def __init__(
        self, service: str, reason: str, log_file: pathlib.Path
    ) -> None:
        super().__init__(
            f'{service} {reason}. The end of {log_file}:\n{tail(log_file)}'
        )
        self.service = service
        self.reason = reason
        self.log_file = log_file


class Unanswered(SandboxError):
    """A service refused a call or could not be reached."""


class Aborted(SandboxError):
    """Another step failed, or the user interrupted."""
