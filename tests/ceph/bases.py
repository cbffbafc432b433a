# SPDX-License-Identifier: Apache-2.0
"""Base images for the tests of a real cluster."""

import contextlib
import dataclasses
import json
import subprocess
import sys
import textwrap

import rbd

from cinder_cow.model import BaseInfo, Verification
from tests.fakes import writes

MIB = 2**20
CONTENT = b'D0D-' * (MIB // 4)
INFO = BaseInfo(
    image_id='image-1',
    disk_format='qcow2',
    hash_algo='sha512',
    hash_value='ab' * 64,
    source='glance',
    verification=Verification.HASH,
    signature_verified=False,
    stored_bytes=0,
    seconds=1.5,
    created=1e9,
    version='1.2.3',
)

#: It begins a base, and writes into it again for each line that it reads.
HALF_BUILDER = """
    import itertools, json, sys
    from cinder_cow import errors
    from cinder_cow.backends.rbd.settings import RbdSettings
    from cinder_cow.backends.rbd.backend import RbdBackend
    from tests.fakes import writes

    settings, name = json.loads(sys.stdin.readline())
    settings['image_pools'] = tuple(settings['image_pools'])
    writer = RbdBackend(RbdSettings(**settings)).bases().create(name, 2**20)
    for _ in itertools.chain(["at once"], sys.stdin):
        try:
            writes.write_at(writer, 0, b'half')
        except errors.StorageError as exc:
            print(type(exc).__name__, flush=True)
        else:
            print('wrote', flush=True)
"""


def filled(store, name, content=CONTENT):
    """An unfinished base."""
    with store.create(name, len(content)) as writer:
        writes.write_at(writer, 0, content)
        writer.flush()


def built(store, name, content=CONTENT, info=INFO):
    """The finished base."""
    filled(store, name, content)
    return store.commit(name, info)


def forgotten(store, name):
    """As another process would see it, which does not know it yet."""
    store._forget(name)


@contextlib.contextmanager
def opened(lab, name, pool='volumes'):
    """The RBD image, to be changed behind the store's back."""
    with lab.rados.open_ioctx(pool) as ioctx, rbd.Image(ioctx, name) as image:
        yield image


@contextlib.contextmanager
def half_built(lab, name):
    """A process that has an unfinished base open, and lives."""
    with subprocess.Popen(
        [sys.executable, '-W', 'ignore', '-c', textwrap.dedent(HALF_BUILDER)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            facts = [dataclasses.asdict(lab.settings()), name]
            print(json.dumps(facts), file=process.stdin, flush=True)
            assert process.stdout.readline() == 'wrote\n'
            yield process
        finally:
            process.kill()
