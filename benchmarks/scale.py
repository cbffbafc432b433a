# SPDX-License-Identifier: Apache-2.0
"""Whether the number of clones of one base makes the next one slower."""

from collections.abc import Iterator

from benchmarks.setup import Setup
from benchmarks.statistics import Measured, compared, costs
from measuring import screen

CLONES = 2000


def many_clones(setup: Setup) -> Iterator[Measured]:
    """The last ten of 2,000 against the first ten."""
    with screen.step(f'{CLONES} clones of one base'):
        found = setup.program(
            'many_clones',
            clones=CLONES,
            most_seconds=setup.rounds.many_clones_seconds,
        )
    yield compared(
        'clone_at_2000_vs_first',
        costs(found['last']),
        costs(found['first']),
        clones=found['clones'],
        clones_per_second=found['clones_per_second'],
    )
