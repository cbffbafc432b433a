# SPDX-License-Identifier: Apache-2.0
"""The right to build a base, by a lock of RADOS that expires.

The lock lies on an object of its own, `cow_lease.<name>`. It is of the kind
that removes the object when it is released (Ceph nautilus and newer). Where
its holder died the object stays until the next holder releases it.
"""

from collections.abc import Callable, Iterator
import contextlib
import math
import os
import socket
import struct
import time
import uuid

from oslo_log import log as logging
import rados

from cinder_cow import errors, native
from cinder_cow.backends.base_store import Lease
from cinder_cow.backends.rbd import error_mapping
from cinder_cow.backends.rbd.connection import Connection
from cinder_cow.backends.rbd.pool import ImagePool

LOG = logging.getLogger(__name__)

#: As long as Ceph keeps the watch of a client that died, which is what its
#: successor has to wait for anyway (osd_client_watch_timeout).
LEASE_SECONDS = 30
#: Three renewals may fail before it expires.
RENEW_SECONDS = 8.0
OBJECT = 'cow_lease.'
HAD_BY_ANOTHER = 'it was not renewed in time, and another has or had it'
LOCK = 'cinder_cow'

# Ceph, src/cls/lock/cls_lock_types.h, ClsLockType, and LOCK_FLAG_*.
EXCLUSIVE_EPHEMERAL = 3
MUST_BE_NEW = 0
MAY_RENEW = 1


def take(images: ImagePool, name: str) -> 'RbdLease | None':
    """The lease on the name; None while another has it."""
    with contextlib.ExitStack() as stack:
        # The lock is the client's: the connection is held as long as it is.
        pool = stack.enter_context(images.opened(f'lease {name}'))
        lease = RbdLease(name, pool.connection, pool.ioctx)
        try:
            lease.begin()
        except rados.ObjectBusy:
            return None
        lease.hold(stack.pop_all())
        return lease


class RbdLease(Lease):
    """Renewed by a thread of its own as long as its holder asks for it."""

    def __init__(
        self, name: str, connection: Connection, ioctx: rados.Ioctx
    ) -> None:
        self.name = name
        self._connection = connection
        self._ioctx = ioctx
        self._object = OBJECT + name
        self._cookie = str(uuid.uuid4())
        self._resources = contextlib.ExitStack()
        self._released = native.event()
        self._keep_until = 0.0
        self._guard = native.lock()
        self._renewing = native.lock()
        #: Of the lock's object, since it was taken or renewed.
        self._version: int | None = None
        self._lost: str | None = None
        self._callbacks: list[Callable[[], None]] = []
        self._thread = native.thread(
            self._renew_until_released, f'cow-lease-{name[:24]}'
        )

    def begin(self) -> None:
        """Take it.

        :raises rados.ObjectBusy: when another has it.
        """
        self._lock(MUST_BE_NEW)
        self._version = self._object_version()

    def hold(self, resources: contextlib.ExitStack) -> None:
        """Renew it from now on.

        :param resources: closed when it is released.
        """
        self._resources = resources
        self.keep(LEASE_SECONDS)
        self._thread.start()

    def keep(self, seconds: float) -> None:
        if not math.isfinite(seconds):
            raise ValueError('a lease is kept for a finite time')
        lasting = max(seconds, LEASE_SECONDS)
        self._keep_until = time.monotonic() + lasting

    @native.in_thread
    def check(self) -> None:
        if self._released.is_set():
            raise errors.LeaseLost(self.name, 'it was released')
        self._renew()

    def on_lost(self, callback: Callable[[], None]) -> None:
        with self._guard:
            if self._lost is None:
                self._callbacks.append(callback)
                return
        callback()

    @native.in_thread
    def release(self) -> None:
        if self._released.is_set():
            return
        self._released.set()
        self._thread.join()
        try:
            with error_mapping.mapped(f'release the lease on {self.name}'):
                self._unlock()
        except errors.StorageError as exc:
            LOG.warning(
                'base=%s its lease expires in %s s: %s',
                self.name,
                LEASE_SECONDS,
                exc,
            )
            self._connection.failed(exc)
        finally:
            self._resources.close()

    def _renew_until_released(self) -> None:
        while not self._released.wait(RENEW_SECONDS):
            try:
                if time.monotonic() < self._keep_until:
                    self._renew()
                else:
                    self._require_not_taken()
            except errors.LeaseLost as exc:
                LOG.warning('%s', exc)
                return
            except errors.StorageError as exc:
                LOG.warning(
                    'base=%s its lease is not renewed: %s', self.name, exc
                )

    def _renew(self) -> None:
        """Also takes it again, when it expired and nobody has it."""
        # By its holder and by the thread that renews it: in native threads.
        with self._renewing, self._asking(f'renew the lease on {self.name}'):
            self._require_untouched()
            try:
                self._lock(MAY_RENEW)
            except rados.ObjectBusy as exc:
                raise self._lose(HAD_BY_ANOTHER) from exc
            self._version = self._object_version()

    def _require_untouched(self) -> None:
        """Another may have had it, and be done with it already.

        Whoever takes or breaks it changes the object, and whoever releases it
        removes the object.
        """
        if self._version != self._object_version():
            raise self._lose(HAD_BY_ANOTHER)

    def _object_version(self) -> int | None:
        try:
            self._ioctx.stat(self._object)
        except rados.ObjectNotFound:
            return None
        return int(self._ioctx.get_last_version())

    def _require_not_taken(self) -> None:
        """The holder makes no progress: another may have the lease by now."""
        with self._asking(f'look at the lease on {self.name}'):
            if self._is_taken():
                raise self._lose(
                    'its holder made no progress, and another has it'
                )

    @contextlib.contextmanager
    def _asking(self, action: str) -> Iterator[None]:
        if self._lost is not None:
            raise errors.LeaseLost(self.name, self._lost)
        try:
            with error_mapping.mapped(action):
                yield
        except errors.ConnectionLost as exc:
            # The lock is this client's alone: another one cannot renew it.
            self._connection.failed(exc)
            raise self._lose(f'the connection was lost: {exc.cause}') from exc

    def _lose(self, reason: str) -> errors.LeaseLost:
        """The error to raise. Its holder hears of it once."""
        with self._guard:
            self._lost = self._lost or reason
            callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            callback()
        return errors.LeaseLost(self.name, self._lost)

    def _unlock(self) -> None:
        try:
            self._ioctx.unlock(self._object, LOCK, self._cookie)
        except rados.ObjectNotFound:
            # It has expired, and only who has it can remove the object.
            with contextlib.suppress(rados.ObjectBusy):
                self._lock(MUST_BE_NEW)
                self._ioctx.unlock(self._object, LOCK, self._cookie)

    def _lock(self, flag: int) -> None:
        request = lock_request(
            LOCK,
            self._cookie,
            f'{socket.gethostname()}:{os.getpid()}',
            LEASE_SECONDS,
            flag,
        )
        self._ioctx.execute(self._object, 'lock', 'lock', request)

    def _is_taken(self) -> bool:
        """Whether another has it.

        Ceph, src/cls/lock/cls_lock_ops.h, cls_lock_get_info_op and _reply:
        the answer begins with the number of holders, and holds their
        cookies. Where the last has expired it is EIO: cls_lock.cc, read_lock,
        is about to remove the object then, and may not in an operation that
        reads.
        """
        fields = _string(LOCK)
        request = struct.pack('<BBI', 1, 1, len(fields)) + fields
        try:
            _size, answer = self._ioctx.execute(
                self._object, 'lock', 'get_info', request
            )
        except (rados.ObjectNotFound, rados.IOError):
            return False
        (holders,) = struct.unpack_from('<I', answer, 6)
        return holders > 0 and self._cookie.encode() not in answer


def lock_request(
    name: str, cookie: str, description: str, seconds: int, flag: int
) -> bytes:
    """What the object class `lock` takes: the binding lacks the lock's type.

    Ceph, src/cls/lock/cls_lock_ops.h, cls_lock_lock_op::encode: version and
    oldest compatible version, length, then the fields. The tag is empty.
    """
    fields = b''.join(
        (
            _string(name),
            struct.pack('<B', EXCLUSIVE_EPHEMERAL),
            _string(cookie),
            _string(''),
            _string(description),
            struct.pack('<II', seconds, 0),  # and nanoseconds
            struct.pack('<B', flag),
        )
    )
    return struct.pack('<BBI', 1, 1, len(fields)) + fields


def _string(text: str) -> bytes:
    data = text.encode()
    return struct.pack('<I', len(data)) + data
