# SPDX-License-Identifier: Apache-2.0
"""Copies by our engine alone, and by the commands that an operator has.

A program: see `programs`. What is copied is made or uploaded before, and the
copies are removed outside of the time that is taken.
"""

from collections.abc import Callable, Iterator
import contextlib
import dataclasses
import os
import pathlib
import subprocess
from typing import Any
import uuid

import glanceclient
import rados
import rbd

from benchmarks import programs
from benchmarks.clock import Clock
from benchmarks.errors import BenchmarkError
from benchmarks.statistics import Cost, in_turns
from cinder_cow.backends.rbd.backend import RbdBackend
from cinder_cow.backends.rbd.settings import RbdSettings
from cinder_cow.model import ImageInfo, Verification
from cinder_cow.sources.base import ImageSource
from cinder_cow.sources.glance import GlanceSettings, GlanceSource
from cinder_cow.sources.rbd import RbdSource
from cinder_cow.transfer import copier
from cinder_cow.transfer.destination import NewDestination
from cinder_cow.transfer.limiter import CopyLimiter
from cinder_cow.transfer.model import CopyRequest, CopySettings
from measuring import rows, space
from sandbox.ceph import Cluster
from sandbox.cloud import Cloud
from sandbox.stack import Stack

MIB = 2**20
GIB = 2**30
POOL = rows.POOLS['cow']
USER = 'cinder'
GLANCE_ORDER = 23
SPARSE_BYTES = 10 * GIB
PIECE_BYTES = 4 * MIB
PIECES = 25


def main(folder: str, what: str, **more: Any) -> dict[str, list[Cost]]:
    """What each way takes in each round."""
    copies = Copies(Stack.load(pathlib.Path(folder)))
    return (
        stream(copies, **more) if what == 'stream' else sparse(copies, **more)
    )


def stream(
    copies: 'Copies', image_id: str, content: str, rounds: int
) -> dict[str, list[Cost]]:
    """From Glance's file store, with and without a hash."""
    http = Cloud(copies.stack.env()).connection.image
    shown = http.get(f'/images/{image_id}').json()
    image = ImageInfo(
        image_id,
        shown['status'],
        shown['disk_format'],
        shown['container_format'],
        shown['size'],
        hash_algo=shown['os_hash_algo'],
        hash_value=shown['os_hash_value'],
    )
    bare = dataclasses.replace(image, hash_algo=None, hash_value=None)
    glance = glanceclient.Client('2', session=http.session)
    source = GlanceSource(GlanceSettings())
    url = f'{http.get_endpoint()}/images/{image_id}/file'
    token = http.session.get_token()
    download = f'curl -sf -H "X-Auth-Token: {token}" {url}'
    copies.path = pathlib.Path(content)

    def ours(
        image: ImageInfo, expected: Verification
    ) -> Callable[[int], Cost]:
        return lambda _round: copies.by_engine(
            image, image.size_bytes, source, expected, lambda: glance
        )

    return in_turns(
        rounds,
        verified=ours(image, Verification.HASH),
        unverified=ours(bare, Verification.ABSENT),
        **{'import': lambda _round: copies.by_pipe(download)},
    )


def sparse(copies: 'Copies', rounds: int) -> dict[str, list[Cost]]:
    """From the other cluster, by librbd and through a pipe."""
    near, far = copies.stack.clusters
    with _sparse_image(far) as image_id:
        image = ImageInfo(
            image_id,
            'active',
            'raw',
            'bare',
            SPARSE_BYTES,
            (f'rbd://{far.fsid}/images/{image_id}/snap',),
        )
        source = copies.rbd_source
        export = (
            f'rbd -c {far.conf} --id {USER} export --no-progress'
            f' images/{image_id}@snap -'
        )
        return in_turns(
            rounds,
            librbd=lambda _round: copies.by_engine(
                image, SPARSE_BYTES, source, Verification.ABSENT
            ),
            export=lambda _round: copies.by_pipe(export),
        )


class Copies:
    """Into the pool of the volumes."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        #: What the first copy of ours is compared with.
        self.path: pathlib.Path | None = None
        self._conf = stack.clusters[0].conf
        self._backend = RbdBackend(
            RbdSettings(
                cluster_name='ceph',
                conf_path=str(self._conf),
                user=USER,
                pool=POOL,
                object_bytes=4 * MIB,
                image_pools=('images',),
            )
        )
        self.rbd_source = RbdSource(
            self._backend.settings, [(str(stack.clusters[1].conf), USER)]
        )

    def by_engine(
        self,
        image: ImageInfo,
        size_bytes: int,
        source: ImageSource,
        expected: Verification,
        glance: Callable[[], Any] = lambda: None,
    ) -> Cost:
        """What our copy takes."""
        image_copier = copier.ImageCopier(
            CopySettings(retries=0), [source], CopyLimiter(1)
        )
        volume_id = str(uuid.uuid4())
        name = f'volume-{volume_id}'
        destination = NewDestination(
            size_bytes,
            lambda: self._backend.open(name, size_bytes),
            lambda: self._backend.remove(name),
        )
        clock = Clock(self.stack)
        filled = image_copier.copy(image, CopyRequest(glance), destination)
        cost = clock.read()
        if filled.verification is not expected:
            raise BenchmarkError(f'not {expected}: {filled}')
        self._compare(volume_id)
        self._backend.remove(name)
        return cost

    def by_pipe(self, reader: str) -> Cost:
        """What a command piped into `rbd import -` takes."""
        name = f'volume-{uuid.uuid4()}'
        writer = (
            f'rbd -c {self._conf} --id {USER} import --no-progress'
            f' --image-format 2 - {POOL}/{name}'
        )
        clock = Clock(self.stack)
        done = subprocess.run(
            ['bash', '-o', 'pipefail', '-c', f'{reader} | {writer}'],
            capture_output=True,
            text=True,
        )
        cost = clock.read()
        if done.returncode:
            raise BenchmarkError(f'rbd import: {done.stderr}')
        self._backend.remove(name)
        return cost

    def _compare(self, volume_id: str) -> None:
        if self.path is None:
            return
        with space.Volumes(self.stack.clusters[0], POOL) as pool:
            if not pool.equals(volume_id, self.path):
                raise BenchmarkError('the copy is not the image')
        self.path = None


@contextlib.contextmanager
def _sparse_image(cluster: Cluster) -> Iterator[str]:
    """As Glance's thin provisioning would leave it. Its upload takes long."""
    name = str(uuid.uuid4())
    admin = rados.Rados(rados_id='admin', conffile=str(cluster.conf))
    with admin, admin.open_ioctx('images') as pool:
        rbd.RBD().create(pool, name, SPARSE_BYTES, order=GLANCE_ORDER)
        try:
            with rbd.Image(pool, name) as image:
                for number in range(PIECES):
                    offset = number * (SPARSE_BYTES // PIECES)
                    offset -= offset % PIECE_BYTES
                    image.write(os.urandom(PIECE_BYTES), offset)
                image.create_snap('snap')
                image.protect_snap('snap')
            yield name
        finally:
            with rbd.Image(pool, name) as image:
                if list(image.list_snaps()):
                    image.unprotect_snap('snap')
                    image.remove_snap('snap')
            rbd.RBD().remove(pool, name)


if __name__ == '__main__':
    programs.answer(main)
