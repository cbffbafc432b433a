# SPDX-License-Identifier: Apache-2.0
"""What the fixtures of the unit tests promise."""

import signal
import threading

import pytest


@pytest.fixture
def ignored():
    """SIGINT is ignored, as in the background job of a shell."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    yield
    signal.signal(signal.SIGINT, before)


def test_interrupt_is_raised_where_sigint_was_ignored(ignored, request):
    request.getfixturevalue('interruptible')

    with pytest.raises(KeyboardInterrupt):
        signal.pthread_kill(threading.get_ident(), signal.SIGINT)
