# SPDX-License-Identifier: Apache-2.0
"""Whether volumes and bases can be written, by writing; and the clocks.

What is written is an RBD image of one object, and is removed at once.
"""

import datetime
import time
import uuid

import rados
import rbd

from cinder_cow import errors, native
from cinder_cow.backends.base import CheckResult
from cinder_cow.backends.rbd import error_mapping, room
from cinder_cow.backends.rbd.pool import ImagePool
from cinder_cow.backends.rbd.selftest import caps

#: The image's name begins so, and goes on with when it was made.
NAME = 'cinder-cow-self-test-'
#: One that is older was left by a check that was killed.
LEFT_SECONDS = 3600
SIZE_BYTES = 4096
#: Whole seconds are compared, and no decision hangs on less than minutes.
MOST_SECONDS = 5


@native.in_thread
def volumes(images: ImagePool) -> list[CheckResult]:
    """Whether volumes can be made, and whether the cluster's clock is ours."""
    question = f'May {_user(images)} write the volumes to {images.pool}'
    before = time.time()
    try:
        created = _written(images)
    except errors.StorageError as exc:
        return [
            _failed(question, images, exc, 'no volume is made', 'rbd_pool')
        ]
    return [
        CheckResult(question, True, 'yes'),
        clocks(before, created, time.time()),
    ]


@native.in_thread
def bases(images: ImagePool) -> CheckResult:
    """Whether bases can be made in a pool of their own."""
    question = f'May {_user(images)} write the bases to {images.pool}'
    try:
        _written(images)
    except errors.StorageError as exc:
        effect = 'images that need a base have no volumes'
        return _failed(question, images, exc, effect, 'cow_base_pool')
    return CheckResult(question, True, 'yes')


def clocks(before: float, created: float, after: float) -> CheckResult:
    """Whether the cluster made something when it was made.

    :param before: by the clock of this host, as ``after``.
    :param created: by the clock of an OSD, in whole seconds.
    """
    question = 'Does the clock of this host agree with the cluster'
    ahead = max(int(before) - created, created - after, 0.0)
    if ahead <= MOST_SECONDS:
        return CheckResult(question, True, f'yes, within {MOST_SECONDS} s')
    behind = 'behind' if created > after else 'ahead of'
    return CheckResult(
        question,
        False,
        f'no, it is {ahead:.0f} s {behind} it: bases are taken for idle, and'
        f' builds for abandoned, too early or too late',
        'Let chronyd or ntpd set the clock on this host and on those of Ceph:'
        ' timedatectl set-ntp true',
        minor=True,
    )


def _user(images: ImagePool) -> str:
    return f'client.{images.settings.user or "admin"}'


def _written(images: ImagePool) -> float:
    """When the cluster made the image, in seconds since the epoch."""
    name = f'{NAME}{time.time():.0f}-{uuid.uuid4().hex}'
    action = f'write to {images.pool}'
    with images.opened(action) as pool:
        if room.is_full(pool.connection.cluster, images.pool):
            raise errors.StorageFull(action, OSError('the pool is full'))
        for each in rbd.RBD().list(pool.ioctx):
            if _is_left(each, time.time()):
                # Another check may remove it too.
                with error_mapping.warning_unless_lost(f'remove {each}'):
                    rbd.RBD().remove(pool.ioctx, each)
    images.create(name, SIZE_BYTES)
    try:
        with (
            images.opened(f'write {images.path(name)}') as pool,
            pool.changing(name) as image,
        ):
            image.write(b'cinder-cow', 0)
            created: datetime.datetime = image.create_timestamp()
    finally:
        with images.opened(f'remove {images.path(name)}') as pool:
            pool.remove(name)
    return created.replace(tzinfo=datetime.UTC).timestamp()


def _is_left(name: str, now: float) -> bool:
    made = name.removeprefix(NAME).partition('-')[0]
    return (
        name.startswith(NAME)
        and made.isdecimal()
        and now - int(made) > LEFT_SECONDS
    )


def _failed(
    question: str,
    images: ImagePool,
    failure: errors.StorageError,
    effect: str,
    option: str,
) -> CheckResult:
    pool = images.pool
    match failure.cause:
        case rados.ObjectNotFound():
            answer = f'no, there is no such pool: {effect}'
            remedy = (
                f'Correct {option}, or make the pool: ceph osd pool create'
                f' {pool} && rbd pool init {pool}. '
                + caps.remedy(_name(images), f'profile rbd pool={pool}')
            )
        case _ if caps.denied(failure.cause):
            answer = f'no, permission denied: {effect}'
            remedy = caps.remedy(
                _name(images), f'profile rbd pool={pool}', 'osd and mgr'
            )
        case cause:
            answer = f'no, {errors.printable(cause)}: {effect}'
            remedy = failure.remedy.rstrip('.')
    return CheckResult(question, False, answer, remedy)


def _name(images: ImagePool) -> str:
    return images.settings.user or 'admin'
