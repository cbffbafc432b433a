# SPDX-License-Identifier: Apache-2.0
"""What cinder-volume has logged."""

import pathlib
import time

READY = 'Driver post RPC initialization completed successfully.'
PAUSE_SECONDS = 0.3


class ServiceLog:
    """Its log, from a position on."""

    def __init__(self, path: pathlib.Path) -> None:
        self._path = path
        self._begin = path.stat().st_size

    def here(self) -> 'ServiceLog':
        """The same log from now on."""
        return ServiceLog(self._path)

    def lines(self, *words: str) -> list[str]:
        """Those that have all the words."""
        with open(self._path, 'rb') as file:
            file.seek(self._begin)
            text = file.read().decode(errors='replace')
        return [
            line
            for line in text.splitlines()
            if all(word in line for word in words)
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
                raise TimeoutError(f'no line with {words} in {self._path}')
            time.sleep(PAUSE_SECONDS)
