# SPDX-License-Identifier: Apache-2.0
"""The fakes keep what the real ones keep: see tests/ceph/test_contract.py."""

import dataclasses
import time

import pytest

from cinder_cow.sources.glance import GlanceSettings, GlanceSource
from tests.contract.backend import CloningBackendContract
from tests.contract.base_store import BaseStoreContract
from tests.contract.source import ExtentSourceContract, StreamSourceContract
from tests.fakes.backend import MemoryBackend
from tests.fakes.bases import MemoryBases
from tests.fakes.glance_server import Answer, GlanceServer
from tests.fakes.source import MemoryExtents, MemorySource
from tests.unit.conftest import CONTENT


class TestMemoryBackend(CloningBackendContract):
    @pytest.fixture
    def content(self):
        return CONTENT

    @pytest.fixture
    def stored(self, backend):
        return lambda: backend.volumes

    @pytest.fixture
    def trusting(self, backend):
        def trusting(**trust):
            other = MemoryBackend(**trust)
            other.images = backend.images
            return other

        return trusting


class TestMemoryBases(BaseStoreContract):
    @pytest.fixture
    def now(self):
        """What the clock is ahead of the time."""
        return [0.0]

    @pytest.fixture
    def store(self, backend, now):
        return MemoryBases(backend, clock=lambda: time.time() + now[0])

    @pytest.fixture
    def another(self, store):
        return store.another()

    @pytest.fixture
    def stored(self, backend):
        return lambda: backend.volumes

    @pytest.fixture
    def remove_volume(self, backend):
        return backend.remove

    @pytest.fixture
    def content(self):
        return CONTENT

    @pytest.fixture
    def expire(self, store, now):
        def expire(lease):
            now[0] += lease.expires - store.clock()

        return expire


class TestMemorySource(StreamSourceContract):
    @pytest.fixture
    def content(self):
        return CONTENT

    @pytest.fixture
    def source(self):
        return MemorySource(CONTENT)

    @pytest.fixture
    def glance(self):
        return None


class TestMemorySourceOfExtents(ExtentSourceContract):
    @pytest.fixture
    def reading(self):
        return MemoryExtents('-D-DD-')

    @pytest.fixture
    def content(self, reading):
        return reading.content

    @pytest.fixture
    def source(self, reading):
        return MemorySource(reading)

    @pytest.fixture
    def glance(self):
        return None


class TestGlanceSource(StreamSourceContract):
    """The real one, by HTTP: a Glance on a local port."""

    @pytest.fixture
    def server(self):
        with GlanceServer(CONTENT, Answer()) as server:
            yield server

    @pytest.fixture
    def content(self):
        return CONTENT

    @pytest.fixture
    def image(self, image):
        return dataclasses.replace(image, locations=())

    @pytest.fixture
    def source(self):
        return GlanceSource(GlanceSettings())

    @pytest.fixture
    def glance(self, server):
        return server.access
