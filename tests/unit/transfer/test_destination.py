# SPDX-License-Identifier: Apache-2.0
import pytest

from cinder_cow import errors
from cinder_cow.transfer.destination import NewDestination


@pytest.fixture
def done():
    """What was made and removed, in order."""
    return []


@pytest.fixture
def destination(done):
    return NewDestination(
        10, lambda: done.append('made'), lambda: done.append('removed')
    )


def test_another_try_begins_with_a_new_one(destination, done):
    destination.create()
    destination.reset()

    assert done == ['made', 'removed', 'made']


def test_what_was_never_made_is_not_removed(destination, done):
    """The first try may have ended before its destination was made."""
    destination.reset()

    assert done == ['made']


def test_what_another_made_is_not_removed_by_another_try(done):
    def refuse():
        raise errors.VolumeExists('volumes/volume-1')

    destination = NewDestination(10, refuse, lambda: done.append('removed'))
    for attempt in (destination.create, destination.reset):
        with pytest.raises(errors.VolumeExists):
            attempt()

    assert done == []
