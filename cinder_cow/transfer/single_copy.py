# SPDX-License-Identifier: Apache-2.0
"""One copy of an image, with all its tries."""

from collections.abc import Callable, Iterator
import contextlib
import time

from oslo_log import log as logging

from cinder_cow import copying, errors
from cinder_cow.backends.writer import VolumeWriter
from cinder_cow.model import ImageInfo
from cinder_cow.sources.base import ExtentReading, StreamReading
from cinder_cow.transfer import opening, pace
from cinder_cow.transfer.destination import Destination
from cinder_cow.transfer.model import CopyRequest, CopyResult, CopySettings
from cinder_cow.transfer.verification import ContentChecks, Verifier

LOG = logging.getLogger(__name__)


class SingleCopy:
    """One copy, with all its tries. Used once."""

    def __init__(
        self,
        settings: CopySettings,
        open_reading: Callable[[], StreamReading | ExtentReading],
        image: ImageInfo,
        request: CopyRequest,
        destination: Destination,
        is_verified: bool = False,
    ) -> None:
        """:param is_verified: its bytes were looked at before."""
        self._settings = settings
        self._open_reading = open_reading
        self._image = image
        self._is_verified = is_verified
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
        with opening.closed(self._open_reading()) as reading:
            self._source = reading.source
            self._debug('source %s is open', reading.source)
            opening.require_size(
                self._image, reading, self._destination.size_bytes
            )
            make_verifier = self._request.verifier
            checks = content_checks(
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
        terms = self._terms(writer)

        def inspect(head: bytes) -> None:
            self._debug('has the first %d bytes', len(head))
            if not self._is_verified:
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

    def _terms(self, writer: VolumeWriter) -> copying.CopyTerms:
        return copying.CopyTerms(
            block_bytes=writer.block_bytes,
            destination_is_zero=self._destination.is_zero,
            destination_bytes=self._destination.size_bytes,
            memory_bytes=self._settings.memory_bytes,
            progress_seconds=self._request.progress_seconds,
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


def content_checks(
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
