# SPDX-License-Identifier: Apache-2.0
"""Whether volumes are their images, and what lies in a pool."""

from collections.abc import Iterator
import contextlib
import hashlib
import time

import rados
import rbd

from chaos import contents
from chaos.contents import Content
from cinder_cow.backends.rbd import build_records
from cinder_cow.base_images.sweep import RECORD_SECONDS
from measuring.space import OF_RBD
from sandbox import ceph

POOLS = {'cow': 'volumes', 'upstream': 'volumes-upstream'}
PIECE_BYTES = 8 * 2**20
BASE = 'cow-base-'
#: How the RBD driver of Cinder calls a volume that was deleted before the
#: clones of it.
DELETED = '.deleted'


class Pool:
    """A backend's pool, seen by client.admin. Safe in many threads."""

    def __init__(self, cluster: ceph.Cluster, name: str) -> None:
        self._cluster = rados.Rados(
            rados_id='admin', conffile=str(cluster.conf)
        )
        self._cluster.connect()
        self._name = name

    def close(self) -> None:
        """Nothing is asked after that."""
        self._cluster.shutdown()

    def wrong(
        self, volume_id: str, content: Content, snapshot: str | None = None
    ) -> str | None:
        """What is wrong with a volume; None: it is its image, then zeros.

        :param snapshot: look at that one of the volume instead.
        """
        found = hashlib.sha256()
        seen: set[str] = set()
        with self._opened(f'volume-{volume_id}') as image:
            if snapshot is not None:
                image.set_snap(f'snapshot-{snapshot}')
            size = image.size()
            for offset in range(0, content.size_bytes, PIECE_BYTES):
                length = min(PIECE_BYTES, content.size_bytes - offset)
                piece = image.read(offset, length)
                found.update(piece)
                seen |= contents.marks(piece)
            rest, more = self._rest(image, content.size_bytes, size)
        if others := (seen | more) - {content.name}:
            return f'it holds bytes of {", ".join(sorted(others))}'
        if found.digest() != content.digest:
            return 'its bytes are not those of its image'
        return 'behind its image there are not only zeros' if rest else None

    def _rest(
        self, image: rbd.Image, begin: int, end: int
    ) -> tuple[bool, set[str]]:
        """Whether there are bytes but zeros behind the image, and whose."""
        extents: list[tuple[int, int]] = []

        def add(offset: int, length: int, exists: bool) -> None:
            if exists:
                extents.append((offset, length))

        image.diff_iterate(begin, end - begin, None, add)
        pieces = [image.read(*extent) for extent in extents]
        return any(map(any, pieces)), set().union(
            *(contents.marks(piece) for piece in pieces)
        )

    def names(self) -> list[str]:
        """Of all RBD images."""
        with self._cluster.open_ioctx(self._name) as ioctx:
            return list(rbd.RBD().list(ioctx))

    def bases(self) -> list[str]:
        """Names of the base images."""
        return [name for name in self.names() if name.startswith(BASE)]

    def writer(self) -> str | None:
        """The address of a client that has an RBD image open to write."""
        for name in self.names():
            with (
                contextlib.suppress(rbd.ImageNotFound),
                self._opened(name) as image,
            ):
                for watcher in image.watchers_list():
                    return str(watcher['addr'])
        return None

    def remove(self, name: str) -> bool:
        """Whether it is gone, with its snapshots: not while it has clones."""
        with self._cluster.open_ioctx(self._name) as ioctx:
            try:
                with rbd.Image(ioctx, name) as image:
                    for snapshot in list(image.list_snaps()):
                        if image.is_protected_snap(snapshot['name']):
                            image.unprotect_snap(snapshot['name'])
                        image.remove_snap(snapshot['name'])
                rbd.RBD().remove(ioctx, name)
            except rbd.Error:
                return False
        return True

    def empty_trash(self) -> set[str]:
        """The names of what lay there."""
        found = set()
        with self._cluster.open_ioctx(self._name) as ioctx:
            for each in list(rbd.RBD().trash_list(ioctx)):
                found.add(f'trash: {each["name"]}')
                with contextlib.suppress(rbd.Error):
                    rbd.RBD().trash_remove(ioctx, each['id'], force=True)
        return found

    def objects(self) -> list[str]:
        """All but those of an empty pool, and what a failed build left.

        Why a build failed is kept for an hour, for those that ask.
        """
        with self._cluster.open_ioctx(self._name) as ioctx:
            found = {each.key for each in ioctx.list_objects()} - OF_RBD
            if found and self._has_only_causes(ioctx):
                found.discard(build_records.OBJECT)
            return sorted(found)

    def data_objects(self, data_pool: str) -> list[str]:
        """Of this pool's RBD images, in a pool for their data."""
        pool_id = self._cluster.pool_lookup(self._name)
        with self._cluster.open_ioctx(data_pool) as ioctx:
            keys = [each.key for each in ioctx.list_objects()]
        return [key for key in keys if key.startswith(f'rbd_data.{pool_id}.')]

    def _has_only_causes(self, ioctx: rados.Ioctx) -> bool:
        records = build_records.read_all(ioctx).values()
        return all(
            record.kind and time.time() - record.written < RECORD_SECONDS
            for record in records
        )

    @contextlib.contextmanager
    def _opened(self, name: str) -> Iterator[rbd.Image]:
        """To be read: nobody else notices."""
        with (
            self._cluster.open_ioctx(self._name) as ioctx,
            rbd.Image(ioctx, name, read_only=True) as image,
        ):
            yield image
