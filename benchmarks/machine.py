# SPDX-License-Identifier: Apache-2.0
"""Where a run was made, and with what."""

from importlib import metadata
import os
import pathlib
import platform
import subprocess
from typing import Any

REPO = pathlib.Path(__file__).parents[1]
PACKAGES = ('cinder', 'glance', 'keystone', 'eventlet')


class Load:
    """What else the machine had to do, from when this is made."""

    def __init__(self) -> None:
        self._before = os.getloadavg()[0]
        self._stolen, self._all = _ticks()

    def read(self) -> dict[str, float]:
        """Load before and after, and the share that the hypervisor took."""
        stolen, ticks = _ticks()
        share = (stolen - self._stolen) / max(1, ticks - self._all)
        return {
            'before': self._before,
            'after': os.getloadavg()[0],
            'stolen_share': round(share, 4),
        }


def _ticks() -> tuple[int, int]:
    """Stolen and all ticks of the cores since boot: proc_stat(5)."""
    stat = pathlib.Path('/proc/stat').read_text().splitlines()[0]
    ticks = [int(each) for each in stat.split()[1:9]]
    return ticks[7], sum(ticks)


def about() -> dict[str, Any]:
    """For the document."""
    return {'machine': _machine(), 'versions': _versions()}


def _machine() -> dict[str, Any]:
    pages = os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE')
    return {
        'cpu': _first('/proc/cpuinfo', 'model name') or platform.machine(),
        'cores': len(os.sched_getaffinity(0)),
        'memory_gib': round(pages / 2**30, 1),
        'kernel': platform.release(),
    }


def _versions() -> dict[str, str]:
    return {
        'cinder_cow': _said('git', '-C', str(REPO), 'describe', '--always')
        or metadata.version('cinder-cow'),
        'python': platform.python_version(),
        **{name: metadata.version(name) for name in PACKAGES},
        'ceph': _said('ceph', '--version'),
        'qemu-img': _said('qemu-img', '--version').partition('\n')[0],
        'curl': _said('curl', '--version').partition('(')[0].strip(),
    }


def _first(path: str, name: str) -> str:
    for line in pathlib.Path(path).read_text().splitlines():
        if line.startswith(name):
            return line.partition(':')[2].strip()
    return ''


def _said(*argv: str) -> str:
    try:
        done = subprocess.run(argv, capture_output=True, text=True)
    except FileNotFoundError:
        return ''
    return done.stdout.strip()
