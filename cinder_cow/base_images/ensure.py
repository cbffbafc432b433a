# SPDX-License-Identifier: Apache-2.0

"""An image's base: found, waited for, or built, once in the whole cluster.

Who builds holds the base's lease. All others, in other threads, processes and
hosts, look every now and then whether the base is there or the lease is free:
its holder has failed then, or died, and one of them goes on.
"""

from collections.abc import Iterator
import contextlib
from dataclasses import dataclass
import time

from oslo_concurrency import lockutils
from oslo_log import log as logging
import tenacity

from cinder_cow import errors
from cinder_cow.backends import base_names
from cinder_cow.backends.base_store import BaseStore, BuildRecord
from cinder_cow.base_images.builder import BaseBuilder
from cinder_cow.model import Base, ImageInfo, Verification
from cinder_cow.planning import plan
from cinder_cow.transfer.copier import CopyRequest

LOG = logging.getLogger(__name__)

#: A build and one more try: whoever waited for both is told why they failed.
MOST_FAILURES = 2
#: Of these another try makes nothing better.
FINAL = (errors.ImageUnacceptable,)
#: Seconds between two looks: not all hosts at the same time.
LOOKS = tenacity.wait_random(0.1, 0.4)


@dataclass(frozen=True, slots=True)
class BaseSettings:
    """Which images have bases, and which bases are used."""

    rule: plan.BaseRule = plan.BaseRule.AUTO
    #: With AUTO, the largest raw image that gets a base.
    auto_bytes: int = 20 * 2**30
    #: Whether images of other formats may be converted on this host.
    may_convert: bool = True
    #: Whether to use only what was held against a hash.
    require_hash: bool = False
    #: Whether images of equal hash share a base.
    shared: bool = True


@dataclass(frozen=True, slots=True)
class Ensured:
    """A base, and whether it was built by this very call."""

    base: Base
    built: bool


class BaseImages:
    """Of one backend. Used by several threads."""

    def __init__(
        self,
        settings: BaseSettings,
        store: BaseStore,
        base_builder: BaseBuilder,
    ) -> None:
        self.settings = settings
        self.rule = settings.rule
        self.auto_bytes = settings.auto_bytes
        self.may_convert = settings.may_convert
        self._base_builder = base_builder
        self.store = store

    def name(self, image: ImageInfo) -> str:
        """What the image's base is called, whether there is one or not."""
        return base_names.base_name(image, self.settings.shared)

    def find(self, image: ImageInfo) -> Base | None:
        """The image's base, if there is one that may be used.

        :raises StorageError: when that cannot be found out.
        """
        base = self.store.find(self.name(image))
        return base if base is not None and self._suffices(base) else None

    def ensure(
        self, image: ImageInfo, request: CopyRequest, volume_bytes: int
    ) -> Ensured:
        """The image's base, in the end.

        :param volume_bytes: what it has to fit into, if it is built here.
        :raises BuildFailed: when it was tried elsewhere meanwhile, in vain.
        :raises CowError: what its building here failed with.
        """
        failures = _failures(self.store.build_record(self.name(image)))

        def look() -> Ensured | None:
            return self._look(image, request, volume_bytes, failures)

        looks = tenacity.Retrying(
            retry=tenacity.retry_if_result(lambda found: found is None),
            wait=LOOKS,
            before_sleep=_TellOnce(image),
        )
        # One of each process looks; the others wait for it without a look.
        with lockutils.lock(f'cinder-cow {self.name(image)}'):
            ensured = looks(look)
        assert ensured is not None
        return ensured

    def _look(
        self,
        image: ImageInfo,
        request: CopyRequest,
        volume_bytes: int,
        failures: int,
    ) -> Ensured | None:
        """None: another is building it.

        :param failures: those that were before this was asked for.
        """
        base = self.find(image)
        if base is not None:
            return Ensured(base, built=False)
        name = self.name(image)
        lease = self.store.lease(name)
        if lease is None:
            return None
        with lease:
            base = self.find(image)
            if base is not None:
                return Ensured(base, built=False)
            note = self.store.build_record(name)
            _raise_if_hopeless(image, note, failures)
            if self.store.find(name) is not None:
                self.store.retire(name)  # it does not suffice
            with self._noted(name, _failures(note)):
                base = self._base_builder.build(
                    name, image, request, volume_bytes, lease
                )
        return Ensured(base, built=True)

    def _suffices(self, base: Base) -> bool:
        """It may have been built before a hash was required."""
        return (
            not self.settings.require_hash
            or base.info.verification is not Verification.ABSENT
        )

    @contextlib.contextmanager
    def _noted(self, name: str, failures: int) -> Iterator[None]:
        """The note tells all others of the build, and why it failed.

        It stands before anything is made, so that a sweep finds what a
        builder has left that died.
        """
        self.store.set_build_record(
            name, BuildRecord(failures, written=time.time())
        )
        try:
            yield
        except errors.ImageTooBig:  # for this volume, not for the others
            self.store.set_build_record(name, None)
            raise
        except errors.CowError as exc:
            self.store.set_build_record(name, _note(exc, failures + 1))
            raise
        self.store.set_build_record(name, None)


class _TellOnce:
    """Says in the log that a volume waits, once."""

    def __init__(self, image: ImageInfo) -> None:
        self._image = image
        self._told = False

    def __call__(self, _state: tenacity.RetryCallState) -> None:
        if not self._told:
            LOG.info('image=%s waits for its base', self._image.image_id)
        self._told = True


def _failures(note: BuildRecord | None) -> int:
    return note.failures if note is not None else 0


def _note(exc: errors.CowError, failures: int) -> BuildRecord:
    kind, cause = type(exc).__name__, str(exc)
    if isinstance(exc, errors.ImageUnacceptable):
        cause = exc.reason
    return BuildRecord(
        failures, kind, cause, isinstance(exc, FINAL), time.time()
    )


def _raise_if_hopeless(
    image: ImageInfo, note: BuildRecord | None, before: int
) -> None:
    if note is None:
        return
    new = note.failures - before
    if new >= MOST_FAILURES or (new > 0 and note.final):
        raise errors.BuildFailed(image.image_id, note.kind, note.cause)
