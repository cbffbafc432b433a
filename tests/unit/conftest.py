# SPDX-License-Identifier: Apache-2.0
import os

import hypothesis
import pytest

from cinder_cow.model import ImageInfo, SnapshotRef
from tests.fakes.backend import MemoryBackend

# As Cinder does; and eventlet starts in half the time, in many processes.
os.environ['EVENTLET_NO_GREENDNS'] = 'yes'

#: The default: the same examples each time, and few of them.
hypothesis.settings.register_profile(
    'quick',
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=100,
    suppress_health_check=list(hypothesis.HealthCheck),
)
#: By `pytest --hypothesis-profile=long`.
hypothesis.settings.register_profile(
    'long',
    database=None,
    deadline=None,
    max_examples=20_000,
    print_blob=True,
    suppress_health_check=list(hypothesis.HealthCheck),
)


def pytest_configure(config):
    if not config.getoption('hypothesis_profile', None):
        hypothesis.settings.load_profile('quick')


IMAGE_ID = '11111111-2222-3333-4444-555555555555'
CONTENT = b'D0D-' * 4096


@pytest.fixture
def backend():
    backend = MemoryBackend()
    ref = SnapshotRef(backend.fsid, 'images', IMAGE_ID, 'snap')
    backend.images[ref] = CONTENT
    return backend


@pytest.fixture
def image(backend):
    return ImageInfo(
        image_id=IMAGE_ID,
        status='active',
        disk_format='raw',
        container_format='bare',
        size_bytes=len(CONTENT),
        locations=(f'rbd://{backend.fsid}/images/{IMAGE_ID}/snap',),
    )
