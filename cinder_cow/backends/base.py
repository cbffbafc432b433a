# SPDX-License-Identifier: Apache-2.0
"""The hook contract between a volume from an image and its storage.

The two optional hooks, :meth:`~ImageBackend.cloneable` and
:meth:`~ImageBackend.clone`, and the ``open`` / write / ``close`` that stands
in for them, are those of the blueprint "Efficient volumes from images". A
backend without the hooks is told so in every verdict, and its volumes are
filled instead.

All methods block; they may be called from several threads at once.
"""

import abc
from collections.abc import Iterable
from dataclasses import dataclass

from cinder_cow.backends.base_store import BaseStore
from cinder_cow.backends.writer import VolumeWriter
from cinder_cow.model import (
    ImageInfo,
    Refusal,
    RefusalCode,
    Snapshot,
    SnapshotRef,
    Verdict,
)


@dataclass(frozen=True, slots=True)
class BackendSettings:
    """What a backend is told at its making: who it is, where, and the trust.

    Made anew when Cinder fails over to another cluster.
    """

    cluster_name: str
    #: Path of ceph.conf; empty: where librados looks by itself.
    conf_path: str
    user: str | None
    pool: str
    #: Least object size of a new volume.
    object_bytes: int
    #: Time limit of connecting and of each operation; negative: Ceph's own.
    timeout_seconds: int = -1
    connect_attempts: int = 3
    connect_interval_seconds: int = 5
    image_pools: tuple[str, ...] = ()
    strict_locations: bool = True
    verify_signatures: bool = True
    #: Where base images are kept; empty: in ``pool``.
    base_pool: str = ''


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One answer of the self-test at start-up, with the remedy if it is bad.

    ``ok`` is None where the question could not be answered.
    """

    question: str
    ok: bool | None
    answer: str
    remedy: str = ''

    def __str__(self) -> str:
        text = f'{self.question}: {self.answer}'
        return f'{text}. {self.remedy}' if self.remedy else text


class ImageBackend(abc.ABC):
    """A storage that volumes from images are made in."""

    def __init__(self, settings: BackendSettings) -> None:
        self.settings = settings

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

    def clone(self, image_info: ImageInfo, volume_name: str) -> None:
        """Make the volume out of the image's own blocks, near-instantly.

        Optional, with :meth:`cloneable`. The volume has the image's size.

        :raises VolumeExists: and leaves what exists as it is.
        :raises StorageError: when the storage fails. There may be something
            of the volume then.
        :raises RuntimeError: when the image is not cloneable.
        """
        raise RuntimeError(f'{type(self).__name__} makes no clones')

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

    @abc.abstractmethod
    def remove(self, volume_name: str) -> None:
        """Remove the volume. Fine when there is none."""

    def bases(self) -> BaseStore | None:
        """Where base images are kept. Optional: None where there are none."""
        return None

    def selftest(self, examples: Iterable[SnapshotRef]) -> list[CheckResult]:
        """The self-test at start-up; ``examples`` are where images lie.

        :raises StorageError: when the storage cannot be asked.
        """
        return []


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
