# SPDX-License-Identifier: Apache-2.0
"""A build is a copy as any other: it has a slot, and is undone when killed."""

import dataclasses
import threading
import types

import pytest

from cinder_cow.base_images import builder, ensure
from cinder_cow.model import Target
from cinder_cow.planning import plan
from cinder_cow.planning.decide import decide
from cinder_cow.transfer import copier
from cinder_cow.transfer.limiter import CopyLimiter
from cinder_cow.transfer.model import CopyRequest, CopySettings
from tests.fakes.bases import MemoryBases
from tests.fakes.source import MemorySource

CONTENT = b'D0D-' * 1024
ROOM = 2**20
SECONDS = 60


@pytest.fixture
def store(backend):
    return MemoryBases(backend)


@pytest.fixture
def raw(image):
    return dataclasses.replace(image, size_bytes=len(CONTENT), locations=())


class Bases:
    """Of the real builder, copier and limiter."""

    def __init__(self, store, source, limit=1):
        self.limiter = CopyLimiter(limit)
        image_copier = copier.ImageCopier(
            CopySettings(), [source], self.limiter
        )
        converter = types.SimpleNamespace(vmdk_types=())
        self.images = ensure.BaseImages(
            ensure.BaseSettings(rule=plan.BaseRule.ALWAYS),
            store,
            builder.BaseBuilder(
                builder.BuildSettings(), store, image_copier, converter
            ),
        )

    def build(self, image, **more):
        request = CopyRequest(None, **more)
        return self.images.ensure(image, request, ROOM)


def test_builds_keep_the_limit_of_copies(store, raw):
    """Of two images, whose bases are not waited for by one another."""
    both = threading.Barrier(2)
    source = MemorySource(CONTENT)
    bases = Bases(store, source)
    running, open_ = [], source.open

    def opened(image, glance):
        running.append(bases.limiter.running)
        # Another that were running would meet this one here.
        with pytest.raises(threading.BrokenBarrierError):
            both.wait(0.2)
        both.reset()
        return open_(image, glance)

    source.open = opened
    threads = [
        threading.Thread(
            target=bases.build,
            args=(dataclasses.replace(raw, image_id=image_id),),
        )
        for image_id in ('i-1', 'i-2')
    ]
    for each in threads:
        each.start()
    for each in threads:
        each.join(SECONDS)

    assert running == [1, 1]
    assert len(store.things) == 2
    assert bases.limiter.running == 0


@pytest.mark.parametrize('kind', [KeyboardInterrupt, SystemExit])
def test_killed_build_leaves_nothing_but_its_record(store, raw, kind):
    """As when the green thread is killed: it is no Exception."""
    bases = Bases(store, MemorySource(CONTENT))
    commit = store.commit

    def kill(name, info):
        assert name in store.things
        raise kind

    store.commit = kill
    with pytest.raises(kind):
        bases.build(raw)

    assert store.things == {}
    assert store.leases == {}
    assert list(store.records) == [bases.images.name(raw)]

    store.commit = commit
    assert bases.build(raw).built
    assert store.records == {}


def test_always_builds_a_base_of_a_cloneable_image(store, backend, image):
    bases = Bases(store, MemorySource(b''))
    target = Target('v-1', 'volume-v-1', ROOM)

    decision = decide(image, target, backend, bases.images)

    assert decision.verdict
    assert isinstance(decision.plan, plan.BuildBase)
