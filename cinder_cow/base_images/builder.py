# SPDX-License-Identifier: Apache-2.0

"""Makes one base, by whoever has the lease to do so.

Raw bytes are streamed straight in. What has to be converted lies in a
*scratch* meanwhile: a copy-on-write clone of Glance's own RBD image where that
is in this cluster, so that it is read where it lies; else what was streamed
there, by the same copy, with the same checks, and into no local file.
"""

from collections.abc import Iterator
import contextlib
import dataclasses
from dataclasses import dataclass
from importlib import metadata
import time

from oslo_log import log as logging

from cinder_cow import copying, errors
from cinder_cow.backends import base_names
from cinder_cow.backends.base_store import BaseStore, Lease
from cinder_cow.backends.writer import Done, VolumeWriter
from cinder_cow.conversion import header_check
from cinder_cow.conversion.convert import Converter
from cinder_cow.model import Base, BaseInfo, ImageInfo, Verification
from cinder_cow.planning import verdict as rules
from cinder_cow.transfer.copier import CopyRequest, CopyResult, ImageCopier
from cinder_cow.transfer.destination import Destination, NewDestination

LOG = logging.getLogger(__name__)

#: What qemu-img reads where it lies is not hashed: see `fill`.
IN_PLACE = CopyResult('rbd', Verification.ABSENT, False, 0)


@dataclass(frozen=True, slots=True)
class BuildSettings:
    """How bases are made."""

    #: A lease is given up when no byte has come for so long.
    stall_seconds: float = 60
    #: The longest conversion.
    convert_seconds: float = 3600
    #: Whether what is read where it lies is hashed too.
    require_hash: bool = False


class BaseBuilder:
    """Of one backend. Used by several threads."""

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

    def build(
        self,
        name: str,
        image: ImageInfo,
        request: CopyRequest,
        volume_bytes: int,
        lease: Lease,
    ) -> Base:
        """The base, made when this has its turn to copy.

        :param volume_bytes: what it has to fit into.
        :raises CowError: and nothing is left of it then.
        """
        started = time.monotonic()
        # However long the turn takes: this process is alive.
        lease.keep(float('inf'))
        with (
            self._image_copier.slot(request),
            self._undone_on_failure(name, lease),
        ):
            self._clear(name)
            lease.keep(self._settings.stall_seconds)
            if rules.is_the_disk(image):
                into = self._new(name, image.size_bytes)
                filled = self._fill(image, request, into, lease)
            else:
                filled = self._convert(
                    name, image, request, volume_bytes, lease
                )
            lease.check()
            return self._store.commit(name, _info(image, filled, started))

    def _fill(
        self,
        image: ImageInfo,
        request: CopyRequest,
        into: Destination,
        lease: Lease,
    ) -> CopyResult:
        def report(progress: copying.Progress) -> None:
            lease.keep(self._settings.stall_seconds)
            if request.report is not None:
                request.report(progress)

        return self._image_copier.copy(
            image, dataclasses.replace(request, report=report), into
        )

    def _convert(
        self,
        name: str,
        image: ImageInfo,
        request: CopyRequest,
        volume_bytes: int,
        lease: Lease,
    ) -> CopyResult:
        scratch, filled = base_names.scratch_name(name), None
        # QEMU opens nothing that it may only read; and Glance's image cannot
        # be deleted meanwhile.
        if not self._store.clone_to_scratch(image, scratch):
            into = self._new(scratch, image.size_bytes)
            filled = self._fill(image, request, into, lease)
        lease.keep(self._settings.convert_seconds)
        virtual_bytes = self._examine(image, scratch)
        if virtual_bytes > volume_bytes:
            raise errors.ImageTooBig(
                image.image_id, virtual_bytes, volume_bytes
            )
        if filled is None:
            filled = self._verify(image, request, lease)
        self._store.create(name, virtual_bytes).close()
        lease.keep(self._settings.convert_seconds)
        self._converter.convert(
            image,
            self._store.block_device(scratch),
            self._store.block_device(name),
        )
        self._store.discard(scratch)
        return filled

    def _examine(self, image: ImageInfo, scratch: str) -> int:
        """Bytes of the disk in the image, which is safe to be converted."""
        with self._store.read(scratch) as content:
            header_check.require_safe(image, content)
            told = header_check.disk_bytes(image, content)
        if told is not None:
            return told
        return self._converter.virtual_size(
            image, self._store.block_device(scratch)
        )

    def _verify(
        self, image: ImageInfo, request: CopyRequest, lease: Lease
    ) -> CopyResult:
        """What is read where it lies, where it has to be verified."""
        if request.verifier is None and not self._settings.require_hash:
            return IN_PLACE
        nothing = NullDestination(image.size_bytes, is_zero=True)
        return self._fill(image, request, nothing, lease)

    def _new(self, name: str, size_bytes: int) -> Destination:
        return NewDestination(
            size_bytes,
            lambda: self._store.create(name, size_bytes),
            lambda: self._store.discard(name),
        )

    def _clear(self, name: str) -> None:
        """Removes what a builder has left that died."""
        self._store.discard(base_names.scratch_name(name))
        self._store.discard(name)

    @contextlib.contextmanager
    def _undone_on_failure(self, name: str, lease: Lease) -> Iterator[None]:
        try:
            yield
        except BaseException:  # also when the green thread is killed
            try:
                # What is there may be of the next builder already.
                lease.check()
                lease.keep(float('inf'))
                self._clear(name)
            except errors.CowError as exc:
                # The first error is the one to report. The note on this
                # build stays, and a sweep looks after it.
                LOG.warning('An unfinished base is left for now: %s', exc)
            raise


class NullDestination(Destination):
    """For bytes that are only to be verified."""

    def create(self) -> VolumeWriter:
        return NullWriter()

    def reset(self) -> VolumeWriter:
        return NullWriter()


class NullWriter(VolumeWriter):
    """Takes bytes that are only to be verified."""

    @property
    def block_bytes(self) -> int:
        return 4 * 2**20

    def start_write(self, offset: int, data: bytes, done: Done) -> None:
        done(None)

    def start_zero(self, offset: int, length: int, done: Done) -> None:
        done(None)

    def flush(self) -> None:
        pass

    def close(self) -> None:
        pass


def _info(image: ImageInfo, filled: CopyResult, started: float) -> BaseInfo:
    return BaseInfo(
        image_id=image.image_id,
        disk_format=image.disk_format,
        hash_algo=image.hash_algo,
        hash_value=image.hash_value,
        source=filled.source,
        verification=filled.verification,
        signature_verified=filled.signature_verified,
        stored_bytes=0,  # the store knows
        seconds=time.monotonic() - started,
        created=time.time(),
        version=metadata.version('cinder-cow'),
    )
