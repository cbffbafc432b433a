# SPDX-License-Identifier: Apache-2.0
"""What volumes and bases have in common: they are RBD images of a pool."""

from collections.abc import Iterator
import contextlib
from dataclasses import dataclass

import rados
import rbd
import tenacity

from cinder_cow import errors, native
from cinder_cow.backends.rbd import error_mapping
from cinder_cow.backends.rbd.connection import (
    Connection,
    ConnectionRefused,
    connected,
)
from cinder_cow.backends.rbd.settings import RbdSettings
from cinder_cow.backends.rbd.writer import RbdWriter
from cinder_cow.model import ClonePolicy, Snapshot

#: The kept connection may have broken since its last use. What only reads is
#: safe to be asked again, on a new one.
retry_on_lost_connection = tenacity.retry(
    retry=tenacity.retry_if_exception_type(errors.ConnectionLost),
    stop=tenacity.stop_after_attempt(2),
    reraise=True,
)
#: What changes something is tried again only where nothing was done yet.
retry_on_refused_connection = tenacity.retry(
    retry=tenacity.retry_if_exception_type(ConnectionRefused),
    stop=tenacity.stop_after_attempt(2),
    reraise=True,
)

#: Ceph keeps the watch of a client that died for half a minute, and as long
#: the image cannot be removed.
BUSY_SECONDS = 60
BUSY_PAUSE_SECONDS = 1


#: librbd 16.2 takes the exclusive lock of an image for the first change to it,
#: and the thread that does so may still use the image when the caller, whose
#: change is done, has closed it: the process hangs or aborts. Seen within 100
#: images whose snapshots were made and removed by four threads on two busy
#: cores; with this pause not in 170. The thread needs but to run once.
PAUSE_BEFORE_CLOSE_SECONDS = 0.25


@dataclass(frozen=True, slots=True)
class Pool:
    """A pool, opened."""

    connection: Connection
    ioctx: rados.Ioctx

    @property
    def features(self) -> int:
        """Features of a new image, as upstream's driver chooses them."""
        configured = self.connection.cluster.conf_get('rbd_default_features')
        return int(configured or 0) or int(rbd.RBD_FEATURE_LAYERING)

    @contextlib.contextmanager
    def changing(self, name: str) -> Iterator[rbd.Image]:
        """The image, opened to change its snapshots or metadata.

        :raises rbd.ImageNotFound: when there is none.
        """
        with rbd.Image(self.ioctx, name) as image:
            try:
                yield image
            finally:
                native.sleep(PAUSE_BEFORE_CLOSE_SECONDS)

    def remove(self, name: str) -> None:
        """Remove an image. Fine when there is none.

        Waits for the watch of a client that died; does what a removal that
        was killed left to do.
        """
        attempts = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(rbd.ImageBusy),
            stop=tenacity.stop_after_delay(BUSY_SECONDS),
            wait=tenacity.wait_fixed(BUSY_PAUSE_SECONDS),
            sleep=native.sleep,
            reraise=True,
        )
        with contextlib.suppress(rbd.ImageNotFound):
            attempts(rbd.RBD().remove, self.ioctx, name)


class ImagePool:
    """The images of one pool, which need not exist yet."""

    def __init__(self, settings: RbdSettings, pool: str) -> None:
        self.settings = settings
        self.pool = pool

    def path(self, name: str) -> str:
        """The image's name, for messages."""
        return f'{self.pool}/{name}'

    @contextlib.contextmanager
    def opened(self, action: str) -> Iterator[Pool]:
        """The pool, opened; failures are of "Could not <action>: ..."."""
        with (
            connected(self.settings) as connection,
            error_mapping.mapped(action),
            connection.pool(self.pool) as ioctx,
        ):
            yield Pool(connection, ioctx)

    @native.in_thread
    @retry_on_refused_connection
    def create(self, name: str, size_bytes: int) -> None:
        """Make an empty image.

        :raises VolumeExists: and leaves what exists as it is.
        """
        with self.opened(f'create {self.path(name)}') as pool, self.new(name):
            rbd.RBD().create(
                pool.ioctx,
                name,
                size_bytes,
                order=self.order(),
                old_format=False,
                features=pool.features,
            )

    def clone(
        self, pool: Pool, parents: rados.Ioctx, parent: Snapshot, name: str
    ) -> None:
        """Make a clone, of the parent's size. Nothing is mapped here.

        :param pool: this one.
        :param parents: the parent's.
        """
        rbd.RBD().clone(
            parents,
            parent.ref.image,
            parent.ref.snapshot,
            pool.ioctx,
            name,
            features=pool.features,
            order=self.order(parent.stripe_unit_bytes),
        )

    @native.in_thread
    @retry_on_lost_connection
    def writer(self, name: str) -> RbdWriter:
        """The image, opened to be filled."""
        path = self.path(name)
        with contextlib.ExitStack() as stack:
            pool = stack.enter_context(self.opened(f'open {path}'))
            image = stack.enter_context(rbd.Image(pool.ioctx, name))
            return RbdWriter(image, path, pool.connection, stack.pop_all())

    @contextlib.contextmanager
    def new(self, name: str) -> Iterator[None]:
        """What is made meanwhile must not be there already."""
        try:
            yield
        except rbd.ImageExists as exc:
            raise errors.VolumeExists(
                self.path(name), f'rbd rm {self.path(name)}'
            ) from exc

    def order(self, parent_stripe_unit_bytes: int = 0) -> int:
        """Order of a new image's objects, which have 2**order bytes.

        Never below the parent's stripe unit: librbd refuses such a clone,
        or the clone reads garbage (Launchpad bug 1931004).
        """
        object_bytes = max(
            parent_stripe_unit_bytes, self.settings.object_bytes
        )
        return object_bytes.bit_length() - 1


def clone_policy(settings: RbdSettings, connection: Connection) -> ClonePolicy:
    """What is trusted in the connected cluster."""
    return ClonePolicy(
        fsid=connection.fsid,
        pool=settings.pool,
        user=settings.user or 'admin',
        base_pool=settings.base_pool,
        image_pools=settings.image_pools,
        strict_locations=settings.strict_locations,
        verify_signatures=settings.verify_signatures,
    )
