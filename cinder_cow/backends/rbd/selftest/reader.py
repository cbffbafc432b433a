# SPDX-License-Identifier: Apache-2.0
"""Whether another user, such as Nova's, may read what volumes are clones of.

Who opens a volume reads the parent of it too. It is found out by reading,
with that user's key.
"""

from collections.abc import Iterable
import contextlib
import dataclasses
import errno
import json

from cinder_cow import errors, native
from cinder_cow.backends.base import CheckResult
from cinder_cow.backends.rbd import error_mapping
from cinder_cow.backends.rbd.connection import (
    Connection,
    connected,
    connected_once,
)
from cinder_cow.backends.rbd.pool import clone_policy
from cinder_cow.backends.rbd.selftest import image_pools
from cinder_cow.backends.rbd.settings import RbdSettings
from cinder_cow.model import SnapshotRef

_EFFECT = 'servers with volumes cloned from there do not start'
_DENIED = (-errno.EPERM, -errno.EACCES)


@native.in_thread
def checks(
    settings: RbdSettings,
    user: str,
    keyring: str,
    examples: Iterable[SnapshotRef],
) -> list[CheckResult]:
    """The answers for a cephx user.

    :param keyring: path of its keyring. Empty: it is one that ceph.conf
        names, or the cluster gives the key away to the user of the settings.
    """
    question = f'Is the key of client.{user} known here'
    theirs = dataclasses.replace(settings, user=user)
    with contextlib.ExitStack() as stack:
        try:
            connection = stack.enter_context(
                connected_once(theirs, **_key(settings, user, keyring))
            )
        except _Unknown as exc:
            return [exc.answer(question)]
        except errors.StorageError as exc:
            return [
                CheckResult(
                    question,
                    False,
                    f'no, {errors.printable(exc.cause)}',
                    f'Bring here what ceph auth get client.{user} shows, and'
                    f' name that file by --nova-keyring',
                )
            ]
        return [
            CheckResult(question, True, 'yes, and the cluster lets it in'),
            *_read(connection, theirs, list(examples)),
        ]


def _read(
    connection: Connection, settings: RbdSettings, examples: list[SnapshotRef]
) -> list[CheckResult]:
    policy = clone_policy(settings, connection)
    bases = settings.base_pool or settings.pool
    return [
        *(
            answer
            for pool in image_pools.pools(policy, examples)
            for answer in image_pools.image_pool(
                connection, policy, pool, examples, effect=_EFFECT
            )
        ),
        *image_pools.image_pool(
            connection, policy, bases, (), 'the pool of the bases', _EFFECT
        ),
    ]


class _Unknown(Exception):
    """The key of the user is not to be had."""

    def __init__(self, reason: str, remedy: str, minor: bool) -> None:
        self._reason = reason
        self._remedy = remedy
        self._minor = minor
        super().__init__(reason)

    def answer(self, question: str) -> CheckResult:
        return CheckResult(
            question, False, self._reason, self._remedy, self._minor
        )


def _key(settings: RbdSettings, user: str, keyring: str) -> dict[str, str]:
    """The options of Ceph by which the user is let in.

    :raises _Unknown: when there are none.
    :raises StorageError: when the cluster cannot be asked.
    """
    if keyring:
        return {'keyring': keyring}
    theirs = dataclasses.replace(settings, user=user)
    with (
        contextlib.suppress(errors.StorageUnreachable),
        connected_once(theirs),
    ):
        return {}
    command = {'prefix': 'auth get-key', 'entity': f'client.{user}'}
    with connected(settings) as connection:
        status, answer, _said = connection.cluster.mon_command(
            json.dumps({**command, 'format': 'json'}), b''
        )
    if status in _DENIED:
        raise _Unknown(
            f'no: this host has no keyring of it, and'
            f' client.{settings.user or "admin"} may not ask the cluster.'
            f' Whether it may read what volumes are clones of is not known',
            f'Have an administrator of Ceph do: ceph auth get client.{user}'
            f' -o PATH; and give --nova-keyring PATH',
            minor=True,
        )
    if status == -errno.ENOENT:
        raise _Unknown(
            'no, the cluster has no such user',
            'Correct --nova-user, or make the user: ceph auth get-or-create'
            f" client.{user} mon 'profile rbd' osd 'profile rbd"
            f" pool={settings.pool}'",
            minor=False,
        )
    if status:
        raise error_mapping.of_status(f'ask for client.{user}', status)
    return {'key': json.loads(answer)['key']}
