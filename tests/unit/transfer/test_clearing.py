# SPDX-License-Identifier: Apache-2.0
"""The end of a volume is made to read as zeros."""

import pytest

from cinder_cow import errors
from cinder_cow.transfer import clearing
from tests.fakes.backend import MemoryWriter

SIZE = 3 * 4096 + 5


class FailingWriter(MemoryWriter):
    def start_zero(self, offset, length, done):
        done(errors.StorageError('write zeros', OSError('injected')))


@pytest.mark.parametrize('begin', [0, 1, 4096, 4097, SIZE - 1, SIZE])
def test_only_the_end_is_cleared(monkeypatch, begin):
    monkeypatch.setattr(clearing, 'BLOCKS_AT_ONCE', 1)
    content = bytearray(b'o' * SIZE)

    clearing.clear(MemoryWriter(content), begin, SIZE)

    assert content == b'o' * begin + bytes(SIZE - begin)


def test_failure_is_raised():
    with pytest.raises(errors.StorageError, match='injected'):
        clearing.clear(FailingWriter(bytearray(SIZE)), 0, SIZE)
