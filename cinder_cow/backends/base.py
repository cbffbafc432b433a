# SPDX-License-Identifier: Apache-2.0
"""The hook contract between a volume from an image and its storage.

The two optional hooks, :meth:`~ImageBackend.cloneable` and
:meth:`~ImageBackend.clone`, and the ``open`` / write / ``close`` that stands
in for them, are those of the blueprint "Efficient volumes from images". A
backend without the hooks refuses in every verdict, and its volumes are
filled instead.

A backend is made from its section of cinder.conf, and may have options of its
own there. All methods block; they may be called from several threads at once.
"""

import abc
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
import enum
from typing import Any, ClassVar, Self

from oslo_config import cfg

from cinder_cow.backends.base_store import BaseStore
from cinder_cow.backends.statistics import PoolStatistics
from cinder_cow.backends.writer import VolumeWriter
from cinder_cow.model import (
    ImageInfo,
    Refusal,
    RefusalCode,
    Snapshot,
    SnapshotRef,
    Verdict,
)


class Grade(enum.Enum):
    """How good the answer of a check is."""

    PASS = 'pass'
    WARN = 'warn'
    FAIL = 'fail'
    UNKNOWN = 'unknown'


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One answer of a check of the set-up, with the remedy if it is bad.

    ``ok`` is None where the question could not be answered.
    """

    question: str
    ok: bool | None
    answer: str
    remedy: str = ''
    #: Volumes are made all the same where the answer is bad.
    minor: bool = False

    @property
    def grade(self) -> Grade:
        if self.ok is None:
            return Grade.UNKNOWN
        if self.ok:
            return Grade.PASS
        return Grade.WARN if self.minor else Grade.FAIL

    def __str__(self) -> str:
        text = f'{self.question}: {self.answer}'
        return f'{text}. {self.remedy}' if self.remedy else text


class ImageBackend(abc.ABC):
    """A storage that volumes from images are made in.

    Thread-safe; one instance per backend of cinder.conf.
    """

    #: Options of this backend alone. They are registered in the backend's
    #: section of cinder.conf beside those of :mod:`cinder_cow.opts`.
    OPTIONS: ClassVar[Sequence[cfg.Opt]] = ()

    @classmethod
    @abc.abstractmethod
    def from_options(cls, options: Any) -> Self:
        """The backend of one section of cinder.conf.

        :param options: each option is an attribute, by its name.
        """

    def cloneable(self, image_info: ImageInfo) -> Verdict:
        """Whether the image lies where a clone of it can be made.

        Optional. The verdict is true when it does, and says why when not.

        :raises StorageError: when that cannot be found out.
        """
        return Verdict(
            refusals=(
                Refusal(
                    RefusalCode.BACKEND_CANNOT_CLONE,
                    f'{type(self).__name__} makes no clones',
                    'Nothing to do: the volume is filled by a copy',
                ),
            )
        )

    def clone_snapshot(self, parent: Snapshot, volume_name: str) -> None:
        """Make the volume out of the parent's blocks, near-instantly.

        Optional, with :meth:`cloneable`. The volume has the parent's size.

        :param parent: of a verdict of :meth:`cloneable`.
        :raises VolumeExists: and leaves what exists as it is.
        :raises StorageError: when the storage fails. There may be something
            of the volume then.
        """
        raise RuntimeError(f'{type(self).__name__} makes no clones')

    def clone(self, image_info: ImageInfo, volume_name: str) -> None:
        """Make the volume out of the image's own blocks, near-instantly.

        The second hook of the blueprint: the verdict of :meth:`cloneable`,
        and :meth:`clone_snapshot` of its parent.

        :raises RuntimeError: when the image is not cloneable.
        """
        verdict = self.cloneable(image_info)
        self.clone_snapshot(parent_of(image_info, verdict), volume_name)

    def path(self, volume_name: str) -> str:
        """What an operator calls the volume in this storage."""
        return volume_name

    @abc.abstractmethod
    def exists(self, volume_name: str) -> bool:
        """Whether there is anything under that name.

        Asked before a volume is made: only what was not there before is
        removed when its making fails.
        """

    @abc.abstractmethod
    def open(self, volume_name: str, size_bytes: int) -> VolumeWriter:
        """Make an empty volume and open it to be filled.

        :raises VolumeExists: and leaves what exists as it is.
        :raises StorageError: when the storage fails. There may be something
            of the volume then.
        """

    @abc.abstractmethod
    def reopen(self, volume_name: str) -> VolumeWriter:
        """Open a volume that is there, to be written over."""

    @abc.abstractmethod
    def grow(self, volume_name: str, size_bytes: int) -> None:
        """Make the volume at least ``size_bytes`` large. Never shrinks."""

    def flatten(self, volume_name: str) -> None:
        """Copy into the volume what it shares with its parent.

        It depends on no parent then, so that it can be mirrored. Optional,
        with :meth:`clone_snapshot`.
        """
        raise RuntimeError(f'{type(self).__name__} makes no clones')

    @abc.abstractmethod
    def remove(self, volume_name: str) -> None:
        """Remove the volume. Fine when there is none."""

    @property
    def connections_lost(self) -> int:
        """How many connections of this process were given up after an error.

        Optional. Answers at once.
        """
        return 0

    def bases(self) -> BaseStore | None:
        """Where base images are kept. Optional: None where there are none."""
        return None

    def statistics(self) -> PoolStatistics | None:
        """What lies in the storage. Optional: None where nobody counts it.

        :raises StorageError: when the storage cannot be asked.
        """
        return None

    def selftest(self, examples: Iterable[SnapshotRef]) -> list[CheckResult]:
        """The self-test at start-up; ``examples`` are where images lie.

        :raises StorageError: when the storage cannot be asked.
        """
        return []

    def preconditions(
        self, examples: Iterable[SnapshotRef], image_bytes: int
    ) -> Iterator[CheckResult]:
        """All checks of the storage, each when it is asked for.

        Other than :meth:`selftest` it may write, and remove that again.

        :param image_bytes: of the largest image, 0 where it is not known.
        :raises StorageError: when the storage cannot be asked.
        """
        yield from self.selftest(examples)

    def reader_checks(
        self, user: str, keyring: str, examples: Iterable[SnapshotRef]
    ) -> Iterator[CheckResult]:
        """Whether another user may read what volumes are cloned from.

        Optional, for a storage with users.

        :param keyring: path of the user's key; empty: it is looked for.
        """
        yield CheckResult(
            f'May {user} read what volumes are cloned from',
            None,
            f'not known, {type(self).__name__} has no check of its users',
        )


def parent_of(image_info: ImageInfo, verdict: Verdict) -> Snapshot:
    """The snapshot to clone.

    :raises RuntimeError: when the verdict says that there is none: the
        caller should have asked first.
    """
    if verdict.parent is None:
        reasons = '; '.join(map(str, verdict.refusals))
        raise RuntimeError(
            f'Image {image_info.image_id} is not cloneable: {reasons}'
        )
    return verdict.parent
