# SPDX-License-Identifier: Apache-2.0
"""The command ``cinder-cow base``, as an operator runs it on a cluster."""

import json

from cinder_cow.backends import base_names
from cinder_cow.cli.base_selection import ShortNames
from tests.ceph.bases import CONTENT, built


def short(name):
    return ShortNames([name]).of(name)


def listed(run):
    status, out, _err = run('list', '-f', 'json')
    assert status == 0
    return {each['Name']: each for each in json.loads(out)}


def test_list_shows_what_each_base_takes_and_whether_it_is_needed(
    store, name, run
):
    other = f'{base_names.BASE}raw-image-other'
    store.clone(built(store, name), 'volume-1')
    store.used(store.find(name), 'image-2')
    built(store, other, CONTENT[:4096])

    found = listed(run)

    assert set(found) == {name, other}
    assert found[name]['Children'] == 1
    assert found[other]['Children'] == 0
    assert sorted(found[name]['Image IDs']) == ['image-1', 'image-2']
    assert found[name]['Bytes'] >= len(CONTENT) > found[other]['Bytes'] > 0


def test_evict_frees_what_nobody_needs_and_refuses_the_rest(
    either_lab, store, name, run
):
    other = f'{base_names.BASE}raw-image-other'
    store.clone(built(store, name), 'volume-1')
    built(store, other)

    status, out, err = run('evict', name, other)

    assert status == 1
    assert f'{short(other)}: evicted' in out
    assert f'{short(name)} was not evicted: ' in err
    assert set(listed(run)) == {name}
    assert sorted(either_lab.names()) == [name, 'volume-1']


def test_what_is_retired_by_hand_goes_with_its_last_volume(
    either_lab, store, name, run
):
    store.clone(built(store, name), 'volume-1')

    status, out, _err = run('evict', '--retire', name)

    assert (status, listed(run)) == (0, {})
    assert out.startswith(f'{short(name)}: retired')
    assert either_lab.stored()['volume-1'] == CONTENT
    either_lab.remove('volume-1')
    assert run('sweep')[0] == 0
    assert either_lab.leftovers() == []
