# SPDX-License-Identifier: Apache-2.0
"""Images and volumes of one real cluster, for a test to make and look at."""

import contextlib
import time
import uuid

import rados
import rbd

from cinder_cow.backends.rbd import connection
from cinder_cow.backends.rbd.backend import RbdBackend
from cinder_cow.backends.rbd.settings import RbdSettings
from cinder_cow.model import ImageInfo, SnapshotRef
from tests.waiting import wait_until

MIB = 2**20
GLANCE_ORDER = 23  # Glance's objects have 8 MiB, Cinder's 4


class Lab:
    """One cluster, seen with client.admin's eyes."""

    def __init__(self, cluster):
        self.cluster = cluster
        self.fsid = cluster.fsid
        self.conf = str(cluster.conf)
        self.rados = rados.Rados(rados_id='admin', conffile=self.conf)
        self.rados.connect()

    def close(self):
        self.rados.shutdown()

    def settings(self, **changed):
        known = {
            'cluster_name': 'ceph',
            'conf_path': self.conf,
            'user': 'cinder',
            'pool': 'volumes',
            'object_bytes': 4 * MIB,
        }
        return RbdSettings(**{**known, **changed})

    def backend(self, **changed):
        return RbdBackend(self.settings(**changed))

    def image(
        self,
        content,
        pool='images',
        name=None,
        snapshot='snap',
        protect=True,
        order=GLANCE_ORDER,
    ):
        """An image as Glance would have stored it."""
        return self.sparse_image(
            len(content), {0: content}, pool, name, snapshot, protect, order
        )

    def sparse_image(
        self,
        size_bytes,
        pieces,
        pool='images',
        name=None,
        snapshot='snap',
        protect=True,
        order=GLANCE_ORDER,
        data_pool=None,
    ):
        """The same of an image that holds only pieces, by their offsets."""
        image_id = str(uuid.uuid4())
        name = name or image_id
        with self.rados.open_ioctx(pool) as ioctx:
            rbd.RBD().create(
                ioctx,
                name,
                size_bytes,
                order=order,
                old_format=False,
                data_pool=data_pool,
            )
            with rbd.Image(ioctx, name) as image:
                for offset, data in pieces.items():
                    image.write(data, offset)
                image.create_snap(snapshot)
                if protect:
                    image.protect_snap(snapshot)
        return ImageInfo(
            image_id,
            'active',
            'raw',
            'bare',
            size_bytes,
            (f'rbd://{self.fsid}/{pool}/{name}/{snapshot}',),
        )

    def names(self, pool='volumes'):
        with self.rados.open_ioctx(pool) as ioctx:
            return rbd.RBD().list(ioctx)

    def stored(self, pool='volumes'):
        """Every volume's bytes, by its name."""
        with self.rados.open_ioctx(pool) as ioctx:
            contents = {}
            for name in rbd.RBD().list(ioctx):
                with rbd.Image(ioctx, name, read_only=True) as image:
                    contents[name] = image.read(0, image.size())
            return contents

    def data_objects(self, pool='volumes'):
        """Names of the objects that hold data of any image in the pool."""
        with self.rados.open_ioctx(pool) as ioctx:
            keys = (each.key for each in ioctx.list_objects())
            return [key for key in keys if key.startswith('rbd_data.')]

    def leftovers(self, pool='volumes'):
        """What is in the pool beside what an empty pool of RBD has."""
        own = {'rbd_directory', 'rbd_info', 'rbd_children', 'rbd_trash'}
        own |= {'rbd_mirroring', 'rbd_mirror_leader', 'rbd_task'}
        with self.rados.open_ioctx(pool) as ioctx:
            return sorted({each.key for each in ioctx.list_objects()} - own)

    @contextlib.contextmanager
    def opened(self, name, pool='volumes'):
        with (
            self.rados.open_ioctx(pool) as ioctx,
            rbd.Image(ioctx, name, read_only=True) as image,
        ):
            yield image

    def remove(self, name, pool='volumes'):
        with self.rados.open_ioctx(pool) as ioctx:
            self._remove(ioctx, name)

    @contextlib.contextmanager
    def full(self, pool):
        """The pool has used up its quota meanwhile."""
        quota = ('osd', 'pool', 'set-quota', pool, 'max_bytes')
        with self.rados.open_ioctx(pool) as ioctx:
            ioctx.write_full('ballast', bytes(MIB))
            self.cluster.ceph(*quota, str(4096))
            try:
                self._wait_until_full(pool)
                yield
            finally:
                self.cluster.ceph(*quota, '0')
                self._wait_until_full(pool, full=False)
                ioctx.remove_object('ballast')

    def _wait_until_full(self, pool, full=True):
        wait_until(lambda: self._full(pool) == full, pause_seconds=0.2)
        self.rados.wait_for_latest_osdmap()

    def _full(self, pool):
        pools = self.cluster.ceph('osd', 'dump')['pools']
        (found,) = (each for each in pools if each['pool_name'] == pool)
        return 'full' in found['flags_names'].split(',')

    def blocklist(self, cluster):
        """Cut that client off, and wait until it has heard of it.

        :param cluster: a connected rados.Rados.
        """
        addresses = cluster.get_addrs().strip('[]')  # v2:127.0.0.1:0/42,...
        address = addresses.split(',')[0].removeprefix('v2:')
        self.cluster.ceph('osd', 'blocklist', 'add', address)
        cluster.wait_for_latest_osdmap()

    def cut_off(self, settings):
        """The same with the connection that is kept for these settings."""
        with connection.connected(settings) as held:
            self.blocklist(held.cluster)

    def restart_monitor(self):
        """Every client has to show its key once more."""
        self.cluster._processes.stop('ceph-mon')
        self.cluster._run_daemon('mon')
        self.cluster.ceph('status')
        self.rados.wait_for_latest_osdmap()

    def sweep(self, seconds=60):
        """Removes all images, those with clones after these.

        What a killed process had open can be removed half a minute later.
        """
        connection.shut_down()  # what it knows of bases is not so any more
        deadline = time.monotonic() + seconds
        while left := self._swept_once():
            assert time.monotonic() < deadline, left
            time.sleep(0.2)

    def _swept_once(self):
        """What is left."""
        left = []
        for pool in ('volumes', 'images', 'gold'):
            with self.rados.open_ioctx(pool) as ioctx:
                for name in sorted(rbd.RBD().list(ioctx), reverse=True):
                    try:
                        self._remove(ioctx, name)
                    except (rbd.ImageBusy, rbd.ImageHasSnapshots):
                        left.append(name)
                for each in list(ioctx.list_objects()):
                    if each.key.startswith('cow_'):
                        ioctx.remove_object(each.key)
        return left

    @staticmethod
    def _remove(ioctx, name):
        with rbd.Image(ioctx, name) as image:
            for snap in list(image.list_snaps()):
                user = snap['namespace'] == rbd.RBD_SNAP_NAMESPACE_TYPE_USER
                if user and image.is_protected_snap(snap['name']):
                    image.unprotect_snap(snap['name'])
                image.remove_snap_by_id(snap['id'])
        rbd.RBD().remove(ioctx, name)


def ref(lab, pool='images'):
    """A location of Glance's, of an image that need not be there."""
    return SnapshotRef(lab.fsid, pool, 'i-1', 'snap')
