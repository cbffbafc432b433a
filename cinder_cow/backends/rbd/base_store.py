# SPDX-License-Identifier: Apache-2.0
"""Base images in a pool of RBD.

A base is an RBD image with a snapshot. Without it the image is unfinished,
whatever its size: it is being built, or its builder has died.
"""

from collections.abc import Iterable, Mapping
import contextlib

from oslo_log import log as logging
import rbd

from cinder_cow import errors, native
from cinder_cow.backends import base_names
from cinder_cow.backends.base_store import (
    BaseStore,
    BlockDevice,
    BuildRecord,
    Room,
    StoredBase,
)
from cinder_cow.backends.rbd import (
    base_listing,
    base_records,
    base_snapshot,
    build_records,
    children,
    fence,
    lease,
    retired,
    room,
    snapshots,
    warm_notes,
)
from cinder_cow.backends.rbd.connection import Connection, connected
from cinder_cow.backends.rbd.pool import (
    ImagePool,
    clone_policy,
    retry_on_lost_connection,
    retry_on_refused_connection,
)
from cinder_cow.backends.rbd.reader import RbdReader
from cinder_cow.backends.rbd.settings import RbdSettings
from cinder_cow.backends.rbd.writer import RbdWriter
from cinder_cow.model import Base, BaseInfo, ImageInfo, Snapshot, SnapshotRef
from cinder_cow.planning import location
from cinder_cow.planning import verdict as rules

LOG = logging.getLogger(__name__)


class RbdBases(BaseStore):
    """The bases of one backend, in a pool that others may share."""

    def __init__(self, settings: RbdSettings, volumes: ImagePool) -> None:
        self._settings = settings
        self._volumes = volumes
        self._images = ImagePool(settings, settings.base_pool or settings.pool)
        #: Ids of the images that were made here and are not finished.
        self._made: dict[str, str] = {}

    @native.in_thread
    @retry_on_lost_connection
    def find(self, name: str) -> Base | None:
        action = f'look for the base {self._images.path(name)}'
        with self._images.opened(action) as pool:
            return base_snapshot.find(pool, self._ref(pool.connection, name))

    @native.in_thread
    @retry_on_lost_connection
    def forget(self, name: str) -> None:
        action = f'forget the base {self._images.path(name)}'
        with self._images.opened(action) as pool:
            ref = self._ref(pool.connection, name)
            base_snapshot.forget(pool.connection, ref)

    @native.in_thread
    @retry_on_refused_connection
    def clone(self, base: Base, volume_name: str) -> None:
        ref = base.snapshot.ref
        action = f'clone {ref} to {self._volumes.path(volume_name)}'
        with (
            self._volumes.opened(action) as volumes,
            volumes.connection.pool(ref.pool) as bases,
            self._volumes.new(volume_name),
        ):
            try:
                self._volumes.clone(volumes, bases, base.snapshot, volume_name)
            except rbd.ImageExists:
                raise
            except rbd.Error as exc:
                base_snapshot.forget(volumes.connection, ref)
                if self._is_gone(base, exc):
                    raise errors.BaseGone(base.name) from exc
                raise

    def _is_gone(self, base: Base, failure: rbd.Error) -> bool:
        match failure:
            case rbd.ImageNotFound():
                return True
            case rbd.InvalidArgument():
                # It is being removed; or it is another by now, which is not
                # protected yet or has larger objects.
                return self.find(base.name) != base
            case _:
                return False

    @native.in_thread
    def used(self, base: Base, image_id: str) -> None:
        try:
            self._used(base.snapshot.ref, image_id)
        except errors.StorageError as exc:
            LOG.warning('%s', exc)

    @retry_on_lost_connection
    def _used(self, ref: SnapshotRef, image_id: str) -> None:
        with self._images.opened(f'record the use of {ref}') as pool:
            base_snapshot.record_use(
                pool, ref, image_id, self._settings.glance_name
            )

    @native.in_thread
    @retry_on_lost_connection
    def lease(self, name: str) -> lease.RbdLease | None:
        taken = lease.take(self._images, name)
        if taken is not None:
            # What was made under an earlier lease is another's by now, or
            # nobody's.
            self._made.pop(name, None)
            self._made.pop(base_names.scratch_name(name), None)
        return taken

    @native.in_thread
    def create(self, name: str, size_bytes: int) -> RbdWriter:
        self._images.create(name, size_bytes)
        writer = self._images.writer(name)
        self._made[name] = writer.image_id
        return writer

    @native.in_thread
    @retry_on_refused_connection
    def commit(self, name: str, info: BaseInfo) -> Base:
        action = f'finish the base {self._images.path(name)}'
        with self._images.opened(action) as pool, pool.changing(name) as image:
            self._require_mine(action, name, image)
            ref = self._ref(pool.connection, name)
            base = base_snapshot.finish(
                pool, ref, image, info, self._settings.glance_name
            )
            base_snapshot.remember(pool.connection, base)
            self._made.pop(name, None)
            return base

    def discard(self, name: str) -> None:
        if not self._discard(name):
            self.retire(name)

    @native.in_thread
    @retry_on_lost_connection
    def _discard(self, name: str) -> bool:
        """False: it is a finished base, and its record was lost."""
        action = f'remove the unfinished {self._images.path(name)}'
        with self._images.opened(action) as pool:
            finished, image_id = False, None
            with (
                contextlib.suppress(rbd.ImageNotFound),
                rbd.Image(pool.ioctx, name, read_only=True) as image,
            ):
                self._require_mine(action, name, image)
                image_id = image.id()
                finished = _is_finished(image)
                if finished and base_snapshot.find_record(pool, name, image):
                    raise errors.StorageError(
                        action, RuntimeError('it is finished')
                    )
            if not finished:
                fence.remove(pool, name, image_id)
            self._made.pop(name, None)
        return not finished

    def _require_mine(self, action: str, name: str, image: rbd.Image) -> None:
        """Nobody else made it while this process thought to have the lease."""
        if self._made.get(name, image.id()) != image.id():
            raise errors.StorageError(
                action, RuntimeError('another has taken it over')
            )

    @native.in_thread
    @retry_on_refused_connection
    def clone_to_scratch(self, image: ImageInfo, name: str) -> bool:
        parent = self._located(image)
        if parent is None:
            return False
        action = f'clone {parent.ref} to {self._images.path(name)}'
        with (
            self._images.opened(action) as pool,
            pool.connection.pool(parent.ref.pool) as images,
            self._images.new(name),
            snapshots.forgotten_on_failure(pool.connection, parent.ref),
        ):
            self._images.clone(pool, images, parent, name)
        return True

    @retry_on_lost_connection
    def _located(self, image: ImageInfo) -> Snapshot | None:
        with connected(self._settings) as connection:
            policy = clone_policy(self._settings, connection)
            if not policy.strict_locations:
                # Only Glance's own names are never used again for other data.
                connection.snapshots.clear()
            refs = [
                ref
                for url in image.locations
                if isinstance(ref := location.parse(url), SnapshotRef)
                and rules.trusted(ref, image, policy) is None
            ]
            return _first_cloneable(connection, refs)

    @native.in_thread
    @retry_on_lost_connection
    def read(self, name: str) -> RbdReader:
        path = self._images.path(name)
        with contextlib.ExitStack() as stack:
            pool = stack.enter_context(self._images.opened(f'open {path}'))
            image = stack.enter_context(
                rbd.Image(pool.ioctx, name, read_only=True)
            )
            return RbdReader(image, path, pool.connection, stack.pop_all())

    @native.in_thread
    def block_device(self, name: str) -> BlockDevice:
        settings = self._settings
        conf = settings.conf_path
        environment = {}
        if settings.timeout_seconds >= 0:
            limit = f'--rados_osd_op_timeout={settings.timeout_seconds}'
            environment['CEPH_ARGS'] = limit
        if settings.cluster_name != 'ceph':
            # QEMU takes the cluster's name for "ceph", wherever it stands in
            # the paths of files.
            conf = conf or f'/etc/ceph/{settings.cluster_name}.conf'
            with connected(settings) as connection:
                keyring = connection.cluster.conf_get('keyring')
            environment['CEPH_KEYRING'] = keyring
        options = {
            'driver': 'rbd',
            'pool': self._images.pool,
            'image': name,
            'user': settings.user,
            'conf': conf,
        }
        return BlockDevice(
            {key: value for key, value in options.items() if value},
            environment,
        )

    @native.in_thread
    @retry_on_lost_connection
    def build_record(self, name: str) -> BuildRecord | None:
        with self._images.opened(f'read the build record of {name}') as pool:
            return build_records.read(pool.ioctx, name)

    @native.in_thread
    @retry_on_lost_connection
    def set_build_record(self, name: str, record: BuildRecord | None) -> None:
        with self._images.opened(f'write the build record of {name}') as pool:
            if record is None:
                build_records.remove(pool.ioctx, name)
            else:
                build_records.write(pool.ioctx, name, record)

    @native.in_thread
    @retry_on_lost_connection
    def build_records(self) -> dict[str, BuildRecord]:
        with self._images.opened('read the build records') as pool:
            return build_records.read_all(pool.ioctx)

    @native.in_thread
    @retry_on_lost_connection
    def warm_notes(self) -> dict[str, str]:
        with self._images.opened('read the notes of warming') as pool:
            return warm_notes.read(pool.ioctx)

    @native.in_thread
    @retry_on_lost_connection
    def write_warm_notes(self, notes: Mapping[str, str | None]) -> None:
        with self._images.opened('write the notes of warming') as pool:
            warm_notes.write(pool.ioctx, notes)

    @native.in_thread
    @retry_on_lost_connection
    def room(self) -> Room:
        action = f'ask for the room in {self._images.pool}'
        with self._images.opened(action) as pool:
            data_pool = room.data_pool(pool.connection, self._images.pool)
            return room.read(pool.connection.cluster, data_pool)

    @native.in_thread
    @retry_on_lost_connection
    def stored_bases(self) -> list[StoredBase]:
        action = f'list the bases in {self._images.pool}'
        with self._images.opened(action) as pool:
            return base_listing.stored_bases(pool, self._settings.glance_name)

    @native.in_thread
    @retry_on_lost_connection
    def recorded_bases(self) -> list[StoredBase]:
        action = f'read the records of the bases in {self._images.pool}'
        with self._images.opened(action) as pool:
            return base_listing.recorded_bases(
                pool, self._settings.glance_name
            )

    @native.in_thread
    @retry_on_lost_connection
    def abandoned(self) -> list[str]:
        action = f'look for unfinished bases in {self._images.pool}'
        with self._images.opened(action) as pool:
            return base_listing.unfinished(pool)

    @native.in_thread
    @retry_on_lost_connection
    def forget_images(self, name: str, image_ids: Iterable[str]) -> None:
        with self._images.opened(f'write the record of {name}') as pool:
            base_records.forget_images(pool.ioctx, name, image_ids)

    @native.in_thread
    @retry_on_lost_connection
    def children(self, name: str) -> int:
        action = f'look for clones of {self._images.path(name)}'
        with self._images.opened(action) as pool:
            image_id = children.image_id(pool.ioctx, name)
            return children.count(pool, image_id) if image_id else 0

    def retire(self, name: str) -> None:
        try:
            retired.retire(self._images, name)
        finally:
            self._forget(name)

    @native.in_thread
    def _forget(self, name: str) -> None:
        with connected(self._settings) as connection:
            base_snapshot.forget(connection, self._ref(connection, name))

    @native.in_thread
    @retry_on_lost_connection
    def purge(self) -> list[str]:
        action = f'remove retired bases from {self._images.pool}'
        with self._images.opened(action) as pool:
            return retired.purge(pool)

    def _ref(self, connection: Connection, name: str) -> SnapshotRef:
        return SnapshotRef(
            connection.fsid, self._images.pool, name, base_snapshot.SNAPSHOT
        )


def _first_cloneable(
    connection: Connection, refs: Iterable[SnapshotRef]
) -> Snapshot | None:
    """A snapshot that can be cloned, before any failure on the way to it."""
    failure = None
    for ref in refs:
        try:
            found = snapshots.look(connection, ref)
            if isinstance(found, Snapshot) and (
                found.protected or snapshots.clone_v2(connection)
            ):
                return found
        except errors.StorageError as exc:
            failure = failure or exc
    if failure is not None:
        raise failure
    return None


def _is_finished(image: rbd.Image) -> bool:
    names = {snapshot['name'] for snapshot in image.list_snaps()}
    return base_snapshot.SNAPSHOT in names
