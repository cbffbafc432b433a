# SPDX-License-Identifier: Apache-2.0
"""What the cluster knows of builds."""

import rados

from cinder_cow.backends.base_store import BuildRecord
from cinder_cow.backends.rbd import build_records, omap


def test_records_are_for_all_to_read(either_lab, store):
    other = either_lab.backend().bases()
    assert store.build_record('a') is None
    assert store.build_records() == {}

    store.set_build_record(
        'a', BuildRecord(1, 'SourceError', 'no way', True, 5.0)
    )
    store.set_build_record('b', BuildRecord())
    assert other.build_record('a') == BuildRecord(
        1, 'SourceError', 'no way', True, 5.0
    )
    assert other.build_records() == {
        'a': other.build_record('a'),
        'b': BuildRecord(),
    }

    other.set_build_record('a', BuildRecord(2))
    assert store.build_record('a') == BuildRecord(2)
    store.set_build_record('a', None)
    store.set_build_record('a', None)
    assert store.build_record('a') is None
    store.set_build_record('b', None)
    store.set_build_record('b', None)
    assert either_lab.leftovers() == []


def test_more_records_than_are_read_at_once(lab, monkeypatch):
    monkeypatch.setattr(omap, 'PAGE', 2)
    store = lab.backend().bases()
    for number in range(5):
        store.set_build_record(str(number), BuildRecord(number))

    assert store.build_records() == {str(n): BuildRecord(n) for n in range(5)}


def test_a_record_that_came_meanwhile_keeps_the_object(lab):
    store = lab.backend().bases()
    store.set_build_record('a', BuildRecord(1))
    with lab.rados.open_ioctx('volumes') as ioctx:
        omap.get(ioctx, build_records.OBJECT, 'a')
        store.set_build_record('b', BuildRecord(2))
        omap.remove_unless_changed(ioctx, build_records.OBJECT)

    assert store.build_records() == {'a': BuildRecord(1), 'b': BuildRecord(2)}


def test_a_damaged_record_is_none(lab, caplog):
    store = lab.backend().bases()
    with (
        lab.rados.open_ioctx('volumes') as ioctx,
        rados.WriteOpCtx() as operation,
    ):
        ioctx.set_omap(operation, ('a',), (b'7',))
        ioctx.operate_write_op(operation, build_records.OBJECT)

    assert store.build_record('a') is None
    assert store.build_records() == {}
    assert 'damaged' in caplog.text
