# SPDX-License-Identifier: Apache-2.0
"""A long build keeps its lease by what arrives, and by nothing else."""

import dataclasses
import hashlib
import types

import pytest

from cinder_cow.base_images import builder
from cinder_cow.transfer import copier
from cinder_cow.transfer.limiter import CopyLimiter
from cinder_cow.transfer.model import CopyRequest, CopySettings
from tests.fakes.bases import MemoryBases
from tests.fakes.source import MemoryExtents, MemorySource, MemoryStream

NAME = 'cow-base-x'
STALL = 70
READ, KEPT = 'read', f'kept for {STALL}'


@pytest.fixture
def events():
    """What happened, in order: bytes were read, the lease was kept."""
    return []


@pytest.fixture
def store(backend, events):
    store = MemoryBases(backend)
    take = store.lease

    def lease(name):
        taken = take(name)
        taken.keep = lambda seconds: events.append(f'kept for {seconds}')
        return taken

    store.lease = lease
    return store


def build(store, image, source=None, **more):
    image_copier = copier.ImageCopier(
        CopySettings(), [source or MemorySource(b'')], CopyLimiter(1)
    )
    base_builder = builder.BaseBuilder(
        builder.BuildSettings(stall_seconds=STALL),
        store,
        image_copier,
        types.SimpleNamespace(vmdk_types=()),
    )
    with store.lease(NAME) as lease:
        return base_builder.build(
            NAME, image, CopyRequest(None, **more), 2**30, lease
        )


def sized(image, size_bytes):
    return dataclasses.replace(
        image, size_bytes=size_bytes, hash_algo=None, hash_value=None
    )


def test_bytes_of_a_stream_keep_the_lease(store, image, events):
    def chunks():
        events.append(READ)
        yield b'1234'

    reading = MemoryStream('memory', (), 1)
    reading.chunks = chunks

    build(store, sized(image, 4), MemorySource(reading))

    assert events[events.index(READ) + 1 :] == [KEPT]


def test_bytes_of_extents_keep_the_lease(store, image, events):
    reading = MemoryExtents('D')
    read_at = reading.read_at

    def recorded(offset, length):
        events.append(READ)
        return read_at(offset, length)

    reading.read_at = recorded

    build(store, sized(image, reading.size_bytes), MemorySource(reading))

    assert events[events.index(READ) + 1 :][-1] == KEPT


def test_bytes_that_are_verified_where_they_lie_keep_the_lease(
    store, backend, image, events, monkeypatch
):
    content = b'QFI\xfb' * 1024
    (ref,) = backend.images
    backend.images[ref] = content
    qcow2 = dataclasses.replace(
        image,
        disk_format='qcow2',
        size_bytes=len(content),
        hash_algo='sha256',
        hash_value=hashlib.sha256(content).hexdigest(),
    )
    monkeypatch.setattr(
        builder.header_check, 'require_safe', lambda *_args: None
    )
    monkeypatch.setattr(builder.header_check, 'disk_bytes', lambda *_args: 1)
    read = store.read

    def recorded(name):
        events.append(READ)
        return read(name)

    monkeypatch.setattr(store, 'read', recorded)
    # It ends here, when all is verified.
    store.failing = {('create', NAME)}

    with pytest.raises(builder.errors.StorageError):
        build(store, qcow2, require_hash=True)

    last = len(events) - 1 - events[::-1].index(READ)
    assert events[last + 1] == KEPT


def test_volume_that_waits_for_its_build_is_told_how_far_it_is(store, image):
    reports = []

    build(store, sized(image, 4), MemorySource(b'1234'), report=reports.append)

    assert reports[-1].bytes_done == 4
