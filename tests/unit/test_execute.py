# SPDX-License-Identifier: Apache-2.0
import dataclasses
import subprocess
import sys
import textwrap

import pytest

from cinder_cow import errors, execute, log_line
from cinder_cow.base_images.ensure import Ensured
from cinder_cow.model import (
    BuildBase,
    Clone,
    CloneBase,
    Delegate,
    Method,
    Refusal,
    RefusalCode,
    SnapshotRef,
    Stream,
    Target,
    Verification,
)
from tests.fakes.bases import AnsweringBaseImages, MemoryBases
from tests.fakes.request import asked, nothing, run
from tests.fakes.source import MemorySource
from tests.unit.conftest import CONTENT

TARGET = Target('v-1', 'volume-v-1', 2 * len(CONTENT))


@pytest.fixture
def clone(backend, image):
    return Clone(backend.cloneable(image).parent, TARGET.size_bytes)


def test_clone_is_grown_to_the_volume(backend, image, clone):
    result = run(clone, image, TARGET, backend, nothing)

    grown = CONTENT + bytes(len(CONTENT))
    assert backend.volumes == {TARGET.volume_name: grown}
    assert result.method is Method.CLONE


def test_volume_is_finished_when_it_has_its_content(backend, image, clone):
    sizes = []

    def finish(_verified):
        sizes.append(len(backend.volumes[TARGET.volume_name]))

    run(clone, image, TARGET, backend, finish)

    assert sizes == [TARGET.size_bytes]


def test_clone_of_the_right_size_is_not_resized(backend, image):
    backend.failing = {'grow'}
    target = Target('v-1', 'volume-v-1', len(CONTENT))
    plan = Clone(backend.cloneable(image).parent, target.size_bytes)

    run(plan, image, target, backend, nothing)

    assert backend.volumes == {target.volume_name: CONTENT}


@pytest.mark.parametrize('method', ['clone', 'grow'])
def test_failure_leaves_nothing(backend, image, clone, method):
    backend.failing = {method}

    with pytest.raises(errors.StorageError, match=method):
        run(clone, image, TARGET, backend, nothing)
    assert backend.volumes == {}


@pytest.mark.parametrize('kind', [ValueError, KeyboardInterrupt, SystemExit])
def test_failure_to_finish_leaves_nothing(backend, image, clone, kind):
    def finish(_verified):
        raise kind('injected')

    with pytest.raises(kind, match='injected'):
        run(clone, image, TARGET, backend, finish)
    assert backend.volumes == {}


def test_first_error_is_the_one_reported(backend, image, clone, caplog):
    backend.failing = {'grow', 'remove'}

    with pytest.raises(errors.StorageError, match='grow'):
        run(clone, image, TARGET, backend, nothing)
    assert 'volume-v-1 may be left behind: Could not remove' in caplog.text


def test_volume_that_was_there_before_is_not_removed(backend, image, clone):
    backend.volumes[TARGET.volume_name] = bytearray(b'precious')

    with pytest.raises(errors.VolumeExists, match='volumes/volume-v-1'):
        run(clone, image, TARGET, backend, nothing)
    assert backend.volumes == {TARGET.volume_name: b'precious'}


def made_by_another(backend):
    """Between the look for it and its making."""
    backend.volumes[TARGET.volume_name] = bytearray(b'precious')
    backend.exists = lambda _name: False


def test_volume_that_another_made_meanwhile_is_not_removed(
    backend, image, clone
):
    made_by_another(backend)

    with pytest.raises(errors.VolumeExists):
        run(clone, image, TARGET, backend, nothing)
    assert backend.volumes == {TARGET.volume_name: b'precious'}


def test_volume_that_another_made_meanwhile_is_not_filled(backend, image):
    made_by_another(backend)

    with pytest.raises(errors.VolumeExists):
        run(
            Stream(TARGET.size_bytes, ()),
            dataclasses.replace(image, hash_algo=None),
            TARGET,
            backend,
            nothing,
            [MemorySource(CONTENT)],
        )
    assert backend.volumes == {TARGET.volume_name: b'precious'}


def test_nothing_is_made_over_a_volume_that_is_there(backend, image, clone):
    """Whatever the storage would say to that."""
    backend.volumes[TARGET.volume_name] = bytearray(b'precious')

    def fail(_parent, _name):
        raise errors.StorageError('clone', OSError('injected'))

    backend.clone_snapshot = fail

    with pytest.raises(errors.VolumeExists):
        run(clone, image, TARGET, backend, nothing)
    assert backend.volumes == {TARGET.volume_name: b'precious'}


@pytest.mark.parametrize('method', ['exists', 'clone', 'grow'])
def test_volume_that_was_there_before_outlives_any_failure(
    backend, image, clone, method
):
    backend.volumes[TARGET.volume_name] = bytearray(b'precious')
    backend.failing = {method}

    with pytest.raises(errors.CowError):
        run(clone, image, TARGET, backend, nothing)
    assert backend.volumes == {TARGET.volume_name: b'precious'}


def test_result_reads_as_one_line_of_keys_and_values(backend, image, clone):
    result = run(clone, image, TARGET, backend, nothing)

    assert log_line.format_result(result.lasting(0.0625)) == (
        'volume from image: v=1 volume=v-1'
        ' image=11111111-2222-3333-4444-555555555555'
        ' method=clone reason=cloneable pool=images'
        ' parent=images/11111111-2222-3333-4444-555555555555@snap'
        ' seconds=0.062 bytes=0 source=- verification=shared'
    )


def test_what_is_cloned_is_what_was_planned(backend, image, clone):
    """Though the facts have changed since, and another parent is found."""
    other = SnapshotRef(backend.fsid, 'images', 'other', 'snap')
    backend.images[other] = b'other'.ljust(len(CONTENT))
    moved = dataclasses.replace(
        image, locations=(f'rbd://{backend.fsid}/images/other/snap',)
    )

    result = run(clone, moved, TARGET, backend, nothing)

    assert backend.volumes[TARGET.volume_name][: len(CONTENT)] == CONTENT
    assert result.parent == clone.parent.ref


def test_replicated_clone_of_a_base_is_flattened_before_it_is_finished(
    backend, image, store
):
    target = dataclasses.replace(TARGET, replicated=True)
    flattened = []
    plan = CloneBase(add(store), target.size_bytes, WHY)

    def finish(_verified):
        flattened.extend(backend.flattened)

    run(plan, image, target, backend, finish, bases=AnsweringBaseImages(store))

    assert flattened == [target.volume_name]


def test_stream_tells_why_it_is_no_clone(backend, image):
    source = MemorySource(CONTENT)
    plan = Stream(TARGET.size_bytes, WHY)

    result = run(plan, image, TARGET, backend, nothing, [source])

    assert result.method is Method.STREAM
    assert result.reason == 'not-raw'
    assert result.refusals == WHY


def test_delegation_touches_nothing_and_says_why(backend, image):
    refusals = tuple(
        Refusal(code, 'reason', 'remedy')
        for code in (
            RefusalCode.NOT_RBD,
            RefusalCode.OTHER_CLUSTER,
            RefusalCode.NOT_RBD,
        )
    )
    backend.failing = {'clone', 'open', 'grow', 'remove'}

    result = run(Delegate(refusals), image, TARGET, backend, nothing)

    line = log_line.format_result(result)
    assert result.method is Method.DELEGATE
    assert ' reason=not-rbd,other-cluster pool=- parent=-' in line
    assert line.endswith(f' why="{"; ".join(["reason. remedy"] * 3)}"')


def test_line_can_be_read_though_a_refusal_has_quotes(backend, image):
    why = (Refusal(RefusalCode.NOT_RBD, 'it is "there"', 'so', False),)

    result = run(Delegate(why), image, TARGET, backend, nothing)

    line = log_line.format_result(result)
    assert line.endswith(""" why="it is 'there'. so\"""")


@pytest.fixture
def store(backend):
    return MemoryBases(backend)


def add(store, **changes):
    return store.add('cow-base-x', CONTENT, **changes)


def ensured(store, built=True):
    return lambda: Ensured(add(store), built)


def evicted(store):
    """It goes before it can be cloned."""

    def ensure():
        found = Ensured(add(store), built=True)
        store.retire_elsewhere('cow-base-x')
        return found

    return ensure


WHY = (Refusal(RefusalCode.NOT_RAW, 'it is qcow2', 'upload raw'),)


def clone_base(store, image, backend, bases=None, finish=nothing):
    plan = CloneBase(add(store), TARGET.size_bytes, WHY)
    bases = bases or AnsweringBaseImages(store)
    return run(plan, image, TARGET, backend, finish, bases=bases)


def build_base(store, image, backend, *answers, finish=nothing):
    plan = BuildBase(TARGET.size_bytes, WHY)
    bases = AnsweringBaseImages(store, *answers)
    return run(plan, image, TARGET, backend, finish, bases=bases)


def test_base_is_cloned_and_the_clone_grown(backend, image, store):
    result = clone_base(store, image, backend)

    grown = CONTENT + bytes(len(CONTENT))
    assert backend.volumes == {TARGET.volume_name: grown}
    assert result.method is Method.CLONE_BASE
    assert result.reason == 'not-raw'
    assert result.bytes_copied == 0
    assert result.verification is Verification.HASH
    assert result.source == 'glance'
    assert str(result.parent) == 'volumes/cow-base-x@base'
    assert result.refusals == ()
    assert ('used', 'cow-base-x') in store.calls
    assert image.image_id in store.things['cow-base-x'].image_ids
    assert backend.flattened == []


@pytest.mark.parametrize(
    ('built', 'method', 'copied'),
    [(True, Method.BUILD_BASE, 100), (False, Method.CLONE_BASE, 0)],
)
def test_result_says_whether_the_base_was_built_for_it(
    backend, image, store, built, method, copied
):
    result = build_base(store, image, backend, ensured(store, built))

    assert result.method is method
    assert result.bytes_copied == copied
    assert result.refusals == (WHY if built else ())
    assert list(backend.volumes) == [TARGET.volume_name]


def test_base_is_built_of_that_image_for_that_volume(backend, image, store):
    bases = AnsweringBaseImages(store, ensured(store))
    request, parts = asked(image, TARGET, backend, bases=bases)

    execute.run(BuildBase(TARGET.size_bytes, WHY), request, parts)

    assert bases.asked == [(image, request.copy, TARGET.size_bytes)]


def test_finish_is_told_of_the_signature(backend, image, store):
    told = []
    add(store)
    plan = CloneBase(
        add(store, signature_verified=True), TARGET.size_bytes, WHY
    )

    bases = AnsweringBaseImages(store)
    run(plan, image, TARGET, backend, told.append, bases=bases)

    assert told == [True]


def test_base_that_is_evicted_meanwhile_is_built_again(backend, image, store):
    bases = AnsweringBaseImages(store, ensured(store))
    plan = CloneBase(add(store), TARGET.size_bytes, WHY)
    store.retire_elsewhere('cow-base-x')

    result = run(plan, image, TARGET, backend, nothing, bases=bases)

    assert result.method is Method.BUILD_BASE
    assert list(backend.volumes) == [TARGET.volume_name]


def test_evicted_again_and_again_is_an_error_with_nothing_left(
    backend, image, store
):
    with pytest.raises(errors.BaseGone, match='cow_base_max_bytes'):
        build_base(store, image, backend, evicted(store))

    assert backend.volumes == {}


def test_fresh_base_that_is_evicted_at_once_is_built_again(
    backend, image, store
):
    result = build_base(store, image, backend, evicted(store), ensured(store))

    assert result.method is Method.BUILD_BASE
    assert list(backend.volumes) == [TARGET.volume_name]


@pytest.mark.parametrize('plan', [CloneBase, BuildBase])
def test_base_of_exactly_the_volumes_size_is_cloned(
    backend, image, store, plan
):
    target = Target('v-1', 'volume-v-1', len(CONTENT))
    bases = AnsweringBaseImages(store, ensured(store))
    given = (add(store),) if plan is CloneBase else ()

    run(
        plan(*given, target.size_bytes, WHY),
        image,
        target,
        backend,
        nothing,
        bases=bases,
    )

    assert backend.volumes == {target.volume_name: CONTENT}


def test_flattened_clone_has_a_slot_meanwhile(backend, image, store):
    """It is a full copy, though a base was cloned."""
    target = dataclasses.replace(TARGET, replicated=True)
    plan = CloneBase(add(store), target.size_bytes, WHY)
    request, parts = asked(
        image, target, backend, nothing, bases=AnsweringBaseImages(store)
    )
    running = []
    backend.flatten = lambda _name: running.append(
        parts.image_copier._limiter.running
    )

    execute.run(plan, request, parts)

    assert running == [1]
    assert parts.image_copier._limiter.running == 0


def test_base_that_is_larger_than_the_volume_is_not_cloned(
    backend, image, store
):
    # It was built for a larger one meanwhile.
    target = Target('v-1', 'volume-v-1', len(CONTENT) - 1)
    plan = BuildBase(target.size_bytes, WHY)
    bases = AnsweringBaseImages(store, ensured(store))

    with pytest.raises(errors.ImageTooBig) as caught:
        run(plan, image, target, backend, nothing, bases=bases)

    assert vars(caught.value) == {
        'image_id': image.image_id,
        'image_bytes': len(CONTENT),
        'volume_bytes': target.size_bytes,
    }
    assert backend.volumes == {}


@pytest.mark.parametrize('step', ['grow', 'clone', 'finish'])
def test_failed_clone_of_a_base_is_removed(backend, image, store, step):
    def finish(_verified):
        if step == 'finish':
            raise errors.StorageError('finish', OSError('injected'))

    backend.failing = {step}
    store.failing = {step}

    with pytest.raises(errors.StorageError):
        clone_base(store, image, backend, finish=finish)

    assert backend.volumes == {}


def test_what_was_there_is_not_cloned_over(backend, image, store):
    backend.volumes[TARGET.volume_name] = bytearray(b'other')

    with pytest.raises(errors.VolumeExists):
        clone_base(store, image, backend)

    assert backend.volumes == {TARGET.volume_name: b'other'}


KILLED = """
    import eventlet
    eventlet.monkey_patch()
    from cinder_cow import execute, model, native
    from tests.fakes.backend import MemoryBackend
    from tests.fakes.request import nothing, run
    from tests.unit.conftest import CONTENT

    threading = native._original('threading')
    reached, may_go_on = threading.Event(), threading.Event()

    def hold():
        reached.set()
        may_go_on.wait(10)

    backend = MemoryBackend()
    ref = model.SnapshotRef(backend.fsid, 'images', 'i-1', 'snap')
    backend.images[ref] = CONTENT
    image = model.ImageInfo('i-1', 'active', 'raw', 'bare', len(CONTENT))
    plan = model.Clone(
        model.Snapshot(ref, len(CONTENT), 0, True), 2 * len(CONTENT)
    )
    target = model.Target('v-1', 'volume-v-1', 2 * len(CONTENT))
    method = getattr(backend, WHERE, None)

    def held(*args):
        hold()
        return method(*args)

    native.in_thread(native.sleep)(0)  # there are 20 threads from now on
    if method is None:  # every one of them is busy
        for _ in range(20):
            eventlet.spawn(native.in_thread(hold))
    else:
        setattr(backend, WHERE, held)
    create = eventlet.spawn(run, plan, image, target, backend, nothing)
    while not reached.is_set():
        eventlet.sleep(0.01)
    eventlet.sleep(0.1)
    create.kill()
    may_go_on.set()
    native.in_thread(native.sleep)(0.5)
    print(sorted(backend.volumes))
"""


@pytest.mark.parametrize(
    'where', ['all threads', 'exists', 'clone_snapshot', 'grow']
)
def test_clone_whose_green_thread_is_killed_leaves_nothing(where):
    """Its native thread goes on, or has not begun yet."""
    code = textwrap.dedent(KILLED).replace('WHERE', repr(where))

    done = subprocess.run(
        [sys.executable, '-W', 'ignore', '-c', code],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ['[]'], done.stderr
