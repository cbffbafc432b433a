# SPDX-License-Identifier: Apache-2.0

"""Builds one base, for whoever has the lease on it.

Raw bytes are streamed straight into the base. What has to be converted lies
in a *scratch* meanwhile: a copy-on-write clone of Glance's own RBD image where
that is in this cluster, so that it is read where it lies; else what was
streamed there, by the same copy, with the same checks, and into no local file.
"""

from collections.abc import Iterator
import contextlib
import dataclasses
from dataclasses import dataclass, field
from importlib import metadata
import time

from oslo_log import log as logging

from cinder_cow import copying, errors
from cinder_cow.backends import base_names
from cinder_cow.backends.base_store import BaseStore, BuildRecord, Lease
from cinder_cow.backends.writer import VolumeWriter
from cinder_cow.base_images import header_size, room, scratch_check
from cinder_cow.base_images.build_progress import BuildProgress
from cinder_cow.base_images.eviction import EVICT_SECONDS, EvictionLimits
from cinder_cow.base_images.lease_watch import LeaseWatch
from cinder_cow.conversion import header_check
from cinder_cow.conversion.convert import ConversionLimits, Converter
from cinder_cow.model import Base, BaseInfo, ImageInfo, Verification
from cinder_cow.planning import verdict as rules
from cinder_cow.transfer.copier import ImageCopier
from cinder_cow.transfer.destination import Destination, NewDestination
from cinder_cow.transfer.limiter import Place
from cinder_cow.transfer.model import CopyRequest, CopyResult

LOG = logging.getLogger(__name__)

#: What QEMU reads where it lies is hashed only where others share the base, or
#: where that is required.
IN_PLACE = CopyResult(scratch_check.SOURCE, Verification.ABSENT, False, 0)
#: A former builder that lost its lease lets go of the image within seconds;
#: Ceph forgets one that was killed after half a minute.
BUSY_SECONDS = 300
BUSY_PAUSE_SECONDS = 2
#: The store itself waits for a minute, and a removal takes its time.
DISCARD_SECONDS = 600


@dataclass(frozen=True, slots=True)
class BuildSettings:
    """How bases are built."""

    #: A lease is given up when no byte has come for so long.
    stall_seconds: float = 60
    #: What one run of qemu-img may take.
    conversion: ConversionLimits = ConversionLimits(
        seconds=3600, cpu_seconds=3600, address_space_bytes=4 * 2**30
    )
    #: Whether what is read where it lies is hashed too.
    require_hash: bool = False
    #: What all bases may take.
    limits: EvictionLimits = field(default_factory=EvictionLimits)


@dataclass(frozen=True, slots=True)
class _Build:
    """One build while it goes on."""

    name: str
    image: ImageInfo
    #: Renews the lease by its reports, and ends when the lease is lost.
    request: CopyRequest
    volume_bytes: int
    watch: LeaseWatch


class BaseBuilder:
    """Thread-safe; one instance per backend."""

    def __init__(
        self,
        settings: BuildSettings,
        store: BaseStore,
        image_copier: ImageCopier,
        converter: Converter,
    ) -> None:
        self._settings = settings
        self._store = store
        self._image_copier = image_copier
        self._converter = converter
        self.progress = BuildProgress()

    def waiting(
        self, request: CopyRequest
    ) -> contextlib.AbstractContextManager[Place]:
        """A place among those that wait for a copy, of which there are few.

        :raises TooManyCopies: when there is none.
        """
        return self._image_copier.waiting(request)

    def slot(
        self, request: CopyRequest
    ) -> contextlib.AbstractContextManager[None]:
        """Waits until one more copy may be made, and holds the right to it."""
        return self._image_copier.slot(request)

    def expected(
        self, name: str, image: ImageInfo, request: CopyRequest, in_place: bool
    ) -> CopyResult:
        """What :meth:`build` would do now; ``bytes_copied`` would be read.

        :param in_place: whether the image lies where a scratch can be cloned
            of it.
        :raises CowError: what would end the build before a byte is copied.
        """
        require_hash = request.require_hash or base_names.is_shared(name)
        if rules.is_the_disk(image) or not in_place:
            return self._image_copier.expected(
                image,
                dataclasses.replace(request, require_hash=require_hash),
                image.size_bytes,
            )
        found = IN_PLACE
        if request.verifier or require_hash or self._settings.require_hash:
            found = scratch_check.expected(
                image, request, require_hash or self._settings.require_hash
            )
        return dataclasses.replace(found, bytes_copied=image.size_bytes)

    def build(
        self,
        name: str,
        image: ImageInfo,
        request: CopyRequest,
        volume_bytes: int,
        lease: Lease,
    ) -> Base:
        """The base. Called within a :meth:`slot`.

        :param volume_bytes: what it has to fit into.
        :raises LeaseLost: when another may be building it. What is there is
            the other's.
        :raises CowError: and nothing is left of it then.
        """
        started = time.monotonic()
        watch = LeaseWatch(name, lease, self._settings.stall_seconds)
        build = _Build(
            name,
            image,
            self._watched(name, request, watch),
            volume_bytes,
            watch,
        )
        with (
            self.progress.shown(name),
            _also_ended_by(request.cancellation, watch),
            watch.loss_named(),
            self._undone_on_failure(build),
        ):
            self._clear(build)
            if rules.is_the_disk(image):
                copied = self._stream(build)
            else:
                copied = self._convert(build)
            watch.check()
            base = self._store.commit(name, _info(build, copied, started))
        LOG.debug('base=%s is finished', name)
        return base

    def _stream(self, build: _Build) -> CopyResult:
        """What was done to copy a raw image straight into the base."""
        size_bytes = build.image.size_bytes
        self._reserve(build, size_bytes)
        LOG.debug('base=%s copying %d bytes', build.name, size_bytes)
        return self._image_copier.copy(
            build.image, build.request, self._new(build, size_bytes)
        )

    def _convert(self, build: _Build) -> CopyResult:
        """What was done to copy an image of another format."""
        scratch, copied = base_names.scratch_name(build.name), None
        # QEMU opens nothing that it may only read; and Glance's image cannot
        # be deleted meanwhile.
        if not self._store.clone_to_scratch(build.image, scratch):
            copied = self._fill_scratch(build, scratch)
        self.progress.copied(build.name)
        virtual_bytes = self._examine(build, scratch)
        _require_fit(build, virtual_bytes)
        if copied is None:
            copied = self._verify(build, scratch)
        self._reserve(build, virtual_bytes)
        self._store.create(build.name, virtual_bytes).close()
        LOG.debug(
            'base=%s converting a disk of %d bytes', build.name, virtual_bytes
        )
        limits = self._settings.conversion
        build.watch.keep(
            limits.of_info().seconds + limits.of_disk(virtual_bytes).seconds
        )
        self._converter.convert(
            build.image,
            self._store.block_device(scratch),
            self._store.block_device(build.name),
            build.watch.cancellation,
        )
        self._discard(build, scratch)
        return copied

    def _fill_scratch(self, build: _Build, scratch: str) -> CopyResult:
        """What was done to copy the image's own bytes there."""
        size_bytes = build.image.size_bytes
        self._reserve(build, size_bytes)

        def inspect(head: bytes) -> bool:
            found = header_size.disk_bytes(build.image.disk_format, head)
            if found is not None:
                _require_fit(build, found)
            return found is not None

        def create() -> VolumeWriter:
            writer = self._store.create(scratch, size_bytes)
            return header_size.HeadInspector(writer, inspect)

        LOG.debug('base=%s copying its image', build.name)
        return self._image_copier.copy(
            build.image,
            build.request,
            NewDestination(
                size_bytes, create, lambda: self._discard(build, scratch)
            ),
        )

    def _examine(self, build: _Build, scratch: str) -> int:
        """Bytes of the disk in the image, which is safe to be converted."""
        build.watch.keep(2 * self._settings.conversion.of_info().seconds)
        with self._store.read(scratch) as content:
            header_check.require_safe(
                build.image,
                content,
                build.volume_bytes,
                self._converter.vmdk_types,
            )
            found = header_check.disk_bytes(build.image, content)
        if found is not None:
            return found
        return self._converter.virtual_size(
            build.image,
            self._store.block_device(scratch),
            build.watch.cancellation,
        )

    def _verify(self, build: _Build, scratch: str) -> CopyResult:
        """What is converted where it lies, verified where that counts."""
        require_hash = (
            build.request.require_hash or self._settings.require_hash
        )
        if build.request.verifier is None and not require_hash:
            return IN_PLACE
        LOG.debug('base=%s verifying its image', build.name)
        build.watch.progress()
        with self._store.read(scratch) as content:
            return scratch_check.verify(
                build.image, content, build.request, require_hash
            )

    def _reserve(self, build: _Build, most_bytes: int) -> None:
        """See that there is room, and tell the other builders."""
        record = self._store.build_record(build.name) or BuildRecord()
        self._store.set_build_record(
            build.name,
            dataclasses.replace(
                record,
                image_id=build.image.image_id,
                reserved_bytes=most_bytes,
                owner=build.image.owner or '',
                written=time.time(),
            ),
        )
        need = room.Need(
            build.name, build.image, most_bytes, not build.request.ahead
        )
        # Other bases may have to be evicted.
        build.watch.keep(EVICT_SECONDS)
        room.require(
            self._store, self._settings.limits, need, self.progress.evicted
        )
        build.watch.progress()

    def _new(self, build: _Build, size_bytes: int) -> Destination:
        return NewDestination(
            size_bytes,
            lambda: self._store.create(build.name, size_bytes),
            lambda: self._discard(build, build.name),
        )

    def _clear(self, build: _Build) -> None:
        """Remove what another builder has left."""
        self._discard(build, base_names.scratch_name(build.name))
        self._discard(build, build.name)

    def _discard(self, build: _Build, name: str) -> None:
        """Wait, within limits, for another builder to let go of it."""
        deadline = time.monotonic() + BUSY_SECONDS
        while True:
            build.watch.keep(DISCARD_SECONDS)
            try:
                self._store.discard(name)
                return
            except errors.StorageBusy as exc:
                if time.monotonic() >= deadline:
                    raise
                LOG.info('base=%s waits: %s', build.name, exc)
            time.sleep(BUSY_PAUSE_SECONDS)

    def _watched(
        self, name: str, request: CopyRequest, watch: LeaseWatch
    ) -> CopyRequest:
        """The same request; its reports keep the lease, whose loss ends it.

        What is to be shared by its hash has to have it.
        """

        def report(progress: copying.Progress) -> None:
            watch.copied(progress)
            if progress.size_bytes:
                self.progress.copied(
                    name, progress.bytes_done / progress.size_bytes
                )
            if request.report is not None:
                request.report(progress)

        return dataclasses.replace(
            request,
            report=report,
            cancellation=watch.cancellation,
            require_hash=request.require_hash or base_names.is_shared(name),
        )

    @contextlib.contextmanager
    def _undone_on_failure(self, build: _Build) -> Iterator[None]:
        try:
            yield
        except BaseException:  # also when the green thread is killed
            try:
                # What is there may be of the next builder already.
                build.watch.check()
                self._clear(build)
            except errors.CowError as exc:
                # The first error is the one to report. The record of this
                # build stays, and a sweep looks after it.
                LOG.warning(
                    'base=%s is unfinished, and left to a sweep: %s',
                    build.name,
                    exc,
                )
            raise


def _also_ended_by(
    cancellation: copying.Cancellation | None, watch: LeaseWatch
) -> contextlib.AbstractContextManager[None]:
    """What ends the request ends the build."""
    if cancellation is None:
        return contextlib.nullcontext()
    return cancellation.stopping(watch.cancellation.cancel)


def _require_fit(build: _Build, virtual_bytes: int) -> None:
    if virtual_bytes > build.volume_bytes:
        raise errors.ImageTooBig(
            build.image.image_id, virtual_bytes, build.volume_bytes
        )


def _info(build: _Build, copied: CopyResult, started: float) -> BaseInfo:
    image = build.image
    return BaseInfo(
        image_id=image.image_id,
        disk_format=image.disk_format,
        hash_algo=image.hash_algo,
        hash_value=image.hash_value,
        source=copied.source,
        verification=copied.verification,
        signature_verified=copied.signature_verified,
        stored_bytes=0,  # the store knows
        seconds=time.monotonic() - started,
        created=time.time(),
        version=metadata.version('cinder-cow'),
        owner=image.owner,
        warmed=build.request.ahead,
    )
