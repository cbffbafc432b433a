# SPDX-License-Identifier: Apache-2.0
"""What a run of chaos knows, and how it judges."""

import random

import pytest

from chaos import api_calls, causes, contents, faults
from chaos.history import History, Volume
from chaos.timeline import AFTER_SECONDS, Timeline
from cinder_cow import errors

MIB = 2**20
CAUSE = OSError('injected')


def volume(name):
    return Volume(name, 'admin', None, 1)


def test_claimed_volume_is_not_given_to_another():
    history, chooser = History(), random.Random(0)
    with history.made(volume('one')):
        pass

    with (
        history.claimed(chooser, lambda _each: True) as first,
        history.claimed(chooser, lambda _each: True) as second,
    ):
        assert (first.volume_id, second) == ('one', None)

    with history.claimed(chooser, lambda _each: True) as again:
        assert again is first


def test_disk_tells_whose_it_is(tmp_path):
    disk = contents.make(tmp_path, 'one', 5, seed=1)
    contents.make(tmp_path, 'two', 1, seed=1)

    one, two = ((tmp_path / name).read_bytes() for name in ('one', 'two'))

    assert len(one) == disk.size_bytes == 5 * MIB
    assert contents.marks(one) == {'one'}
    assert contents.marks(one[: 2 * MIB] + two) == {'one', 'two'}
    assert contents.marks(bytes(MIB)) == set()


def test_same_seed_makes_the_same_disk(tmp_path):
    digests = {contents.make(tmp_path, 'one', 1, 7).digest for _ in range(2)}
    digests.add(contents.make(tmp_path, 'one', 1, 8).digest)

    assert len(digests) == 2


@pytest.mark.parametrize(
    ('cause', 'failure'),
    [
        ('storage full', errors.StorageFull('write volumes/v', CAUSE)),
        ('storage unreachable', errors.ConnectionLost('write', CAUSE)),
        ('busy', errors.StorageBusy('remove volumes/v', CAUSE)),
        ('lease lost', errors.LeaseLost('cow-base-raw-x', 'paused')),
        ('conversion interrupted', errors.ConversionInterrupted('i', 'KILL')),
        ('source', errors.SourceDamaged('glance', 'i', 'too short')),
        ('source', errors.SourceStalled('glance', 'i', 'no byte')),
    ],
)
def test_what_our_errors_say_is_a_known_cause(cause, failure):
    assert cause in causes.named(str(failure))


def test_every_cause_of_a_fault_is_known():
    for fault in faults.ALL:
        assert fault.causes <= set(causes.KNOWN), fault.name


def test_faults_have_names_of_their_own():
    names = [each.name for each in faults.ALL]

    assert all(names)
    assert len(set(names)) == len(names)


def test_every_fault_comes_once_before_one_comes_again():
    chosen = faults.endless(random.Random(3))

    first = [next(chosen) for _ in faults.ALL]

    assert set(first) == set(faults.ALL)


def test_fault_counts_for_what_began_soon_after_its_end():
    timeline = Timeline()
    with timeline.during('one', frozenset({'busy'})):
        pass
    (event,) = timeline.since(0)

    assert timeline.since(event.ended + AFTER_SECONDS - 1) == [event]
    assert timeline.since(event.ended + AFTER_SECONDS + 1) == []


def test_status_is_waited_for_until_it_is_settled(monkeypatch):
    monkeypatch.setattr(api_calls, 'PAUSE_SECONDS', 0)
    statuses = iter(['creating', 'downloading', 'available'])

    found = api_calls.settled(lambda: next(statuses), lambda: False)

    assert found == 'available'


def test_what_nobody_works_at_is_not_waited_for(monkeypatch):
    monkeypatch.setattr(api_calls, 'LOST_SECONDS', 0)

    assert api_calls.settled(lambda: 'creating', lambda: True) == 'creating'
