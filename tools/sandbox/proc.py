# SPDX-License-Identifier: Apache-2.0

"""What /proc tells about processes."""

import contextlib
import dataclasses
import os
import pathlib

# Positions in /proc/PID/stat after the command's closing bracket; proc(5).
_STATE, _SESSION, _THREADS, _START_TIME = 0, 3, 17, 19
# User and system, its own and those of its children that have ended.
_TICKS = slice(11, 15)


@dataclasses.dataclass(frozen=True, slots=True)
class Identity:
    """A process that cannot be mistaken for a later one of equal number."""

    pid: int
    start_ticks: int  # clock ticks since boot

    @property
    def alive(self) -> bool:
        """Whether it runs. A zombie does not, once its last thread is gone."""
        reap(self.pid)
        stat = _stat(self.pid)
        return (
            stat is not None
            and (stat[_STATE] not in 'ZX' or int(stat[_THREADS]) > 1)
            and int(stat[_START_TIME]) == self.start_ticks
        )


def identity(pid: int) -> Identity:
    """The identity of a process, dead or alive."""
    stat = _stat(pid)
    return Identity(pid, int(stat[_START_TIME]) if stat else -1)


def reap(pid: int) -> None:
    """Collect the exit status of an ended child; others are left alone."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)


def session_members(leader: Identity) -> list[Identity]:
    """The processes of a session whose leader is alive."""
    if not leader.alive:
        return []
    return [
        identity(pid)
        for pid in _pids()
        if (stat := _stat(pid)) and int(stat[_SESSION]) == leader.pid
    ]


def marked(mark: str) -> list[Identity]:
    """The processes that have the bytes `mark` in their environment."""
    needle = mark.encode()
    found = []
    for pid in _pids():
        try:
            environ = pathlib.Path(f'/proc/{pid}/environ').read_bytes()
        except OSError:  # ended meanwhile, or another user's
            continue
        if needle in environ.split(b'\0'):
            found.append(identity(pid))
    return [member for member in found if member.alive]


def core_seconds(pid: int) -> float:
    """What a process and its ended children took; 0 for one that is gone."""
    stat = _stat(pid)
    ticks = sum(map(int, stat[_TICKS])) if stat else 0
    return ticks / os.sysconf('SC_CLK_TCK')


def _pids() -> list[int]:
    return [int(name) for name in os.listdir('/proc') if name.isdigit()]


def _stat(pid: int) -> list[str] | None:
    try:
        text = pathlib.Path(f'/proc/{pid}/stat').read_text()
    except OSError:
        return None
    return text.rpartition(')')[2].split()
