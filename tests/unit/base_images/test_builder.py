# SPDX-License-Identifier: Apache-2.0

"""One base made, with a store and a converter in memory."""

import dataclasses
import hashlib
import subprocess
import time

import pytest

from cinder_cow import copying, errors
from cinder_cow.backends import base_names
from cinder_cow.backends.base_store import BuildRecord, Room
from cinder_cow.base_images import builder, scratch_check
from cinder_cow.conversion.convert import ConversionLimits
from cinder_cow.model import Verification
from cinder_cow.transfer import copier
from cinder_cow.transfer.limiter import CopyLimiter
from cinder_cow.transfer.model import CopyRequest, CopySettings
from tests.fakes import writes
from tests.fakes.bases import MemoryBases
from tests.fakes.source import (
    LETTER_BYTES,
    MemorySource,
    MemoryStream,
    thread_pool,
)
from tests.unit.sources.filling import sized

DISK = b'disk' * 2048
#: With the disk's size where a qcow2 has it.
FILE = b'QFI-' * 6 + len(DISK).to_bytes(8, 'big') + b'QFI-' * 1016
ROOM = len(DISK)
NAME = 'cow-base-x'
SCRATCH = 'cow-scratch-x'
LIMITS = ConversionLimits(
    seconds=1000, cpu_seconds=1000, address_space_bytes=2**30
)


class Converter:
    """Writes DISK, unless it is to fail."""

    vmdk_types = ('streamOptimized',)

    def __init__(self, store):
        self.store = store
        self.failure = None
        self.image = None
        self.read = None

    def virtual_size(self, image, source, cancellation):
        cancellation.check()
        self.image, self.read = image, source.options['image']
        return len(DISK)

    def convert(self, image, source, target, cancellation):
        self.image, self.read = image, source.options['image']
        assert target.options['image'] == NAME
        content = self.store.things[NAME].content
        assert not any(content), 'the target is not empty'
        content[:] = DISK
        if self.failure is not None:
            raise self.failure


@pytest.fixture
def store(backend):
    return MemoryBases(backend)


@pytest.fixture
def converter(store):
    return Converter(store)


@pytest.fixture(autouse=True)
def inspected(monkeypatch):
    seen = []

    def require_safe(image, content, volume_bytes, vmdk_types):
        seen.append(content.read_at(0, content.size_bytes))

    monkeypatch.setattr(builder.header_check, 'require_safe', require_safe)
    return seen


@pytest.fixture
def raw(image):
    return dataclasses.replace(
        image,
        size_bytes=len(FILE),
        hash_algo='sha256',
        hash_value=hashlib.sha256(FILE).hexdigest(),
    )


@pytest.fixture
def in_place(backend, raw):
    (ref,) = backend.images
    backend.images[ref] = FILE
    return dataclasses.replace(raw, disk_format='qcow2')


@pytest.fixture
def foreign(in_place):
    return dataclasses.replace(in_place, locations=())


def builder_for(store, converter, source=None, **settings):
    image_copier = copier.ImageCopier(
        CopySettings(retries=1), [source or MemorySource(FILE)], CopyLimiter(1)
    )
    return builder.BaseBuilder(
        builder.BuildSettings(**settings), store, image_copier, converter
    )


def make(
    store, converter, image, source=None, room=ROOM, name=NAME, **settings
):
    request = CopyRequest(glance=None, verifier=settings.pop('verifier', None))
    base_builder = builder_for(store, converter, source, **settings)
    with store.lease(name) as lease:
        return base_builder.build(name, image, request, room, lease)


def fails(error, store, *args, **kwargs):
    with pytest.raises(error) as caught:
        make(store, *args, **kwargs)
    assert store.things == {}
    return caught.value


def test_raw_image_is_streamed_straight_in(store, converter, raw):
    base = make(store, converter, raw)

    assert store.things[NAME].content == FILE
    assert list(store.things) == [NAME]
    assert base.info.verification is Verification.HASH
    assert base.info.source == 'memory'
    assert base.info.image_id == raw.image_id
    assert base.info.hash_value == raw.hash_value
    assert base.info.hash_algo == raw.hash_algo
    assert base.info.disk_format == raw.disk_format
    assert base.info.stored_bytes == len(FILE)  # as the store says
    assert 0 <= base.info.seconds < 60
    assert 0 <= time.time() - base.info.created < 60
    assert not base.info.warmed
    assert base.info.version


def test_foreign_image_is_converted_out_of_a_scratch(
    store, converter, foreign, inspected
):
    base = make(store, converter, foreign)

    assert converter.image == foreign
    assert converter.read == SCRATCH
    assert inspected == [FILE]
    assert store.things[NAME].content == DISK
    assert list(store.things) == [NAME]
    assert base.info.verification is Verification.HASH


def test_image_in_this_cluster_is_converted_where_it_lies(
    store, converter, in_place, inspected
):
    source = MemorySource(FILE)

    base = make(store, converter, in_place, source)

    assert source.opened == 0
    assert ('clone_to_scratch', SCRATCH) in store.calls
    assert inspected == [FILE]
    assert list(store.things) == [NAME]
    assert base.info.verification is Verification.ABSENT
    assert not base.info.signature_verified


def test_what_others_share_by_its_hash_is_verified_where_it_lies(
    store, converter, in_place
):
    with pytest.raises(errors.SourceDamaged):
        make(
            store,
            converter,
            dataclasses.replace(in_place, hash_value='ab' * 64),
            name='cow-base-qcow2-sha512-' + 'ab' * 64,
        )

    assert store.things == {}


def test_what_is_verified_is_what_is_converted(store, converter, in_place):
    """And not what another source has under the image's name."""
    source = MemorySource(FILE[::-1])

    base = make(store, converter, in_place, source, require_hash=True)

    assert source.opened == 0
    assert base.info.verification is Verification.HASH
    assert list(store.things) == [NAME]


@pytest.mark.parametrize('other', [FILE[::-1], FILE[:-1], FILE + b'1'])
def test_other_bytes_where_the_image_lies_are_not_converted(
    store, converter, in_place, backend, other
):
    (ref,) = backend.images
    backend.images[ref] = other

    fails(
        errors.SourceDamaged,
        store,
        converter,
        in_place,
        MemorySource(FILE),
        room=2**64,
        require_hash=True,
    )

    assert converter.read is None


class Verifier:
    def __init__(self):
        self.seen = b''

    def update(self, data):
        self.seen += data

    def verify(self):
        if self.seen != FILE:
            raise ValueError('other bytes')


@pytest.mark.parametrize('kind', ['raw', 'foreign', 'in_place'])
def test_signature_is_verified_once_and_recorded(
    store, converter, request, kind
):
    image = request.getfixturevalue(kind)

    base = make(store, converter, image, verifier=Verifier)

    assert base.info.signature_verified


@pytest.mark.parametrize('kind', ['raw', 'foreign', 'in_place'])
def test_wrong_signature_leaves_nothing(
    store, converter, request, backend, kind
):
    image = dataclasses.replace(
        request.getfixturevalue(kind), hash_algo=None, hash_value=None
    )
    (ref,) = backend.images
    backend.images[ref] = FILE[::-1]

    fails(
        errors.SignatureInvalid,
        store,
        converter,
        image,
        MemorySource(FILE[::-1]),
        room=2**64,
        verifier=Verifier,
    )


@pytest.mark.parametrize('kind', ['foreign', 'in_place'])
def test_disk_that_does_not_fit_is_not_converted(
    store, converter, request, kind
):
    image = request.getfixturevalue(kind)

    error = fails(
        errors.ImageTooBig, store, converter, image, room=len(DISK) - 1
    )

    assert vars(error) == {
        'image_id': image.image_id,
        'image_bytes': len(DISK),
        'volume_bytes': len(DISK) - 1,
    }
    assert converter.read is None


def test_qemu_is_asked_for_the_size_of_other_formats(
    store, converter, foreign
):
    vmdk = dataclasses.replace(foreign, disk_format='vmdk')
    converter.virtual_size = lambda *_args: len(DISK) + 1

    error = fails(errors.ImageTooBig, store, converter, vmdk)

    assert error.image_bytes == len(DISK) + 1


def test_qemu_is_asked_of_the_scratch(store, converter, foreign):
    vmdk = dataclasses.replace(foreign, disk_format='vmdk')
    converter.convert = Converter(store).convert

    make(store, converter, vmdk)

    assert (converter.image, converter.read) == (vmdk, SCRATCH)


def test_header_is_held_against_the_volume_and_the_choice_of_types(
    store, converter, foreign, monkeypatch
):
    seen = []
    monkeypatch.setattr(
        builder.header_check,
        'require_safe',
        lambda image, _content, *more: seen.append((image, *more)),
    )

    make(store, converter, foreign)

    assert seen == [(foreign, ROOM, ('streamOptimized',))]


def test_required_hash_that_is_missing_is_an_error(store, converter, in_place):
    bare = dataclasses.replace(in_place, hash_algo=None, hash_value=None)

    fails(errors.ImageUnacceptable, store, converter, bare, require_hash=True)


@pytest.mark.parametrize('disk_format', ['raw', 'vmdk'])
def test_base_is_built_of_extents_too(store, converter, disk_format):
    reading, image = sized('D-')
    image = dataclasses.replace(image, disk_format=disk_format)

    make(store, converter, image, MemorySource(reading))

    built = reading.content if disk_format == 'raw' else DISK
    assert store.things[NAME].content == built


@pytest.mark.parametrize('disk_format', ['raw', 'qcow2'])
def test_source_that_holds_more_than_the_image_is_damaged(
    store, converter, disk_format
):
    reading, image = sized('DD')
    claimed = dataclasses.replace(
        image, size_bytes=LETTER_BYTES, disk_format=disk_format
    )

    source = MemorySource(reading)
    fails(errors.SourceDamaged, store, converter, claimed, source)


def test_note_of_a_build_tells_what_it_takes_and_whose_it_is(
    store, converter, raw
):
    """While it is built, beside what is known of earlier tries."""
    owned = dataclasses.replace(raw, owner='project-1')
    store.set_build_record(NAME, BuildRecord(failures=1, kind='StorageFull'))
    seen = []
    commit = store.commit
    store.commit = lambda *given: (
        seen.append(store.records[NAME]),
        commit(*given),
    )[1]

    make(store, converter, owned)

    (note,) = seen
    assert (note.failures, note.kind) == (1, 'StorageFull')
    assert (note.image_id, note.owner) == (raw.image_id, 'project-1')
    assert note.reserved_bytes == len(FILE)
    assert 0 <= time.time() - note.written < 60


def test_note_of_an_image_of_nobody_has_no_owner(store, converter, raw):
    make(store, converter, dataclasses.replace(raw, owner=None))

    assert store.records[NAME].owner == ''


def test_build_ahead_evicts_nothing(store, converter, raw):
    store.add('cow-base-old', b'old')
    base_builder = builder_for(
        store, converter, limits=builder.EvictionLimits(max_count=1)
    )
    request = CopyRequest(glance=None, ahead=True)

    with store.lease(NAME) as lease, pytest.raises(errors.NoRoomForBase):
        base_builder.build(NAME, raw, request, ROOM, lease)

    assert list(store.things) == ['cow-base-old']


def test_base_that_was_built_ahead_says_so(store, converter, raw):
    request = CopyRequest(glance=None, ahead=True)

    with store.lease(NAME) as lease:
        base = builder_for(store, converter).build(
            NAME, raw, request, ROOM, lease
        )

    assert base.info.warmed


def test_who_waits_for_a_build_has_a_place_of_its_project(store, converter):
    request = CopyRequest(glance=None, project='p')

    with builder_for(store, converter).waiting(request) as place:
        assert place.project == 'p'


@pytest.mark.parametrize('kind', ['foreign', 'in_place'])
def test_unsafe_image_is_not_converted(
    store, converter, request, kind, monkeypatch
):
    def refuse(image, *_others):
        raise errors.ImageUnacceptable(image.image_id, 'a backing file')

    monkeypatch.setattr(builder.header_check, 'require_safe', refuse)
    image = request.getfixturevalue(kind)

    fails(errors.ImageUnacceptable, store, converter, image)

    assert converter.read is None


@pytest.mark.parametrize('kind', ['foreign', 'in_place'])
def test_failed_conversion_leaves_nothing(store, converter, request, kind):
    converter.failure = errors.ImageUnacceptable('i', 'corrupt')
    image = request.getfixturevalue(kind)

    fails(errors.ImageUnacceptable, store, converter, image)


@pytest.mark.parametrize('step', ['create', 'commit'])
@pytest.mark.parametrize('kind', ['raw', 'foreign', 'in_place'])
def test_failing_storage_leaves_nothing(store, converter, request, kind, step):
    store.failing = {step}
    image = request.getfixturevalue(kind)

    fails(errors.StorageError, store, converter, image)


@pytest.mark.parametrize('kind', ['raw', 'foreign', 'in_place'])
def test_without_the_lease_nothing_is_committed(
    store, converter, request, kind
):
    image = request.getfixturevalue(kind)
    converter.convert = lambda *_args: store.take_away(NAME)
    source = MemorySource(FILE)
    source.open = _also(source.open, lambda: store.take_away(NAME))

    with pytest.raises(errors.LeaseLost):
        make(store, converter, image, source)

    # What is there is the next builder's: it is not removed either.
    assert ('commit', NAME) not in store.calls
    assert store.things


def _also(function, more):
    def both(*args):
        more()
        return function(*args)

    return both


@pytest.mark.parametrize('kind', ['raw', 'foreign', 'in_place'])
def test_what_a_dead_builder_left_is_removed_first(
    store, converter, request, kind
):
    writes.write_at(store.create(NAME, 3), 0, b'old')
    writes.write_at(store.create(SCRATCH, 3), 0, b'old')
    image = request.getfixturevalue(kind)

    make(store, converter, image)

    assert list(store.things) == [NAME]


@pytest.mark.parametrize('kind', ['raw', 'foreign'])
def test_damaged_copy_is_made_once_more(store, converter, request, kind):
    source = MemorySource(FILE[:-1], FILE)

    make(store, converter, request.getfixturevalue(kind), source)

    assert source.opened == 2
    assert list(store.things) == [NAME]


def test_what_cannot_be_removed_does_not_hide_the_error(
    store, converter, foreign, caplog
):
    converter.failure = errors.ImageUnacceptable('i', 'corrupt')
    after = converter.convert

    def convert(*args):
        store.failing = {'discard'}
        after(*args)

    converter.convert = convert

    with pytest.raises(errors.ImageUnacceptable, match='corrupt'):
        make(store, converter, foreign)

    assert 'is unfinished' in caplog.text


def built_with(store, converter, image, source, lease, **settings):
    image_copier = copier.ImageCopier(CopySettings(), [source], CopyLimiter(1))
    base_builder = builder.BaseBuilder(
        builder.BuildSettings(**settings), store, image_copier, converter
    )
    return base_builder.build(NAME, image, CopyRequest(None), ROOM, lease)


@pytest.mark.parametrize(('stall', 'least'), [(1, 30), (3, 30), (70, 70)])
def test_lease_lasts_from_report_to_report_and_not_for_ever(
    store, converter, foreign, stall, least
):
    lengths = []
    lease = store.lease(NAME)
    lease.keep = lengths.append

    built_with(
        store,
        converter,
        foreign,
        MemorySource(FILE),
        lease,
        stall_seconds=stall,
        conversion=LIMITS,
    )

    assert min(lengths) == least
    of_qemu = LIMITS.of_info().seconds + LIMITS.of_disk(ROOM).seconds
    assert of_qemu in lengths  # while qemu-img may run
    assert 2 * LIMITS.of_info().seconds in lengths  # while it may look
    assert max(lengths) <= builder.DISCARD_SECONDS


def test_lost_lease_stops_the_copy(store, converter, foreign):
    """Which would go on for ever."""
    copied = []

    def chunks():
        while True:
            copied.append(1)
            if len(copied) == 3:
                store.take_away(NAME)
            yield bytes(2**20)

    endless = dataclasses.replace(
        foreign, size_bytes=2**40, hash_algo=None, hash_value=None
    )
    store.space = Room(0, 2**50, 2**50)
    reading = MemoryStream('memory', (), 1)
    reading.chunks = chunks
    lease = store.lease(NAME)
    store.create = lambda _name, _size: scratch_check.NullWriter()

    with pytest.raises(errors.LeaseLost, match=NAME):
        built_with(store, converter, endless, MemorySource(reading), lease)

    assert reading.closed
    assert not thread_pool()


def test_lost_lease_kills_the_conversion(store, converter, foreign):
    """The converter is handed what kills qemu-img."""

    def convert(_image, _source, _target, cancellation):
        killed = []
        with cancellation.stopping(killed.append):
            store.take_away(NAME)
        assert killed
        raise copying.Cancelled

    converter.convert = convert

    with pytest.raises(errors.LeaseLost):
        make(store, converter, foreign)


def test_request_that_is_cancelled_ends_the_build(store, converter, foreign):
    cancellation = copying.Cancellation()

    def convert(*args):
        cancellation.cancel()
        args[-1].check()

    converter.convert = convert
    image_copier = copier.ImageCopier(
        CopySettings(), [MemorySource(FILE)], CopyLimiter(1)
    )
    base_builder = builder.BaseBuilder(
        builder.BuildSettings(), store, image_copier, converter
    )
    request = CopyRequest(None, cancellation=cancellation)

    with store.lease(NAME) as lease, pytest.raises(errors.CopyCancelled):
        base_builder.build(NAME, foreign, request, ROOM, lease)

    assert store.things == {}


def test_what_fails_of_a_lost_lease_is_named_so(store, converter, foreign):
    """Its successor removes what the conversion was writing."""

    def convert(*_args, **_kwargs):
        store.take_away(NAME)
        raise errors.StorageError('write', OSError('no such image'))

    converter.convert = convert

    with pytest.raises(errors.LeaseLost):
        make(store, converter, foreign)


def test_image_that_a_former_builder_has_open_is_waited_for(
    store, converter, foreign, monkeypatch
):
    monkeypatch.setattr(builder, 'BUSY_PAUSE_SECONDS', 0.001)
    discard, busy = store.discard, [3]

    def discard_when_free(name):
        if busy[0]:
            busy[0] -= 1
            raise errors.StorageBusy(f'remove {name}', OSError('busy'))
        discard(name)

    store.discard = discard_when_free

    make(store, converter, foreign)

    assert list(store.things) == [NAME]


def test_but_not_for_ever(store, converter, foreign, monkeypatch):
    monkeypatch.setattr(builder, 'BUSY_PAUSE_SECONDS', 0.001)
    monkeypatch.setattr(builder, 'BUSY_SECONDS', 0.02)

    def discard(name):
        raise errors.StorageBusy(f'remove {name}', OSError('busy'))

    store.discard = discard

    with pytest.raises(errors.StorageBusy):
        make(store, converter, foreign)


class SmallBlocks(scratch_check.NullWriter):
    block_bytes = 2**16


@pytest.mark.parametrize('disk_format', ['qcow2', 'vhdx'])
def test_disk_that_does_not_fit_ends_the_download_at_its_head(
    store, converter, foreign, tmp_path, disk_format
):
    """A vhdx has its size in the third MiB."""
    file = tmp_path / 'image'
    create = ['qemu-img', 'create', '-q', '-f', disk_format, file, '64M']
    subprocess.run(create, check=True)
    read = []

    def chunks():
        yield file.read_bytes()[: 4 * 2**20].ljust(4 * 2**20, b'1')
        while len(read) < 1000:  # far more than is held in memory
            read.append(1)
            yield b'1' * 2**20
        raise AssertionError('all was read')

    reading = MemoryStream('memory', (), 1)
    reading.chunks = chunks
    source = MemorySource(reading)
    large = dataclasses.replace(
        foreign, size_bytes=2**40, disk_format=disk_format
    )
    store.create = lambda _name, _size: SmallBlocks()
    store.space = Room(0, 2**50, 2**50)

    with pytest.raises(errors.ImageTooBig) as caught:
        built_with(store, converter, large, source, store.lease(NAME))

    assert caught.value.image_bytes == 64 * 2**20
    assert source.opened == 1


@pytest.mark.parametrize('kind', ['raw', 'foreign', 'in_place'])
def test_base_that_there_is_no_room_for_is_not_begun(
    store, converter, request, kind
):
    store.space = Room(2**40, 2**40, 10)
    image = request.getfixturevalue(kind)

    fails(errors.NoRoomForBase, store, converter, image)

    assert converter.read is None


def test_project_of_the_image_is_kept_with_the_base(store, converter, raw):
    owned = dataclasses.replace(raw, owner='project-1')

    assert make(store, converter, owned).info.owner == 'project-1'


def test_names_of_these_tests_are_those_of_the_house():
    assert base_names.scratch_name(NAME) == SCRATCH


def test_progress_is_shown_while_a_base_is_built(store, converter, foreign):
    seen = []
    base_builder = builder_for(store, converter)

    def convert(*arguments):
        seen.append(base_builder.progress.current())
        Converter.convert(converter, *arguments)

    converter.convert = convert
    with store.lease(NAME) as lease:
        base_builder.build(
            NAME, foreign, CopyRequest(glance=None), ROOM, lease
        )

    assert seen == [{NAME: 1.0}]
    assert base_builder.progress.current() == {}


def test_progress_of_a_copy_is_the_part_that_is_copied(store, converter):
    base_builder = builder_for(store, converter)
    with store.lease(NAME) as lease, base_builder.progress.shown(NAME):
        request = base_builder._watched(
            NAME, CopyRequest(glance=None), builder.LeaseWatch(NAME, lease, 60)
        )
        request.report(copying.Progress(25, 100, 25, 0, 1.0))
        assert base_builder.progress.current() == {NAME: 0.25}
        request.report(copying.Progress(50, None, 50, 0, 2.0))
        assert base_builder.progress.current() == {NAME: 0.25}


def test_failed_build_shows_no_progress(store, converter, foreign):
    base_builder = builder_for(store, converter)
    converter.failure = errors.UnexpectedFailure('convert', OSError('x'))
    with store.lease(NAME) as lease, pytest.raises(errors.UnexpectedFailure):
        base_builder.build(
            NAME, foreign, CopyRequest(glance=None), ROOM, lease
        )

    assert base_builder.progress.current() == {}


def test_base_that_makes_room_is_counted(store, converter, raw):
    store.add('cow-base-old', b'old', stored_bytes=100)
    base_builder = builder_for(
        store, converter, limits=builder.EvictionLimits(max_count=1)
    )
    with store.lease(NAME) as lease:
        base_builder.build(NAME, raw, CopyRequest(glance=None), ROOM, lease)

    assert list(store.things) == [NAME]
    assert base_builder.progress.evicted_for_room == 1
