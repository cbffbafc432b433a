# SPDX-License-Identifier: Apache-2.0
"""A base before a volume is asked for; a store and a builder in memory."""

import dataclasses

import pytest

from cinder_cow import copying, errors
from cinder_cow.base_images import ensure, warm
from cinder_cow.base_images.warm import WarmResult, WarmStatus
from cinder_cow.planning.plan import BaseRule
from cinder_cow.transfer.model import CopyRequest
from tests.fakes.bases import MemoryBases
from tests.unit.base_images.test_ensure import BaseBuilder
from tests.unit.conftest import IMAGE_ID

REQUEST = CopyRequest(glance=None)


@pytest.fixture
def store(backend):
    return MemoryBases(backend, clock=lambda: 7.0)


@pytest.fixture
def qcow2(image):
    return dataclasses.replace(
        image,
        disk_format='qcow2',
        hash_algo='sha512',
        hash_value='ab' * 64,
        locations=(),
    )


@pytest.fixture
def warmed(backend, store):
    """Warms an image; ``tries`` is what each build does."""

    def run(image, *tries, request=REQUEST, **settings):
        base_images = ensure.BaseImages(
            ensure.BaseSettings(**settings), store, BaseBuilder(store, *tries)
        )
        return warm.warm(image, request, backend, base_images)

    return run


def test_image_that_has_to_be_converted_gets_its_base(warmed, store, qcow2):
    found = warmed(qcow2)

    assert found == WarmResult(
        WarmStatus.BUILT, base=store.find(*store.things)
    )
    assert store.leases == store.records == {}


class Remembering(MemoryBases):
    """Answers from memory, as where connections are kept."""

    def __init__(self, *arguments, **more):
        super().__init__(*arguments, **more)
        self.memory = {}

    def find(self, name):
        if name not in self.memory:
            found = super().find(name)
            if found is None:
                return None
            self.memory[name] = found
        return self.memory[name]

    def forget(self, name):
        self.memory.pop(name, None)


def test_base_that_another_host_evicted_is_built_anew(backend, qcow2):
    store = Remembering(backend, clock=lambda: 7.0)
    ours = ensure.BaseImages(ensure.BaseSettings(), store, BaseBuilder(store))
    warm.warm(qcow2, REQUEST, backend, ours)
    (name,) = store.things
    assert store.find(name) is not None
    store.retire(name)
    store.purge()

    assert warm.warm(qcow2, REQUEST, backend, ours).status is WarmStatus.BUILT
    assert list(store.things) == [name]


def test_disk_is_as_large_as_it_wants_to_be(warmed, store, qcow2):
    seen = []

    class Builder(BaseBuilder):
        def build(self, name, image, request, volume_bytes, lease):
            seen.append(volume_bytes)
            return super().build(name, image, request, volume_bytes, lease)

    ours = ensure.BaseImages(ensure.BaseSettings(), store, Builder(store))
    found = warm.warm(qcow2, REQUEST, store.backend, ours)

    assert found.status is WarmStatus.BUILT
    assert seen[0] >= 2**60


def test_base_that_is_there_counts_as_used(warmed, store, qcow2):
    first = warmed(qcow2)
    store.things[first.base.name].last_used = 0.0
    other = dataclasses.replace(qcow2, image_id='i-2')

    second = warmed(other, errors.TooManyCopies(1))

    assert second == WarmResult(WarmStatus.THERE, base=first.base)
    (stored,) = store.recorded_bases()
    assert stored.last_used == 7.0
    assert stored.image_ids == {IMAGE_ID, 'i-2'}


def test_image_that_is_cloned_where_it_lies_needs_none(warmed, store, image):
    assert warmed(image) == WarmResult(
        WarmStatus.SKIPPED,
        f'it is cloned where it lies, from images/{IMAGE_ID}@snap',
    )
    assert store.things == {}


def test_with_the_rule_always_it_gets_one(warmed, image):
    assert warmed(image, rule=BaseRule.ALWAYS).status is WarmStatus.BUILT


@pytest.mark.parametrize(
    ('changed', 'settings', 'why'),
    [
        ({}, {'rule': BaseRule.NEVER}, 'cow_base_images is never'),
        ({'status': 'queued'}, {}, 'its status is queued, not active'),
        (
            {'container_format': 'ova'},
            {},
            'its container_format is ova, not bare',
        ),
        (
            {'disk_format': 'ami'},
            {},
            'its disk_format ami cannot be converted',
        ),
        ({'size_bytes': 0}, {}, 'Glance knows no size of it'),
        (
            {'disk_format': 'raw', 'size_bytes': 10},
            {'auto_bytes': 9},
            'it has 10 bytes, more than cow_base_auto_bytes = 9;',
        ),
        ({}, {'may_convert': False}, 'image_conversion_disable'),
    ],
)
def test_image_without_a_base_is_skipped_with_the_reason(
    warmed, store, qcow2, changed, settings, why
):
    found = warmed(dataclasses.replace(qcow2, **changed), **settings)

    assert found.status is WarmStatus.SKIPPED
    assert why in found.why
    assert store.things == {}


def test_build_that_fails_is_told_and_raises_nothing(warmed, qcow2):
    failure = errors.SignatureInvalid(IMAGE_ID, 'its certificate is gone')

    assert warmed(qcow2, failure) == WarmResult(
        WarmStatus.FAILED, str(failure)
    )


def test_storage_that_cannot_be_asked_is_told(warmed, backend, qcow2):
    backend.failing.add('cloneable')

    found = warmed(qcow2)

    assert found.status is WarmStatus.FAILED
    assert 'injected' in found.why


@pytest.mark.parametrize(
    'failure',
    [
        errors.CopyCancelled('base'),
        errors.ConversionInterrupted(IMAGE_ID, 'signal 2'),
        copying.Cancelled(),
    ],
)
def test_cancelled_build_is_no_failure(warmed, qcow2, failure):
    cancellation = copying.Cancellation()
    cancellation.cancel()
    request = dataclasses.replace(REQUEST, cancellation=cancellation)

    with pytest.raises(errors.CopyCancelled):
        warmed(qcow2, failure, request=request)


def test_tool_that_something_else_has_ended_is_a_failure(warmed, qcow2):
    request = dataclasses.replace(REQUEST, cancellation=copying.Cancellation())
    failure = errors.ConversionInterrupted(IMAGE_ID, 'signal 9')

    found = warmed(qcow2, failure, request=request)

    assert found.status is WarmStatus.FAILED
