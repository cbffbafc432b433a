# SPDX-License-Identifier: Apache-2.0
"""The connection is lost while a volume or a base is being filled."""

import pytest

from cinder_cow import errors
from cinder_cow.model import ImageInfo, Target
from cinder_cow.planning import plan
from cinder_cow.sources.base import ImageSource, StreamReading
from tests.ceph.bases import CONTENT, MIB, built, filled
from tests.fakes import request, writes

IMAGE = ImageInfo('i-1', 'active', 'raw', 'bare', 16 * MIB)
TARGET = Target('1', 'volume-1', 16 * MIB)


class Reading(StreamReading):
    """Sixteen MiB; something happens in the middle."""

    def __init__(self, happen):
        super().__init__('test')
        self._happen = happen

    def chunks(self):
        for number in range(16):
            if number == 8:
                self._happen()
            yield CONTENT

    def close(self):
        pass


class Source(ImageSource):
    def __init__(self, happen):
        self._happen = happen

    @classmethod
    def from_options(cls, options):
        raise NotImplementedError

    def open(self, image, glance):
        return Reading(self._happen)


def stream(backend, happen):
    chosen = plan.choose(IMAGE, TARGET, backend.cloneable(IMAGE))
    return request.run(
        chosen, IMAGE, TARGET, backend, sources=[Source(happen)]
    )


def test_in_the_middle_of_a_stream_the_volume_is_gone(either_lab, caplog):
    backend = either_lab.backend()

    with pytest.raises(errors.StorageUnreachable) as caught:
        stream(backend, lambda: either_lab.cut_off(backend.settings))

    assert 'volumes/volume-1' in str(caught.value)
    assert 'ceph osd blocklist ls' in str(caught.value)
    assert 'left behind' not in caplog.text
    assert either_lab.leftovers() == []


def test_after_it_the_next_volume_is_filled(lab):
    backend = lab.backend()
    with pytest.raises(errors.StorageUnreachable):
        stream(backend, lambda: lab.cut_off(backend.settings))

    stream(backend, lambda: None)

    assert lab.stored() == {'volume-1': CONTENT * 16}


def test_a_volume_is_removed_though_it_was_lost(lab):
    backend = lab.backend()
    stream(backend, lambda: None)
    lab.cut_off(backend.settings)

    backend.remove('volume-1')

    assert lab.leftovers() == []


def test_an_unfinished_base_is_discarded_though_it_was_lost(
    either_lab, store, name
):
    backend = either_lab.backend()
    with store.create(name, 2 * MIB) as writer:
        writes.write_at(writer, 0, CONTENT)
        either_lab.cut_off(backend.settings)
        with pytest.raises(errors.ConnectionLost):
            writes.write_at(writer, MIB, CONTENT)

    store.discard(name)

    assert either_lab.leftovers() == []


def test_a_base_that_is_read_is_read_again_on_another(lab, name):
    store = lab.backend().bases()
    built(store, name)
    with store.read(name) as content:
        lab.cut_off(lab.settings())
        with pytest.raises(errors.ConnectionLost):
            content.read_at(0, MIB)
    with store.read(name) as content:
        assert content.read_at(0, MIB) == CONTENT


def test_a_scratch_is_discarded_though_it_was_lost(lab, name):
    store = lab.backend().bases()
    scratch = name.replace('base', 'scratch', 1)
    filled(store, scratch)
    lab.cut_off(lab.settings())

    store.discard(scratch)

    assert lab.leftovers() == []
