# SPDX-License-Identifier: Apache-2.0
"""Volumes of qcow2 images: the first, the next, and ten at once."""

from collections.abc import Iterator

from benchmarks.setup import Setup
from benchmarks.statistics import Cost, Measured, compared, in_turns
from measuring import screen

AT_ONCE = 10
DRIVERS = ('cow', 'upstream')


def near(setup: Setup) -> Iterator[Measured]:
    """The image lies in the volumes' cluster."""
    rounds = [
        _first(setup, 'ceph', number) for number in range(setup.rounds.large)
    ]
    yield compared(
        'qcow2_first_vs_upstream',
        *([each[driver] for each in rounds] for driver in DRIVERS),
    )


def foreign(setup: Setup) -> Iterator[Measured]:
    """It lies in a file store."""
    rounds = [
        _first(setup, 'disk', number, again=True)
        for number in range(setup.rounds.large)
    ]
    for key, suffix in (
        ('qcow2_first_foreign_vs_upstream', ''),
        ('qcow2_again_vs_upstream', '_again'),
    ):
        yield compared(
            key,
            [each['cow' + suffix] for each in rounds],
            [each['upstream' + suffix] for each in rounds],
        )


def herd(setup: Setup) -> Iterator[Measured]:
    """Ten at once of an image that nobody had a volume of."""

    def together(driver: str, image_id: str) -> Cost:
        title = f'{driver}: {AT_ONCE} volumes at once of a new qcow2'
        with setup.volumes() as volumes, screen.step(title):
            return volumes.create(driver, image_id, count=AT_ONCE)

    def one(_round: int) -> dict[str, Cost]:
        with setup.uploaded(setup.disks.qcow2(), 'ceph', 'qcow2') as image_id:
            found = in_turns(
                1,
                cow=lambda _: together('cow', image_id),
                upstream=lambda _: together('upstream', image_id),
            )
        setup.evict()
        return {driver: each[0] for driver, each in found.items()}

    rounds = [one(number) for number in range(setup.rounds.herds)]
    yield compared(
        'herd10_vs_upstream',
        *([each[driver] for each in rounds] for driver in DRIVERS),
    )


def _first(
    setup: Setup, store: str, number: int, again: bool = False
) -> dict[str, Cost]:
    """What the first volume of a new image takes, and the second.

    :param number: of the round: they take turns in being the first.
    """
    found = {}
    with (
        setup.uploaded(setup.disks.qcow2(), store, 'qcow2') as image_id,
        setup.volumes() as volumes,
        screen.step(f'qcow2 of the store {store} through the API'),
    ):
        for driver in DRIVERS[:: -1 if number % 2 else 1]:
            found[driver] = volumes.create(driver, image_id, 'build-base')
            if again:
                found[f'{driver}_again'] = volumes.create(
                    driver, image_id, 'clone-base'
                )
    setup.evict()
    return found
