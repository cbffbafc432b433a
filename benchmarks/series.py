# SPDX-License-Identifier: Apache-2.0
"""What only the plots show: how time, rate and memory grow."""

from typing import Any

from benchmarks.setup import QUICK, Setup
from benchmarks.statistics import costs
from measuring import screen, watch

THREADS = (1, 2, 4, 8, 16, 32)
QUICK_THREADS = (1, 4, 16)
CLONES = 64
SIZES_MIB = (256, 512, 1024, 2048, 4096)
QUICK_SIZES_MIB = (256, 1024)
SIZE_GIB = 4
DRIVERS = ('cow', 'upstream')


def measured(setup: Setup) -> dict[str, Any]:
    """Points of the plots, by driver."""
    quick = setup.rounds is QUICK
    threads = QUICK_THREADS if quick else THREADS
    sizes = QUICK_SIZES_MIB if quick else SIZES_MIB
    return {
        'volumes_per_second': _rates(setup, threads),
        'image_size': [_of_size(setup, mib) for mib in sizes],
    }


def _rates(
    setup: Setup, threads: tuple[int, ...]
) -> dict[str, list[tuple[int, float]]]:
    """Clones a second in the driver, by threads."""
    image_id = setup.raw('ceph')
    with screen.step(f'clones by {", ".join(map(str, threads))} threads'):
        found = setup.program(
            'in_drivers',
            image_id=image_id,
            rounds=1,
            together=[[number, CLONES, 1] for number in threads],
        )['together']
    return {
        driver: [
            (number, 1 / costs(found[str(number)][driver])[0].seconds)
            for number in threads
        ]
        for driver in DRIVERS
    }


def _of_size(setup: Setup, mib: int) -> dict[str, Any]:
    """Seconds and growth of memory of a streamed volume of each driver."""
    path = setup.disks.sized(mib)
    found: dict[str, Any] = {'mib': mib}
    try:
        with setup.uploaded(path, 'disk') as image_id:
            for driver in DRIVERS:
                found[driver] = _stream(setup, driver, image_id, mib)
    finally:
        path.unlink()
    return found


def _stream(
    setup: Setup, driver: str, image_id: str, mib: int
) -> dict[str, float]:
    pid = setup.stack.cinder_volume_pids()[driver]
    with (
        setup.volumes() as volumes,
        screen.step(f'{driver}: raw of {mib} MiB from the file store'),
        watch.watched(setup.stack.conversion_dir, pid) as taken,
    ):
        cost = volumes.create(driver, image_id, 'stream', size_gib=SIZE_GIB)
    return {
        'seconds': cost.seconds,
        'memory_mib': taken.memory_bytes / 2**20,
        'temp_mib': taken.temp_bytes / 2**20,
    }
