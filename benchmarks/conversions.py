# SPDX-License-Identifier: Apache-2.0
"""Volumes of qcow2 images: the first, the next, and ten at once."""

from collections.abc import Iterator

from benchmarks.scene import Scene
from benchmarks.statistics import Measured, compared, in_turns
from measuring import screen

AT_ONCE = 10
DRIVERS = ('cow', 'upstream')


def near(scene: Scene) -> Iterator[Measured]:
    """The image lies in the volumes' cluster."""
    rounds = [
        _first(scene, 'ceph', number) for number in range(scene.rounds.large)
    ]
    yield compared(
        'qcow2_first_vs_upstream',
        *([each[driver] for each in rounds] for driver in DRIVERS),
    )


def foreign(scene: Scene) -> Iterator[Measured]:
    """It lies in a file store."""
    rounds = [
        _first(scene, 'disk', number, again=True)
        for number in range(scene.rounds.large)
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


def herd(scene: Scene) -> Iterator[Measured]:
    """Ten at once of an image that nobody had a volume of."""

    def together(driver: str, image_id: str) -> float:
        title = f'{driver}: {AT_ONCE} volumes at once of a new qcow2'
        with scene.volumes() as volumes, screen.step(title):
            return volumes.create(driver, image_id, count=AT_ONCE)

    def one(_round: int) -> dict[str, float]:
        with scene.uploaded(scene.disks.qcow2(), 'ceph', 'qcow2') as image_id:
            found = in_turns(
                1,
                cow=lambda _: together('cow', image_id),
                upstream=lambda _: together('upstream', image_id),
            )
        scene.evict()
        return {driver: seconds[0] for driver, seconds in found.items()}

    rounds = [one(number) for number in range(scene.rounds.herds)]
    yield compared(
        'herd10_vs_upstream',
        *([each[driver] for each in rounds] for driver in DRIVERS),
    )


def _first(
    scene: Scene, store: str, number: int, again: bool = False
) -> dict[str, float]:
    """Seconds of the first volume of a new image, and of the second.

    :param number: of the round: they take turns in being the first.
    """
    found = {}
    with (
        scene.uploaded(scene.disks.qcow2(), store, 'qcow2') as image_id,
        scene.volumes() as volumes,
        screen.step(f'qcow2 of the store {store} through the API'),
    ):
        for driver in DRIVERS[:: -1 if number % 2 else 1]:
            found[driver] = volumes.create(driver, image_id, 'build-base')
            if again:
                found[f'{driver}_again'] = volumes.create(
                    driver, image_id, 'clone-base'
                )
    scene.evict()
    return found
