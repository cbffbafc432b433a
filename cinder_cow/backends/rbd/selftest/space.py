# SPDX-License-Identifier: Apache-2.0
"""Whether the largest image fits into a pool."""

from cinder_cow import errors, native
from cinder_cow.backends.base import CheckResult
from cinder_cow.backends.rbd import error_mapping, room
from cinder_cow.backends.rbd.connection import connected
from cinder_cow.backends.rbd.settings import RbdSettings

GIB = 2**30


@native.in_thread
def check(settings: RbdSettings, pool: str, image_bytes: int) -> CheckResult:
    """Its answer for a pool that volumes or bases are written to.

    :param image_bytes: of the largest image, 0 where it is not known.
    """
    question = f'Does the largest image fit into {pool}'
    action = f'ask for the space of {pool}'
    try:
        with connected(settings) as connection, error_mapping.mapped(action):
            data_pool = room.data_pool(connection, pool)
            free = room.read(connection.cluster, data_pool).available_bytes
    except errors.StorageError as exc:
        return CheckResult(
            question,
            None,
            f'not known, {errors.printable(exc.cause)}',
            exc.remedy.rstrip('.'),
        )
    shown = f'{free / GIB:.1f} GiB are free'
    if data_pool != pool:
        shown += f' in {data_pool}'
    if image_bytes:
        shown += f', it has {image_bytes / GIB:.1f}'
    if free > image_bytes:
        return CheckResult(question, True, f'yes, {shown}')
    effect = 'nothing can be written' if not free else 'a copy of it fails'
    return CheckResult(
        question,
        False,
        f'no, {shown}: {effect}',
        f'Delete what is not needed (cinder-cow base sweep), add OSDs, or take'
        f' the quota away: ceph osd pool set-quota {data_pool} max_bytes 0',
        minor=bool(free),
    )
