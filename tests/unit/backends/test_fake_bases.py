# SPDX-License-Identifier: Apache-2.0
import pytest

from tests.contract.base_use import BaseUseContract
from tests.fakes.bases import MemoryBases


class TestMemoryBases(BaseUseContract):
    @pytest.fixture
    def store(self, backend):
        return MemoryBases(backend)

    @pytest.fixture
    def base(self, store):
        return store.add('cow-base-raw-sha512-aa', b'D0D-')
