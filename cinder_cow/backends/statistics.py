# SPDX-License-Identifier: Apache-2.0
"""What lies in the pool of the volumes, as values."""

from collections.abc import Mapping
from dataclasses import dataclass
import enum


class VolumeOrigin(enum.Enum):
    """Whose blocks a volume shares. The values stand in metrics."""

    #: Those of a Glance image.
    IMAGE = 'clone'
    BASE = 'clone-base'
    #: Another volume's: Cinder's own clones, from a volume or a snapshot.
    VOLUME = 'clone-volume'
    #: Nobody's: it was copied, or began empty, or was flattened.
    NOBODY = 'no-parent'


@dataclass(frozen=True, slots=True)
class PoolStatistics:
    """What lies in the pool of the volumes. Bytes are before replication."""

    #: How many there are of each origin.
    volumes: Mapping[VolumeOrigin, int]
    #: What the images and bases hold that volumes were cloned from, counted
    #: once for each of these volumes: so much more would full copies take, if
    #: no volume was written to.
    shared_bytes: int
    #: In the trash of the volumes' pool, of the bases', and of those that
    #: hold the parents of volumes: there deleted images stay that volumes
    #: were cloned from.
    trash_images: int
    trash_bytes: int
