# SPDX-License-Identifier: Apache-2.0
"""Who keeps an unfinished base from being removed is shut out.

A former builder that lives and keeps it open is what the others see where an
OSD never forgets the watch of one that died.
"""

import pytest

from cinder_cow import errors
from cinder_cow.backends.rbd import fence, pool
from tests.ceph.bases import MIB, built, filled, half_built


@pytest.fixture(autouse=True)
def _impatient(monkeypatch):
    monkeypatch.setattr(pool, 'BUSY_SECONDS', 3)
    monkeypatch.setattr(fence, 'STEADY_SECONDS', 1)


def test_an_unfinished_base_is_removed_under_who_keeps_it_open(
    either_lab, name
):
    store = either_lab.backend().bases()
    with half_built(either_lab, name) as process:
        store.discard(name)

        assert either_lab.leftovers() == []
        built(store, name)
        print(file=process.stdin, flush=True)
        assert process.stdout.readline() == 'ConnectionLost\n'
    assert store.find(name) is not None


def test_without_the_right_to_it_the_base_is_busy(lab, name, caplog):
    lab.cluster.create_user(
        'meek', mon='allow r', osd='profile rbd pool=volumes'
    )
    store = lab.backend(user='meek').bases()
    with half_built(lab, name) as process:
        with pytest.raises(errors.StorageBusy):
            store.discard(name)

        print(file=process.stdin, flush=True)
        assert process.stdout.readline() == 'wrote\n'
    assert 'could not be shut out' in caplog.text


def test_this_very_client_is_never_shut_out(lab, name, caplog):
    store = lab.backend().bases()
    with store.create(name, MIB), pytest.raises(errors.StorageBusy):
        store.discard(name)
    assert 'shut out' not in caplog.text

    store.discard(name)
    filled(store, name)
    store.discard(name)
    assert lab.leftovers() == []
