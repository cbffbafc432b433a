# SPDX-License-Identifier: Apache-2.0
import concurrent.futures
import contextlib
import os
import pathlib
import threading
import time
import uuid

import pytest
import rados
import rbd

from sandbox.cloud import BUSY, Cloud
from sandbox.options import Options
from sandbox.stack import Stack
from tests.e2e import api
from tests.e2e.bases import require_nothing
from tests.e2e.walk import POOLS
from tests.waiting import wait_until

ZERO = b'\0'


@pytest.fixture(scope='session')
def stack(tmp_path_factory):
    """The whole stack; CINDER_COW_SANDBOX names one that runs already.

    SANDBOX_CONCURRENCY says how cinder-volume runs, where no test says so.
    """
    running = os.environ.get('CINDER_COW_SANDBOX')
    if running:
        yield Stack.load(pathlib.Path(running))
        return
    options = Options(
        concurrency=os.environ.get('SANDBOX_CONCURRENCY', 'eventlet')
    )
    stack = Stack.up(tmp_path_factory.mktemp('stack'), options)
    try:
        yield stack
    finally:
        stack.down()


@pytest.fixture(scope='module')
def default_configuration(stack):
    """cinder-volume as the stack has it, whatever other tests left."""
    stack.restart_cinder_volume()


@pytest.fixture(scope='session')
def cloud(stack):
    return Cloud(stack.env())


@pytest.fixture(scope='session')
def demo(stack):
    """A user of another project, without any role but member."""
    return Cloud(stack.env(), user='demo', project='demo')


@pytest.fixture
def snapshotted(cloud):
    """Makes snapshots of volumes, and deletes them before the volumes."""
    volumes = cloud.connection.block_storage
    made = []

    def snapshot(volume):
        made.append(volumes.create_snapshot(volume_id=volume))
        volumes.wait_for_status(made[-1], 'available', interval=0.1)
        return made[-1].id

    yield snapshot
    for each in made:
        volumes.delete_snapshot(each)
        volumes.wait_for_delete(each, interval=0.1)


@pytest.fixture
def tidy(cloud):
    """Makes volumes and images, and deletes all that the test has made."""
    made = Made(cloud)
    yield made
    made.delete()


class Made:
    def __init__(self, cloud):
        self.cloud = cloud
        self._before = self._present()

    def image(self, content, cloud=None, **options):
        return (cloud or self.cloud).create_image('e2e', content, **options)

    def volume(self, volume_type, image_id, cloud=None, **options):
        volume_id, _seconds = (cloud or self.cloud).create_volume(
            volume_type, image_id, **options
        )
        return volume_id

    def begin(self, volume_type, image_id):
        """The id of a volume that is being made."""
        return self.cloud.connection.block_storage.create_volume(
            size=1, image_id=image_id, volume_type=volume_type
        ).id

    def statuses(self, volume_id, seconds=120, busy=()):
        """Each that the volume has, in turn, until it is at rest.

        :param busy: at which it is not at rest either.
        """
        seen = []
        deadline = time.monotonic() + seconds
        while not seen or seen[-1] in (*BUSY, *busy):
            assert time.monotonic() < deadline, f'{volume_id}: still {seen}'
            status = self.cloud.volume(volume_id).status
            if seen[-1:] != [status]:
                seen.append(status)
            time.sleep(0.02)
        return seen

    def wait(self, volume_id, status, seconds=60):
        deadline = time.monotonic() + seconds
        while (found := self.cloud.volume(volume_id).status) != status:
            assert time.monotonic() < deadline, f'{volume_id}: {found}'
            time.sleep(0.02)

    def wait_until_gone(self, volume_id):
        wait_until(lambda: volume_id not in self._present()[0])

    def volumes(self):
        return sorted(self._present()[0] - self._before[0])

    def delete(self):
        self.delete_volumes()
        for image_id in self._present()[1] - self._before[1]:
            self.cloud.delete_image(image_id)

    def delete_volumes(self):
        for volume_id in self.volumes():
            self.cloud.delete_volume(volume_id)

    def _present(self):
        connection = self.cloud.connection
        volumes = connection.block_storage.volumes(all_projects=True)
        images = connection.image.images()
        return {each.id for each in volumes}, {each.id for each in images}


@pytest.fixture
def volume_type(cloud, tidy):
    """Makes a type of a backend, or of none; the id."""
    made = []

    def volume_type(backend, **specs):
        specs = {'volume_backend_name': backend, **specs} if backend else {}
        body = {'name': str(uuid.uuid4()), 'extra_specs': specs}
        told = api.act(cloud, '/types', {'volume_type': body})
        made.append(told['volume_type']['id'])
        return made[-1]

    yield volume_type
    tidy.delete()  # the volumes come first
    for each in made:
        api.remove(cloud, f'/types/{each}')


@pytest.fixture(scope='session')
def cluster(stack):
    """The cluster of both backends, seen by client.admin."""
    with rados.Rados(
        rados_id='admin', conffile=str(stack.clusters[0].conf)
    ) as cluster:
        yield cluster


@pytest.fixture(scope='session')
def pool(cluster):
    """The pool of our backend's volumes."""
    return Pool(cluster)


@pytest.fixture(scope='session')
def pools(cluster):
    """The pool of each backend's volumes."""
    return {backend: Pool(cluster, name) for backend, name in POOLS.items()}


@pytest.fixture
def nothing_is_left(stack, pool):
    """After each test, when its volumes are deleted."""
    yield
    require_nothing(stack, pool)


class Pool:
    def __init__(self, cluster, name='volumes'):
        self._cluster = cluster
        self._name = name

    def names(self):
        with self._cluster.open_ioctx(self._name) as ioctx:
            return rbd.RBD().list(ioctx)

    def create(self, name, size_bytes):
        with self._cluster.open_ioctx(self._name) as ioctx:
            rbd.RBD().create(ioctx, name, size_bytes)

    def remove(self, name):
        """Whether an image is gone that nobody may need any more."""
        with self._cluster.open_ioctx(self._name) as ioctx:
            try:
                with rbd.Image(ioctx, name) as image:
                    for snapshot in list(image.list_snaps()):
                        _remove_snapshot(image, snapshot)
                rbd.RBD().remove(ioctx, name)
            except (rbd.ImageBusy, rbd.ImageHasSnapshots):
                return False
        return True

    def trash(self):
        with self._cluster.open_ioctx(self._name) as ioctx:
            return [each['name'] for each in rbd.RBD().trash_list(ioctx)]

    def data_objects(self, volume_id=None):
        """Of all volumes, or of one."""
        prefix = 'rbd_data.'
        if volume_id:
            with self.opened(volume_id) as image:
                prefix = image.block_name_prefix() + '.'
        with self._cluster.open_ioctx(self._name) as ioctx:
            keys = (each.key for each in ioctx.list_objects())
            return [key for key in keys if key.startswith(prefix)]

    def parent(self, volume_id):
        """`pool/image@snapshot`, or None for a volume that is no clone."""
        with self.opened(volume_id) as image:
            try:
                spec = image.get_parent_image_spec()
            except rbd.ImageNotFound:
                return None
        return '{pool_name}/{image_name}@{snap_name}'.format(**spec)

    def read(self, volume_id, length):
        with self.opened(volume_id) as image:
            return image.read(0, length)

    def content(self, volume_id):
        """All of it, without the zeros at the end."""
        content = bytearray()
        with self.opened(volume_id) as image:
            extents = []
            image.diff_iterate(
                0, image.size(), None, lambda *extent: extents.append(extent)
            )
            for offset, length, exists in extents:
                if exists and (piece := image.read(offset, length)).strip(
                    ZERO
                ):
                    content.extend(bytes(offset - len(content)) + piece)
        return bytes(content.rstrip(ZERO))

    def size(self, volume_id):
        with self.opened(volume_id) as image:
            return image.size()

    def holds(self, volume_id):
        return f'volume-{volume_id}' in self.names()

    def is_primary(self, volume_id):
        """Of an image that is mirrored, whether it is the one to be used."""
        with self.opened(volume_id) as image:
            found = image.mirror_image_get_info()
        assert found['state'] == rbd.RBD_MIRROR_IMAGE_ENABLED
        return found['primary']

    def wait_for_data(self, volume_id, seconds=30):
        """Return when something is written to a volume that is made."""
        deadline = time.monotonic() + seconds
        while not (self.holds(volume_id) and self.data_objects(volume_id)):
            assert time.monotonic() < deadline, 'nothing is written'

    @contextlib.contextmanager
    def writers_watched(self):
        """Gathers how many volumes are open to be written, again and again.

        A volume that is listed here has been made: one that is made later is
        not counted beside one that is finished meanwhile.
        """
        counts = [0]
        with _repeating(lambda: counts.append(self._writers())):
            yield counts

    def _writers(self):
        count = 0
        with self._cluster.open_ioctx(self._name) as ioctx:
            for name in rbd.RBD().list(ioctx):
                with (
                    contextlib.suppress(rbd.ImageNotFound),
                    rbd.Image(ioctx, name, read_only=True) as image,
                ):
                    count += bool(list(image.watchers_list()))
        return count

    @contextlib.contextmanager
    def opened(self, volume_id, read_only=True):
        with (
            self._cluster.open_ioctx(self._name) as ioctx,
            rbd.Image(
                ioctx, f'volume-{volume_id}', read_only=read_only
            ) as image,
        ):
            yield image


def _remove_snapshot(image, snapshot):
    """Ceph itself removes one that lies in the trash, with its last clone."""
    if snapshot['namespace'] == rbd.RBD_SNAP_NAMESPACE_TYPE_USER:
        if image.is_protected_snap(snapshot['name']):
            image.unprotect_snap(snapshot['name'])
        image.remove_snap_by_id(snapshot['id'])


class Memory:
    """How much the peak of a process's memory grows, until stop()."""

    def __init__(self, pid):
        self._folder = pathlib.Path('/proc') / str(pid)
        self._before = self._bytes('VmHWM')
        self.grown = None

    def stop(self):
        self.grown = self._bytes('VmHWM') - self._before

    def _bytes(self, name):
        for line in (self._folder / 'status').read_text().splitlines():
            if line.startswith(f'{name}:'):
                return int(line.split()[1]) * 1024
        raise LookupError(name)


@contextlib.contextmanager
def watched(folder):
    """Gathers the names of all files that are seen there meanwhile."""
    seen = set()

    def look():
        for _path, _folders, names in os.walk(folder):
            seen.update(names)

    with _repeating(look):
        yield seen


@contextlib.contextmanager
def _repeating(look):
    ended = threading.Event()

    def repeat():
        while not ended.wait(0.02):
            look()

    with concurrent.futures.ThreadPoolExecutor(1) as workers:
        repeating = workers.submit(repeat)
        try:
            yield
        finally:
            ended.set()
        repeating.result()


@pytest.fixture
def log(stack):
    """What cinder-volume has logged since the test began."""
    return Log(stack.log_file('cinder-volume'))


class Log:
    def __init__(self, path):
        self._path = path
        self._start = path.stat().st_size

    def lines(self, *words):
        text = self._path.read_bytes()[self._start :].decode(errors='replace')
        return [
            line
            for line in text.splitlines()
            if all(word in line for word in words)
        ]

    def wait(self, *words, seconds=30):
        deadline = time.monotonic() + seconds
        while not (found := self.lines(*words)):
            assert time.monotonic() < deadline, f'no line with {words}'
            time.sleep(0.05)
        return found
