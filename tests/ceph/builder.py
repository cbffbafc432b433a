# SPDX-License-Identifier: Apache-2.0

"""A process that makes volumes of an image by its base, as cinder-volume does.

`python -m tests.ceph.builder JOB`, with a Job as JSON. It prints a list of
one [method, error] for each volume, or is killed where the job says.
"""

import contextlib
from dataclasses import asdict, dataclass, field
import faulthandler
import json
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time

from cinder_cow import errors, execute
from cinder_cow.backends.rbd.backend import RbdBackend
from cinder_cow.backends.rbd.settings import RbdSettings
from cinder_cow.base_images import builder, ensure
from cinder_cow.conversion import convert
from cinder_cow.model import ImageInfo, Target, Verdict
from cinder_cow.planning import plan
from cinder_cow.sources import base as sources
from cinder_cow.transfer import copier
from cinder_cow.transfer.limiter import CopyLimiter
from cinder_cow.transfer.model import CopyRequest, CopySettings

MIB = 2**20
ROOT = pathlib.Path(__file__).parents[2]
HANGING_SECONDS = 150


@dataclass
class Job:
    conf: str
    #: The image, and the file that a source reads it from.
    image: dict
    path: str
    volumes: list
    size_bytes: int = 256 * MIB
    #: One of KILLS.
    kill: str | None = None
    settings: dict = field(default_factory=dict)
    #: What the source waits before each of its MiB.
    pause_seconds: float = 0
    #: How many may wait in this process.
    max_waiting: int = 32
    #: Whether qemu-img is installed on this host.
    has_tools: bool = True

    def start(self):
        """The process."""
        path = os.environ['PATH'] if self.has_tools else '/nonexistent'
        return subprocess.Popen(
            [sys.executable, '-m', 'tests.ceph.builder']
            + [json.dumps(asdict(self))],
            cwd=ROOT,
            env={**os.environ, 'PATH': path},
            stdout=subprocess.PIPE,
            text=True,
        )


class FileReading(sources.StreamReading):
    def __init__(self, path, pause_seconds):
        super().__init__('file')
        self._file = open(path, 'rb')  # noqa: SIM115  closed by close
        self._pause_seconds = pause_seconds

    def chunks(self):
        while chunk := self._file.read(MIB):
            time.sleep(self._pause_seconds)
            yield chunk

    def close(self):
        self._file.close()


class FileSource(sources.ImageSource):
    def __init__(self, path, pause_seconds=0):
        self._path = path
        self._pause_seconds = pause_seconds
        self.opened = 0

    @classmethod
    def from_options(cls, options):
        raise NotImplementedError

    def open(self, image, glance):
        self.opened += 1
        return FileReading(self._path, self._pause_seconds)


class Host:
    """All that makes volumes of an image's base in one process."""

    def __init__(
        self, settings, path, pause_seconds=0, max_waiting=32, **more
    ):
        self.backend = RbdBackend(settings)
        self.source = FileSource(path, pause_seconds)
        self.image_copier = copier.ImageCopier(
            CopySettings(), [self.source], CopyLimiter(4, max_waiting)
        )
        self.store = self.backend.bases()
        self.converter = convert.Converter(
            convert.ConversionLimits(
                seconds=300, cpu_seconds=300, address_space_bytes=4 * 2**30
            )
        )
        self.base_builder = builder.BaseBuilder(
            builder.BuildSettings(),
            self.store,
            self.image_copier,
            self.converter,
        )
        self.bases = ensure.BaseImages(
            ensure.BaseSettings(**more), self.store, self.base_builder
        )

    def make(self, image, name, size_bytes):
        """The Result, of a volume whose image cannot be cloned in place."""
        request = execute.CreateRequest(
            image,
            Target(name, name, size_bytes),
            CopyRequest(glance=None),
            lambda _verified: None,
        )
        facts = plan.BaseFacts(
            self.bases.rule,
            self.bases.auto_bytes,
            found=self.bases.find(image),
        )
        chosen = plan.choose(image, request.target, Verdict(), facts)
        parts = execute.Parts(self.backend, self.image_copier, self.bases)
        return execute.run(chosen, request, parts)


def die(*_args, **_kwargs):
    os.kill(os.getpid(), signal.SIGKILL)


def before(target, method):
    setattr(target, method, die)


def after(target, method, times=1):
    """Die when it has been called so often."""
    wrapped = getattr(target, method)
    left = [times]

    def call(*args, **kwargs):
        answer = wrapped(*args, **kwargs)
        left[0] -= 1
        return answer if left[0] else die()

    setattr(target, method, call)


def in_the_fill(host):
    create = host.store.create

    def create_and_die(name, size_bytes):
        writer = create(name, size_bytes)
        after(writer, 'start_write', times=3)
        return writer

    host.store.create = create_and_die


def in_the_conversion(host):
    wrapped = host.converter.convert

    def convert_and_die(*args, **kwargs):
        threading.Timer(0.4, die).start()
        return wrapped(*args, **kwargs)

    host.converter.convert = convert_and_die


#: Where a builder is killed. The scratch is made first, then the base.
KILLS = {
    'with the lease': lambda host: after(host.store, 'lease'),
    'with the record': lambda host: after(host.store, 'set_build_record'),
    'with an empty scratch': lambda host: after(host.store, 'create'),
    'in the fill': in_the_fill,
    'with a full scratch': lambda host: after(host.image_copier, 'copy'),
    'with an empty base': lambda host: after(host.store, 'create', 2),
    'in the conversion': in_the_conversion,
    'with a full base': lambda host: after(host.converter, 'convert'),
    'before the commit': lambda host: before(host.store, 'commit'),
    'after the commit': lambda host: after(host.store, 'commit'),
}


def main(job):
    # Its test waits for so long: the stacks say where it hangs.
    faulthandler.dump_traceback_later(HANGING_SECONDS)
    host = Host(
        RbdSettings('ceph', job.conf, 'cinder', 'volumes', 4 * MIB),
        job.path,
        job.pause_seconds,
        job.max_waiting,
        **job.settings,
    )
    image = ImageInfo(**{**job.image, 'locations': ()})
    if job.kill:
        KILLS[job.kill](host)
    made = [None] * len(job.volumes)

    def make(number, name):
        try:
            result = host.make(image, name, job.size_bytes)
            made[number] = [result.method.value, None]
        except errors.CowError as exc:
            made[number] = [None, f'{type(exc).__name__}: {exc}']

    threads = [
        threading.Thread(target=make, args=each)
        for each in enumerate(job.volumes)
    ]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    with contextlib.suppress(BrokenPipeError):
        print(json.dumps(made))


if __name__ == '__main__':
    main(Job(**json.loads(sys.argv[1])))
