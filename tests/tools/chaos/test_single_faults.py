# SPDX-License-Identifier: Apache-2.0
import types

import pytest

from chaos import single_faults
from chaos.api_calls import DONE, FAILED
from chaos.history import History

HOLD_SECONDS = 20.0
FAULT = types.SimpleNamespace(name='a fault', hold_seconds=HOLD_SECONDS)
LONGEST = HOLD_SECONDS + single_faults.END_SECONDS
NEXT = single_faults.NEXT_SECONDS


@pytest.mark.parametrize(
    ('seconds', 'after', 'next_seconds', 'violated'),
    [
        (LONGEST, DONE, NEXT, None),
        (LONGEST + 1, DONE, 1.0, 'the create ended after 111 s'),
        (1.0, FAILED, 1.0, 'the next volume after a fault: failed'),
        (1.0, DONE, NEXT + 1, 'the next volume after a fault: done in 61 s'),
    ],
)
def test_create_and_the_next_end_in_time(
    seconds, after, next_seconds, violated
):
    testbed = types.SimpleNamespace(history=History())

    single_faults._require(testbed, FAULT, seconds, after, next_seconds)

    if violated is None:
        assert testbed.history.violations == []
    else:
        (text,) = testbed.history.violations
        assert violated in text
