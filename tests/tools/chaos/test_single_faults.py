# SPDX-License-Identifier: Apache-2.0
import types

import pytest

from chaos import single_faults
from chaos.api_calls import DONE, FAILED
from chaos.history import History

HOLD_SECONDS = 20.0
FAULT = types.SimpleNamespace(
    name='a fault', hold_seconds=HOLD_SECONDS, is_fatal=False
)
LONGEST = HOLD_SECONDS + single_faults.END_SECONDS
NEXT = single_faults.NEXT_SECONDS


@pytest.mark.parametrize(
    ('during', 'after', 'violated'),
    [
        ((DONE, LONGEST), (DONE, NEXT), None),
        ((FAILED, 1), (DONE, 1), None),
        ((FAILED, LONGEST + 1), (DONE, 1), 'the create ended after 111 s'),
        ((DONE, 1), (FAILED, 1), 'after a fault: failed'),
        ((DONE, 1), (DONE, NEXT + 1), 'after a fault: done in 61 s'),
    ],
)
def test_create_and_the_next_end_in_time(during, after, violated):
    assert_violated(FAULT, during, after, violated)


def test_fault_that_is_fatal_lets_no_volume_be_made():
    fatal = types.SimpleNamespace(**{**vars(FAULT), 'is_fatal': True})

    assert_violated(fatal, (DONE, 1), (DONE, 1), 'made all the same')
    assert_violated(fatal, (FAILED, 1), (DONE, 1), None)


def assert_violated(fault, during, after, text):
    testbed = types.SimpleNamespace(history=History())

    single_faults._require(testbed, fault, during, after)

    if text is None:
        assert testbed.history.violations == []
    else:
        (found,) = testbed.history.violations
        assert text in found
