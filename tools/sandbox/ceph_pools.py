# SPDX-License-Identifier: Apache-2.0

"""A cluster with the pools and users of Ceph's guide for OpenStack."""

from sandbox import ceph, ports

NEAR = ('volumes', 'volumes-upstream', 'backups')


def start(cluster: ceph.Cluster, taken: ports.Ports, place: str) -> None:
    """Return when it is healthy and has its pools and users.

    :param place: near: where the volumes are; or far.
    """
    cluster.start(taken)
    ours = NEAR if place == 'near' else ()
    for pool in ('images', *ours):
        cluster.create_pool(pool)
    images = 'profile rbd pool=images'
    cluster.create_user('glance', mon='profile rbd', osd=images, mgr=images)
    volumes = ', '.join(
        [f'profile rbd pool={pool}' for pool in ours]
        + ['profile rbd-read-only pool=images']
    )
    cluster.create_user('cinder', mon='profile rbd', osd=volumes, mgr=volumes)
