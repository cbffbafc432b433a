# SPDX-License-Identifier: Apache-2.0
import concurrent.futures
import contextlib
import os
import pathlib
import threading
import time

import pytest
import rados
import rbd

from sandbox.cloud import BUSY, Cloud
from sandbox.stack import Options, Stack


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
        deadline = time.monotonic() + 60
        while volume_id in self._present()[0]:
            assert time.monotonic() < deadline, f'{volume_id} is still there'
            time.sleep(0.05)

    def volumes(self):
        return sorted(self._present()[0] - self._before[0])

    def delete(self):
        for volume_id in self.volumes():
            self.cloud.delete_volume(volume_id)
        for image_id in self._present()[1] - self._before[1]:
            self.cloud.delete_image(image_id)

    def _present(self):
        connection = self.cloud.connection
        volumes = connection.block_storage.volumes(all_projects=True)
        images = connection.image.images()
        return {each.id for each in volumes}, {each.id for each in images}


@pytest.fixture(scope='session')
def pool(stack):
    """The pool of our backend's volumes, seen by client.admin."""
    with rados.Rados(
        rados_id='admin', conffile=str(stack.clusters[0].conf)
    ) as cluster:
        yield Pool(cluster)


class Pool:
    def __init__(self, cluster, name='volumes'):
        self._cluster = cluster
        self._name = name

    def names(self):
        with self._cluster.open_ioctx(self._name) as ioctx:
            return rbd.RBD().list(ioctx)

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

    def size(self, volume_id):
        with self.opened(volume_id) as image:
            return image.size()

    def holds(self, volume_id):
        return f'volume-{volume_id}' in self.names()

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
