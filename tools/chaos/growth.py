# SPDX-License-Identifier: Apache-2.0
"""What cinder-volume takes of its host."""

import contextlib
from dataclasses import dataclass
import os
import pathlib

from chaos.testbed import Testbed


@dataclass(frozen=True, slots=True)
class Figures:
    """Of all its processes together."""

    processes: int
    threads: int
    files: int
    resident_bytes: int


#: What may come with load, for each host: two processes with an executor of
#: 64 threads (executor_thread_pool_size), the helper of os-brick and its
#: client, and connections that are kept.
ALLOWED = Figures(2, 150, 120, 400 * 2**20)


def measure(testbed: Testbed) -> Figures:
    """At this moment."""
    rows = [
        row for pid in testbed.volume_pids() if (row := _of(pid)) is not None
    ]
    return Figures(
        len(rows), *(sum(column) for column in zip(*rows, strict=True))
    )


def _of(pid: int) -> tuple[int, int, int] | None:
    folder = pathlib.Path(f'/proc/{pid}')
    with contextlib.suppress(OSError):
        fields = dict(
            line.split(':', 1)
            for line in (folder / 'status').read_text().splitlines()
        )
        return (
            int(fields['Threads']),
            len(os.listdir(folder / 'fd')),
            int(fields['VmRSS'].split()[0]) * 1024,
        )
    return None
