# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.
"""The self-test at start-up: can this cluster clone images at all?"""

from collections.abc import Iterable

from cinder_cow.backends.base import Finding
from cinder_cow.backends.rbd import snapshots
from cinder_cow.backends.rbd.connection import Connection
from cinder_cow.model import Absence
from cinder_cow.model import Site
from cinder_cow.model import SnapshotRef
from cinder_cow.planning import verdict


def findings(
    connection: Connection, site: Site, examples: Iterable[SnapshotRef]
) -> list[Finding]:
    """An answer for each image pool, and one on the clone format.

    The image pools are those of cow_image_pools, or where it is empty those
    of the examples that lie in this cluster.
    """
    shown = list(examples)
    here = {ref.pool for ref in shown if ref.fsid == site.fsid}
    pools = site.image_pools or sorted(here)
    return [
        *_place(site, shown, bool(here)),
        *(_pool(connection, site, pool) for pool in pools),
        _clone_format(connection),
    ]


def _place(
    site: Site, shown: list[SnapshotRef], some_are_here: bool
) -> list[Finding]:
    if some_are_here or not shown:
        return []
    elsewhere = ', '.join(sorted({ref.fsid for ref in shown}))
    return [
        Finding(
            'Do images lie in the cluster of the volumes',
            False,
            f'none of the newest does: they lie in the cluster {elsewhere},'
            f' the volumes in {site.fsid}, and every volume is a full copy',
            "Make a store of the volumes' cluster Glance's default, or copy"
            ' the images: glance image-import --import-method copy-image',
        )
    ]


def _pool(connection: Connection, site: Site, pool: str) -> Finding:
    question = f'May client.{site.user} read the image pool {pool}'
    match snapshots.readable(connection, pool):
        case None:
            return Finding(question, True, 'yes')
        case Absence.NO_POOL:
            return Finding(
                question,
                False,
                f'there is no such pool in the cluster {connection.fsid}',
                'Correct cow_image_pools',
            )
        case absence:
            return Finding(
                question,
                False,
                f'no, {absence.value}: every volume from an image there is a'
                f' full copy',
                verdict.caps_remedy(site, pool),
            )


def _clone_format(connection: Connection) -> Finding:
    question = 'Are clones made in format 2'
    if snapshots.clone_v2(connection):
        return Finding(question, True, 'yes')
    return Finding(
        question,
        False,
        'no, in format 1: an image with volumes cannot be deleted in Glance',
        'Where all clients are mimic or newer: ceph osd'
        ' set-require-min-compat-client mimic',
    )
