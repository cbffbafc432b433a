# SPDX-License-Identifier: Apache-2.0

"""One base made, with a store and a converter in memory."""

import dataclasses
import hashlib

import pytest

from cinder_cow import errors
from cinder_cow.backends import base_names
from cinder_cow.base_images import builder
from cinder_cow.model import Verification
from cinder_cow.transfer import copier
from cinder_cow.transfer.limiter import CopyLimiter
from tests.fakes.bases import MemoryBases
from tests.fakes.source import MemorySource

DISK = b'disk' * 2048
#: With the disk's size where a qcow2 has it.
FILE = b'QFI-' * 6 + len(DISK).to_bytes(8, 'big') + b'QFI-' * 1016
ROOM = len(DISK)
NAME = 'cow-base-x'
SCRATCH = 'cow-scratch-x'


class Converter:
    """Writes DISK, unless it is told to fail."""

    def __init__(self, store):
        self.store = store
        self.failure = None
        self.read = None

    def virtual_size(self, image, source):
        return len(DISK)

    def convert(self, image, source, target):
        self.read = source.options['image']
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

    def require_safe(image, content):
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


def make(store, converter, image, source=None, room=ROOM, **settings):
    request = copier.CopyRequest(
        glance=None, verifier=settings.pop('verifier', None)
    )
    source = source or MemorySource(FILE)
    image_copier = copier.ImageCopier(
        copier.CopySettings(retries=1), [source], CopyLimiter(1)
    )
    base_builder = builder.BaseBuilder(
        builder.BuildSettings(**settings), store, image_copier, converter
    )
    with store.lease(NAME) as lease:
        return base_builder.build(NAME, image, request, room, lease)


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
    assert base.info.stored_bytes > 0
    assert base.info.version


def test_foreign_image_is_converted_out_of_a_scratch(
    store, converter, foreign, inspected
):
    base = make(store, converter, foreign)

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


def test_it_is_read_for_its_hash_where_that_is_required(
    store, converter, in_place
):
    base = make(store, converter, in_place, require_hash=True)

    assert base.info.verification is Verification.HASH
    assert list(store.things) == [NAME]


def test_and_other_bytes_are_not_converted(store, converter, in_place):
    source = MemorySource(FILE[::-1])

    fails(
        errors.SourceDamaged,
        store,
        converter,
        in_place,
        source,
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
def test_wrong_signature_leaves_nothing(store, converter, request, kind):
    image = dataclasses.replace(
        request.getfixturevalue(kind), hash_algo=None, hash_value=None
    )

    fails(
        errors.SignatureInvalid,
        store,
        converter,
        image,
        MemorySource(FILE[::-1]),
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

    assert error.image_bytes == len(DISK)
    assert converter.read is None


def test_qemu_is_asked_for_the_size_of_other_formats(
    store, converter, foreign
):
    vmdk = dataclasses.replace(foreign, disk_format='vmdk')
    converter.virtual_size = lambda _image, source: len(DISK) + 1

    error = fails(errors.ImageTooBig, store, converter, vmdk)

    assert error.image_bytes == len(DISK) + 1


@pytest.mark.parametrize('kind', ['foreign', 'in_place'])
def test_unsafe_image_is_not_converted(
    store, converter, request, kind, monkeypatch
):
    def refuse(image, _content):
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
    assert NAME in store.things


def _also(function, more):
    def both(*args):
        more()
        return function(*args)

    return both


@pytest.mark.parametrize('kind', ['raw', 'foreign', 'in_place'])
def test_what_a_dead_builder_left_is_removed_first(
    store, converter, request, kind
):
    store.create(NAME, 3).write_at(0, b'old')
    store.create(SCRATCH, 3).write_at(0, b'old')
    image = request.getfixturevalue(kind)

    make(store, converter, image)

    assert list(store.things) == [NAME]


def test_damaged_copy_is_made_once_more(store, converter, foreign):
    source = MemorySource(FILE[:-1], FILE)

    make(store, converter, foreign, source)

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

    assert 'unfinished base' in caplog.text


def test_lease_is_kept_while_bytes_flow(store, converter, foreign):
    store.lease_kept = []
    lease = store.lease(NAME)
    lease.keep = store.lease_kept.append
    settings = builder.BuildSettings(stall_seconds=7, convert_seconds=99)
    image_copier = copier.ImageCopier(
        copier.CopySettings(), [MemorySource(FILE)], CopyLimiter(1)
    )
    base_builder = builder.BaseBuilder(
        settings, store, image_copier, converter
    )

    base_builder.build(NAME, foreign, copier.CopyRequest(None), ROOM, lease)

    assert store.lease_kept[0] == float('inf')  # while it waits for its turn
    assert set(store.lease_kept[1:-2]) == {7}  # while bytes flow
    assert store.lease_kept[-2:] == [99, 99]  # while qemu-img may run


def test_names_of_these_tests_are_those_of_the_house():
    assert base_names.scratch_name(NAME) == SCRATCH
