# SPDX-License-Identifier: Apache-2.0
"""One clone at a time and many, in the driver and through the API."""

from collections.abc import Iterator

from benchmarks.setup import CALLERS, Setup
from benchmarks.statistics import Measured, compared, costs, in_turns
from measuring import screen

PER_ROUND = 48


def in_the_driver(setup: Setup) -> Iterator[Measured]:
    """`clone_image` alone, without Cinder around it."""
    image_id = setup.raw('ceph')
    with screen.step(f'clone_image by 1 and by {CALLERS} threads'):
        found = setup.program(
            'in_drivers',
            image_id=image_id,
            rounds=setup.rounds.clones,
            together=[[CALLERS, PER_ROUND, setup.rounds.together]],
        )
    alone, together = (
        {name: costs(each) for name, each in answered.items()}
        for answered in (found['alone'], found['together'][str(CALLERS)])
    )
    yield compared('clone_vs_upstream', alone['cow'], alone['upstream'])
    yield compared('clone_vs_librbd', alone['cow'], alone['librbd'])
    yield compared(
        'clone16_vs_upstream',
        together['cow'],
        together['upstream'],
        volumes_per_round=PER_ROUND,
    )


def through_the_api(setup: Setup) -> Iterator[Measured]:
    """From the call to available."""
    image_id = setup.raw('ceph')
    with (
        setup.volumes() as volumes,
        screen.step('clones through the API, one at a time'),
    ):
        found = in_turns(
            setup.rounds.api,
            cow=lambda _round: volumes.create('cow', image_id, 'clone'),
            upstream=lambda _round: volumes.create('upstream', image_id),
        )
    yield compared('api_clone_vs_upstream', found['cow'], found['upstream'])
