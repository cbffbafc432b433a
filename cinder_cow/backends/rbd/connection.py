# SPDX-License-Identifier: Apache-2.0
"""One kept connection per cluster, user and conf file.

Connecting costs 7-12 ms on an idle one-node cluster, and upstream's driver
does it five times per clone. Here all threads of a process share one. It is
opened at the first use, and again when it broke; a forked child opens its
own. Those that are in use are shut down by their last user.
"""

import atexit
from collections.abc import Iterator
import contextlib
import os

import rados
import tenacity

from cinder_cow import errors, native
from cinder_cow.backends.rbd.settings import RbdSettings
from cinder_cow.model import Base, Snapshot, SnapshotRef

Key = tuple[int, str, str, str | None]


class Connection:
    """A connected cluster. Safe for several threads at once."""

    def __init__(self, cluster: rados.Rados) -> None:
        self.cluster = cluster
        self.fsid: str = cluster.get_fsid()
        self.users = 0
        self.kept = True
        #: Protected snapshots of Glance's that were looked at: under such a
        #: name there is never another. Kept for speed: a look costs an
        #: eighth of a clone.
        self.snapshots: dict[SnapshotRef, Snapshot] = {}
        #: Bases that were found. Any of them may be gone by now.
        self.bases: dict[SnapshotRef, Base] = {}
        #: When the use of a base by an image was last written down, by the
        #: clock of :func:`time.monotonic`.
        self.uses: dict[tuple[SnapshotRef, str], float] = {}

    @contextlib.contextmanager
    def pool(self, name: str) -> Iterator[rados.Ioctx]:
        """The pool, opened; no round trip where the map is known.

        :raises rados.ObjectNotFound: when there is no such pool.
        """
        ioctx = self.cluster.open_ioctx(name)
        try:
            yield ioctx
        finally:
            ioctx.close()


_connections: dict[Key, Connection] = {}
_lock = native.lock()


@contextlib.contextmanager
def connected(settings: RbdSettings) -> Iterator[Connection]:
    """The connection of these settings, opened if need be.

    When what is done with it ends in ConnectionLost, it is given up, and the
    next caller opens another.

    :raises StorageUnreachable: when there is no connecting.
    """
    connection = _take(settings)
    try:
        yield connection
    except errors.ConnectionLost:
        connection.kept = False
        raise
    finally:
        _give_back(settings, connection)


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
            return connection
    return _keep(key, _open(settings))


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


def _connect(settings: RbdSettings) -> Connection:
    cluster = None
    try:
        cluster = rados.Rados(
            rados_id=settings.user,
            clustername=settings.cluster_name,
            conffile=settings.conf_path,
        )
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
