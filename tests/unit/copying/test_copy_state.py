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
import pytest

from cinder_cow.copying.budget import Budget
from cinder_cow.copying.copy_state import Block
from cinder_cow.copying.copy_state import Flight
from tests.unit.copying.memory import Injected


@pytest.fixture
def flight():
    return Flight(Budget(10))


@pytest.fixture
def block(flight):
    assert flight.budget.take(10, seconds=0)
    return Block(flight, length=7, held_bytes=10, shares=2)


def test_block_is_held_until_the_last_lets_go(flight, block):
    block.let_go()
    assert not flight.budget.take(1, seconds=0)

    block.let_go()
    assert flight.budget.take(10, seconds=0)
    assert (flight.blocks, flight.bytes_done) == (0, 7)


def test_error_is_known_before_the_block_has_landed(flight, block):
    # Else the end of the last block could be taken for success.
    block.let_go()
    seen = []
    flight.budget.give = lambda length: seen.append(flight.error)

    with pytest.raises(Injected) as caught, block:
        raise Injected('first')

    flight.landed()
    assert seen == [caught.value]


def test_digest_is_not_left_waiting_for_a_block_that_failed(flight, block):
    with pytest.raises(Injected), block:
        raise Injected('first')

    assert block.wait() == []


def test_first_error_is_kept(flight):
    first = Injected('first')

    flight.fail(first)
    flight.fail(Injected('second'))

    assert flight.error is first
    assert not flight.budget.take(1)
