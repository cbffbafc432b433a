# SPDX-License-Identifier: Apache-2.0
"""The first volumes of images whose bases were built ahead."""

from collections.abc import Iterator
import pathlib

from benchmarks.conversions import AT_ONCE, DRIVERS
from benchmarks.setup import Setup
from benchmarks.statistics import Measured, compared
from measuring import screen

METHOD = 'clone-base'

#: Its file, store and format.
Image = tuple[pathlib.Path, str, str]


def qcow2(setup: Setup) -> Iterator[Measured]:
    """The image lies in the volumes' cluster."""
    path = setup.disks.qcow2()
    yield _compared(
        setup, 'qcow2_first_warm_vs_upstream', (path, 'ceph', 'qcow2')
    )


def raw_foreign(setup: Setup) -> Iterator[Measured]:
    """It lies in a file store."""
    path = setup.disks.raw
    yield _compared(
        setup, 'raw_foreign_first_warm_vs_upstream', (path, 'disk', 'raw')
    )


def herd(setup: Setup) -> Iterator[Measured]:
    """Ten at once."""
    path = setup.disks.qcow2()
    yield _compared(
        setup, 'herd10_warm_vs_upstream', (path, 'ceph', 'qcow2'), AT_ONCE
    )


def _compared(
    setup: Setup, key: str, image: Image, count: int = 1
) -> Measured:
    rounds = [
        _first(setup, image, number, count)
        for number in range(setup.rounds.large)
    ]
    return compared(
        key, *([each[driver] for each in rounds] for driver in DRIVERS)
    )


def _first(
    setup: Setup, image: Image, number: int, count: int
) -> dict[str, float]:
    """Seconds until the first volumes of a warmed image are available.

    :param number: of the round: the drivers take turns in being the first.
    """
    _path, store, disk_format = image
    found = {}
    with setup.uploaded(*image) as image_id:
        setup.warm(image_id)
        for driver in DRIVERS[:: -1 if number % 2 else 1]:
            title = f'{driver}: {count} of a warmed {disk_format} in {store}'
            with setup.volumes() as volumes, screen.step(title):
                found[driver] = volumes.create(
                    driver, image_id, METHOD, count=count
                )
    setup.evict()
    return found
