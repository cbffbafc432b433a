# SPDX-License-Identifier: Apache-2.0
"""Fills a volume with an image's bytes: source, engine, checks, again.

A volume that :meth:`ImageCopier.copy` returned from holds the image, and what
was to be verified is. After an error it holds anything.
"""

from collections.abc import Callable, Iterator
import contextlib
from dataclasses import dataclass

from oslo_log import log as logging

from cinder_cow import copying, errors
from cinder_cow.backends.writer import VolumeWriter
from cinder_cow.model import ImageInfo, Verification
from cinder_cow.sources.base import (
    ExtentReading,
    GlanceAccess,
    ImageSource,
    StreamReading,
)
from cinder_cow.transfer.destination import Destination
from cinder_cow.transfer.limiter import CopyLimiter
from cinder_cow.transfer.verification import ContentChecks, Verifier

LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class CopySettings:
    """How copies are made."""

    memory_bytes: int = 64 * 2**20
    #: Copies that are begun anew when what came was broken or damaged.
    retries: int = 1
    require_hash: bool = False


@dataclass(frozen=True, slots=True)
class CopyRequest:
    """What one copy needs beside the image."""

    glance: GlanceAccess
    #: Makes a verifier of the image's signature, a new one for each try;
    #: None where there is no signature to verify.
    verifier: Callable[[], Verifier] | None = None
    report: copying.Report | None = None
    #: Called when the copy has its turn.
    begun: Callable[[], None] | None = None


@dataclass(frozen=True, slots=True)
class CopyResult:
    """What was done."""

    source: str
    verification: Verification
    signature_verified: bool
    bytes_copied: int


class ImageCopier:
    """Of one backend. Used by several threads."""

    def __init__(
        self,
        settings: CopySettings,
        sources: list[ImageSource],
        turns: CopyLimiter,
    ) -> None:
        self._settings = settings
        self._sources = sources
        self._turns = turns

    @contextlib.contextmanager
    def slot(self, request: CopyRequest) -> Iterator[None]:
        """Waits for the turn to copy; only so many have one at once."""
        with self._turns.slot():
            if request.begun is not None:
                request.begun()
            yield

    def copy(
        self, image: ImageInfo, request: CopyRequest, destination: Destination
    ) -> CopyResult:
        """Copies the image into the destination. Called within a turn.

        :raises SourceError: when it cannot be read, or is damaged.
        :raises ImageUnacceptable: when it is not what it says.
        :raises ImageTooBig: when more comes than the destination holds.
        :raises StorageError: when it cannot be written.
        """
        open_destination = destination.create
        for retries_left in range(self._settings.retries, -1, -1):
            try:
                return self._copy_once(
                    image, request, destination, open_destination
                )
            except (errors.SourceDamaged, errors.SourceUnreachable) as exc:
                if not retries_left:
                    raise
                LOG.warning('%s It is copied once more.', exc)
                open_destination = destination.reset
        raise AssertionError('not reached')

    def _copy_once(
        self,
        image: ImageInfo,
        request: CopyRequest,
        destination: Destination,
        open_destination: Callable[[], VolumeWriter],
    ) -> CopyResult:
        with self._reading(image, request) as reading:
            verifier = request.verifier and request.verifier()
            checks = ContentChecks(
                image,
                reading.source,
                verifier or None,
                hashed=_worth_hashing(reading),
                require_hash=self._settings.require_hash,
            )
            _require_size(image, reading, destination)
            with (
                _damage_named(image, reading.source, destination),
                open_destination() as writer,
            ):
                copied = self._copy(
                    image, reading, writer, checks, request, destination
                )
            checks.conclude()
        return CopyResult(
            reading.source,
            checks.verification,
            verifier is not None,
            copied.bytes_written,
        )

    def _copy(
        self,
        image: ImageInfo,
        reading: StreamReading | ExtentReading,
        writer: VolumeWriter,
        checks: ContentChecks,
        request: CopyRequest,
        destination: Destination,
    ) -> copying.Copied:
        terms = copying.CopyTerms(
            block_bytes=writer.block_bytes,
            destination_is_zero=destination.is_zero,
            destination_bytes=destination.size_bytes,
            memory_bytes=self._settings.memory_bytes,
        )
        if isinstance(reading, ExtentReading):
            return copying.copy_extents(
                reading,
                writer,
                terms,
                digests=checks.digests,
                inspect=checks.inspect,
                report=request.report,
            )
        return copying.copy_stream(
            reading.chunks(),
            writer,
            terms,
            size_bytes=image.size_bytes or None,
            digests=checks.digests,
            inspect=checks.inspect,
            report=request.report,
        )

    def _reading(
        self, image: ImageInfo, request: CopyRequest
    ) -> StreamReading | ExtentReading:
        """The image from the first source that has it."""
        refusals = []
        for source in self._sources:
            found = source.open(image, request.glance)
            if not isinstance(found, list):
                return found
            refusals.extend(found)
        reasons = '; '.join(map(str, refusals)) or 'cow_sources is empty'
        raise errors.SourceUnreachable(
            'any of cow_sources', image.image_id, reasons
        )


def _worth_hashing(reading: StreamReading | ExtentReading) -> bool:
    """Whether the hash costs no more than twice what is read anyway.

    Holes are not read, but a hash has to see their zeros: at 586 MB/s for
    sha512 a 10 GiB image of 100 MiB would wait 18 s for a copy of one. What
    librbd reads has Ceph's own checksums, as what a clone shares.
    """
    if isinstance(reading, StreamReading):
        return True
    return reading.size_bytes <= 2 * reading.data_bytes


def _require_size(
    image: ImageInfo,
    reading: StreamReading | ExtentReading,
    destination: Destination,
) -> None:
    """What the source itself says may differ from what Glance records."""
    if isinstance(reading, StreamReading):
        return
    if reading.size_bytes > destination.size_bytes:
        raise errors.ImageTooBig(
            image.image_id, reading.size_bytes, destination.size_bytes
        )
    if image.size_bytes and reading.size_bytes != image.size_bytes:
        # No hash may tell: see _worth_hashing.
        raise errors.SourceDamaged(
            reading.source,
            image.image_id,
            f'it holds {reading.size_bytes} bytes, and Glance records'
            f' {image.size_bytes}',
        )


@contextlib.contextmanager
def _damage_named(
    image: ImageInfo, source: str, destination: Destination
) -> Iterator[None]:
    room = destination.size_bytes
    try:
        yield
    except copying.Excess as exc:
        if not image.size_bytes:  # all that there is room for came, and more
            raise errors.ImageTooBig(image.image_id, room + 1, room) from exc
        raise errors.SourceDamaged(source, image.image_id, exc) from exc
    except copying.CopyError as exc:
        raise errors.SourceDamaged(source, image.image_id, exc) from exc
