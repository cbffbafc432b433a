# SPDX-License-Identifier: Apache-2.0
"""What a service takes of its host while something happens."""

from collections.abc import Iterator
import contextlib
from dataclasses import dataclass
import pathlib
import threading

PERIOD_SECONDS = 0.01


@dataclass(slots=True)
class Taken:
    """The most that was seen at a time."""

    temp_bytes: int = 0
    #: What the peak of the process's resident memory grew by.
    memory_bytes: int = 0


@contextlib.contextmanager
def watched(
    folder: pathlib.Path, pid: int, others: bool = False
) -> Iterator[Taken]:
    """Files below the folder and memory of the process, in the meantime.

    :param others: whether other processes write there too: only what this
        one has open counts then.
    """
    taken = Taken()
    ended = threading.Event()

    def look() -> None:
        while not ended.wait(PERIOD_SECONDS):
            found = (
                _bytes_open(pid, folder) if others else _bytes_below(folder)
            )
            taken.temp_bytes = max(taken.temp_bytes, found)

    before = _resident(pid, 'VmRSS')
    # Writing 5 resets the peak: proc(5), clear_refs.
    pathlib.Path(f'/proc/{pid}/clear_refs').write_text('5')
    watcher = threading.Thread(target=look, daemon=True)
    watcher.start()
    try:
        yield taken
    finally:
        ended.set()
        watcher.join()
        taken.memory_bytes = max(0, _resident(pid, 'VmHWM') - before)


def _bytes_below(folder: pathlib.Path) -> int:
    total = 0
    for path in folder.rglob('*'):
        with contextlib.suppress(OSError):  # gone in the meantime
            total += path.stat().st_size if path.is_file() else 0
    return total


def _bytes_open(pid: int, folder: pathlib.Path) -> int:
    total = 0
    for descriptor in pathlib.Path(f'/proc/{pid}/fd').iterdir():
        with contextlib.suppress(OSError):  # closed in the meantime
            if descriptor.resolve().is_relative_to(folder):
                total += descriptor.stat().st_size
    return total


def _resident(pid: int, name: str) -> int:
    for line in pathlib.Path(f'/proc/{pid}/status').read_text().splitlines():
        if line.startswith(f'{name}:'):
            return int(line.split()[1]) * 1024
    raise LookupError(f'process {pid} has no {name}')
