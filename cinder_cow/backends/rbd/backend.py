# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.
"""The hooks, by librbd."""

from collections.abc import Iterable
from collections.abc import Iterator
import contextlib
from dataclasses import dataclass

import rados
import rbd
import tenacity

from cinder_cow import errors
from cinder_cow import native
from cinder_cow import verdict as rules
from cinder_cow.backends import base
from cinder_cow.backends.rbd import examine
from cinder_cow.backends.rbd import failures
from cinder_cow.backends.rbd import lookup
from cinder_cow.backends.rbd.connection import Connection
from cinder_cow.backends.rbd.connection import connected
from cinder_cow.backends.rbd.writer import RbdWriter
from cinder_cow.model import Absence
from cinder_cow.model import ImageInfo
from cinder_cow.model import Site
from cinder_cow.model import Snapshot
from cinder_cow.model import SnapshotRef
from cinder_cow.model import Verdict

#: The kept connection may have broken since its last use. What only reads is
#: safe to be asked again, on a new one.
begun_again_when_lost = tenacity.retry(
    retry=tenacity.retry_if_exception_type(errors.ConnectionLost),
    stop=tenacity.stop_after_attempt(2),
    reraise=True,
)

#: librbd reads these at the opening of an image. By default it copies what it
#: is to write, for fear that somebody changes it on its way (`bytes` never
#: do), and calls a write done that is in its cache only: a copy of 64 MiB in
#: flight then held 149 MiB, and with these 77, at the same speed.
UNCACHED = {'rbd_disable_zero_copy_writes': 'false', 'rbd_cache': 'false'}


@dataclass(frozen=True, slots=True)
class Volumes:
    """The volumes' pool, opened."""

    connection: Connection
    ioctx: rados.Ioctx

    @property
    def features(self) -> int:
        """Features of a new volume, as upstream's driver chooses them."""
        configured = self.connection.cluster.conf_get('rbd_default_features')
        return int(configured or 0) or int(rbd.RBD_FEATURE_LAYERING)


class RbdBackend(base.ImageBackend):
    """Volumes in one pool of one Ceph cluster."""

    @native.in_thread
    @begun_again_when_lost
    def cloneable(self, image_info: ImageInfo) -> Verdict:
        with connected(self.settings) as connection:
            site = self._site(connection)
            if not site.strict_locations:
                # Only Glance's own names are never used again for other data.
                connection.snapshots.clear()
            sifted = rules.sift(image_info, site)
            seen, failure = _look(connection, sifted.candidates)
            # Glance protects its snapshots: the format is seldom asked for.
            bare = any(
                isinstance(found, Snapshot) and not found.protected
                for _ref, found in seen
            )
            clone_v2 = bare and lookup.clone_v2(connection)
            verdict = rules.judge(sifted, seen, site, clone_v2)
            if failure is not None and not verdict:
                raise failure
            return verdict

    @native.in_thread
    @begun_again_when_lost
    def exists(self, volume_name: str) -> bool:
        action = f'look for {self._path(volume_name)}'
        with self._volumes(action) as volumes:
            try:
                volumes.ioctx.stat(f'rbd_id.{volume_name}')
            except rados.ObjectNotFound:
                return False
        return True

    @native.in_thread
    def clone(self, image_info: ImageInfo, volume_name: str) -> None:
        parent = base.parent_of(image_info, self.cloneable(image_info))
        action = f'clone {parent.ref} to {self._path(volume_name)}'
        with (
            self._volumes(action) as volumes,
            volumes.connection.pool(parent.ref.pool) as images,
            self._new(volume_name),
            _forgotten_on_failure(volumes.connection, parent.ref),
        ):
            rbd.RBD().clone(
                images,
                parent.ref.image,
                parent.ref.snapshot,
                volumes.ioctx,
                volume_name,
                features=volumes.features,
                order=self._order(parent.stripe_unit_bytes),
            )

    @native.in_thread
    def open(self, volume_name: str, size_bytes: int) -> RbdWriter:
        with (
            self._volumes(f'create {self._path(volume_name)}') as volumes,
            self._new(volume_name),
        ):
            rbd.RBD().create(
                volumes.ioctx,
                volume_name,
                size_bytes,
                order=self._order(),
                old_format=False,
                features=volumes.features,
            )
        return self.reopen(volume_name)

    @native.in_thread
    @begun_again_when_lost
    def reopen(self, volume_name: str) -> RbdWriter:
        path = self._path(volume_name)
        with contextlib.ExitStack() as stack:
            volumes = stack.enter_context(self._volumes(f'open {path}'))
            for option, setting in UNCACHED.items():
                volumes.connection.cluster.conf_set(option, setting)
            image = stack.enter_context(rbd.Image(volumes.ioctx, volume_name))
            return RbdWriter(image, path, stack.pop_all())

    @native.in_thread
    def grow(self, volume_name: str, size_bytes: int) -> None:
        action = f'grow {self._path(volume_name)} to {size_bytes} bytes'
        with (
            self._volumes(action) as volumes,
            rbd.Image(volumes.ioctx, volume_name) as image,
        ):
            if image.size() < size_bytes:
                image.resize(size_bytes)

    @native.in_thread
    def remove(self, volume_name: str) -> None:
        action = f'remove {self._path(volume_name)}'
        with (
            self._volumes(action) as volumes,
            contextlib.suppress(rbd.ImageNotFound),
        ):
            rbd.RBD().remove(volumes.ioctx, volume_name)

    @native.in_thread
    def findings(self, examples: Iterable[SnapshotRef]) -> list[base.Finding]:
        with connected(self.settings) as connection:
            return examine.findings(
                connection, self._site(connection), examples
            )

    def _site(self, connection: Connection) -> Site:
        settings = self.settings
        return Site(
            fsid=connection.fsid,
            pool=settings.pool,
            user=settings.user or 'admin',
            image_pools=settings.image_pools,
            strict_locations=settings.strict_locations,
            verify_signatures=settings.verify_signatures,
        )

    @contextlib.contextmanager
    def _volumes(self, action: str) -> Iterator[Volumes]:
        with (
            connected(self.settings) as connection,
            failures.mapped(action),
            connection.pool(self.settings.pool) as ioctx,
        ):
            yield Volumes(connection, ioctx)

    @contextlib.contextmanager
    def _new(self, volume_name: str) -> Iterator[None]:
        try:
            yield
        except rbd.ImageExists as exc:
            raise errors.VolumeExists(self.settings.pool, volume_name) from exc

    def _path(self, volume_name: str) -> str:
        return f'{self.settings.pool}/{volume_name}'

    def _order(self, parent_stripe_unit_bytes: int = 0) -> int:
        """Order of a new volume's objects, which have 2**order bytes.

        Never below the parent's stripe unit: librbd refuses such a clone,
        or the clone reads garbage (Launchpad bug 1931004).
        """
        object_bytes = max(
            parent_stripe_unit_bytes, self.settings.object_bytes
        )
        return object_bytes.bit_length() - 1


def _look(
    connection: Connection, candidates: Iterable[SnapshotRef]
) -> tuple[
    list[tuple[SnapshotRef, Snapshot | Absence]], errors.StorageError | None
]:
    """What is seen up to the first snapshot; the first failure on the way.

    A location that cannot be looked at must not hide a good one behind it.
    """
    seen: list[tuple[SnapshotRef, Snapshot | Absence]] = []
    failure = None
    for ref in candidates:
        try:
            found = lookup.look(connection, ref)
        except errors.StorageError as exc:
            failure = failure or exc
            continue
        seen.append((ref, found))
        if isinstance(found, Snapshot) and found.protected:
            break
    return seen, failure


@contextlib.contextmanager
def _forgotten_on_failure(
    connection: Connection, ref: SnapshotRef
) -> Iterator[None]:
    """What is known of the parent may be why it failed: it may be gone."""
    try:
        yield
    except rbd.Error:
        lookup.forget(connection, ref)
        raise
