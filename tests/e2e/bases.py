# SPDX-License-Identifier: Apache-2.0

"""What the tests of base images share."""

import dataclasses
import os
import subprocess

from cinder_cow.backends import base_names
from tests.waiting import wait_until

MIB = 2**20


def cow_options(stack, **more):
    options = {
        'cow_remote_clusters': f'{stack.clusters[1].conf}:cinder',
        'cow_base_sweep_seconds': 0,
        **more,
    }
    lines = [f'{name} = {value}' for name, value in options.items()]
    return '\n'.join(['[cow]', *lines, ''])


def evict(stack):
    """Every base without children, by the command.

    A cinder-volume that was stopped in a sweep keeps its lease for half a
    minute: no other sweeps then.
    """
    sweep = ('sweep', '--max-idle-seconds', '0')
    wait_until(
        lambda: base_command(stack, *sweep).returncode == 0, pause_seconds=1
    )


def base_command(stack, *words):
    """What became of `cinder-cow base`."""
    conf = stack.folder / 'cinder' / 'cinder.conf'
    return subprocess.run(
        [
            *('cinder-cow', 'base', *words),
            *('--config-file', str(conf), '--backend', 'cow'),
        ],
        env=os.environ | stack.env(),
    )


def require_nothing(stack, pool):
    """No base is needed, and nothing else is there."""
    evict(stack)
    assert pool.names() == []


@dataclasses.dataclass
class Disk:
    """What a virtual disk begins with, and the image file of it."""

    head: bytes
    file: bytes


def packed(folder, disk_format, size=64 * MIB, options=()):
    """A disk with data at its beginning and its end."""
    raw, file = folder / 'raw', folder / 'file'
    head = os.urandom(8 * MIB + 12345)
    with raw.open('wb') as disk:
        disk.write(head)
        disk.seek(size - MIB)
        disk.write(head[:MIB])
    convert = ['qemu-img', 'convert', '-f', 'raw', '-O', disk_format]
    subprocess.run([*convert, *options, raw, file], check=True)
    return Disk(raw.read_bytes(), file.read_bytes())


def bases(pool):
    return [name for name in pool.names() if name.startswith(base_names.BASE)]


def lines(log, method):
    return log.lines('volume from image', f'method={method} ')
