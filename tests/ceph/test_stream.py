# SPDX-License-Identifier: Apache-2.0
"""Copies between two real clusters: from ``old_lab`` into ``lab``."""

import dataclasses
import hashlib
import json
import os
import subprocess
import sys
import textwrap
import threading
import time

import pytest

from cinder_cow import errors
from cinder_cow.copying import GRAIN_BYTES, Cancellation
from cinder_cow.model import Method, Target, Verification
from cinder_cow.planning import plan
from cinder_cow.sources.base import ImageSource, StreamReading
from cinder_cow.sources.rbd import RbdSource
from tests.ceph.lab import MIB
from tests.fakes import request
from tests.waiting import wait_until

GIB = 2**30
PIECES = {
    0: b'boot',
    3 * MIB + 4096: os.urandom(2 * MIB),  # over an object's border
    17 * MIB: os.urandom(GRAIN_BYTES),
    32 * MIB - 17: os.urandom(17),  # the very end
}


def content_of(size_bytes, pieces):
    content = bytearray(size_bytes)
    for offset, data in pieces.items():
        content[offset : offset + len(data)] = data
    return bytes(content)


def hashed(image, content):
    return dataclasses.replace(
        image,
        hash_algo='sha512',
        hash_value=hashlib.sha512(content).hexdigest(),
    )


def rbd_source(lab, *clusters, user='cinder', **changed):
    remote = [(cluster.conf, user) for cluster in clusters]
    return RbdSource(lab.settings(**changed), remote)


def copy(lab, image, size_bytes, *sources, backend=None, **terms):
    """The volume, by the way that the driver goes."""
    backend = backend or lab.backend()
    target = Target('1', 'volume-1', size_bytes)
    chosen = plan.choose(image, target, backend.cloneable(image))
    return request.run(
        chosen, image, target, backend, sources=sources, **terms
    )


def grains(lab, name, pool='volumes', snapshot=None):
    """Numbers of the grains of an image that are stored."""
    found = set()

    def take(offset, length, exists):
        if exists:
            end = -(-(offset + length) // GRAIN_BYTES)
            found.update(range(offset // GRAIN_BYTES, end))

    with lab.opened(name, pool) as image:
        image.set_snap(snapshot)
        image.diff_iterate(0, image.size(), None, take)
    return found


class Bytes(ImageSource):
    """Stands for any other source."""

    def __init__(self, content):
        self.content = content

    @classmethod
    def from_options(cls, options):
        raise NotImplementedError

    def open(self, image, glance):
        return BytesReading(self.content)


class BytesReading(StreamReading):
    def __init__(self, content):
        super().__init__('bytes')
        self.content = content

    def chunks(self):
        for start in range(0, len(self.content), MIB):
            yield self.content[start : start + MIB]

    def close(self):
        pass


def test_volume_reads_as_the_image_and_zeros_beyond(lab, old_lab):
    content = content_of(32 * MIB, PIECES)
    image = old_lab.sparse_image(32 * MIB, PIECES)

    result = copy(lab, image, 40 * MIB, rbd_source(lab, old_lab))

    assert result.method is Method.STREAM
    assert result.source == 'rbd'
    assert result.reason == 'other-cluster'
    assert lab.stored() == {'volume-1': content + bytes(8 * MIB)}


def test_volume_is_as_sparse_as_the_image(lab, old_lab):
    image = old_lab.sparse_image(32 * MIB, PIECES)

    copy(lab, image, 40 * MIB, rbd_source(lab, old_lab))

    # Ceph tells of an object what lies before its last byte, not the holes
    # there; its objects have 8 MiB in the image and 4 in the volume.
    theirs = grains(old_lab, image.image_id, 'images', 'snap')
    ours = grains(lab, 'volume-1')
    assert ours < theirs
    assert {grain * GRAIN_BYTES // (4 * MIB) for grain in ours} == {0, 1, 4, 7}
    assert len(lab.data_objects()) == 4


def test_zeros_that_the_image_stores_are_not_stored_again(lab, old_lab):
    image = old_lab.sparse_image(
        32 * MIB, {0: bytes(4 * MIB) + b'x' + bytes(4 * MIB)}
    )

    copy(lab, image, 32 * MIB, rbd_source(lab, old_lab))

    assert grains(lab, 'volume-1') == {4 * MIB // GRAIN_BYTES}
    assert lab.data_objects() != []


def test_volume_is_such_as_cinder_makes(lab, old_lab):
    image = old_lab.image(b'D0D-' * 1024)

    copy(lab, image, MIB, rbd_source(lab, old_lab))

    with lab.opened('volume-1') as volume:
        assert volume.stat()['order'] == 22
        features = volume.features()
    assert features == int(lab.rados.conf_get('rbd_default_features'))


@pytest.mark.parametrize('size_bytes', [1, 17, 4095, 4 * MIB - 1, 4 * MIB + 1])
def test_odd_sizes(lab, old_lab, size_bytes):
    content = os.urandom(size_bytes)
    image = hashed(old_lab.image(content), content)

    result = copy(lab, image, 8 * MIB, rbd_source(lab, old_lab))

    assert result.verification is Verification.HASH
    assert lab.stored() == {'volume-1': content.ljust(8 * MIB, b'\0')}


def test_hash_of_holes_is_not_worth_it(lab, old_lab):
    content = content_of(32 * MIB, PIECES)
    image = hashed(old_lab.sparse_image(32 * MIB, PIECES), content)

    result = copy(lab, image, 32 * MIB, rbd_source(lab, old_lab))

    assert result.verification is Verification.ABSENT
    assert lab.stored() == {'volume-1': content}


def test_hash_of_holes_where_one_is_required(lab, old_lab):
    content = content_of(32 * MIB, PIECES)
    image = hashed(old_lab.sparse_image(32 * MIB, PIECES), content)

    result = copy(
        lab, image, 32 * MIB, rbd_source(lab, old_lab), require_hash=True
    )

    assert result.verification is Verification.HASH
    assert lab.stored() == {'volume-1': content}


def test_other_hash_leaves_an_empty_pool(lab, old_lab):
    content = os.urandom(9 * MIB)
    image = hashed(old_lab.image(content), content + b'more')

    with pytest.raises(errors.SourceDamaged, match='its sha512 is'):
        copy(lab, image, 16 * MIB, rbd_source(lab, old_lab))
    assert lab.leftovers() == []


class Distrust:
    """A verifier of signatures that holds none for good."""

    def __init__(self):
        self.seen = hashlib.sha512()
        self.update = self.seen.update

    def verify(self):
        raise LookupError('no such key')


def test_signature_is_verified_over_every_byte(lab):
    content = content_of(32 * MIB, PIECES)
    image = dataclasses.replace(
        lab.sparse_image(32 * MIB, PIECES), signed=True
    )
    verifier = Distrust()

    with pytest.raises(errors.SignatureInvalid):
        copy(lab, image, 32 * MIB, rbd_source(lab), verifier=lambda: verifier)
    assert verifier.seen.digest() == hashlib.sha512(content).digest()
    assert lab.leftovers() == []


def test_pool_that_cannot_be_read_there_leads_to_the_next_source(lab, old_lab):
    content = os.urandom(MIB)
    image = hashed(old_lab.image(content), content)
    blind = rbd_source(lab, old_lab, user='blind')

    result = copy(lab, image, MIB, blind, Bytes(content))

    assert result.source == 'bytes'
    assert lab.stored() == {'volume-1': content}


def test_image_of_the_volumes_cluster_that_may_not_be_cloned(old_lab):
    content = content_of(32 * MIB, PIECES)
    image = old_lab.sparse_image(32 * MIB, PIECES, protect=False)

    result = copy(old_lab, image, 32 * MIB, rbd_source(old_lab))

    assert result.reason == 'snapshot-unprotected'
    assert result.source == 'rbd'
    assert old_lab.stored() == {'volume-1': content}


def test_snapshot_larger_than_glance_says_makes_nothing(lab, old_lab):
    image = dataclasses.replace(
        old_lab.image(os.urandom(2 * MIB)), size_bytes=MIB
    )

    with pytest.raises(errors.SourceDamaged, match='Glance records 1048576'):
        copy(lab, image, MIB, rbd_source(lab, old_lab))
    assert lab.leftovers() == []


def test_full_pool_is_told_and_left_empty(lab, old_lab):
    image = old_lab.image(b'D0D-' * MIB)
    with lab.full('volumes'), pytest.raises(errors.StorageFull):
        copy(lab, image, 4 * MIB, rbd_source(lab, old_lab))
    assert lab.leftovers() == []


def test_old_bytes_go_and_snapshots_stay(lab, old_lab):
    old = b'O' * (40 * MIB)
    lab.image(old, pool='volumes', name='volume-1', snapshot='kept')
    image = old_lab.sparse_image(32 * MIB, PIECES)

    request.overwrite(
        image,
        Target('1', 'volume-1', 40 * MIB),
        lab.backend(),
        sources=[rbd_source(lab, old_lab)],
    )

    expected = content_of(40 * MIB, PIECES)
    assert lab.stored() == {'volume-1': expected}
    with lab.opened('volume-1') as volume:
        volume.set_snap('kept')
        assert volume.read(0, volume.size()) == old


COPY = """
    import json, sys, time
    from cinder_cow.backends.rbd.backend import RbdBackend
    from cinder_cow.backends.rbd.settings import RbdSettings
    from cinder_cow.model import ImageInfo, Target
    from cinder_cow.planning import plan
    from cinder_cow.sources.base import ImageSource, StreamReading
    from tests.fakes import request

    class Reading(StreamReading):
        def chunks(self):
            for _ in range(5):
                yield b'D0D-' * 2**20
            time.sleep(600)

        def close(self):
            pass

    class Source(ImageSource):
        @classmethod
        def from_options(cls, options):
            return cls()

        def open(self, image, glance):
            return Reading('stuck')

    settings = json.loads(sys.stdin.read())
    settings['image_pools'] = ()
    backend = RbdBackend(RbdSettings(**settings))
    image = ImageInfo('i', 'active', 'raw', 'bare', 2**30)
    target = Target('1', 'volume-1', 2**30)
    chosen = plan.choose(image, target, backend.cloneable(image))
    request.run(chosen, image, target, backend, sources=[Source()])
"""


def test_killed_copy_leaves_one_partial_volume_that_is_removed(lab):
    settings = dataclasses.asdict(lab.settings())
    with subprocess.Popen(
        [sys.executable, '-W', 'ignore', '-c', textwrap.dedent(COPY)],
        stdin=subprocess.PIPE,
    ) as copying:
        copying.stdin.write(json.dumps(settings).encode())
        copying.stdin.close()
        wait_until(lambda: len(lab.data_objects()) >= 4)
        assert copying.poll() is None
        copying.kill()

    assert lab.names() == ['volume-1']
    started = time.monotonic()
    lab.backend().remove('volume-1')
    print(f'removed after {time.monotonic() - started:.1f} s')
    assert lab.leftovers() == []


def test_cancelled_copy_ends_soon_and_leaves_nothing(lab, old_lab):
    image = old_lab.sparse_image(8 * GIB, PIECES)
    image = hashed(image, b'other')  # to hash its holes takes 14 s
    cancellation = Cancellation()
    timer = threading.Timer(1, cancellation.cancel)
    timer.start()
    began = time.monotonic()

    with pytest.raises(errors.CopyCancelled, match=image.image_id):
        copy(
            lab,
            image,
            8 * GIB,
            rbd_source(lab, old_lab),
            require_hash=True,
            cancellation=cancellation,
        )
    timer.join()
    print(f'cancelled after {time.monotonic() - began - 1:.2f} s')
    assert time.monotonic() - began < 6
    assert lab.leftovers() == []


def test_of_ten_sparse_gib_only_the_data_is_copied_and_stored(lab, old_lab):
    pieces = {number * 400 * MIB: os.urandom(4 * MIB) for number in range(25)}
    alone = old_lab.image(b''.join(pieces.values()))
    sparse = old_lab.sparse_image(10 * GIB, pieces)
    source = rbd_source(lab, old_lab)
    seconds = {}
    for image, size_bytes in ((alone, GIB), (sparse, 10 * GIB)):
        with source.open(image, None) as reading:
            assert reading.data_bytes == 100 * MIB
        started = time.monotonic()
        result = copy(lab, image, size_bytes, source)
        seconds[image] = time.monotonic() - started
        assert result.bytes_copied == 100 * MIB
        assert len(lab.data_objects()) == 25
        if image is alone:
            lab.remove('volume-1')

    print(
        f'100 MiB alone {seconds[alone]:.2f} s,'
        f' in 10 GiB {seconds[sparse]:.2f} s'
    )
    with lab.opened('volume-1') as volume:
        for offset, data in pieces.items():
            assert volume.read(offset, len(data)) == data
