# SPDX-License-Identifier: Apache-2.0
import pytest

from cinder_cow.copying.budget import Budget
from cinder_cow.copying.copy_state import Block, CopyState
from tests.unit.copying.memory import Injected


@pytest.fixture
def copy_state():
    return CopyState(Budget(10))


@pytest.fixture
def block(copy_state):
    assert copy_state.budget.acquire(10, seconds=0)
    return Block(copy_state, length=7, held_bytes=10, users=2)


def test_block_is_held_until_the_last_user_releases_it(copy_state, block):
    block.release()
    assert not copy_state.budget.acquire(1, seconds=0)

    block.release()
    assert copy_state.budget.acquire(10, seconds=0)
    assert (copy_state.blocks, copy_state.bytes_done) == (0, 7)


def test_error_is_known_before_the_block_is_released(copy_state, block):
    # Else the end of the last block could be taken for success.
    block.release()
    seen = []
    copy_state.budget.release = lambda length: seen.append(copy_state.error)

    with pytest.raises(Injected) as caught, block:
        raise Injected('first')

    copy_state.wait_for_blocks()
    assert seen == [caught.value]


def test_digest_is_not_left_waiting_for_a_block_that_failed(copy_state, block):
    with pytest.raises(Injected), block:
        raise Injected('first')

    assert block.wait() == []


def test_first_error_is_kept(copy_state):
    first = Injected('first')

    copy_state.fail(first)
    copy_state.fail(Injected('second'))

    assert copy_state.error is first
    assert not copy_state.budget.acquire(1)
