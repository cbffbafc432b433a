# SPDX-License-Identifier: Apache-2.0
"""Clones of a base."""

import pytest
import rbd

from cinder_cow import errors
from cinder_cow.backends.rbd import base_snapshot
from tests.ceph.bases import CONTENT, MIB, built, forgotten


def test_clone_shares_the_blocks(either_lab, store, name):
    base = built(store, name)
    before = either_lab.data_objects()

    store.clone(base, 'volume-1')

    assert either_lab.data_objects() == before
    assert either_lab.stored()['volume-1'] == CONTENT
    with either_lab.opened('volume-1') as image:
        assert image.parent_info() == ('volumes', name, 'base')


def test_clone_over_something_leaves_it(either_lab, store, name):
    base = built(store, name)
    store.clone(base, 'volume-1')

    with pytest.raises(errors.VolumeExists):
        store.clone(base, 'volume-1')
    assert store.find(name) == base


def test_clone_of_what_is_gone_says_so_and_forgets_it(either_lab, store, name):
    base = built(store, name)
    either_lab.remove(name)

    with pytest.raises(errors.BaseGone):
        store.clone(base, 'volume-1')
    assert store.find(name) is None
    assert either_lab.names() == []


def test_clone_of_what_was_retired_elsewhere_says_so(either_lab, store, name):
    base = built(store, name)
    with either_lab.rados.open_ioctx('volumes') as ioctx:
        rbd.RBD().rename(ioctx, name, 'cow-retired-1')

    with pytest.raises(errors.BaseGone):
        store.clone(base, 'volume-1')
    assert store.find(name) is None
    assert either_lab.names() == ['cow-retired-1']


def test_clone_of_what_is_another_by_now_says_so(either_lab, name):
    """Its objects have become larger than what is known of it."""
    store = either_lab.backend().bases()
    old = built(store, name)
    either_lab.remove(name)
    larger = either_lab.backend(object_bytes=8 * MIB).bases()
    forgotten(larger, name)
    new = built(larger, name)
    with store._images.opened('remember') as pool:
        base_snapshot.remember(pool.connection, old)

    with pytest.raises(errors.BaseGone):
        store.clone(old, 'volume-1')
    assert store.find(name) == new
    store.clone(new, 'volume-1')
    assert either_lab.stored()['volume-1'] == CONTENT
