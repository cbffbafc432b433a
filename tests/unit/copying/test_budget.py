# SPDX-License-Identifier: Apache-2.0
import threading

import pytest

from cinder_cow.copying.budget import Budget


def test_budget_is_acquired_up_to_its_limit():
    budget = Budget(10)

    assert budget.acquire(10, seconds=0)
    assert not budget.acquire(1, seconds=0)
    assert budget.peak_bytes == 10


def test_what_is_released_can_be_acquired():
    budget = Budget(10)
    budget.acquire(10)
    timer = threading.Timer(0.02, budget.release, [4])
    timer.start()

    assert budget.acquire(4)
    timer.join()


@pytest.mark.parametrize('seconds', [0, None])
def test_closed_budget_gives_nothing_and_nobody_waits(seconds):
    budget = Budget(10)
    budget.acquire(9)
    timer = threading.Timer(0.02, budget.close)
    timer.start()

    assert not budget.acquire(2, seconds)
    timer.join()
    assert not budget.acquire(1, seconds)
