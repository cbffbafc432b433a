# SPDX-License-Identifier: Apache-2.0
"""A volume gets the disk of an image by way of the image's base."""

import dataclasses

import pytest

from cinder_cow import copying, errors, overwrite
from cinder_cow.base_images.ensure import Ensured
from cinder_cow.model import BuildBase, CloneBase, Method, Target, Verification
from tests.fakes.bases import AnsweringBaseImages, MemoryBases
from tests.fakes.request import asked, nothing
from tests.unit.conftest import CONTENT

BASE = 'cow-base-x'
TARGET = Target('v-1', 'volume-v-1', 2 * len(CONTENT))
WHOLE = CONTENT + bytes(len(CONTENT))
OLD = b'o' * TARGET.size_bytes


@pytest.fixture
def old(backend):
    backend.volumes[TARGET.volume_name] = bytearray(OLD)
    return backend


@pytest.fixture
def store(backend):
    return MemoryBases(backend)


@pytest.fixture
def qcow2(image):
    return dataclasses.replace(
        image,
        disk_format='qcow2',
        size_bytes=100,
        hash_algo='sha512',
        hash_value='ab' * 64,
    )


def reimage(image, backend, store, *answers, finish=nothing, **more):
    answers = answers or (lambda: Ensured(added(store), built=False),)
    request, parts = asked(
        image,
        more.pop('target', TARGET),
        backend,
        finish,
        bases=AnsweringBaseImages(store, *answers),
        **more,
    )
    plan = BuildBase(request.target.size_bytes, ())
    return overwrite.run(plan, request, parts)


def added(store, content=CONTENT, **changes):
    """Seen here by now, so that its eviction elsewhere is not."""
    base = store.add(BASE, content, **changes)
    store.forget(BASE)
    assert store.find(BASE) == base
    return base


def evicted(store):
    """It goes before it can be opened."""
    found = Ensured(added(store), built=True)
    store.retire_elsewhere(BASE)
    return found


def evicted_when_read(store):
    """It goes while it is read, which nothing but the store tells."""
    found = Ensured(added(store), built=True)
    read = store.read

    def open_and_retire(name):
        store.read = read
        opened = read(name)
        store.retire_elsewhere(name)
        return opened

    store.read = open_and_retire
    return found


@pytest.mark.parametrize('built', [True, False])
def test_disk_of_the_base_takes_the_old_bytes_place(old, qcow2, store, built):
    result = reimage(
        qcow2, old, store, lambda: Ensured(added(store), built=built)
    )

    assert old.volumes == {TARGET.volume_name: WHOLE}
    assert (result.method, result.reason) == (Method.STREAM, 'reimage')
    assert result.source == 'base'
    assert result.verification is Verification.HASH
    assert str(result.parent) == f'volumes/{BASE}@base'
    built_bytes = store.things[BASE].info.stored_bytes if built else 0
    assert result.bytes_copied == len(CONTENT) + built_bytes
    assert (result.volume_id, result.image_id) == ('v-1', qcow2.image_id)


def test_base_that_was_found_by_the_plan_is_read(old, qcow2, store):
    base = added(store)
    bases = AnsweringBaseImages(store, lambda: Ensured(base, built=False))
    request, parts = asked(qcow2, TARGET, old, bases=bases)

    overwrite.run(CloneBase(base, TARGET.size_bytes, ()), request, parts)

    assert old.volumes == {TARGET.volume_name: WHOLE}
    assert bases.asked == [(qcow2, request.copy, TARGET.size_bytes)]


def test_base_counts_as_used_before_it_is_read(old, qcow2, store):
    reimage(qcow2, old, store)

    names = [method for method, _name in store.calls]
    assert names.index('used') < names.index('read')
    assert qcow2.image_id in store.things[BASE].image_ids


def test_copy_has_a_slot_meanwhile(old, qcow2, store):
    base = added(store)
    bases = AnsweringBaseImages(store, lambda: Ensured(base, built=False))
    request, parts = asked(qcow2, TARGET, old, bases=bases)
    running = []
    reopen = old.reopen

    def reopened(name):
        running.append(parts.image_copier.copies_running)
        return reopen(name)

    old.reopen = reopened

    overwrite.run(BuildBase(TARGET.size_bytes, ()), request, parts)

    assert running == [1]
    assert parts.image_copier.copies_running == 0


@pytest.mark.parametrize('gone', [evicted, evicted_when_read])
def test_base_that_is_evicted_is_made_and_read_again(old, qcow2, store, gone):
    result = reimage(
        qcow2,
        old,
        store,
        lambda: gone(store),
        lambda: Ensured(added(store), built=True),
    )

    assert old.volumes == {TARGET.volume_name: WHOLE}
    assert result.method is Method.STREAM


def test_evicted_again_and_again_is_an_error(old, qcow2, store):
    told = []

    with pytest.raises(errors.BaseGone, match=BASE):
        reimage(
            qcow2,
            old,
            store,
            lambda: evicted_when_read(store),
            finish=told.append,
        )

    assert told == []


@pytest.mark.parametrize(
    'ended', [errors.CopyTimedOut('i-1', 60), errors.CopyCancelled('i-1')]
)
def test_copy_that_was_ended_is_not_begun_again(old, qcow2, store, ended):
    """Also where its base was evicted meanwhile."""
    answers = []
    cancellation = copying.Cancellation()

    def ensure():
        answers.append(evicted_when_read(store))
        read = store.read

        def open_and_end(name):
            opened = read(name)
            cancellation.cancel(ended)
            return opened

        store.read = open_and_end
        return answers[-1]

    with pytest.raises(type(ended)):
        reimage(qcow2, old, store, ensure, cancellation=cancellation)

    assert len(answers) == 1


def test_base_that_was_made_anew_meanwhile_is_read_again(old, qcow2, store):
    """The one that was read may have been gone before its end."""
    answers = []

    def ensure():
        answers.append(Ensured(added(store, created=1.0), built=False))
        if len(answers) == 1:
            added(store, created=2.0)
        return answers[-1]

    reimage(qcow2, old, store, ensure)

    assert len(answers) == 2


@pytest.mark.parametrize('verified', [True, False])
def test_finish_is_told_of_the_bases_signature(old, qcow2, store, verified):
    told = []

    reimage(
        qcow2,
        old,
        store,
        lambda: Ensured(
            added(store, signature_verified=verified), built=False
        ),
        finish=told.append,
    )

    assert told == [verified]


def test_disk_needs_no_hash_nor_signature_of_its_own(old, qcow2, store):
    """Those of the image were verified when the base was built."""

    def verifier():
        raise AssertionError('it is of the image')

    reimage(qcow2, old, store, verifier=verifier, require_hash=True)

    assert old.volumes == {TARGET.volume_name: WHOLE}


def test_disk_may_begin_as_an_image_does(old, qcow2, store):
    """A volume of such an image can be made too."""
    disk = b'QFI\xfb\0\0\0\3' + CONTENT[8:]

    reimage(
        qcow2, old, store, lambda: Ensured(added(store, disk), built=False)
    )

    assert old.volumes[TARGET.volume_name][: len(disk)] == disk


def test_disk_that_is_too_large_leaves_the_old_bytes(old, qcow2, store):
    target = dataclasses.replace(TARGET, size_bytes=len(CONTENT) - 1)

    with pytest.raises(errors.ImageTooBig) as caught:
        reimage(qcow2, old, store, target=target)

    assert old.volumes == {TARGET.volume_name: OLD}
    assert caught.value.image_bytes == len(CONTENT)
    assert caught.value.volume_bytes == len(CONTENT) - 1


@pytest.mark.parametrize('failing', ['read', 'find'])
def test_storage_that_fails_is_an_error(old, qcow2, store, failing):
    base = added(store)

    def ensure():
        store.failing = {failing}
        return Ensured(base, built=False)

    with pytest.raises(errors.StorageError, match=failing):
        reimage(qcow2, old, store, ensure)


def test_base_that_cannot_be_built_leaves_the_old_bytes(old, qcow2, store):
    def ensure():
        raise errors.SourceDamaged('glance', qcow2.image_id, 'cut')

    with pytest.raises(errors.SourceDamaged):
        reimage(qcow2, old, store, ensure)

    assert old.volumes == {TARGET.volume_name: OLD}
