# SPDX-License-Identifier: Apache-2.0
"""An image's bytes from the RBD image that Glance made, by librbd.

In another cluster, or in the volumes' own where it may not be cloned. Only
data is read: holes cost neither network nor time.
"""

from collections.abc import Iterable, Iterator
import contextlib
import dataclasses
from typing import Any, Self

import rbd

from cinder_cow import errors, native
from cinder_cow.backends.base import CheckResult
from cinder_cow.backends.rbd import error_mapping, reader, snapshots
from cinder_cow.backends.rbd.connection import Connection, connected
from cinder_cow.backends.rbd.pool import clone_policy, retry_on_lost_connection
from cinder_cow.backends.rbd.selftest import access, image_pools
from cinder_cow.backends.rbd.settings import RbdSettings
from cinder_cow.copying.extents import Extent
from cinder_cow.model import ImageInfo, Refusal, Snapshot, SnapshotRef
from cinder_cow.planning import location, verdict
from cinder_cow.sources.base import ExtentReading, GlanceAccess, ImageSource


class RbdSource(ImageSource):
    """Reads from the volumes' cluster and those of `cow_remote_clusters`."""

    def __init__(
        self,
        volumes: RbdSettings,
        remote_clusters: Iterable[tuple[str, str]] = (),
        stall_seconds: int = 60,
    ) -> None:
        """:param volumes: the settings of the volumes' own cluster.

        :param remote_clusters: path of ceph.conf and cephx user of each.
        """
        self._clusters = [volumes] + [
            dataclasses.replace(
                volumes,
                cluster_name='ceph',
                conf_path=conf_path,
                user=user,
                pool='',
                base_pool='',
                timeout_seconds=stall_seconds,
            )
            for conf_path, user in remote_clusters
        ]

    @classmethod
    def from_options(cls, options: Any) -> Self:
        return cls(
            RbdSettings.from_options(options),
            options.cow_remote_clusters.items(),
            options.cow_stall_seconds,
        )

    @native.in_thread
    @retry_on_lost_connection
    def open(
        self, image: ImageInfo, glance: GlanceAccess
    ) -> ExtentReading | list[Refusal]:
        refs: list[SnapshotRef] = []
        refusals: list[Refusal] = []
        for url in image.locations:
            match location.parse(url):
                case SnapshotRef() as ref:
                    refs.append(ref)
                case Refusal() as refusal:
                    refusals.append(refusal)
        if not refs:
            return refusals
        for cluster in self._clusters:
            found = _find(cluster, image, refs)
            if isinstance(found, ExtentReading):
                return found
            refusals.extend(found)
        return refusals

    def preconditions(
        self, examples: Iterable[SnapshotRef]
    ) -> Iterator[CheckResult]:
        shown = list(examples)
        for cluster in self._clusters[1:]:
            reached = access.checks(cluster)
            yield from reached
            if all(each.ok for each in reached):
                yield from _images_of(cluster, shown)


@native.in_thread
def _images_of(
    cluster: RbdSettings, examples: list[SnapshotRef]
) -> list[CheckResult]:
    """Whether images of another cluster can be read."""
    with connected(cluster) as connection:
        policy = clone_policy(cluster, connection)
        there = {ref.pool for ref in examples if ref.fsid == policy.fsid}
        return [
            dataclasses.replace(
                answer, question=f'{answer.question} of {cluster.conf_path}'
            )
            for pool in sorted(there)
            for answer in image_pools.image_pool(
                connection,
                policy,
                pool,
                examples,
                effect='images there are copied by way of Glance',
            )
        ]


def _find(
    cluster: RbdSettings, image: ImageInfo, refs: list[SnapshotRef]
) -> ExtentReading | list[Refusal]:
    refusals = []
    with contextlib.ExitStack() as stack:
        connection = stack.enter_context(connected(cluster))
        policy = clone_policy(cluster, connection)
        for ref in refs:
            refusal = verdict.trusted(ref, image, policy)
            if refusal is not None:
                refusals.append(refusal)
                continue
            found = snapshots.look(connection, ref)
            if isinstance(found, Snapshot):
                opened = _open(stack, connection, ref)
                return RbdReading(image, opened, connection, stack.pop_all())
            refusals.append(verdict.absent(ref, found, policy))
    return refusals


def _open(
    stack: contextlib.ExitStack, connection: Connection, ref: SnapshotRef
) -> rbd.Image:
    stack.enter_context(error_mapping.mapped(f'open {ref}'))
    ioctx = stack.enter_context(connection.pool(ref.pool))
    return stack.enter_context(
        rbd.Image(ioctx, ref.image, snapshot=ref.snapshot, read_only=True)
    )


class RbdReading(ExtentReading):
    """The snapshot of one image, open."""

    def __init__(
        self,
        image: ImageInfo,
        snapshot: rbd.Image,
        connection: Connection,
        resources: contextlib.ExitStack,
    ) -> None:
        """:param resources: closed with this, the snapshot among them."""
        super().__init__('rbd')
        self._image_id = image.image_id
        self._snapshot = snapshot
        self._connection = connection
        self._resources = resources
        self._size_bytes: int = snapshot.size()
        self._extents: list[Extent] | None = None

    @property
    def size_bytes(self) -> int:
        return self._size_bytes

    @property
    def data_bytes(self) -> int:
        return sum(each.length for each in self.extents() if not each.zero)

    def extents(self) -> list[Extent]:
        if self._extents is None:
            self._extents = self._find_extents()
        return self._extents

    @native.in_thread
    def _find_extents(self) -> list[Extent]:
        with self._mapped():
            return reader.extents(self._snapshot)

    def read_at(self, offset: int, length: int) -> bytes:
        with self._mapped():
            data: bytes = self._snapshot.read(offset, length)
        return data

    @native.in_thread
    def close(self) -> None:
        self._resources.close()

    @contextlib.contextmanager
    def _mapped(self) -> Iterator[None]:
        try:
            with error_mapping.mapped(f'read image {self._image_id}'):
                yield
        except errors.StorageError as exc:
            self._connection.failed(exc)
            raise errors.SourceUnreachable('rbd', self._image_id, exc) from exc
