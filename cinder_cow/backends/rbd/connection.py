# SPDX-License-Identifier: Apache-2.0
"""One kept connection per cluster, user and conf file.

Connecting costs 7-12 ms on an idle one-node cluster, and upstream's driver
does it five times per clone. Here all threads of a process share one. It is
opened at the first use; again when it broke, when the keyring was changed, and
when it is denied or gets no answer, for its key may be an old one. A forked
child opens its own. One that is not kept any more is shut down by its last
user.
"""

import atexit
import collections
from collections.abc import Iterator, Mapping
import contextlib
import errno
import os
import time

from oslo_log import log as logging
import rados
import tenacity

from cinder_cow import errors, native
from cinder_cow.backends.rbd.settings import RbdSettings
from cinder_cow.model import Base, Snapshot, SnapshotRef

Key = tuple[int, str, str, str | None]


#: librbd reads this at the opening of an image: with its cache it calls a
#: write done that is in the cache only. It copies what it is to write. With
#: rbd_disable_zero_copy_writes=false it would not, but then it reports a write
#: only when nothing refers to its bytes: after a lost connection, never.
UNCACHED = ('rbd_cache', 'false')

#: Of a connection that is younger, the key is the one in the keyring. No more
#: often is another opened for one that works.
KEY_SECONDS = 5
_DENIED = (errno.EPERM, errno.EACCES)


class ConnectionRefused(errors.ConnectionLost):
    """The cluster may not take the key of this connection any more.

    The key was changed since, or the user may not do what was asked: another
    connection tells. Nothing was done.
    """


class Connection:
    """A connected cluster. Safe for several threads at once."""

    def __init__(self, cluster: rados.Rados) -> None:
        self.cluster = cluster
        self.fsid: str = cluster.get_fsid()
        self.users = 0
        self.kept = True
        self._opened = time.monotonic()
        self._keyring = self._look_at_keyring()
        #: Protected snapshots of Glance's that were looked at: under such a
        #: name there is never another. Kept for speed: a look costs an
        #: eighth of a clone.
        self.snapshots: dict[SnapshotRef, Snapshot] = {}
        #: Bases that were found. Any of them may be gone by now.
        self.bases: dict[SnapshotRef, Base] = {}
        #: How often one of them was forgotten.
        self.forgotten = 0
        self.remembering = native.lock()
        #: When the use of a base by an image was last written down, by the
        #: clock of :func:`time.monotonic`.
        self.uses: dict[tuple[SnapshotRef, str], float] = {}

    @property
    def may_have_an_old_key(self) -> bool:
        """Whether a denial may be for want of the user's new key."""
        return time.monotonic() - self._opened > KEY_SECONDS

    def is_refused(self, failure: errors.StorageError) -> bool:
        """Whether another connection may be let in where this one is not."""
        code = getattr(failure.cause, 'errno', None)
        return code in _DENIED and self.may_have_an_old_key

    def failed(self, failure: errors.StorageError) -> bool:
        """Have the next caller open another, when this one is of no use.

        A monitor does not answer a client whose key was changed.

        :returns: whether it was given up by this call.
        """
        was_kept = self.kept
        is_lost = isinstance(failure, errors.ConnectionLost)
        unanswered = isinstance(failure, errors.StorageUnreachable)
        if (
            is_lost
            or self.is_refused(failure)
            or (unanswered and self.may_have_an_old_key)
        ):
            self.kept = False
        return was_kept and not self.kept

    def has_new_keyring(self) -> bool:
        """Whether the keyring was changed since; True once for each change.

        A kept connection goes on with the old key until its tickets expire,
        and then its calls end no more, where there is no time limit.
        """
        before, self._keyring = self._keyring, self._look_at_keyring()
        return self._keyring != before

    def _look_at_keyring(self) -> list[tuple[str, int]]:
        """The files that librados reads keys from, and their last change."""
        found = []
        names = self.cluster.conf_get('keyring') or ''
        for name in names.replace(';', ',').split(','):
            with contextlib.suppress(OSError):
                found.append((name, os.stat(name.strip()).st_mtime_ns))
        return found

    @contextlib.contextmanager
    def pool(self, name: str) -> Iterator[rados.Ioctx]:
        """The pool, opened; no round trip where the map is known.

        What a full pool cannot take is an error at once. Without this Ceph
        has its clients wait until there is room.

        :raises rados.ObjectNotFound: when there is no such pool.
        """
        ioctx = self.cluster.open_ioctx(name)
        try:
            ioctx.set_osdmap_full_try()
            yield ioctx
        finally:
            ioctx.close()


LOG = logging.getLogger(__name__)

_connections: dict[Key, Connection] = {}
#: How many were given up after an error.
_lost: collections.Counter[Key] = collections.Counter()
_lock = native.lock()


@contextlib.contextmanager
def connected(settings: RbdSettings) -> Iterator[Connection]:
    """The connection of these settings, opened if need be.

    When what is done with it ends in ConnectionLost, it is given up, and the
    next caller opens another.

    :raises StorageUnreachable: when there is no connecting.
    :raises ConnectionRefused: in place of an error of permission, when the
        connection is old: to be tried once more.
    """
    connection = _take(settings)
    try:
        yield connection
    except errors.StorageError as exc:
        if connection.failed(exc):
            with _lock:
                _lost[_key(settings)] += 1
        if connection.is_refused(exc):
            raise ConnectionRefused(exc.action, exc.cause) from exc
        raise
    finally:
        _give_back(settings, connection)


def lost(settings: RbdSettings) -> int:
    """How many of these connections were given up after an error."""
    return _lost[_key(settings)]


def _key(settings: RbdSettings) -> Key:
    return (
        os.getpid(),
        settings.cluster_name,
        settings.conf_path,
        settings.user,
    )


def _take(settings: RbdSettings) -> Connection:
    key = _key(settings)
    with _lock:
        connection = _connections.get(key)
        if connection is not None and connection.kept:
            connection.users += 1
        else:
            connection = None
    if connection is None:
        return _keep(key, _open(settings))
    if connection.has_new_keyring():
        return _replace(settings, connection)
    return connection


def _replace(settings: RbdSettings, connection: Connection) -> Connection:
    """Another, with the new key; the same while the cluster has the old."""
    try:
        opened = _open(settings)
    except errors.StorageUnreachable as exc:
        LOG.warning(
            'The keyring has changed, and a new connection failed; the old'
            ' one is used: %s',
            exc,
        )
        return connection
    connection.kept = False
    _give_back(settings, connection)
    return _keep(_key(settings), opened)


def _keep(key: Key, opened: Connection) -> Connection:
    """Of two that were opened at the same time, the first is kept."""
    with _lock:
        kept = _connections.get(key)
        if kept is None or not kept.kept:
            kept = _connections[key] = opened
        kept.users += 1
    if kept is not opened:
        opened.cluster.shutdown()
    return kept


def _give_back(settings: RbdSettings, connection: Connection) -> None:
    with _lock:
        connection.users -= 1
        finished = connection.users == 0 and not connection.kept
        key = _key(settings)
        if finished and _connections.get(key) is connection:
            del _connections[key]
    if finished:
        connection.cluster.shutdown()


def _open(settings: RbdSettings) -> Connection:
    attempts = tenacity.Retrying(
        retry=tenacity.retry_if_exception(_timed_out),
        stop=tenacity.stop_after_attempt(settings.connect_attempts),
        wait=tenacity.wait_fixed(settings.connect_interval_seconds),
        sleep=native.sleep,
        reraise=True,
    )
    opened: Connection = attempts(_connect, settings)
    return opened


def _timed_out(exc: BaseException) -> bool:
    # A missing conf file or keyring is not there a moment later either.
    return isinstance(exc, errors.StorageUnreachable) and isinstance(
        exc.cause, rados.TimedOut
    )


@contextlib.contextmanager
def connected_once(settings: RbdSettings, **conf: str) -> Iterator[Connection]:
    """A connection that is not kept.

    :param conf: options that come before those of ceph.conf.
    :raises StorageUnreachable: when there is no connecting.
    """
    connection = _connect(settings, conf)
    try:
        yield connection
    finally:
        connection.cluster.shutdown()


def _connect(
    settings: RbdSettings, conf: Mapping[str, str] | None = None
) -> Connection:
    cluster = None
    try:
        cluster = rados.Rados(
            rados_id=settings.user,
            clustername=settings.cluster_name,
            conffile=settings.conf_path,
            conf=conf,
        )
        # Not later: librados 16.2 hangs with all its threads where an option
        # is set while an image is closed (ConfigProxy::remove_observer).
        cluster.conf_set(*UNCACHED)
        if settings.timeout_seconds >= 0:
            for option in (
                'client_mount_timeout',
                'rados_mon_op_timeout',
                'rados_osd_op_timeout',
            ):
                cluster.conf_set(option, str(settings.timeout_seconds))
        cluster.connect()
        return Connection(cluster)
    except rados.Error as exc:
        if cluster is not None:
            cluster.shutdown()
        raise errors.StorageUnreachable(
            f'connect to the Ceph cluster of'
            f' {settings.conf_path or "the default ceph.conf"} as'
            f' client.{settings.user}',
            exc,
        ) from exc


def shut_down() -> None:
    """Closes what this process keeps. Called when it ends by itself.

    A cinder-volume child ends by os._exit, and the kernel closes for it.
    """
    with _lock:
        mine = [key for key in _connections if key[0] == os.getpid()]
        closing = [_connections.pop(key) for key in mine]
    for connection in closing:
        connection.kept = False
        if connection.users == 0:
            connection.cluster.shutdown()


atexit.register(shut_down)
