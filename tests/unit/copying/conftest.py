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
