# SPDX-License-Identifier: Apache-2.0
"""Fills a volume with an image's bytes: source, engine, checks, retries.

A volume that :meth:`ImageCopier.copy` returned from holds the image, and what
was to be verified is. After an error it holds anything.
"""

from collections.abc import Callable, Iterator
import contextlib
from dataclasses import dataclass, field
import time

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
from cinder_cow.transfer import opening, pace
from cinder_cow.transfer.destination import Destination
from cinder_cow.transfer.limiter import CopyLimiter, Place
from cinder_cow.transfer.verification import ContentChecks, Verifier

LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class CopySettings:
    """How copies are made."""

    memory_bytes: int = 64 * 2**20
    #: Copies that are started again when what came was broken or damaged.
    retries: int = 1
    require_hash: bool = False
    pace_limits: pace.PaceLimits = field(default_factory=pace.PaceLimits)


@dataclass(frozen=True, slots=True)
class CopyRequest:
    """What one copy needs beside the image."""

    glance: GlanceAccess
    #: The project that the volume belongs to, for the order of the copies.
    project: str = ''
    #: For the log; also where a base is built for the volume.
    volume_id: str = ''
    #: Makes a verifier of the image's signature, a new one for each try;
    #: None where there is no signature to verify.
    verifier: Callable[[], Verifier] | None = None
    report: copying.Report | None = None
    #: The least time between two reports.
    progress_seconds: float = 10.0
    #: Whether the copy must be verified by a hash, whatever that costs.
    require_hash: bool = False
    #: Where it waited for what another copied, before it copies itself.
    place: Place | None = None
    #: Whether no volume waits for it: it gives way to those that do.
    ahead: bool = False
    #: Called when the copy has its slot.
    on_start: Callable[[], None] | None = None
    #: Ends the copy from outside, within a second or two where source and
    #: destination answer.
    cancellation: copying.Cancellation | None = None


@dataclass(frozen=True, slots=True)
class CopyResult:
    """What was done."""

    source: str
    verification: Verification
    signature_verified: bool
    bytes_copied: int


class ImageCopier:
    """Copies images. Thread-safe; one instance per backend."""

    def __init__(
        self,
        settings: CopySettings,
        sources: list[ImageSource],
        limiter: CopyLimiter,
    ) -> None:
        self._settings = settings
        self._sources = sources
        self._limiter = limiter

    @property
    def copies_running(self) -> int:
        """How many have a slot."""
        return self._limiter.running

    @property
    def copies_waiting(self) -> int:
        """How many wait, for a slot or for what another copies."""
        return self._limiter.waiting

    @contextlib.contextmanager
    def slot(self, request: CopyRequest) -> Iterator[None]:
        """Wait until this copy may begin; only so many go on at once.

        :raises TooManyCopies: when too many wait already.
        :raises CopyCancelled: see :meth:`copy`.
        """
        volume_id, limiter = request.volume_id, self._limiter
        LOG.debug(
            'volume=%s copy: waits for a slot (%d running, %d waiting)',
            volume_id,
            limiter.running,
            limiter.waiting,
        )
        with contextlib.ExitStack() as stack:
            slot = (
                limiter.slot_ahead(request.cancellation)
                if request.ahead
                else limiter.slot(
                    request.project, request.cancellation, request.place
                )
            )
            try:
                stack.enter_context(slot)
            except copying.Cancelled as exc:
                raise errors.CopyCancelled(f'volume {volume_id}') from exc
            LOG.debug('volume=%s copy: has a slot', volume_id)
            if request.on_start is not None:
                request.on_start()
            yield

    def waiting(
        self, request: CopyRequest
    ) -> contextlib.AbstractContextManager[Place]:
        """A place among those that wait, for what another copies.

        :raises TooManyCopies: when too many wait already.
        """
        if request.ahead:  # it takes no place of a volume's
            return contextlib.nullcontext(Place(request.project, 0))
        return self._limiter.place(request.project)

    def copy(
        self, image: ImageInfo, request: CopyRequest, destination: Destination
    ) -> CopyResult:
        """Copy the image into the destination. Called within a slot.

        :raises SourceError: when it cannot be read, or is damaged.
        :raises ImageUnacceptable: when it is not what it says.
        :raises ImageTooBig: when more comes than the destination holds.
        :raises StorageError: when it cannot be written.
        :raises CopyTimedOut: when it took longer than a copy may.
        :raises CopyCancelled: when it was cancelled, or the error that it
            was cancelled with.
        """
        return _Copy(
            self._settings, self._sources, image, request, destination
        ).run()

    def expected(
        self, image: ImageInfo, request: CopyRequest, most_bytes: int
    ) -> CopyResult:
        """What :meth:`copy` would do now; ``bytes_copied`` would be read.

        The source is opened, and nothing is copied.

        :param most_bytes: what the destination holds.
        :raises SourceError: when no source has it, or it is damaged.
        :raises ImageUnacceptable: when it has no hash and needs one.
        :raises ImageTooBig: when it does not fit.
        :raises StorageError: when the source cannot be asked.
        """
        with opening.closed(
            opening.opened(self._sources, image, request.glance)
        ) as reading:
            opening.require_size(image, reading, most_bytes)
            checks = _checks(self._settings, image, request, reading, None)
            return CopyResult(
                reading.source,
                checks.verification,
                request.verifier is not None,
                image.size_bytes
                if isinstance(reading, StreamReading)
                else reading.data_bytes,
            )


class _Copy:
    """One copy, with all its tries. Used once."""

    def __init__(
        self,
        settings: CopySettings,
        sources: list[ImageSource],
        image: ImageInfo,
        request: CopyRequest,
        destination: Destination,
    ) -> None:
        self._settings = settings
        self._sources = sources
        self._image = image
        self._request = request
        self._destination = destination
        #: Of this copy alone; the request's may be of several.
        self._cancellation = copying.Cancellation()
        self._pace: pace.SourcePace | None = None
        self._source = 'its source'
        self._began_at = time.monotonic()

    def run(self) -> CopyResult:
        try:
            with (
                self._cancelled_with_the_request(),
                pace.looked_after(self._look),
            ):
                result = self._retried()
        except errors.CowError:
            raise
        except copying.Cancelled as exc:
            raise errors.CopyCancelled(
                f'image {self._image.image_id}'
            ) from exc
        except Exception as exc:
            # A library's, or a plugin's: nothing ends a create unnamed.
            self._debug('failed: %r', exc, exc_info=True)
            raise self._source_error(
                errors.SourceError, f'{type(exc).__name__}: {exc}'
            ) from exc
        self._debug('done, %s bytes written', result.bytes_copied)
        return result

    @contextlib.contextmanager
    def _cancelled_with_the_request(self) -> Iterator[None]:
        with contextlib.ExitStack() as stack:
            if self._request.cancellation is not None:
                stack.enter_context(
                    self._request.cancellation.stopping(
                        self._cancellation.cancel
                    )
                )
            yield

    def _look(self) -> None:
        """Cancel the copy if it is too slow. In a native thread."""
        limits = self._settings.pace_limits
        if time.monotonic() - self._began_at > limits.copy_seconds:
            self._cancellation.cancel(
                errors.CopyTimedOut(self._image.image_id, limits.copy_seconds)
            )
        reason = self._pace.too_slow() if self._pace is not None else None
        if reason is not None:
            self._cancellation.cancel(
                self._source_error(errors.SourceStalled, reason)
            )

    def _retried(self) -> CopyResult:
        open_destination = self._destination.create
        for retries_left in range(self._settings.retries, -1, -1):
            self._cancellation.check()
            self._debug('begins')
            try:
                return self._try(open_destination)
            except (errors.SourceDamaged, errors.SourceUnreachable) as exc:
                if not retries_left:
                    raise
                LOG.warning(
                    'volume=%s %s The copy is tried again.',
                    self._request.volume_id,
                    exc,
                )
                open_destination = self._destination.reset
        raise AssertionError('not reached')

    def _try(self, open_destination: Callable[[], VolumeWriter]) -> CopyResult:
        with opening.closed(
            opening.opened(self._sources, self._image, self._request.glance)
        ) as reading:
            self._source = reading.source
            self._debug('source %s is open', reading.source)
            opening.require_size(
                self._image, reading, self._destination.size_bytes
            )
            make_verifier = self._request.verifier
            checks = _checks(
                self._settings,
                self._image,
                self._request,
                reading,
                make_verifier() if make_verifier is not None else None,
            )
            with (
                self._damage_named(),
                opening.closed(open_destination()) as writer,
            ):
                self._debug('destination is open')
                copied = self._copy(reading, writer, checks)
            checks.conclude()
        return CopyResult(
            reading.source,
            checks.verification,
            make_verifier is not None,
            copied.bytes_written,
        )

    def _copy(
        self,
        reading: StreamReading | ExtentReading,
        writer: VolumeWriter,
        checks: ContentChecks,
    ) -> copying.Copied:
        terms = copying.CopyTerms(
            block_bytes=writer.block_bytes,
            destination_is_zero=self._destination.is_zero,
            destination_bytes=self._destination.size_bytes,
            memory_bytes=self._settings.memory_bytes,
            progress_seconds=self._request.progress_seconds,
        )

        def inspect(head: bytes) -> None:
            self._debug('has the first %d bytes', len(head))
            checks.inspect(head)

        with self._cancellation.stopping(lambda _error: reading.interrupt()):
            if isinstance(reading, ExtentReading):
                return copying.copy_extents(
                    reading,
                    writer,
                    terms,
                    digests=checks.digests,
                    inspect=inspect,
                    report=self._request.report,
                    cancellation=self._cancellation,
                )
            self._pace = pace.SourcePace(self._settings.pace_limits)
            return copying.copy_stream(
                self._pace.watched(reading.chunks()),
                writer,
                terms,
                size_bytes=self._image.size_bytes or None,
                digests=checks.digests,
                inspect=inspect,
                report=self._request.report,
                cancellation=self._cancellation,
            )

    @contextlib.contextmanager
    def _damage_named(self) -> Iterator[None]:
        """The engine's errors become the source's."""
        image, room = self._image, self._destination.size_bytes
        try:
            yield
        except copying.Excess as exc:
            if not image.size_bytes:  # all that fits came, and more
                raise errors.ImageTooBig(
                    image.image_id, room + 1, room
                ) from exc
            raise self._source_error(errors.SourceDamaged, exc) from exc
        except copying.Truncated as exc:
            raise self._source_error(errors.SourceDamaged, exc) from exc

    def _source_error(
        self, kind: type[errors.SourceError], reason: object
    ) -> errors.SourceError:
        return kind(self._source, self._image.image_id, reason)

    def _debug(self, step: str, *args: object, **more: bool) -> None:
        """One line of the copy in the log."""
        LOG.debug(
            'volume=%s image=%s copy: %s after %.1f s',
            self._request.volume_id,
            self._image.image_id,
            step % args,
            time.monotonic() - self._began_at,
            **more,
        )


def _checks(
    settings: CopySettings,
    image: ImageInfo,
    request: CopyRequest,
    reading: StreamReading | ExtentReading,
    verifier: Verifier | None,
) -> ContentChecks:
    return ContentChecks(
        image,
        reading.source,
        verifier,
        hashed=opening.is_worth_hashing(reading),
        require_hash=settings.require_hash or request.require_hash,
    )
