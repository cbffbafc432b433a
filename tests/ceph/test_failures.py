# SPDX-License-Identifier: Apache-2.0
"""Whatever fails, the pool is as empty as before and the error is true."""

import dataclasses
import time

import pytest

from cinder_cow import errors
from cinder_cow.backends.rbd.backend import RbdBackend
from cinder_cow.model import Clone, RefusalCode, Target
from cinder_cow.planning import plan
from tests.ceph.bases import built
from tests.ceph.lab import MIB
from tests.fakes import request
from tests.fakes.request import nothing

CONTENT = b'D0D-' * 2**18  # 1 MiB
TARGET = Target('1', 'volume-1', 2 * MIB)


class Failing(RbdBackend):
    """Fails in one method, after the real one has done its work."""

    failing = ''

    def grow(self, volume_name, size_bytes):
        super().grow(volume_name, size_bytes)
        if self.failing == 'grow':
            raise errors.StorageError('grow', OSError('injected'))


def run(backend, image, finish=nothing):
    parent = backend.cloneable(image).parent
    chosen = Clone(parent, TARGET.size_bytes)
    return request.run(chosen, image, TARGET, backend, finish)


def test_failed_grow(either_lab):
    backend = Failing(either_lab.settings())
    backend.failing = 'grow'

    with pytest.raises(errors.StorageError, match='Could not grow'):
        run(backend, either_lab.image(CONTENT))
    assert either_lab.leftovers() == []


def test_failed_finish(either_lab):
    def finish(_filled):
        assert either_lab.names() == ['volume-1']
        raise LookupError('no such QoS')

    with pytest.raises(LookupError, match='no such QoS'):
        run(either_lab.backend(), either_lab.image(CONTENT), finish)
    assert either_lab.leftovers() == []


def test_failed_clone_names_what_failed(either_lab):
    image = either_lab.image(CONTENT)
    backend = either_lab.backend()
    verdict = backend.cloneable(image)
    # The image goes between the verdict and the clone.
    either_lab.remove(image.image_id, pool='images')

    with pytest.raises(errors.StorageError) as caught:
        request.run(
            Clone(verdict.parent, TARGET.size_bytes),
            image,
            TARGET,
            backend,
            nothing,
        )

    assert f'clone images/{image.image_id}@snap' in str(caught.value)
    assert either_lab.leftovers() == []
    # The next try is told the truth.
    (refusal,) = backend.cloneable(image).refusals
    assert refusal.code is RefusalCode.IMAGE_MISSING


@pytest.mark.parametrize('kind', ['clone', 'clone of a base'])
def test_full_pool_is_named_in_time_and_nothing_is_left(lab, kind):
    """Without a time limit, which is the default, Ceph's clients wait."""
    image = lab.image(CONTENT)
    backend = lab.backend()
    base = built(backend.bases(), 'cow-base-full')
    create = {
        'clone': lambda: run(backend, image),
        'clone of a base': lambda: backend.bases().clone(base, 'volume-1'),
    }[kind]

    with lab.full('volumes'):
        began = time.monotonic()
        with pytest.raises(errors.StorageFull) as caught:
            create()
        assert time.monotonic() - began < 5
        assert lab.names() == [base.name]
    assert 'to volumes/volume-1: ' in str(caught.value)
    assert 'raise the quota' in str(caught.value)

    run(backend, image)
    assert lab.stored()['volume-1'].startswith(CONTENT)
    lab.remove('volume-1')
    lab.backend().bases().retire(base.name)
    lab.backend().bases().purge()
    assert lab.leftovers() == []


def test_volume_that_was_there_before_survives(either_lab):
    image = either_lab.image(CONTENT)
    either_lab.backend().clone(image, TARGET.volume_name)
    before = either_lab.leftovers()

    with pytest.raises(errors.VolumeExists, match='volumes/volume-1'):
        run(either_lab.backend(), image)
    assert either_lab.leftovers() == before
    assert either_lab.stored() == {'volume-1': CONTENT}


def test_pool_of_the_volumes_that_is_not_there(lab):
    image = lab.image(CONTENT)
    backend = lab.backend(pool='nowhere')

    with pytest.raises(errors.StorageError, match='nowhere/volume-1'):
        run(backend, image)


def test_user_who_may_not_write(lab):
    lab.cluster.create_user(
        'reader', mon='profile rbd', osd='profile rbd-read-only'
    )
    image = lab.image(CONTENT)

    with pytest.raises(errors.StorageError, match='clone images/'):
        run(lab.backend(user='reader'), image)
    assert lab.leftovers() == []


def test_verdict_on_an_image_larger_than_the_volume_makes_nothing(lab):
    image = lab.image(CONTENT)
    small = dataclasses.replace(TARGET, size_bytes=len(CONTENT) - 1)

    with pytest.raises(errors.ImageTooBig):
        plan.choose(image, small, lab.backend().cloneable(image))
    assert lab.leftovers() == []
