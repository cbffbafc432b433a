# SPDX-License-Identifier: Apache-2.0
"""The first volumes of images whose bases were built ahead."""

from collections.abc import Iterator
import contextlib
import pathlib
import threading
import time

from benchmarks.conversions import AT_ONCE, DRIVERS
from benchmarks.setup import Setup
from benchmarks.statistics import Cost, Measured, compared, in_turns
from measuring import screen

METHOD = 'clone-base'
#: Warming is in the middle of its copy then.
MIDWAY_SECONDS = 1.0

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


def herd_of_nothing(setup: Setup) -> Iterator[Measured]:
    """What ten warmed volumes cost beside ten that have no image."""
    with setup.uploaded(setup.disks.qcow2(), 'ceph', 'qcow2') as image_id:
        setup.warm(image_id)

        def together(image_id: str | None) -> Cost:
            title = f'{AT_ONCE} volumes of the image {image_id}'
            with setup.volumes() as volumes, screen.step(title):
                return volumes.create(
                    'cow', image_id, METHOD if image_id else '', count=AT_ONCE
                )

        found = in_turns(
            setup.rounds.large,
            warmed=lambda _round: together(image_id),
            empty=lambda _round: together(None),
        )
    setup.evict()
    yield compared('herd10_warm_vs_empty', found['warmed'], found['empty'])


def midway(setup: Setup) -> Iterator[Measured]:
    """A volume asked for while its image is warmed, and one that nobody warms.

    The image is a qcow2 in a file store: it is copied, then converted.
    """

    def first(warming: bool) -> Cost:
        with (
            setup.uploaded(setup.disks.qcow2(), 'disk', 'qcow2') as image_id,
            setup.volumes() as volumes,
            _warming(setup, image_id, warming),
            screen.step(f'first of a qcow2, warming: {warming}'),
        ):
            cost = volumes.create('cow', image_id)
        setup.evict()
        return cost

    found = in_turns(
        setup.rounds.large,
        midway=lambda _round: first(True),
        unwarmed=lambda _round: first(False),
    )
    yield compared(
        'midway_warm_vs_unwarmed', found['midway'], found['unwarmed']
    )


@contextlib.contextmanager
def _warming(setup: Setup, image_id: str, wanted: bool) -> Iterator[None]:
    """`cinder-cow warm` meanwhile, which has begun a while ago."""
    if not wanted:
        yield
        return
    thread = threading.Thread(target=setup.warm, args=(image_id,))
    thread.start()
    try:
        time.sleep(MIDWAY_SECONDS)
        yield
    finally:
        thread.join()


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
) -> dict[str, Cost]:
    """What the first volumes of a warmed image take.

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
