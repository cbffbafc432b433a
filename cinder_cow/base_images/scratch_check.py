# SPDX-License-Identifier: Apache-2.0
"""Hash and signature of the very bytes that are going to be converted."""

from collections.abc import Iterator
import dataclasses

from cinder_cow import copying, errors
from cinder_cow.backends.base_store import Readable
from cinder_cow.backends.writer import Done, VolumeWriter
from cinder_cow.model import ImageInfo
from cinder_cow.transfer.model import CopyRequest, CopyResult
from cinder_cow.transfer.verification import ContentChecks, Verifier

BLOCK_BYTES = 4 * 2**20
TERMS = copying.CopyTerms(
    block_bytes=BLOCK_BYTES,
    destination_is_zero=True,
    # Two blocks are read while two are hashed.
    memory_bytes=4 * BLOCK_BYTES,
)
#: A scratch that was not copied is a clone of Glance's own RBD image.
SOURCE = 'rbd'


def verify(
    image: ImageInfo,
    content: Readable,
    request: CopyRequest,
    require_hash: bool,
) -> CopyResult:
    """What was found out by reading all of the scratch.

    :raises SourceDamaged: when it is not what Glance has the hash of.
    :raises SignatureInvalid: when the signature does not hold.
    :raises ImageUnacceptable: when it is not what it says, or has no hash
        and needs one.
    :raises StorageError: when it cannot be read.
    """
    verifier = request.verifier and request.verifier()
    checks = _checks(image, verifier or None, require_hash)
    if image.size_bytes and content.size_bytes != image.size_bytes:
        raise errors.SourceDamaged(
            SOURCE,
            image.image_id,
            f'it holds {content.size_bytes} bytes, and Glance records'
            f' {image.size_bytes}',
        )
    copying.copy_stream(
        _blocks(content),
        NullWriter(),
        dataclasses.replace(TERMS, progress_seconds=request.progress_seconds),
        size_bytes=content.size_bytes,
        digests=checks.digests,
        inspect=checks.inspect,
        report=request.report,
        cancellation=request.cancellation,
    )
    checks.conclude()
    return CopyResult(SOURCE, checks.verification, verifier is not None, 0)


def expected(
    image: ImageInfo, request: CopyRequest, require_hash: bool
) -> CopyResult:
    """What :func:`verify` would find if all is well. Nothing is read.

    :raises ImageUnacceptable: when it has no hash and needs one.
    """
    checks = _checks(image, None, require_hash)
    return CopyResult(
        SOURCE, checks.verification, request.verifier is not None, 0
    )


def _checks(
    image: ImageInfo, verifier: Verifier | None, require_hash: bool
) -> ContentChecks:
    return ContentChecks(
        image, SOURCE, verifier, hashed=True, require_hash=require_hash
    )


def _blocks(content: Readable) -> Iterator[bytes]:
    for offset in range(0, content.size_bytes, BLOCK_BYTES):
        yield content.read_at(offset, BLOCK_BYTES)


class NullWriter(VolumeWriter):
    """Takes bytes that are only to be verified."""

    @property
    def block_bytes(self) -> int:
        return BLOCK_BYTES

    def start_write(self, offset: int, data: bytes, done: Done) -> None:
        done(None)

    def start_zero(self, offset: int, length: int, done: Done) -> None:
        done(None)

    def flush(self) -> None:
        pass

    def close(self) -> None:
        pass
