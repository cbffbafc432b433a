# SPDX-License-Identifier: Apache-2.0
import pytest

from cinder_cow.planning import estimate
from tests.fakes.bases import info

MIB = 2**20


def build(mib, seconds, disk_format='qcow2', source='glance'):
    return info(
        stored_bytes=mib * MIB,
        seconds=seconds,
        disk_format=disk_format,
        source=source,
    )


def test_large_builds_count_most():
    # What the small one took was its beginning and its end.
    found = estimate.rate([build(1, 2), build(999, 8)], 'qcow2', 'glance')

    assert found.builds == 2
    assert found.bytes_per_second == 100 * MIB
    assert found.seconds(500 * MIB) == 5


@pytest.mark.parametrize(
    'other', [build(1, 1, 'vmdk'), build(1, 1, source='rbd')]
)
def test_builds_of_another_kind_do_not_count(other):
    found = estimate.rate([build(10, 1), other], 'qcow2', 'glance')

    assert found == estimate.Rate(1, 10 * MIB)


def test_formats_that_are_the_disk_are_alike():
    assert estimate.rate([build(10, 1, 'raw')], 'iso', 'glance').builds == 1


@pytest.mark.parametrize('builds', [[], [build(0, 1)], [build(1, 0)]])
def test_without_a_build_there_is_no_rate(builds):
    assert estimate.rate(builds, 'qcow2', 'glance') is None
