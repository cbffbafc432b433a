# SPDX-License-Identifier: Apache-2.0
import pytest

from tests.contract.backend import CloningBackendContract
from tests.unit.conftest import CONTENT


class TestMemoryBackend(CloningBackendContract):
    @pytest.fixture
    def content(self):
        return CONTENT

    @pytest.fixture
    def stored(self, backend):
        return lambda: backend.volumes
