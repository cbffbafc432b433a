# SPDX-License-Identifier: Apache-2.0
"""Many volumes of many bases, and many who wait for one.

`python -m benchmarks.large_pool` has 2,000 volumes.
"""

import collections
import json

import pytest

from benchmarks.large_pool import BOUNDS, LargePool
from cinder_cow.backends.statistics import VolumeOrigin
from tests.ceph.test_building import Packed, bases, evict_all, job

VOLUMES, BASES = 60, 20


@pytest.fixture
def steps(either_lab, tmp_path):
    """What was done, by its name."""
    pool = LargePool(either_lab.conf, tmp_path)
    pool.fill(VOLUMES, BASES)
    return {step.name: step for step in pool.steps()}


def test_what_looks_at_all_of_it_is_right_and_in_time(either_lab, steps):
    assert set(steps) == set(BOUNDS)
    late = [each for each in steps.values() if not each.is_within_its_bound]
    assert late == []

    assert steps['cinder-cow stats'].answer['Clones of bases'] == VOLUMES
    assert steps['cinder-cow stats'].answer['Bases'] == BASES
    listed = steps['cinder-cow base list'].answer
    assert [each['Children'] for each in listed] == [VOLUMES // BASES] * BASES
    assert steps['cinder-cow base sweep'].answer == []
    statistics = steps['periodic statistics'].answer
    assert statistics.volumes[VolumeOrigin.BASE] == VOLUMES
    swept = steps['periodic sweep'].answer
    assert (swept.evicted, swept.failures) == ((), ())


def test_200_who_wait_in_three_processes_have_one_base(lab, tmp_path):
    packed = Packed(tmp_path)
    jobs = [
        job(
            lab,
            packed,
            *(f'volume-{number}' for number in range(first, 200, 3)),
            max_waiting=100,
            # All of them have come before it is there.
            pause_seconds=0.1,
        )
        for first in range(3)
    ]

    running = [each.start() for each in jobs]
    made = [
        each
        for one in running
        for each in json.loads(one.communicate(timeout=120)[0])
    ]

    assert [error for _method, error in made if error] == []
    methods = collections.Counter(method for method, _error in made)
    assert methods == {'build-base': 1, 'clone-base': 199}
    assert len(bases(lab)) == 1
    for volume in ('volume-0', 'volume-100', 'volume-199'):
        assert packed.is_in(lab, volume)
    evict_all(lab)
