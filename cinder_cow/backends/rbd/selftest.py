# SPDX-License-Identifier: Apache-2.0
"""The self-test at start-up: can this cluster clone images at all?"""

from collections.abc import Iterable

from cinder_cow.backends.base import CheckResult
from cinder_cow.backends.rbd import snapshots
from cinder_cow.backends.rbd.connection import Connection
from cinder_cow.model import ClonePolicy, SnapshotRef, UnavailableReason
from cinder_cow.planning import verdict


def selftest(
    connection: Connection,
    policy: ClonePolicy,
    examples: Iterable[SnapshotRef],
) -> list[CheckResult]:
    """An answer for each image pool, and one on the clone format.

    The image pools are those of cow_image_pools, or where it is empty those
    of the examples that lie in this cluster.
    """
    shown = list(examples)
    here = {ref.pool for ref in shown if ref.fsid == policy.fsid}
    pools = policy.image_pools or sorted(here)
    return [
        *_place(policy, shown, bool(here)),
        *(_pool(connection, policy, pool) for pool in pools),
        _clone_format(connection),
    ]


def _place(
    policy: ClonePolicy, shown: list[SnapshotRef], some_are_here: bool
) -> list[CheckResult]:
    if some_are_here or not shown:
        return []
    elsewhere = ', '.join(sorted({ref.fsid for ref in shown}))
    return [
        CheckResult(
            'Do images lie in the cluster of the volumes',
            False,
            f'none of the newest does: they lie in the cluster {elsewhere},'
            f' the volumes in {policy.fsid}, and every volume is a full copy',
            "Make a store of the volumes' cluster Glance's default, or copy"
            ' the images: glance image-import --import-method copy-image',
        )
    ]


def _pool(
    connection: Connection, policy: ClonePolicy, pool: str
) -> CheckResult:
    question = f'May client.{policy.user} read the image pool {pool}'
    match snapshots.readable(connection, pool):
        case None:
            return CheckResult(question, True, 'yes')
        case UnavailableReason.NO_POOL:
            return CheckResult(
                question,
                False,
                f'there is no such pool in the cluster {connection.fsid}',
                'Correct cow_image_pools',
            )
        case absence:
            return CheckResult(
                question,
                False,
                f'no, {absence.value}: every volume from an image there is a'
                f' full copy',
                verdict.caps_remedy(policy, pool),
            )


def _clone_format(connection: Connection) -> CheckResult:
    question = 'Are clones made in format 2'
    if snapshots.clone_v2(connection):
        return CheckResult(question, True, 'yes')
    return CheckResult(
        question,
        False,
        'no, in format 1: an image with volumes cannot be deleted in Glance',
        'Where all clients are mimic or newer: ceph osd'
        ' set-require-min-compat-client mimic',
    )
