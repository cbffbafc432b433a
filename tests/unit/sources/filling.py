# SPDX-License-Identifier: Apache-2.0
"""An image, and its way into a volume in memory by the real engine."""

import dataclasses
import hashlib
import random

import pytest

from cinder_cow import errors
from cinder_cow.model import ImageInfo, Stream, Target
from tests.fakes.backend import MemoryBackend, MemoryWriter
from tests.fakes.request import nothing, run
from tests.fakes.source import MemoryExtents
from tests.unit.conftest import IMAGE_ID

BLOCK = 4096
RANDOM = random.Random(4)
#: Data, a run of zeros over several blocks, and an odd tail.
CONTENT = RANDOM.randbytes(9 * BLOCK) + bytes(5 * BLOCK) + RANDOM.randbytes(17)
WRONG = CONTENT[:-1] + bytes([CONTENT[-1] ^ 1])
QCOW2 = b'QFI\xfb\0\0\0\3'.ljust(len(CONTENT), b'\0')
SIZE = len(CONTENT)
ROOM = SIZE + 3 * BLOCK + 5
TARGET = Target('v-1', 'volume-v-1', ROOM)
WHOLE = CONTENT + bytes(ROOM - SIZE)
NAME = TARGET.volume_name
BARE = ImageInfo(IMAGE_ID, 'active', 'raw', 'bare', SIZE)
HASHED = dataclasses.replace(
    BARE, hash_algo='sha512', hash_value=hashlib.sha512(CONTENT).hexdigest()
)
SUMMED = dataclasses.replace(BARE, checksum=hashlib.md5(CONTENT).hexdigest())
BROKE = errors.SourceDamaged('memory', IMAGE_ID, 'the download broke')
STALLED = errors.SourceStalled('memory', IMAGE_ID, 'no byte came')
AWAY = errors.SourceUnreachable('memory', IMAGE_ID, 'injected')


class RecordingWriter(MemoryWriter):
    """Tells its backend of every operation, and fails at one of them."""

    def __init__(self, content, backend):
        super().__init__(content)
        self._backend = backend

    def start_write(self, offset, data, done):
        self._backend.operations.append((offset, len(data)))
        if len(self._backend.operations) == self._backend.fail_at:
            done(errors.StorageError('write', OSError('injected')))
        else:
            super().start_write(offset, data, done)

    def flush(self):
        if self._backend.fail_at == 'flush':
            raise errors.StorageError('flush', OSError('injected'))

    def close(self):
        self._backend.closed += 1


class RecordingBackend(MemoryBackend):
    def __init__(self):
        super().__init__()
        self.operations = []
        self.closed = 0
        self.fail_at = None

    def open(self, volume_name, size_bytes):
        super().open(volume_name, size_bytes)
        return RecordingWriter(self.volumes[volume_name], self)

    def reopen(self, volume_name):
        super().reopen(volume_name)
        return RecordingWriter(self.volumes[volume_name], self)


class Verifier:
    """Takes no bytes but the image's."""

    def __init__(self):
        self.seen = b''

    def update(self, data):
        self.seen += data

    def verify(self):
        if self.seen != CONTENT:
            raise ValueError('other bytes')


def fill(
    backend, *sources, image=HASHED, target=TARGET, finish=nothing, **more
):
    plan = Stream(target.size_bytes, ())
    result = run(plan, image, target, backend, finish, sources, **more)
    assert all(each.closed for from_ in sources for each in from_.readings)
    return result


def fails(error, backend, *sources, **more):
    """The error; and that nothing is left of the volume."""
    with pytest.raises(error) as caught:
        fill(backend, *sources, **more)
    assert type(caught.value) is error
    assert backend.volumes == {}
    assert all(each.closed for from_ in sources for each in from_.readings)
    return str(caught.value)


def sized(pattern):
    """An extent source, and the image that it holds."""
    reading = MemoryExtents(pattern)
    image = dataclasses.replace(
        BARE,
        size_bytes=reading.size_bytes,
        hash_algo='sha256',
        hash_value=hashlib.sha256(reading.content).hexdigest(),
    )
    return reading, image
