# SPDX-License-Identifier: Apache-2.0
"""Copies of raw images that cannot be cloned where they lie."""

from collections.abc import Iterator

from benchmarks.setup import Setup
from benchmarks.statistics import Measured, compared, costs, in_turns
from measuring import screen


def through_the_api(setup: Setup) -> Iterator[Measured]:
    """From the call to available."""
    image_id = setup.raw('disk')
    with (
        setup.volumes() as volumes,
        screen.step('raw from the file store through the API'),
    ):
        found = in_turns(
            setup.rounds.large,
            cow=lambda _round: volumes.create('cow', image_id, 'stream'),
            upstream=lambda _round: volumes.create('upstream', image_id),
        )
    yield compared('stream_vs_upstream', found['cow'], found['upstream'])


def alone(setup: Setup) -> Iterator[Measured]:
    """The copy alone, against what a shell would do."""
    image_id = setup.raw('disk')
    with screen.step('the same copy alone, and by curl and rbd import'):
        found = setup.program(
            'copies',
            what='stream',
            image_id=image_id,
            content=str(setup.disks.raw),
            rounds=setup.rounds.copies,
        )
    theirs = costs(found['import'])
    for key, ours in (
        ('stream_vs_import', 'verified'),
        ('stream_noverify_vs_import', 'unverified'),
    ):
        yield compared(key, costs(found[ours]), theirs)


def sparse(setup: Setup) -> Iterator[Measured]:
    """From cluster to cluster, most of it holes."""
    with screen.step('10 GiB with 100 MiB of data from another cluster'):
        found = setup.program(
            'copies', what='sparse', rounds=setup.rounds.large
        )
    yield compared(
        'sparse_vs_import',
        costs(found['librbd']),
        costs(found['export']),
        theirs_is='rbd export | rbd import',
    )
