# SPDX-License-Identifier: Apache-2.0
"""What every ImageBackend keeps. Run on the fake and on the real one.

A subclass gives the fixtures ``backend``, and ``stored``, which maps each
volume's name to its bytes as the storage has them now. Of a backend that
clones also ``image``, an ImageInfo that can be cloned, and ``content``, its
bytes; and ``trusting``: called with fields of ClonePolicy, it answers a
backend of the same storage that trusts so.
"""

import dataclasses
import queue

import pytest

from cinder_cow import errors
from cinder_cow.model import RefusalCode
from tests.fakes import writes

NAME = 'volume-of-the-contract'
BLOCK = 4096
CONTENT = b''.join(bytes([letter]) * BLOCK for letter in b'volume')


def fill(backend, content):
    with backend.open(NAME, len(content)) as writer:
        writes.write_at(writer, 0, content)
        writer.flush()


class BackendContract:
    """Of every backend: volumes are made, filled, grown and removed."""

    def test_open_never_replaces(self, backend, stored):
        fill(backend, CONTENT)

        with pytest.raises(errors.VolumeExists, match=NAME):
            backend.open(NAME, BLOCK)
        assert stored() == {NAME: CONTENT}

    def test_written_bytes_arrive_where_they_were_put(self, backend, stored):
        with backend.open(NAME, 4 * BLOCK) as writer:
            writes.write_at(writer, 3 * BLOCK, b'b' * BLOCK)
            writes.write_at(writer, 0, b'a' * BLOCK)
            writer.flush()

        assert stored() == {
            NAME: b'a' * BLOCK + bytes(2 * BLOCK) + b'b' * BLOCK
        }

    def test_zeroed_bytes_read_as_zeros(self, backend, stored):
        with backend.open(NAME, 3 * BLOCK) as writer:
            writes.write_at(writer, 0, b'a' * 3 * BLOCK)
            writes.zero_at(writer, BLOCK, BLOCK)
            writer.flush()

        assert stored() == {NAME: b'a' * BLOCK + bytes(BLOCK) + b'a' * BLOCK}

    def test_writer_closes_twice(self, backend):
        writer = backend.open(NAME, BLOCK)
        writer.close()
        writer.close()

    def test_reopened_volume_is_written_over(self, backend, stored):
        fill(backend, CONTENT)
        with backend.reopen(NAME) as writer:
            writes.write_at(writer, BLOCK, b'b' * BLOCK)
            writer.flush()

        assert stored() == {
            NAME: CONTENT[:BLOCK] + b'b' * BLOCK + CONTENT[2 * BLOCK :]
        }

    def test_grow_adds_zeros(self, backend, stored):
        fill(backend, CONTENT)
        backend.grow(NAME, len(CONTENT) + BLOCK)

        assert stored() == {NAME: CONTENT + bytes(BLOCK)}

    def test_grow_never_shrinks(self, backend, stored):
        fill(backend, CONTENT)
        backend.grow(NAME, len(CONTENT) - BLOCK)

        assert stored() == {NAME: CONTENT}

    def test_volume_exists_from_its_making_to_its_removal(self, backend):
        assert not backend.exists(NAME)
        fill(backend, CONTENT)
        assert backend.exists(NAME)
        backend.remove(NAME)
        assert not backend.exists(NAME)

    def test_remove_leaves_nothing(self, backend, stored):
        fill(backend, CONTENT)
        backend.remove(NAME)

        assert stored() == {}

    def test_remove_of_nothing_is_fine(self, backend, stored):
        backend.remove(NAME)

        assert stored() == {}

    def test_done_is_called_for_each_write(self, backend, stored):
        finished = queue.Queue()
        with backend.open(NAME, 16 * BLOCK) as writer:
            for number in reversed(range(16)):
                block = bytes([number]) * BLOCK
                writer.start_write(number * BLOCK, block, finished.put)
            assert [finished.get(timeout=30) for _ in range(16)] == [None] * 16
            writer.flush()

        assert stored() == {
            NAME: b''.join(bytes([n]) * BLOCK for n in range(16))
        }


class CloningBackendContract(BackendContract):
    """Of a backend that has the optional hooks too."""

    def test_verdict_names_the_parent(self, backend, image, content):
        verdict = backend.cloneable(image)

        assert verdict
        assert verdict.parent.ref.image == image.image_id
        assert verdict.parent.size_bytes == len(content)

    def test_refusal_is_a_false_verdict(self, backend, image):
        verdict = backend.cloneable(dataclasses.replace(image, locations=()))

        assert not verdict
        assert verdict.refusals

    def test_image_in_a_pool_that_is_not_named_is_refused(
        self, trusting, image
    ):
        (refusal,) = trusting(image_pools=('gold',)).cloneable(image).refusals

        assert refusal.code is RefusalCode.POOL_NOT_ALLOWED

    def test_name_that_is_not_glances_is_refused_but_where_that_is_trusted(
        self, trusting, image
    ):
        other = dataclasses.replace(image, image_id='another')

        (refusal,) = trusting().cloneable(other).refusals
        assert refusal.code is RefusalCode.NOT_GLANCE_IMAGE
        assert trusting(strict_locations=False).cloneable(other)

    def test_signed_image_is_refused_but_where_no_signature_counts(
        self, trusting, image
    ):
        signed = dataclasses.replace(image, signed=True)

        (refusal,) = trusting().cloneable(signed).refusals
        assert refusal.code is RefusalCode.SIGNED
        assert trusting(verify_signatures=False).cloneable(signed)

    def test_clone_has_the_images_bytes(self, backend, image, content, stored):
        backend.clone(image, NAME)

        assert stored() == {NAME: content}

    def test_clone_of_uncloneable_image_is_a_callers_bug(
        self, backend, image, stored
    ):
        queued = dataclasses.replace(image, status='queued')

        with pytest.raises(RuntimeError, match=image.image_id):
            backend.clone(queued, NAME)
        assert stored() == {}

    def test_clone_never_replaces(self, backend, image, stored):
        with backend.open(NAME, BLOCK) as writer:
            writes.write_at(writer, 0, b'D' * BLOCK)

        with pytest.raises(errors.VolumeExists, match=NAME):
            backend.clone(image, NAME)
        assert stored() == {NAME: b'D' * BLOCK}

    def test_zeros_hide_the_parent(self, backend, image, content, stored):
        backend.clone(image, NAME)
        with backend.reopen(NAME) as writer:
            writes.zero_at(writer, 0, BLOCK)
            writer.flush()

        assert stored() == {NAME: bytes(BLOCK) + content[BLOCK:]}

    def test_clone_grows(self, backend, image, content, stored):
        backend.clone(image, NAME)
        backend.grow(NAME, len(content) + BLOCK)

        assert stored() == {NAME: content + bytes(BLOCK)}

    def test_clone_is_removed(self, backend, image, stored):
        backend.clone(image, NAME)
        assert backend.exists(NAME)
        backend.remove(NAME)

        assert stored() == {}

    def test_flattened_clone_has_the_same_bytes(
        self, backend, image, content, stored
    ):
        backend.clone(image, NAME)
        backend.flatten(NAME)

        assert stored() == {NAME: content}
