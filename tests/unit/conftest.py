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
import pytest

from cinder_cow.backends.base import Settings
from cinder_cow.model import ImageInfo
from cinder_cow.model import SnapshotRef
from tests.fakes.backend import MemoryBackend

IMAGE_ID = '11111111-2222-3333-4444-555555555555'
CONTENT = b'D0D-' * 4096


@pytest.fixture
def backend():
    backend = MemoryBackend(Settings('ceph', '', 'cinder', 'volumes', 2**22))
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
