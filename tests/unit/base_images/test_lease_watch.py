# SPDX-License-Identifier: Apache-2.0

"""A lease that is kept as long as the work under it makes progress."""

import pytest

from cinder_cow import copying, errors
from cinder_cow.base_images.lease_watch import LeaseWatch
from tests.fakes.bases import MemoryBases


@pytest.fixture
def store(backend):
    return MemoryBases(backend)


@pytest.fixture
def lease(store):
    return store.lease('base')


def report(bytes_done):
    return copying.Progress(bytes_done, None, 0, 0, 1.0)


def test_copy_that_makes_no_progress_does_not_keep_the_lease(lease):
    watch = LeaseWatch('base', lease, 60)
    kept = []
    for bytes_done in (0, 1, 1, 1, 2):
        before = lease.kept
        watch.copied(report(bytes_done))
        kept.append(lease.kept - before)

    assert kept == [1, 1, 0, 0, 1]


def test_loss_cancels_what_goes_on_and_what_is_begun_later(store, lease):
    watch = LeaseWatch('base', lease, 60)
    assert not watch.is_lost

    store.take_away('base')

    assert watch.is_lost
    with pytest.raises(errors.LeaseLost):
        copying.copy_stream(
            [b'x'],
            None,
            copying.CopyTerms(block_bytes=1, destination_is_zero=True),
            cancellation=watch.cancellation,
        )


@pytest.mark.parametrize(
    'failure',
    [
        errors.CopyCancelled('i-1'),
        errors.StorageError('write', OSError('gone')),
    ],
)
def test_what_fails_after_the_loss_is_the_loss(store, lease, failure):
    watch = LeaseWatch('base', lease, 60)
    with pytest.raises(type(failure)), watch.loss_named():
        raise failure

    store.take_away('base')

    with pytest.raises(errors.LeaseLost) as caught, watch.loss_named():
        raise failure
    assert caught.value.__cause__ is failure
