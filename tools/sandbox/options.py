# SPDX-License-Identifier: Apache-2.0

"""What kind of sandbox."""

import dataclasses


@dataclasses.dataclass(frozen=True, slots=True)
class Options:
    """What kind of stack.

    :param clusters: 1, or 2: Glance's store `far` is in a second cluster.
    :param clone_format: of RBD clones in the first cluster, 1 or 2.
    :param concurrency: of cinder-volume, eventlet or threading.
    :param hosts: of cinder-volume, 1 or 2, which are active at once.
    """

    clusters: int = 2
    clone_format: int = 2
    concurrency: str = 'eventlet'
    ceph_only: bool = False
    hosts: int = 1
