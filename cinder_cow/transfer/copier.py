# SPDX-License-Identifier: Apache-2.0
"""Fills a volume with an image's bytes: source, engine, checks, retries.

A volume that :meth:`ImageCopier.copy` returned from holds the image, and what
was to be verified is. After an error it holds anything.
"""

from collections.abc import Callable, Iterator
import contextlib
import dataclasses

from oslo_log import log as logging

from cinder_cow import copying, errors
from cinder_cow.model import ImageInfo
from cinder_cow.sources.base import ExtentReading, ImageSource, StreamReading
from cinder_cow.transfer import opening, single_copy
from cinder_cow.transfer.destination import Destination
from cinder_cow.transfer.limiter import CopyLimiter, Place
from cinder_cow.transfer.model import CopyRequest, CopyResult, CopySettings

LOG = logging.getLogger(__name__)


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
        return single_copy.SingleCopy(
            self._settings,
            lambda: opening.opened(self._sources, image, request.glance),
            image,
            request,
            destination,
        ).run()

    def copy_verified(
        self,
        open_disk: Callable[[], ExtentReading],
        disk: ImageInfo,
        request: CopyRequest,
        destination: Destination,
    ) -> CopyResult:
        """Copy what was verified when it was written here, as :meth:`copy`.

        :param open_disk: called for each try.
        """
        return single_copy.SingleCopy(
            dataclasses.replace(self._settings, require_hash=False),
            open_disk,
            disk,
            dataclasses.replace(request, verifier=None, require_hash=False),
            destination,
            is_verified=True,
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
            checks = single_copy.content_checks(
                self._settings, image, request, reading, None
            )
            return CopyResult(
                reading.source,
                checks.verification,
                request.verifier is not None,
                image.size_bytes
                if isinstance(reading, StreamReading)
                else reading.data_bytes,
            )
