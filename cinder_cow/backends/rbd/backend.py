# SPDX-License-Identifier: Apache-2.0
"""The hooks, by librbd."""

from collections.abc import Iterable, Iterator
from typing import Any, Self

import rados
import rbd

from cinder_cow import errors, native
from cinder_cow.backends import base
from cinder_cow.backends.rbd import snapshots, statistics
from cinder_cow.backends.rbd.base_store import RbdBases
from cinder_cow.backends.rbd.connection import Connection, connected, lost
from cinder_cow.backends.rbd.pool import (
    ImagePool,
    clone_policy,
    retry_on_lost_connection,
    retry_on_refused_connection,
)
from cinder_cow.backends.rbd.selftest import (
    access,
    image_pools,
    reader,
    space,
    writing,
)
from cinder_cow.backends.rbd.settings import RbdSettings
from cinder_cow.backends.rbd.writer import RbdWriter
from cinder_cow.backends.statistics import PoolStatistics
from cinder_cow.model import (
    ImageInfo,
    Snapshot,
    SnapshotRef,
    UnavailableReason,
    Verdict,
)
from cinder_cow.planning import verdict as rules


class RbdBackend(base.ImageBackend):
    """Volumes in one pool of one Ceph cluster."""

    def __init__(self, settings: RbdSettings) -> None:
        self.settings = settings
        self._volumes = ImagePool(settings, settings.pool)
        self._bases = RbdBases(settings, self._volumes)

    @classmethod
    def from_options(cls, options: Any) -> Self:
        return cls(RbdSettings.from_options(options))

    def path(self, volume_name: str) -> str:
        return self._volumes.path(volume_name)

    @native.in_thread
    @retry_on_lost_connection
    def cloneable(self, image_info: ImageInfo) -> Verdict:
        with connected(self.settings) as connection:
            policy = clone_policy(self.settings, connection)
            if not policy.strict_locations:
                # Only Glance's own names are never used again for other data.
                connection.snapshots.clear()
            screened = rules.screen(image_info, policy)
            seen, failure = _look(connection, screened.candidates)
            # Glance protects its snapshots: the format is seldom asked for.
            bare = any(
                isinstance(found, Snapshot) and not found.protected
                for _ref, found in seen
            )
            clone_v2 = bare and snapshots.clone_v2(connection)
            verdict = rules.judge(screened, seen, policy, clone_v2)
            if failure is not None and not verdict:
                raise failure
            return verdict

    @native.in_thread
    @retry_on_lost_connection
    def exists(self, volume_name: str) -> bool:
        action = f'look for {self._volumes.path(volume_name)}'
        with self._volumes.opened(action) as volumes:
            try:
                volumes.ioctx.stat(f'rbd_id.{volume_name}')
            except rados.ObjectNotFound:
                return False
        return True

    @native.in_thread
    @retry_on_refused_connection
    def clone_snapshot(self, parent: Snapshot, volume_name: str) -> None:
        action = f'clone {parent.ref} to {self._volumes.path(volume_name)}'
        with (
            self._volumes.opened(action) as volumes,
            volumes.connection.pool(parent.ref.pool) as images,
            self._volumes.new(volume_name),
            snapshots.forgotten_on_failure(volumes.connection, parent.ref),
        ):
            self._volumes.clone(volumes, images, parent, volume_name)

    def open(self, volume_name: str, size_bytes: int) -> RbdWriter:
        self._volumes.create(volume_name, size_bytes)
        return self._volumes.writer(volume_name)

    def reopen(self, volume_name: str) -> RbdWriter:
        return self._volumes.writer(volume_name)

    @native.in_thread
    @retry_on_refused_connection
    def grow(self, volume_name: str, size_bytes: int) -> None:
        path = self._volumes.path(volume_name)
        action = f'grow {path} to {size_bytes} bytes'
        with (
            self._volumes.opened(action) as volumes,
            rbd.Image(volumes.ioctx, volume_name) as image,
        ):
            if image.size() < size_bytes:
                image.resize(size_bytes)

    @native.in_thread
    @retry_on_refused_connection
    def flatten(self, volume_name: str) -> None:
        action = f'flatten {self._volumes.path(volume_name)}'
        with (
            self._volumes.opened(action) as volumes,
            rbd.Image(volumes.ioctx, volume_name) as image,
        ):
            image.flatten()

    @native.in_thread
    @retry_on_lost_connection
    def remove(self, volume_name: str) -> None:
        action = f'remove {self._volumes.path(volume_name)}'
        with self._volumes.opened(action) as volumes:
            volumes.remove(volume_name)

    @property
    def connections_lost(self) -> int:
        return lost(self.settings)

    def bases(self) -> RbdBases:
        return self._bases

    @native.in_thread
    @retry_on_lost_connection
    def statistics(self) -> PoolStatistics:
        volumes = self.settings.pool
        pools = statistics.Pools(volumes, self.settings.base_pool or volumes)
        with connected(self.settings) as connection:
            return statistics.read(connection, pools)

    @native.in_thread
    @retry_on_lost_connection
    def selftest(
        self, examples: Iterable[SnapshotRef]
    ) -> list[base.CheckResult]:
        with connected(self.settings) as connection:
            found = image_pools.selftest(
                connection, clone_policy(self.settings, connection), examples
            )
        if self.settings.base_pool:
            bases = ImagePool(self.settings, self.settings.base_pool)
            found.append(writing.bases(bases))
        return found

    def preconditions(
        self, examples: Iterable[SnapshotRef], image_bytes: int
    ) -> Iterator[base.CheckResult]:
        reached = access.checks(self.settings)
        yield from reached
        if not all(each.ok for each in reached):
            return
        yield from self.selftest(examples)
        yield from writing.volumes(self._volumes)
        pools = [self.settings.pool, self.settings.base_pool]
        for pool in filter(None, dict.fromkeys(pools)):
            yield space.check(self.settings, pool, image_bytes)

    def reader_checks(
        self, user: str, keyring: str, examples: Iterable[SnapshotRef]
    ) -> Iterator[base.CheckResult]:
        yield from reader.checks(self.settings, user, keyring, list(examples))


def _look(
    connection: Connection, candidates: Iterable[SnapshotRef]
) -> tuple[
    list[tuple[SnapshotRef, Snapshot | UnavailableReason]],
    errors.StorageError | None,
]:
    """What is seen up to the first snapshot; the first failure on the way.

    A location that cannot be looked at must not hide a good one behind it.
    """
    seen: list[tuple[SnapshotRef, Snapshot | UnavailableReason]] = []
    failure = None
    for ref in candidates:
        try:
            found = snapshots.look(connection, ref)
        except errors.StorageError as exc:
            failure = failure or exc
            continue
        seen.append((ref, found))
        if isinstance(found, Snapshot) and found.protected:
            break
    return seen, failure
