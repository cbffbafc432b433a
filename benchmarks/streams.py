# SPDX-License-Identifier: Apache-2.0
"""Copies of raw images that cannot be cloned where they lie."""

from collections.abc import Iterator

from benchmarks.scene import Scene
from benchmarks.statistics import Measured, compared, in_turns
from measuring import screen


def through_the_api(scene: Scene) -> Iterator[Measured]:
    """From the call to available."""
    image_id = scene.raw('disk')
    with (
        scene.volumes() as volumes,
        screen.step('raw from the file store through the API'),
    ):
        found = in_turns(
            scene.rounds.large,
            cow=lambda _round: volumes.create('cow', image_id, 'stream'),
            upstream=lambda _round: volumes.create('upstream', image_id),
        )
    yield compared('stream_vs_upstream', found['cow'], found['upstream'])


def alone(scene: Scene) -> Iterator[Measured]:
    """The copy alone, against what a shell would do."""
    image_id = scene.raw('disk')
    with screen.step('the same copy alone, and by curl and rbd import'):
        found = scene.program(
            'copies',
            what='stream',
            image_id=image_id,
            content=str(scene.disks.raw),
            rounds=scene.rounds.copies,
        )
    theirs = found['import']
    yield compared('stream_vs_import', found['verified'], theirs)
    yield compared('stream_noverify_vs_import', found['unverified'], theirs)


def sparse(scene: Scene) -> Iterator[Measured]:
    """From cluster to cluster, most of it holes."""
    with screen.step('10 GiB with 100 MiB of data from another cluster'):
        found = scene.program(
            'copies', what='sparse', rounds=scene.rounds.large
        )
    yield compared(
        'sparse_vs_import',
        found['librbd'],
        found['export'],
        theirs_is='rbd export | rbd import',
    )
