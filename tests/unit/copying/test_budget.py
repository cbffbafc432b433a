# SPDX-License-Identifier: Apache-2.0
import threading

import pytest

from cinder_cow.copying.budget import Budget


def test_budget_is_taken_up_to_its_limit():
    budget = Budget(10)

    assert budget.take(10, seconds=0)
    assert not budget.take(1, seconds=0)
    assert budget.peak_bytes == 10


def test_what_is_given_back_can_be_taken():
    budget = Budget(10)
    budget.take(10)
    timer = threading.Timer(0.02, budget.give, [4])
    timer.start()

    assert budget.take(4)
    timer.join()


@pytest.mark.parametrize('seconds', [0, None])
def test_closed_budget_gives_nothing_and_nobody_waits(seconds):
    budget = Budget(10)
    budget.take(9)
    timer = threading.Timer(0.02, budget.close)
    timer.start()

    assert not budget.take(2, seconds)
    timer.join()
    assert not budget.take(1, seconds)
