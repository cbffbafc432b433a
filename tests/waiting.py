# SPDX-License-Identifier: Apache-2.0
"""Waits for what happens soon, in a test."""

import time


def wait_until(condition, seconds=60, pause_seconds=0.01):
    """Return as soon as ``condition()`` is true; fail when it never is."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f'not so after {seconds} s'
        time.sleep(pause_seconds)
