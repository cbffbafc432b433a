# SPDX-License-Identifier: Apache-2.0
import threading

import pytest

from cinder_cow.copying import pipeline


@pytest.fixture(autouse=True)
def _no_thread_left():
    """Whatever a test does, the engine leaves no thread behind."""
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


@pytest.fixture
def budgets(monkeypatch):
    """The budgets that are made."""
    made = []

    class Recorded(pipeline.Budget):
        def __init__(self, limit_bytes):
            super().__init__(limit_bytes)
            made.append(self)

    monkeypatch.setattr(pipeline, 'Budget', Recorded)
    return made
