# SPDX-License-Identifier: Apache-2.0
"""Base images in a pool of RBD.

A base is an RBD image with a snapshot. Without it the image is unfinished,
whatever its size: a builder works on it, or has died over it.
"""

from collections.abc import Iterable
import contextlib

from oslo_log import log as logging
import rbd
import tenacity

from cinder_cow import errors, native
from cinder_cow.backends import base_names
from cinder_cow.backends.base_store import (
    BaseStore,
    BlockDevice,
    BuildRecord,
    StoredBase,
)
from cinder_cow.backends.rbd import base_metadata as stories
from cinder_cow.backends.rbd import (
    base_snapshot,
    build_records,
    lease,
    retired,
    snapshots,
)
from cinder_cow.backends.rbd.connection import Connection, connected
from cinder_cow.backends.rbd.pool import (
    Images,
    Pool,
    begun_again_when_lost,
    site,
)
from cinder_cow.backends.rbd.reader import RbdReadable
from cinder_cow.backends.rbd.settings import RbdSettings
from cinder_cow.backends.rbd.writer import RbdWriter
from cinder_cow.model import Base, BaseInfo, ImageInfo, Snapshot, SnapshotRef
from cinder_cow.planning import location
from cinder_cow.planning import verdict as rules

LOG = logging.getLogger(__name__)

#: Ceph keeps the watch of a client that died for half a minute, and as long
#: the image cannot be removed.
BUSY_SECONDS = 60
BUSY_PAUSE_SECONDS = 1


class RbdBases(BaseStore):
    """The bases of one backend, in a pool that others may share."""

    def __init__(self, settings: RbdSettings, volumes: Images) -> None:
        self._settings = settings
        self._volumes = volumes
        self._images = Images(settings, settings.base_pool or settings.pool)
        #: Ids of the images that were made here and are not finished.
        self._made: dict[str, str] = {}

    @native.in_thread
    @begun_again_when_lost
    def find(self, name: str) -> Base | None:
        action = f'look for the base {self._images.path(name)}'
        with self._images.opened(action) as pool:
            return base_snapshot.find(pool, self._ref(pool.connection, name))

    @native.in_thread
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
        ref = base.snapshot.ref
        try:
            with self._images.opened(f'note the use of {ref}') as pool:
                base_snapshot.note_use(pool, ref, image_id)
        except errors.StorageError as exc:
            LOG.warning('%s', exc)

    @native.in_thread
    @begun_again_when_lost
    def lease(self, name: str) -> lease.RbdLease | None:
        return lease.take(self._images, name)

    @native.in_thread
    def create(self, name: str, size_bytes: int) -> RbdWriter:
        self._images.create(name, size_bytes)
        writer = self._images.writer(name)
        self._made[name] = writer.image_id
        return writer

    @native.in_thread
    def commit(self, name: str, info: BaseInfo) -> Base:
        action = f'finish the base {self._images.path(name)}'
        with (
            self._images.opened(action) as pool,
            rbd.Image(pool.ioctx, name) as image,
        ):
            if self._made.pop(name, image.id()) != image.id():
                raise errors.StorageError(
                    action, RuntimeError('another has taken it over')
                )
            ref = self._ref(pool.connection, name)
            base = base_snapshot.finish(pool, ref, image, info)
            base_snapshot.remember(pool.connection, base)
            return base

    @native.in_thread
    def discard(self, name: str) -> None:
        action = f'remove the unfinished {self._images.path(name)}'
        made = self._made.pop(name, None)
        with self._images.opened(action) as pool:
            try:
                with rbd.Image(pool.ioctx, name, read_only=True) as image:
                    if made is not None and made != image.id():
                        return  # another has taken it over
                    snapshots = list(image.list_snaps())
            except rbd.ImageNotFound:
                snapshots = []
            if snapshots:
                raise errors.StorageError(
                    action, RuntimeError('it is finished: it has a snapshot')
                )
            _remove(pool, name)

    @native.in_thread
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

    @begun_again_when_lost
    def _located(self, image: ImageInfo) -> Snapshot | None:
        with connected(self._settings) as connection:
            place = site(self._settings, connection)
            if not place.strict_locations:
                # Only Glance's own names are never used again for other data.
                connection.snapshots.clear()
            refs = [
                ref
                for url in image.locations
                if isinstance(ref := location.parse(url), SnapshotRef)
                and rules.trusted(ref, image, place) is None
            ]
            return _first_cloneable(connection, refs)

    @native.in_thread
    @begun_again_when_lost
    def read(self, name: str) -> RbdReadable:
        path = self._images.path(name)
        with contextlib.ExitStack() as stack:
            pool = stack.enter_context(self._images.opened(f'open {path}'))
            image = stack.enter_context(
                rbd.Image(pool.ioctx, name, read_only=True)
            )
            return RbdReadable(image, path, stack.pop_all())

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
    @begun_again_when_lost
    def build_record(self, name: str) -> BuildRecord | None:
        with self._images.opened(f'read the note on {name}') as pool:
            return build_records.read(pool.ioctx, name)

    @native.in_thread
    def set_build_record(self, name: str, note: BuildRecord | None) -> None:
        with self._images.opened(f'write the note on {name}') as pool:
            if note is None:
                build_records.strike(pool.ioctx, name)
            else:
                build_records.write(pool.ioctx, name, note)

    @native.in_thread
    @begun_again_when_lost
    def build_records(self) -> dict[str, BuildRecord]:
        with self._images.opened('read the notes on bases') as pool:
            return build_records.read_all(pool.ioctx)

    @native.in_thread
    @begun_again_when_lost
    def stored_bases(self) -> list[StoredBase]:
        with self._images.opened(
            f'list the bases in {self._images.pool}'
        ) as pool:
            names = rbd.RBD().list(pool.ioctx)
            seen = [
                _kept(pool, self._ref(pool.connection, name))
                for name in names
                if name.startswith(base_names.BASE)
            ]
        return [kept for kept in seen if kept is not None]

    @native.in_thread
    @begun_again_when_lost
    def has_children(self, name: str) -> bool:
        action = f'look for clones of {self._images.path(name)}'
        with self._images.opened(action) as pool:
            return retired.has_children(pool, name)

    @native.in_thread
    def retire(self, name: str) -> None:
        with self._images.opened(f'retire {self._images.path(name)}') as pool:
            retired.retire(pool.ioctx, name)
            ref = self._ref(pool.connection, name)
            base_snapshot.forget(pool.connection, ref)

    @native.in_thread
    def purge(self) -> list[str]:
        action = f'remove retired bases from {self._images.pool}'
        with self._images.opened(action) as pool:
            return retired.purge(pool)

    def _ref(self, connection: Connection, name: str) -> SnapshotRef:
        return SnapshotRef(
            connection.fsid, self._images.pool, name, base_snapshot.SNAPSHOT
        )


def _remove(pool: Pool, name: str) -> None:
    """Waits for a watch to end; does what a killed removal left to do."""
    attempts = tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(rbd.ImageBusy),
        stop=tenacity.stop_after_delay(BUSY_SECONDS),
        wait=tenacity.wait_fixed(BUSY_PAUSE_SECONDS),
        sleep=native.sleep,
        reraise=True,
    )
    with contextlib.suppress(rbd.ImageNotFound):
        attempts(rbd.RBD().remove, pool.ioctx, name)


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


def _kept(pool: Pool, ref: SnapshotRef) -> StoredBase | None:
    try:
        with base_snapshot.at_snapshot(pool.ioctx, ref.image) as image:
            return stories.kept(ref.image, image)
    except rbd.ImageNotFound:
        return None  # unfinished, or just retired
    except ValueError as exc:
        LOG.warning('The base %s: %s', ref, base_snapshot.damaged(ref, exc))
        return None
