# SPDX-License-Identifier: Apache-2.0
"""Whether librbd aborts or hangs while many threads clone.

`PYTHONPATH=tools python -m tests.clone_loop`, on a cluster of its own. The
exit status is 1 when it did; the stacks of its threads are printed, of C too
where gdb is installed.
"""

import argparse
from collections.abc import Iterator
import contextlib
from dataclasses import asdict
import json
import os
import pathlib
import selectors
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from sandbox.ceph import Cluster
from tests.clone_loop.loop import POOL, Job

ROOT = pathlib.Path(__file__).parents[2]
#: Without a clone it hangs.
HANGING_SECONDS = 60


def main() -> int:
    arguments = _arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory(prefix='cow-clone-loop-') as name:
        folder = pathlib.Path(name)
        store = arguments.store
        with Cluster(
            folder / 'ceph', clone_format=arguments.clone_format, store=store
        ) as cluster:
            cluster.create_pool(POOL)
            job = Job(
                str(cluster.conf),
                arguments.clones,
                arguments.threads,
                arguments.seconds,
                arguments.connections,
                arguments.work,
            )
            with _busy(arguments.busy):
                return _run(job, folder)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog='python -m tests.clone_loop', description=__doc__
    )
    parser.add_argument('--clones', type=int, default=20000)
    parser.add_argument('--threads', type=int, default=16)
    parser.add_argument('--seconds', type=float, default=600, help='at most')
    parser.add_argument(
        '--connections',
        choices=('kept', 'each'),
        default='kept',
        help="one that is kept and now and then another, or Cinder's way",
    )
    parser.add_argument(
        '--work',
        choices=('clone', 'life', 'parent', 'paused'),
        default='clone',
        help='life: each clone is grown and removed too; parent: its parent'
        ' is made and removed too, and closed as soon as it is changed;'
        ' paused: it is closed as this driver does, a moment later',
    )
    parser.add_argument(
        '--busy',
        type=int,
        default=0,
        metavar='PROCESSES',
        help='so many take the cores meanwhile',
    )
    parser.add_argument('--clone-format', type=int, choices=(1, 2), default=2)
    parser.add_argument(
        '--store', choices=('bluestore', 'memstore'), default='bluestore'
    )
    return parser.parse_args()


@contextlib.contextmanager
def _busy(processes: int) -> Iterator[None]:
    command = [sys.executable, '-c', 'while True: pass']
    with contextlib.ExitStack() as running:
        for _ in range(processes):
            process = running.enter_context(subprocess.Popen(command))
            running.callback(process.kill)
        yield


def _run(job: Job, folder: pathlib.Path) -> int:
    """The exit status."""
    with (
        open(folder / 'stderr', 'w+') as stderr,
        subprocess.Popen(
            [sys.executable, '-m', 'tests.clone_loop.loop']
            + [json.dumps(asdict(job))],
            cwd=folder,
            env={**os.environ, 'PYTHONPATH': str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=stderr,
            bufsize=0,
        ) as process,
    ):
        hung = _watch(process)
        status = process.wait()
        stderr.seek(0)
        print(stderr.read())
    if status:
        how = 'hung' if hung else f'ended with {status}'
        print(f'It {how}.')
        _print_core(folder)
    return 1 if status else 0


def _watch(process: subprocess.Popen[bytes]) -> bool:
    """Whether it hung, and was ended by SIGABRT."""
    assert process.stdout is not None
    last, since = -1, time.monotonic()
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while True:
            line = selector.select(1) and process.stdout.readline()
            if line == b'':
                return False
            if line:
                done, seconds = json.loads(line)
                print(f'{seconds:4} s: {done} clones', flush=True)
                if done > last:
                    last, since = done, time.monotonic()
            if time.monotonic() - since > HANGING_SECONDS:
                process.send_signal(signal.SIGABRT)
                return True


def _print_core(folder: pathlib.Path) -> None:
    cores = sorted(folder.glob('core*'))
    if not cores or shutil.which('gdb') is None:
        print('No core, or no gdb.')
        return
    subprocess.run(
        ['gdb', '-batch', '-q', '-ex', 'info threads']
        + ['-ex', 'bt', '-ex', 'thread apply all bt 40']
        + [sys.executable, str(cores[0])],
        check=False,
    )


if __name__ == '__main__':
    sys.exit(main())
