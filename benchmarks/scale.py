# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.
"""Whether the number of clones of one base makes the next one slower."""

from collections.abc import Iterator

from benchmarks import screen
from benchmarks.scene import Scene
from benchmarks.statistics import Measured
from benchmarks.statistics import compared

CLONES = 2000


def crowd(scene: Scene) -> Iterator[Measured]:
    """The last ten of 2,000 against the first ten."""
    with screen.step(f'{CLONES} clones of one base'):
        found = scene.program(
            'crowd', clones=CLONES, most_seconds=scene.rounds.crowd_seconds
        )
    yield compared(
        'clone_at_2000_vs_first',
        found['last'],
        found['first'],
        clones=found['clones'],
        clones_per_second=found['clones_per_second'],
    )
