# SPDX-License-Identifier: Apache-2.0
import pytest

from tests.ceph.bases import built
from tests.contract.backend import CloningBackendContract
from tests.contract.bases import BaseUseContract

CONTENT = b'D0D-' * 2**16


class TestRbdBackend(CloningBackendContract):
    @pytest.fixture
    def backend(self, either_lab):
        return either_lab.backend()

    @pytest.fixture
    def image(self, either_lab):
        return either_lab.image(CONTENT)

    @pytest.fixture
    def content(self):
        return CONTENT

    @pytest.fixture
    def stored(self, either_lab):
        return either_lab.stored


class TestRbdBases(BaseUseContract):
    @pytest.fixture
    def backend(self, either_lab):
        return either_lab.backend()

    @pytest.fixture
    def store(self, backend):
        return backend.bases()

    @pytest.fixture
    def base(self, store, name):
        return built(store, name)
