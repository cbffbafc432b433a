# SPDX-License-Identifier: Apache-2.0

"""Found, waited for, or built once; with a store and a builder in memory."""

import contextlib
import dataclasses
import threading
import time

import pytest

from cinder_cow import copying, errors
from cinder_cow.backends.base_store import BuildRecord
from cinder_cow.base_images import ensure
from cinder_cow.model import Verdict, Verification
from cinder_cow.transfer.limiter import CopyLimiter
from cinder_cow.transfer.model import CopyRequest
from tests.fakes import writes
from tests.fakes.bases import MemoryBases, info
from tests.waiting import wait_until

ROOM = 2**20
REQUEST = CopyRequest(glance=None)
CLONEABLE = Verdict(parent=object())


class BaseBuilder:
    """Each of ``tries`` is what one make does; the last for ever."""

    def __init__(self, store, *tries, max_waiting=32):
        self.store = store
        self.made = 0
        self.limiter = CopyLimiter(1, max_waiting)
        self._tries = tries or (None,)

    def slot(self, request):
        return contextlib.nullcontext()

    def waiting(self, request):
        return self.limiter.place(request.project)

    def build(self, name, image, request, volume_bytes, lease):
        act = self._tries[min(self.made, len(self._tries) - 1)]
        self.made += 1
        if isinstance(act, Exception):
            raise act
        if act is not None:
            act()
        writes.write_at(self.store.create(name, 3), 0, b'raw')
        return self.store.commit(name, info(image.image_id))


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(ensure, 'PAUSE_SECONDS', (0.001, 0.002))


@pytest.fixture
def store(backend):
    return MemoryBases(backend)


@pytest.fixture
def qcow2(image):
    return dataclasses.replace(
        image, disk_format='qcow2', hash_algo='sha512', hash_value='ab' * 64
    )


def put_together(store, *tries, **settings):
    return ensure.BaseImages(
        ensure.BaseSettings(**settings), store, BaseBuilder(store, *tries)
    )


def unreachable():
    return errors.SourceUnreachable('glance', 'i-1', 'no route')


def unacceptable():
    return errors.ImageUnacceptable('i-1', 'it has a backing file')


def test_first_to_ask_builds_and_all_later_ones_find(store, qcow2):
    ours = put_together(store)

    first = ours.ensure(qcow2, REQUEST, ROOM)
    second = ours.ensure(qcow2, REQUEST, ROOM)

    assert (first.built, second.built) == (True, False)
    assert first.base == second.base == ours.find(qcow2)
    assert store.leases == store.records == {}


def test_many_at_once_build_once(store, qcow2):
    gate = threading.Barrier(16)
    begun = threading.Event()
    ours = put_together(store, lambda: begun.wait(0.2))
    found = []

    def ask():
        gate.wait()
        found.append(ours.ensure(qcow2, REQUEST, ROOM))

    threads = [threading.Thread(target=ask) for _ in range(16)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()

    assert sorted(each.built for each in found) == [False] * 15 + [True]
    assert len({each.base.name for each in found}) == 1


def test_those_who_wait_for_a_base_are_bounded(store, qcow2):
    let_go = threading.Event()
    base_builder = BaseBuilder(store, lambda: let_go.wait(60), max_waiting=3)
    ours = ensure.BaseImages(ensure.BaseSettings(), store, base_builder)
    ended = []

    def ask():
        try:
            ended.append(ours.ensure(qcow2, REQUEST, ROOM).built)
        except errors.TooManyCopies:
            ended.append(None)

    threads = [threading.Thread(target=ask) for _ in range(9)]
    for each in threads:
        each.start()
    wait_until(lambda: ended.count(None) == 5)
    let_go.set()
    for each in threads:
        each.join(60)

    assert sorted(map(str, ended)) == sorted(
        map(str, [None] * 5 + [False] * 3 + [True])
    )


def test_a_project_that_waits_gives_a_place_to_another(
    store, qcow2, monkeypatch
):
    monkeypatch.setattr(ensure, 'PROCESS_PAUSE_SECONDS', 0.01)
    let_go = threading.Event()
    base_builder = BaseBuilder(store, lambda: let_go.wait(60), max_waiting=2)
    ours = ensure.BaseImages(ensure.BaseSettings(), store, base_builder)
    ended = []

    def ask():
        try:
            ended.append(ours.ensure(qcow2, REQUEST, ROOM))
        except errors.TooManyCopies as exc:
            ended.append(exc)

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for each in threads:
        each.start()
    wait_until(lambda: base_builder.limiter.waiting == 2)
    with base_builder.limiter.place('another project'):
        wait_until(lambda: ended)
        assert [type(each) for each in ended] == [errors.TooManyCopies]
    let_go.set()
    for each in threads:
        each.join(60)
    assert len(ended) == 3


def test_who_waits_in_a_process_sees_what_another_host_has_built(store, qcow2):
    let_go, building = threading.Event(), threading.Event()

    def hang():
        building.set()
        let_go.wait(60)

    ours = put_together(store, hang)

    def ask():
        with contextlib.suppress(errors.VolumeExists):  # it comes too late
            ours.ensure(qcow2, REQUEST, ROOM)

    first = threading.Thread(target=ask)
    first.start()
    assert building.wait(60)
    base = store.add(ours.name(qcow2), b'raw')

    assert ours.ensure(qcow2, REQUEST, ROOM).base == base
    let_go.set()
    first.join(60)


def test_base_that_all_of_one_hash_share_was_verified(store, qcow2):
    """It may have been built by a version that did not verify it."""
    ours = put_together(store)
    store.add(ours.name(qcow2), b'old', verification=Verification.ABSENT)

    assert ours.find(qcow2) is None
    assert ours.ensure(qcow2, REQUEST, ROOM).built


def test_failure_that_nobody_foresaw_is_one_of_this_host(store, qcow2):
    ours = put_together(store, OSError('no more processes'))

    with pytest.raises(errors.UnexpectedFailure) as caught:
        ours.ensure(qcow2, REQUEST, ROOM)

    assert f'build the base {ours.name(qcow2)}' in str(caught.value)
    assert 'no more processes' in str(caught.value)

    record = store.build_record(ours.name(qcow2))
    assert (record.kind, record.final) == ('UnexpectedFailure', False)
    assert store.leases == {}


def test_waiter_goes_on_when_the_builder_has_died(store, qcow2):
    now = [1000.0]
    store.clock = lambda: now[-1] if now else 0.0
    ours = put_together(store)
    store.lease(ours.name(qcow2))  # and it is never released

    threading.Timer(0.05, lambda: now.append(now.pop() + 31)).start()

    assert ours.ensure(qcow2, REQUEST, ROOM).built


def test_failed_build_is_recorded_and_tried_again_by_the_next(store, qcow2):
    ours = put_together(store, unreachable(), None, host='a')

    with pytest.raises(errors.SourceUnreachable):
        ours.ensure(qcow2, REQUEST, ROOM)
    record = store.records[ours.name(qcow2)]
    assert record.failures == 1
    assert record.failures_by_host == {'a': 1}
    assert not record.final
    assert store.leases == {}

    assert ours.ensure(qcow2, REQUEST, ROOM).built
    assert store.records == {}


def while_another_builds(store, ours, qcow2, record):
    """What a waiter comes to, for whom the other's build ends like that."""
    name = ours.name(qcow2)
    lease = store.lease(name)

    def proceed():
        store.set_build_record(name, record)
        lease.release()

    timer = threading.Timer(0.05, proceed)
    timer.start()
    try:
        return ours.ensure(qcow2, REQUEST, ROOM)
    finally:
        timer.join()


def failed(image, kind='SourceUnreachable', final=False, virtual=0, **hosts):
    return BuildRecord(
        sum(hosts.values()),
        kind,
        'no route',
        final,
        image_id=image.image_id,
        failures_by_host=hosts,
        virtual_bytes=virtual,
    )


@pytest.mark.parametrize('hosts', [{'a': 5}, {'a': 2, 'b': 2}, {'here': 1}])
def test_failure_of_another_host_is_not_that_of_who_waits(store, qcow2, hosts):
    ours = put_together(store, host='here')

    ensured = while_another_builds(store, ours, qcow2, failed(qcow2, **hosts))

    assert ensured.built


@pytest.mark.parametrize('hosts', [{'here': 2}, {'a': 3, 'b': 3}])
def test_tries_are_bounded_by_host_and_in_all(store, qcow2, hosts):
    ours = put_together(store, host='here')

    with pytest.raises(errors.BuildFailed, match='no route') as caught:
        while_another_builds(store, ours, qcow2, failed(qcow2, **hosts))

    assert caught.value.kind == 'SourceUnreachable'
    assert caught.value.image_id == qcow2.image_id
    assert store.leases == {}


def test_image_at_fault_is_so_for_all_who_wait(store, qcow2):
    ours = put_together(store, host='here')

    with pytest.raises(errors.BuildFailed, match='no route') as caught:
        while_another_builds(
            store,
            ours,
            qcow2,
            failed(qcow2, 'ImageUnacceptable', final=True, a=1),
        )

    assert caught.value.kind == 'ImageUnacceptable'


def test_another_image_that_claims_the_same_hash_is_not_at_fault(store, qcow2):
    """Whoever adds a location says what hash it has."""
    ours = put_together(store, host='here')
    other = dataclasses.replace(qcow2, image_id='other')
    record = failed(other, 'ImageUnacceptable', True, ROOM + 1, here=9)

    assert while_another_builds(store, ours, qcow2, record).built


def test_failures_of_yesterday_do_not_count(store, qcow2):
    ours = put_together(store, host='here')
    store.set_build_record(
        ours.name(qcow2),
        failed(qcow2, 'ImageUnacceptable', final=True, here=7),
    )

    assert ours.ensure(qcow2, REQUEST, ROOM).built


def test_image_at_fault_is_recorded_as_such(store, qcow2):
    ours = put_together(store, unacceptable())

    with pytest.raises(errors.ImageUnacceptable):
        ours.ensure(qcow2, REQUEST, ROOM)

    record = store.records[ours.name(qcow2)]
    assert record.final
    assert record.cause == 'it has a backing file'


@pytest.mark.parametrize(
    'failure',
    [
        errors.ToolMissing('qemu-img', 'qemu-utils'),
        errors.SourceUnreachable('glance', 'i-1', 'token expired'),
        errors.SourceStalled('glance', 'i-1', 'no byte'),
        errors.StorageUnreachable('write', OSError('timed out')),
        errors.NoRoomForBase('build', ValueError('full')),
        errors.StorageBusy('remove', OSError('busy')),
        errors.ConversionLimitExceeded('i-1', 'took long', 'option'),
        errors.ConfinementMissing('no landlock'),
    ],
)
def test_failure_of_a_host_or_moment_is_never_final(store, qcow2, failure):
    ours = put_together(store, failure)

    for _ in range(2):
        with pytest.raises(type(failure)):
            ours.ensure(qcow2, REQUEST, ROOM)

    assert not store.records[ours.name(qcow2)].final


def test_image_that_came_damaged_twice_is_at_fault(store, qcow2):
    ours = put_together(
        store, errors.SourceDamaged('glance', 'i-1', 'other bytes')
    )

    found = []
    for _ in range(2):
        with pytest.raises(errors.SourceDamaged):
            ours.ensure(qcow2, REQUEST, ROOM)
        found.append(store.records[ours.name(qcow2)].final)

    assert found == [False, True]


def test_volume_that_is_too_small_is_no_failure_of_the_base(store, qcow2):
    ours = put_together(store, errors.ImageTooBig('i-1', ROOM, 1), None)

    with pytest.raises(errors.ImageTooBig):
        ours.ensure(qcow2, REQUEST, 1)

    assert store.records[ours.name(qcow2)].failures == 0
    assert store.leases == {}
    assert ours.ensure(qcow2, REQUEST, ROOM).built


def test_next_volume_that_is_too_small_is_refused_without_a_build(
    store, qcow2
):
    ours = put_together(store, errors.ImageTooBig('i-1', ROOM, 1))

    for _ in range(10):
        with pytest.raises(errors.ImageTooBig) as caught:
            ours.ensure(qcow2, REQUEST, ROOM - 1)
        assert caught.value.image_bytes == ROOM

    assert ours._base_builder.made == 1


def test_waiters_of_a_build_that_found_the_disk_too_big_are_refused(
    store, qcow2
):
    ours = put_together(store)

    with pytest.raises(errors.ImageTooBig):
        while_another_builds(
            store, ours, qcow2, failed(qcow2, virtual=ROOM + 1)
        )

    assert ours._base_builder.made == 0


def test_lost_lease_lets_the_volume_wait_for_the_next_builder(store, qcow2):
    ours = put_together(store, errors.LeaseLost('x', 'taken'), None)

    assert ours.ensure(qcow2, REQUEST, ROOM).built
    assert ours._base_builder.made == 2


def test_lease_that_is_lost_again_and_again_is_an_error(store, qcow2):
    ours = put_together(store, errors.LeaseLost('x', 'taken'))

    with pytest.raises(errors.LeaseLost):
        ours.ensure(qcow2, REQUEST, ROOM)

    assert ours._base_builder.made == ensure.MOST_LOSSES


def test_who_waits_for_a_slot_holds_no_lease(store, qcow2):
    ours = put_together(store)
    name = ours.name(qcow2)
    held = []

    @contextlib.contextmanager
    def slot(_request):
        held.append(name in store.leases)
        yield
        held.append(name in store.leases)

    ours._base_builder.slot = slot

    assert ours.ensure(qcow2, REQUEST, ROOM).built
    assert held == [False, False]


def test_volume_does_not_wait_for_a_build_ahead_that_gives_way(store, qcow2):
    waits, let_go = threading.Event(), threading.Event()

    class Builder(BaseBuilder):
        @contextlib.contextmanager
        def slot(self, request):
            if request.ahead:
                waits.set()
                let_go.wait(60)
            yield

    ours = ensure.BaseImages(ensure.BaseSettings(), store, Builder(store))
    ahead = dataclasses.replace(REQUEST, ahead=True)
    found = []
    thread = threading.Thread(
        target=lambda: found.append(ours.ensure(qcow2, ahead, ROOM))
    )
    thread.start()
    assert waits.wait(60)

    assert ours.ensure(qcow2, REQUEST, ROOM).built
    let_go.set()
    thread.join(60)
    assert not found[0].built


def test_volume_waits_for_a_build_ahead_that_goes_on(store, qcow2):
    begun, let_go = threading.Event(), threading.Event()

    def build():
        begun.set()
        let_go.wait(60)

    ours = put_together(store, build)
    ahead = dataclasses.replace(REQUEST, ahead=True)
    thread = threading.Thread(target=ours.ensure, args=(qcow2, ahead, ROOM))
    thread.start()
    assert begun.wait(60)
    threading.Timer(0.05, let_go.set).start()

    assert not ours.ensure(qcow2, REQUEST, ROOM).built
    thread.join(60)


def test_base_that_came_while_a_slot_was_waited_for_is_used(store, qcow2):
    ours = put_together(store)

    @contextlib.contextmanager
    def slot(_request):
        store.add(ours.name(qcow2), b'raw')
        yield

    ours._base_builder.slot = slot

    assert not ours.ensure(qcow2, REQUEST, ROOM).built
    assert ours._base_builder.made == 0


def test_lease_that_went_to_another_host_meanwhile_is_waited_for(store, qcow2):
    ours = put_together(store)
    others = []

    @contextlib.contextmanager
    def slot(_request):
        if not others:
            others.append(store.lease(ours.name(qcow2)))
            threading.Timer(0.05, others[0].release).start()
        yield

    ours._base_builder.slot = slot

    assert ours.ensure(qcow2, REQUEST, ROOM).built
    assert ours._base_builder.made == 1


def test_wait_for_a_slot_ends_when_another_host_has_built_the_base(
    store, qcow2
):
    """As the limiter waits: it looks every now and then."""
    ours = put_together(store)

    @contextlib.contextmanager
    def slot(request):
        request.cancellation.check()
        store.add(ours.name(qcow2), b'raw')
        request.cancellation.check()
        raise AssertionError('it waits on')
        yield

    ours._base_builder.slot = slot

    assert not ours.ensure(qcow2, REQUEST, ROOM).built


def test_request_that_is_cancelled_waits_for_no_slot(store, qcow2):
    ours = put_together(store)
    cancellation = copying.Cancellation()

    @contextlib.contextmanager
    def slot(request):
        cancellation.cancel()
        request.cancellation.check()
        raise AssertionError('it waits on')
        yield

    ours._base_builder.slot = slot
    request = dataclasses.replace(REQUEST, cancellation=cancellation)

    with pytest.raises(copying.Cancelled):
        ours.ensure(qcow2, request, ROOM)
    assert store.leases == {}


def test_who_waited_builds_in_the_place_that_it_has(store, qcow2):
    ours = put_together(store)
    places = []

    def slot(request):
        places.append(request.place)
        return contextlib.nullcontext()

    ours._base_builder.slot = slot

    assert while_another_builds(store, ours, qcow2, None).built
    assert [each.project for each in places] == [REQUEST.project]


def test_wait_for_a_base_is_one_line_in_the_log(store, qcow2, caplog):
    caplog.set_level('INFO')
    ours = put_together(store)

    while_another_builds(store, ours, qcow2, None)

    waits = f'image={qcow2.image_id} waits for its base {ours.name(qcow2)}'
    assert caplog.messages == [waits]


def test_who_waits_in_a_process_looks_seldom_and_is_woken(
    store, qcow2, monkeypatch
):
    monkeypatch.setattr(ensure, 'PROCESS_PAUSE_SECONDS', 20)
    building, let_go = threading.Event(), threading.Event()

    def hang():
        building.set()
        let_go.wait(60)

    ours = put_together(store, hang)
    first = threading.Thread(target=ours.ensure, args=(qcow2, REQUEST, ROOM))
    first.start()
    assert building.wait(60)
    store.calls.clear()
    threading.Timer(0.2, let_go.set).start()
    began = time.monotonic()

    assert not ours.ensure(qcow2, REQUEST, ROOM).built
    assert time.monotonic() - began < 15
    first.join(60)
    looks = [call for call, _name in store.calls if call == 'find']
    assert len(looks) < 10  # and not every millisecond
    assert 'lease' not in dict(store.calls)


def test_small_volume_is_refused_by_what_an_earlier_build_found(store, qcow2):
    """Also while another builds the base for a larger one."""
    ours = put_together(store)
    store.set_build_record(ours.name(qcow2), failed(qcow2, virtual=ROOM + 1))
    store.lease(ours.name(qcow2))

    with pytest.raises(errors.ImageTooBig):
        ours.ensure(qcow2, REQUEST, ROOM)


def test_what_is_expected_is_asked_of_the_builder(store, qcow2):
    ours = put_together(store)
    ours._base_builder.expected = lambda *asked: asked

    assert ours.expected(qcow2, REQUEST, True) == (
        ours.name(qcow2),
        qcow2,
        REQUEST,
        True,
    )


@pytest.mark.parametrize(
    'end',
    [
        errors.CopyCancelled('i-1'),
        errors.ConversionInterrupted('i-1', 'SIGTERM'),
    ],
)
def test_interrupted_build_is_no_failure(store, qcow2, end):
    ours = put_together(store, end)

    with pytest.raises(type(end)):
        ours.ensure(qcow2, REQUEST, ROOM)

    assert store.records[ours.name(qcow2)].failures == 0


def test_finished_base_counts_though_its_record_cannot_be_removed(
    store, qcow2, caplog
):
    ours = put_together(store, lambda: store.failing.add('set_build_record'))

    assert ours.ensure(qcow2, REQUEST, ROOM).built
    assert 'left to a sweep' in caplog.text


def test_killed_build_leaves_its_record_to_a_sweep(store, qcow2):
    def kill():
        raise KeyboardInterrupt

    ours = put_together(store, kill)

    with pytest.raises(KeyboardInterrupt):
        ours.ensure(qcow2, REQUEST, ROOM)

    assert store.records[ours.name(qcow2)].kind == ''
    assert store.leases == {}


def test_base_of_untrusted_locations_is_not_used_when_they_must_be_trusted(
    store, image
):
    lax = put_together(store, strict_locations=False)
    strict = put_together(store)

    assert lax.ensure(image, REQUEST, ROOM).built
    assert strict.find(image) is None
    assert strict.ensure(image, REQUEST, ROOM).built


def test_required_hash_has_an_unverified_base_built_anew(store, qcow2):
    ours = put_together(store, require_hash=True)
    name = ours.name(qcow2)
    store.add(name, b'old', verification=Verification.ABSENT)

    assert ours.find(qcow2) is None
    ensured = ours.ensure(qcow2, REQUEST, ROOM)

    assert ensured.built
    assert ensured.base.info.verification is Verification.HASH
    assert len(store.retired) == 1
