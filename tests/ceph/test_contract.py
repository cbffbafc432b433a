# SPDX-License-Identifier: Apache-2.0
import pytest

from cinder_cow.backends.rbd import lease as leases
from cinder_cow.sources.rbd import RbdSource
from tests.ceph.bases import built
from tests.ceph.lab import MIB
from tests.ceph.test_lease import wait_until_expired
from tests.contract.backend import CloningBackendContract
from tests.contract.base_store import BaseStoreContract
from tests.contract.base_use import BaseUseContract
from tests.contract.source import ExtentSourceContract

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

    @pytest.fixture
    def trusting(self, either_lab):
        return either_lab.backend


class TestRbdBaseUse(BaseUseContract):
    @pytest.fixture
    def backend(self, either_lab):
        return either_lab.backend()

    @pytest.fixture
    def store(self, backend):
        return backend.bases()

    @pytest.fixture
    def base(self, store, name):
        return built(store, name)


class TestRbdBases(BaseStoreContract):
    @pytest.fixture
    def store(self, either_lab):
        return either_lab.backend().bases()

    @pytest.fixture
    def another(self, either_lab):
        return either_lab.backend().bases()

    @pytest.fixture
    def stored(self, either_lab):
        return either_lab.stored

    @pytest.fixture
    def remove_volume(self, either_lab):
        return either_lab.remove

    @pytest.fixture
    def content(self):
        return CONTENT

    @pytest.fixture
    def image(self, either_lab):
        return either_lab.image(CONTENT)

    @pytest.fixture(autouse=True)
    def _short(self, monkeypatch):
        monkeypatch.setattr(leases, 'LEASE_SECONDS', 3)
        monkeypatch.setattr(leases, 'RENEW_SECONDS', 0.5)

    @pytest.fixture
    def expire(self, either_lab):
        def expire(lease):
            lease._keep_until = 0
            wait_until_expired(either_lab, lease.name)

        return expire


class TestRbdSource(ExtentSourceContract):
    """Of images that holes are in."""

    @pytest.fixture
    def source(self, either_lab):
        return RbdSource(either_lab.settings())

    @pytest.fixture
    def glance(self):
        return None

    @pytest.fixture
    def content(self):
        return bytes(8 * MIB) + b'data' * (MIB // 4) + bytes(7 * MIB)

    @pytest.fixture
    def image(self, either_lab, content):
        data = content[8 * MIB : 9 * MIB]
        return either_lab.sparse_image(len(content), {8 * MIB: data})
