# SPDX-License-Identifier: Apache-2.0
"""Whether this cluster can clone images at all. Reads only."""

from collections.abc import Iterable

from cinder_cow.backends.base import CheckResult
from cinder_cow.backends.rbd import pool_reading, snapshots
from cinder_cow.backends.rbd.connection import Connection
from cinder_cow.backends.rbd.selftest import caps
from cinder_cow.model import ClonePolicy, SnapshotRef, UnavailableReason


def selftest(
    connection: Connection,
    policy: ClonePolicy,
    examples: Iterable[SnapshotRef],
) -> list[CheckResult]:
    """An answer for each pool with images or their data, and for the rest."""
    shown = list(examples)
    here = any(ref.fsid == policy.fsid for ref in shown)
    return [
        *_place(policy, shown, here),
        *(
            answer
            for pool in pools(policy, shown)
            for answer in image_pool(connection, policy, pool, shown)
        ),
        *_new_data_pool(connection, policy),
        *_glance_pools(connection, policy),
        _clone_format(connection),
    ]


def pools(policy: ClonePolicy, examples: Iterable[SnapshotRef]) -> list[str]:
    """Those of cow_image_pools, or where it is empty those of the examples.

    Of the examples that lie in the policy's cluster.
    """
    here = {ref.pool for ref in examples if ref.fsid == policy.fsid}
    return list(policy.image_pools) or sorted(here)


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
            f' the volumes in {policy.fsid}, and no image is cloned in place',
            "Make a store of the volumes' cluster Glance's default, or copy"
            ' the images: glance image-import --import-method copy-image',
            minor=True,
        )
    ]


def image_pool(
    connection: Connection,
    policy: ClonePolicy,
    pool: str,
    examples: Iterable[SnapshotRef],
    called: str = 'the image pool',
    effect: str = 'no image there is cloned in place',
) -> list[CheckResult]:
    """Whether the user of the policy may read the images and their data.

    :param called: what the pool is called.
    :param effect: of a pool that cannot be read.
    """
    question = f'May client.{policy.user} read {called} {pool}'
    match snapshots.readable(connection, pool):
        case None:
            here = (policy.fsid, pool)
            shown = [r.image for r in examples if (r.fsid, r.pool) == here]
            return [
                CheckResult(question, True, 'yes'),
                *_data_pools(connection, policy, pool, shown),
            ]
        case UnavailableReason.NO_POOL:
            answer = f'there is no such pool in the cluster {connection.fsid}'
            remedy = 'Correct cow_image_pools'
        case absence:
            answer = f'no, {absence.value}: {effect}'
            remedy = caps.remedy(
                policy.user, f'profile rbd-read-only pool={pool}'
            )
    return [CheckResult(question, False, answer, remedy)]


def _data_pools(
    connection: Connection, policy: ClonePolicy, pool: str, shown: list[str]
) -> list[CheckResult]:
    """One answer for each pool that the data of these images lies in.

    A byte is read from each: a clone of an image succeeds where its data
    cannot be read.
    """
    objects = pool_reading.first_objects(connection, pool, shown)
    return [
        _readable(
            f'May client.{policy.user} read the data of the images in {pool}'
            f' from the pool {data_pool}',
            pool_reading.denied(connection, data_pool, name),
            policy,
            f'profile rbd-read-only pool={data_pool}',
            'volumes are made of such images, and every read of one fails',
        )
        for data_pool, name in objects.items()
    ]


def _new_data_pool(
    connection: Connection, policy: ClonePolicy
) -> list[CheckResult]:
    """Where librbd puts the data of new images."""
    pool = connection.cluster.conf_get('rbd_default_data_pool')
    if not pool:
        return []
    return [
        _readable(
            f'May client.{policy.user} use {pool}, the rbd_default_data_pool'
            f' of new volumes',
            pool_reading.denied(connection, pool, 'rbd_data.self-test'),
            policy,
            f'profile rbd pool={pool}',
            'volumes are made, and every read and write of one fails',
        )
    ]


def _readable(
    question: str,
    denied: bool,
    policy: ClonePolicy,
    cap: str,
    consequence: str,
) -> CheckResult:
    if not denied:
        return CheckResult(question, True, 'yes')
    return CheckResult(
        question,
        False,
        f'no, permission denied: {consequence}',
        caps.remedy(policy.user, cap),
    )


def _glance_pools(
    connection: Connection, policy: ClonePolicy
) -> list[CheckResult]:
    """Nothing where it is clear which pool Glance's images lie in."""
    if policy.image_pools:
        return []
    own = {policy.pool, policy.base_pool}
    pools = [
        pool
        for pool in sorted(connection.cluster.list_pools())
        if pool not in own and pool_reading.has_images(connection, pool)
    ]
    if len(pools) < 2:
        return []
    return [
        CheckResult(
            'Is it known which pools hold the images of this Glance',
            False,
            f'no: cow_image_pools is empty, and {", ".join(pools)} hold'
            f' images of Glance, of several Glances perhaps',
            "Set cow_image_pools to the pools of this Glance's stores: images"
            ' of no other are cloned then',
            minor=True,
        )
    ]


def _clone_format(connection: Connection) -> CheckResult:
    question = 'Are clones made in format 2'
    if snapshots.clone_v2(connection):
        return CheckResult(question, True, 'yes')
    remedy = (
        'Where all clients are mimic or newer: ceph osd'
        ' set-require-min-compat-client mimic'
    )
    if connection.cluster.conf_get('rbd_default_clone_format') == '1':
        remedy = (
            'Take rbd_default_clone_format out of ceph.conf and of ceph config'
        )
    return CheckResult(
        question,
        False,
        'no, in format 1: an image with volumes cannot be deleted in Glance',
        remedy,
        minor=True,
    )
