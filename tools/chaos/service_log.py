# SPDX-License-Identifier: Apache-2.0
"""What cinder-volume has logged."""

from collections.abc import Iterable
import pathlib
import re
import time

REQUEST = re.compile(r'\breq-[0-9a-f-]{36}')
#: What says why something failed.
TELLING = re.compile(r' (ERROR|WARNING) | Cleaning ')
READY = 'Driver post RPC initialization completed successfully.'
PAUSE_SECONDS = 0.3


class ServiceLog:
    """Its logs on all hosts, each from a position on."""

    def __init__(self, paths: Iterable[pathlib.Path]) -> None:
        self._begins = {path: path.stat().st_size for path in paths}

    def here(self) -> 'ServiceLog':
        """The same log from now on."""
        return ServiceLog(self._begins)

    def lines(self, *words: str) -> list[str]:
        """Those that have all the words."""
        found: list[str] = []
        for path, begin in self._begins.items():
            with open(path, 'rb') as file:
                file.seek(begin)
                text = file.read().decode(errors='replace')
            found += (
                line
                for line in text.splitlines()
                if all(word in line for word in words)
            )
        return found

    def about(self, subject: str) -> list[str]:
        """Warnings and errors of the requests that named it."""
        lines = self.lines()
        requests = {
            found[0]
            for line in lines
            if subject in line and (found := REQUEST.search(line))
        }
        return [
            line
            for line in lines
            if TELLING.search(line)
            and (
                subject in line
                or ((found := REQUEST.search(line)) and found[0] in requests)
            )
        ]

    def pids(self, *words: str) -> set[int]:
        """The processes that wrote such lines."""
        found = set()
        for line in self.lines(*words):
            _date, _time, pid, *_ = [*line.split(maxsplit=3), '', '', '']
            if pid.isdigit():
                found.add(int(pid))
        return found

    def wait(self, *words: str, seconds: float = 90) -> None:
        """:raises TimeoutError: when there is no such line."""
        deadline = time.monotonic() + seconds
        while not self.lines(*words):
            if time.monotonic() > deadline:
                raise TimeoutError(f'no line of cinder-volume with {words}')
            time.sleep(PAUSE_SECONDS)
