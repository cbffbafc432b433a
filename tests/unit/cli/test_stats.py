# SPDX-License-Identifier: Apache-2.0
import json

from prometheus_client import parser
import pytest

from cinder_cow.backends.base_store import BuildRecord
from cinder_cow.backends.statistics import PoolStatistics, VolumeOrigin
from tests.unit.cli.conftest import A, B

IMAGE, BASE, VOLUME, NOBODY = VolumeOrigin
POOL = 'cinder_cow_pool'


@pytest.fixture
def full(store, backend):
    """A pool with something of each kind."""
    backend.counted = PoolStatistics(
        {IMAGE: 4, BASE: 2, VOLUME: 1, NOBODY: 3}, 2**30, 5, 2**20
    )
    for number in range(2):
        store.clone(store.find(A), f'volume-{number}')
    store.set_build_record('cow-base-x', BuildRecord(1, 'StorageFull', 'full'))
    store.set_build_record('cow-base-y', BuildRecord())


def test_stats_tell_what_lies_in_the_pool(full, run):
    status, out, _err = run('stats', '-f', 'json')

    assert status == 0
    assert json.loads(out) == {
        'Volumes': 10,
        'Clones of images': 4,
        'Clones of bases': 2,
        'Clones of volumes': 1,
        'Volumes without a parent': 3,
        'Shared': 2**30,
        'Bases': 2,
        'Bytes of bases': 2**20 + 50,
        'Children of bases': 2,
        'Failed builds': 1,
        'Images in trash': 5,
        'Bytes in trash': 2**20,
    }


def test_stats_for_prometheus_are_samples_of_the_backend(full, run):
    status, out, err = run('stats', '--prometheus')

    assert (status, err) == (0, '')
    samples = {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in parser.text_string_to_metric_families(out)
        for sample in family.samples
    }
    ours = ('backend', 'ceph')
    assert samples == {
        (f'{POOL}_volumes', ours, ('method', 'clone')): 4,
        (f'{POOL}_volumes', ours, ('method', 'clone-base')): 2,
        (f'{POOL}_volumes', ours, ('method', 'clone-volume')): 1,
        (f'{POOL}_volumes', ours, ('method', 'no-parent')): 3,
        (f'{POOL}_bases', ours): 2,
        (f'{POOL}_base_bytes', ours): 2**20 + 50,
        (f'{POOL}_base_children', ours, ('base', A)): 2,
        (f'{POOL}_base_children', ours, ('base', B)): 0,
        (f'{POOL}_shared_bytes', ours): 2**30,
        (f'{POOL}_trash_images', ours): 5,
        (f'{POOL}_trash_bytes', ours): 2**20,
        (f'{POOL}_failed_builds', ours): 1,
    }


def test_stats_of_a_backend_that_does_not_count(store, backend, run):
    backend.counted = None

    status, out, err = run('stats')

    assert (status, out) == (1, '')
    assert err == ('The backend rbd of [ceph] does not count what it holds.\n')


@pytest.mark.parametrize('more', [(), ('--prometheus',)])
def test_stats_of_a_storage_that_fails_print_nothing(
    store, backend, run, more
):
    backend.failing.add('statistics')

    status, out, err = run('stats', *more)

    assert (status, out) == (1, '')
    assert err.startswith('Could not statistics: injected.')
