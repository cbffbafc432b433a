# SPDX-License-Identifier: Apache-2.0
"""The contract of a backend that keeps base images.

A *base* is an image made raw, with one snapshot, that volumes are cloned
from. It is kept under a name of :mod:`cinder_cow.backends.base_names`,
beside the *scratch* that holds an image's own bytes while they are converted.

All methods block; they may be called from several threads at once.
"""

import abc
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
import types
from typing import Self

from cinder_cow.backends.writer import VolumeWriter
from cinder_cow.closing import Closing
from cinder_cow.copying.extents import Extent
from cinder_cow.model import Base, BaseInfo, ImageInfo


@dataclass(frozen=True, slots=True)
class BuildRecord:
    """What the cluster knows of a build that is going on, or has failed.

    All hosts read it: it tells those who wait why the build failed, and the
    sweep which builds to look after.
    """

    #: Builds in a row that failed.
    failures: int = 0
    #: Name of the error's class in :mod:`cinder_cow.errors`, and its text.
    #: Empty while the build goes on.
    kind: str = ''
    cause: str = ''
    #: Whether the image itself is at fault: another try is of no use.
    final: bool = False
    #: Seconds since the epoch.
    written: float = 0.0
    #: The Glance image that the build was for. Others may share the base.
    image_id: str = ''
    #: Of the failures, how many there were on each host.
    failures_by_host: Mapping[str, int] = field(default_factory=dict)
    #: Size of the disk in the image, as its header says; 0: not known yet.
    virtual_bytes: int = 0
    #: What the build that goes on may still write.
    reserved_bytes: int = 0
    #: The project of the image; empty: not known.
    owner: str = ''


@dataclass(frozen=True, slots=True)
class StoredBase:
    """A finished base, and its use."""

    name: str
    info: BaseInfo
    #: Seconds since the epoch, of the last clone or of its making.
    last_used: float
    #: The Glance images whose volumes were made of it.
    image_ids: frozenset[str]
    #: Of them, those of another Glance than the one of this backend, which
    #: cannot say whether they are deleted.
    foreign_ids: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Room:
    """The space of the pool that bases lie in, before replication."""

    #: What the pool holds, of bases and of all else.
    used_bytes: int
    #: What can be written until the pool is full.
    available_bytes: int
    #: What can be written until Ceph warns that an OSD is nearly full.
    spare_bytes: int

    @property
    def capacity_bytes(self) -> int:
        """What the pool can hold."""
        return self.used_bytes + self.available_bytes


@dataclass(frozen=True, slots=True)
class BlockDevice:
    """How QEMU opens something that lies in the storage."""

    #: Properties of its block driver: `driver`, `pool`, ... No secrets.
    options: Mapping[str, str]
    environment: Mapping[str, str]


class Lease(abc.ABC):
    """The right to build one base, alone in the whole cluster.

    It expires when its holder dies. A context manager: it is released.
    """

    @abc.abstractmethod
    def keep(self, seconds: float) -> None:
        """Have it renewed for so long from now on, without another call.

        Cheap: called while bytes flow. Without it the lease expires, so that
        a holder that hangs does not stop the others for ever.

        :param seconds: finite; at least the half minute of a lease.
        """

    @abc.abstractmethod
    def check(self) -> None:
        """Renew it now; take it again when it expired and nobody has it.

        :raises LeaseLost: when another has it, or had the chance to.
        """

    @abc.abstractmethod
    def on_lost(self, callback: Callable[[], None]) -> None:
        """Have it called once when the lease is lost, to stop the work.

        It runs in the thread that finds it out, most often one of the
        lease's own, within seconds. At once where the lease is lost already.
        Not called when the lease is released. It must not block.
        """

    @abc.abstractmethod
    def release(self) -> None:
        """Give it up, and leave nothing of it. May be called twice."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: types.TracebackType | None,
    ) -> None:
        self.release()


class Readable(Closing):
    """Something in the storage that is open to be read. It closes itself."""

    @property
    @abc.abstractmethod
    def size_bytes(self) -> int:
        """From the first byte to the last, holes and all."""

    @abc.abstractmethod
    def read_at(self, offset: int, length: int) -> bytes:
        """Those bytes; fewer at the end.

        :raises StorageError: when they cannot be read.
        """

    @abc.abstractmethod
    def close(self) -> None:
        """Let go of it. May be called twice."""


class ReadableImage(Readable):
    """A base or scratch that is open to be read, and whose holes are known."""

    @abc.abstractmethod
    def extents(self) -> list[Extent]:
        """Where there is data, and where holes, in order.

        :raises StorageError: when that cannot be found out.
        """


class BaseStore(abc.ABC):
    """Where the bases are."""

    @abc.abstractmethod
    def find(self, name: str) -> Base | None:
        """The finished base of that name. Fast when it was seen before.

        What it answers may be gone by now: then :meth:`clone` says so.

        :raises StorageError: when that cannot be found out.
        """

    @abc.abstractmethod
    def forget(self, name: str) -> None:
        """Have the next :meth:`find` ask the storage, and not a memory.

        Another host may have evicted the base; only a clone of it would tell.
        """

    @abc.abstractmethod
    def clone(self, base: Base, volume_name: str) -> None:
        """Make the volume a clone of the base, of the base's size.

        :raises BaseGone: when there is no such base any more; it is not
            found again then.
        :raises VolumeExists: and leaves what exists as it is.
        :raises StorageError: when the storage fails. There may be something
            of the volume then.
        """

    @abc.abstractmethod
    def used(self, base: Base, image_id: str) -> None:
        """Record that a volume of that image was made of the base.

        Costs nothing when that was done a short while ago. What cannot be
        written is logged, and not an error. Of very many images the last
        that were used are known.
        """

    @abc.abstractmethod
    def lease(self, name: str) -> Lease | None:
        """The right to build what has this name; None: another has it.

        It is kept for half a minute, and longer by :meth:`Lease.keep`.
        """

    @abc.abstractmethod
    def create(self, name: str, size_bytes: int) -> VolumeWriter:
        """Make an empty base or scratch, and open it to be filled."""

    @abc.abstractmethod
    def commit(self, name: str, info: BaseInfo) -> Base:
        """Make a base of what was filled: from here on it is found.

        :raises StorageError: when it is none.
        """

    @abc.abstractmethod
    def discard(self, name: str) -> None:
        """Remove a scratch, or a base that is not finished.

        Fine when there is none. Waits for what a dead process holds open. A
        finished base whose info was lost is retired.

        :raises StorageBusy: when it is still open after a while.
        :raises StorageError: when it cannot be removed, is finished, or was
            made by another who has the lease by now.
        """

    @abc.abstractmethod
    def clone_to_scratch(self, image: ImageInfo, name: str) -> bool:
        """Make a scratch out of the image's own blocks, near-instantly.

        Only from a location in this very cluster that is trusted; whatever
        the image's format. False: it does not lie here, and nothing is made.

        :raises StorageError: when that cannot be found out, or done.
        """

    @abc.abstractmethod
    def read(self, name: str) -> ReadableImage:
        """Open a base or scratch to be read."""

    @abc.abstractmethod
    def block_device(self, name: str) -> BlockDevice:
        """How QEMU opens a base or scratch."""

    @abc.abstractmethod
    def build_record(self, name: str) -> BuildRecord | None:
        """The record of that base's build, if there is one."""

    @abc.abstractmethod
    def set_build_record(self, name: str, record: BuildRecord | None) -> None:
        """Write the record in place of the one before; None: remove it."""

    @abc.abstractmethod
    def build_records(self) -> dict[str, BuildRecord]:
        """All records of builds, by the names of their bases."""

    @abc.abstractmethod
    def warm_notes(self) -> dict[str, str]:
        """What was written down of the warming of images, by its key."""

    @abc.abstractmethod
    def write_warm_notes(self, notes: Mapping[str, str | None]) -> None:
        """Write each note in place of the one before; None: remove it.

        All of them in one step.
        """

    @abc.abstractmethod
    def room(self) -> Room:
        """The space that there is.

        :raises StorageError: when that cannot be found out.
        """

    @abc.abstractmethod
    def stored_bases(self) -> list[StoredBase]:
        """All finished bases that are not retired.

        One that cannot be read is left out, with a line in the log.
        """

    @abc.abstractmethod
    def recorded_bases(self) -> list[StoredBase]:
        """All bases by their records alone: quick, and none is opened.

        One of them may be unfinished, or gone a moment ago.
        """

    @abc.abstractmethod
    def abandoned(self) -> list[str]:
        """Names of the scratches and unfinished bases in the storage itself.

        Whatever the build records say; also of those that are being worked
        on at this moment, which the lease of their base tells apart:
        :func:`cinder_cow.backends.base_names.base_of`. :meth:`discard`
        removes them.
        """

    @abc.abstractmethod
    def forget_images(self, name: str, image_ids: Iterable[str]) -> None:
        """Remove those Glance images from what is known of the base.

        They were deleted. What is not there needs no removing.
        """

    @abc.abstractmethod
    def children(self, name: str) -> int:
        """How many volumes were cloned from it that still need it.

        In any pool, and in the trash. 0 also where there is none of that
        name. Nothing is opened.
        """

    def has_children(self, name: str) -> bool:
        """Whether any volume was cloned from it that still needs it."""
        return self.children(name) > 0

    @abc.abstractmethod
    def retire(self, name: str) -> None:
        """Take the base away from its name: nobody finds it any more.

        Its children go on, and clones that are just being made are either
        made or fail with BaseGone. It is freed by :meth:`purge`. Fine when
        there is none.
        """

    @abc.abstractmethod
    def purge(self) -> list[str]:
        """Remove what is retired and has no children; the names."""
