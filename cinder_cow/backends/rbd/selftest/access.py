# SPDX-License-Identifier: Apache-2.0
"""The way to a cluster: its conf, the user's key, and an answer."""

from collections.abc import Iterator
import contextlib
import os
import re

import rados

from cinder_cow import errors, native
from cinder_cow.backends.base import CheckResult
from cinder_cow.backends.rbd.connection import connected
from cinder_cow.backends.rbd.settings import RbdSettings


@native.in_thread
def checks(settings: RbdSettings) -> list[CheckResult]:
    """Up to the first bad answer: those behind it would be bad too."""
    found: list[CheckResult] = []
    for check in (_conf, _keyring, _answer):
        found.append(check(settings))
        if not found[-1].ok:
            break
    return found


def _shown(settings: RbdSettings) -> str:
    return settings.conf_path or f'{settings.cluster_name}.conf'


def _user(settings: RbdSettings) -> str:
    return f'client.{settings.user or "admin"}'


def _conf(settings: RbdSettings) -> CheckResult:
    shown = _shown(settings)
    question = f'Can {shown} be read'
    try:
        with _unconnected(settings):
            return CheckResult(question, True, 'yes')
    except (rados.Error, OSError) as exc:
        return CheckResult(
            question,
            False,
            f'no, {errors.printable(exc)}: no volume is made',
            f'Put the ceph.conf of the cluster at {shown}, where the user of'
            f' cinder-volume may read it, or correct rbd_ceph_conf or'
            f' cow_remote_clusters',
        )


@contextlib.contextmanager
def _unconnected(settings: RbdSettings) -> Iterator[rados.Rados]:
    """What reads its conf file, and talks to no cluster."""
    cluster = rados.Rados(
        rados_id=settings.user,
        clustername=settings.cluster_name,
        conffile=settings.conf_path,
    )
    try:
        yield cluster
    finally:
        cluster.shutdown()


def _keyring(settings: RbdSettings) -> CheckResult:
    with _unconnected(settings) as cluster:
        told = {
            name: cluster.conf_get(name) or ''
            for name in ('auth_client_required', 'key', 'keyfile', 'keyring')
        }
    user = _user(settings)
    question = f'Is the key of {user} for {_shown(settings)} on this host'
    if told['auth_client_required'] == 'none':
        return CheckResult(question, True, 'none is needed')
    if told['key'] or told['keyfile']:
        return CheckResult(question, True, 'yes, ceph.conf names it')
    paths = [each for each in re.split(r'[,;\s]+', told['keyring']) if each]
    for path in paths:
        if os.path.exists(path):  # librados takes the first that is there
            return _readable(question, path, user)
    return CheckResult(
        question,
        False,
        f'no, there is none of {", ".join(paths)}: no volume is made',
        f'ceph auth get {user} -o {paths[0] if paths else "PATH"}, and let the'
        f' user of cinder-volume read that file',
    )


def _readable(question: str, path: str, user: str) -> CheckResult:
    try:
        with open(path, encoding='utf-8', errors='replace') as keyring:
            has_key = f'[{user}]' in keyring.read()
    except OSError as exc:
        return CheckResult(
            question,
            False,
            f'no, {path} cannot be read by this user: {exc.strerror}',
            f'Let the user of cinder-volume alone read it: chown cinder {path}'
            f' && chmod 0400 {path}',
        )
    if has_key:
        answer = f'yes, in {path}'
        if os.geteuid() == 0:
            answer += ', which root may read: try the user of cinder-volume'
        return CheckResult(question, True, answer)
    return CheckResult(
        question,
        False,
        f'no, {path} has no section [{user}]: no volume is made',
        f'ceph auth get {user} -o {path}, or correct rbd_user',
    )


def _answer(settings: RbdSettings) -> CheckResult:
    user, shown = _user(settings), _shown(settings)
    question = f'Does the cluster of {shown} let {user} in'
    try:
        with connected(settings) as connection:
            return CheckResult(question, True, f'yes, {connection.fsid}')
    except errors.StorageError as exc:
        return CheckResult(
            question,
            False,
            f'no, {errors.printable(exc.cause)}',
            _remedy(exc, user, shown),
        )


def _remedy(failure: errors.StorageError, user: str, shown: str) -> str:
    match failure.cause:
        case rados.TimedOut():
            return (
                f'See that the monitors of mon_host in {shown} run, and that'
                f' this host reaches their ports (3300 and 6789)'
            )
        case rados.PermissionError() | rados.PermissionDeniedError():
            return (
                f'The key on this host is not the one in the cluster, or the'
                f' cluster has no such user: bring here what ceph auth get'
                f' {user} shows'
            )
        case _:
            return failure.remedy.rstrip('.')
