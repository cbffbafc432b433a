# SPDX-License-Identifier: Apache-2.0
import pytest

from cinder_cow.cli.columns import Bytes, Seconds


@pytest.mark.parametrize(
    ('count', 'text'),
    [
        (0, '0 B'),
        (1023, '1023 B'),
        (1536, '1.5 KiB'),
        (2**60, '1048576.0 TiB'),
    ],
)
def test_bytes_for_people(count, text):
    assert str(Bytes(count)) == text
    assert Bytes(count).machine_readable() == count


@pytest.mark.parametrize(
    ('seconds', 'text'),
    [(0, '0 s'), (59, '59 s'), (90, '1.5 min'), (129600, '1.5 d')],
)
def test_seconds_for_people(seconds, text):
    assert str(Seconds(seconds)) == text
