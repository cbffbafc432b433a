# SPDX-License-Identifier: Apache-2.0
"""What a cluster really holds, and whether a volume is its image."""

import pathlib
import time

import rados
import rbd

from sandbox import ceph

# The OSD reports its usage to the manager every second or so.
SETTLED_SECONDS = 3.0
WAIT_SECONDS = 30.0
CHUNK_BYTES = 8 * 2**20
OF_RBD = {'rbd_directory', 'rbd_info', 'rbd_children', 'rbd_trash'}


def used_bytes(cluster: ceph.Cluster) -> int:
    """Bytes that all pools use, when the number has come to rest."""
    used, since = _used(cluster), time.monotonic()
    deadline = since + WAIT_SECONDS
    while time.monotonic() < min(since + SETTLED_SECONDS, deadline):
        time.sleep(0.5)
        now = _used(cluster)
        if now != used:
            used, since = now, time.monotonic()
    return used


def _used(cluster: ceph.Cluster) -> int:
    pools = cluster.ceph('df')['pools']
    return sum(pool['stats']['bytes_used'] for pool in pools)


class Volumes:
    """A pool of volumes, seen by client.admin. A context manager."""

    def __init__(self, cluster: ceph.Cluster, pool: str) -> None:
        self._cluster = rados.Rados(
            rados_id='admin', conffile=str(cluster.conf)
        )
        self._pool = pool

    def __enter__(self) -> 'Volumes':
        self._cluster.connect()
        self._ioctx = self._cluster.open_ioctx(self._pool)
        return self

    def __exit__(self, *_exc_info: object) -> None:
        self._ioctx.close()
        self._cluster.shutdown()

    def bases(self) -> list[str]:
        """Names of the base images."""
        names = rbd.RBD().list(self._ioctx)
        return [name for name in names if name.startswith('cow-base-')]

    def contents(self) -> list[str]:
        """Names of all objects but those that RBD keeps in an empty pool."""
        names = {each.key for each in self._ioctx.list_objects()}
        return sorted(names - OF_RBD)

    def stored_bytes(self) -> int:
        """What the RBD images hold themselves, without their parents."""
        return sum(map(self._own_bytes, rbd.RBD().list(self._ioctx)))

    def parent(self, volume_id: str) -> str | None:
        """`pool/image@snapshot`, or None for a volume that is no clone."""
        with self._open(volume_id) as volume:
            try:
                spec = volume.get_parent_image_spec()
            except rbd.ImageNotFound:
                return None
        return '{pool_name}/{image_name}@{snap_name}'.format(**spec)

    def equals(self, volume_id: str, image: pathlib.Path) -> bool:
        """Whether the volume begins with the image and ends in zeros."""
        with self._open(volume_id) as volume, open(image, 'rb') as file:
            for offset in range(0, volume.size(), CHUNK_BYTES):
                length = min(CHUNK_BYTES, volume.size() - offset)
                expected = file.read(length).ljust(length, b'\0')
                if volume.read(offset, length) != expected:
                    return False
        return True

    def _own_bytes(self, name: str) -> int:
        found = 0

        def add(_offset: int, length: int, exists: bool) -> None:
            nonlocal found
            found += length if exists else 0

        with rbd.Image(self._ioctx, name, read_only=True) as image:
            image.diff_iterate(
                0, image.size(), None, add, include_parent=False
            )
        return found

    def _open(self, volume_id: str) -> rbd.Image:
        return rbd.Image(self._ioctx, f'volume-{volume_id}', read_only=True)
