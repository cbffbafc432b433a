# SPDX-License-Identifier: Apache-2.0
"""`tools/chaos.sh MINUTES|--each [--seed N] [--json FILE] [--mode MODE]`."""

import argparse
from collections.abc import Iterator
import contextlib
import os
import pathlib
import random
import signal
import sys
import tempfile

from chaos import pool_shapes
from chaos.run import run
from measuring.screen import SCREEN, elapsed, step, tell
from sandbox.options import Options
from sandbox.stack import Stack

#: As cinder-volume's own concurrency is called, for short.
MODES = {'eventlet': 'eventlet', 'threads': 'threading'}


def main() -> int:
    """0 when nothing was violated."""
    arguments = _arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    mode = MODES[arguments.mode]
    shape = arguments.pool or pool_shapes.of_seed(arguments.seed)
    tell(f'seed {arguments.seed}, pool {shape}')
    options = Options(concurrency=mode, hosts=arguments.hosts)
    with _stack(options) as stack:
        report = run(stack, arguments.seed, arguments.minutes, mode, shape)
    report.show(SCREEN)
    if arguments.json:
        report.write(arguments.json)
    tell(f'{elapsed():.0f} s in all')
    return 1 if report.history.violations else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog='tools/chaos.sh',
        description='Load and faults at once, on a whole cloud on this'
        ' machine. The exit status is 1 when a volume is not what it should'
        ' be, something is left, or a failure does not name its cause.',
    )
    _add_length(parser)
    _add_cloud(parser)
    parser.add_argument(
        '--seed',
        type=int,
        default=random.randrange(10**6),
        help='of all that is chosen (default: a new one, which is printed)',
    )
    parser.add_argument(
        '--json', type=pathlib.Path, metavar='FILE', help='write the result'
    )
    return parser.parse_args()


def _add_length(parser: argparse.ArgumentParser) -> None:
    length = parser.add_mutually_exclusive_group(required=True)
    length.add_argument(
        'minutes',
        type=float,
        metavar='MINUTES',
        nargs='?',
        default=0.0,
        help='of load and faults at once',
    )
    length.add_argument(
        '--each',
        action='store_true',
        help='each fault once, in the middle of a build, without other load',
    )


def _add_cloud(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        '--mode',
        choices=MODES,
        default='eventlet',
        help='of cinder-volume (default: %(default)s)',
    )
    parser.add_argument(
        '--hosts',
        type=int,
        choices=(1, 2),
        default=1,
        help='of cinder-volume, active at once (default: %(default)s)',
    )
    parser.add_argument(
        '--pool',
        choices=pool_shapes.SHAPES,
        help='how the pool is configured (default: as the seed chooses)',
    )


@contextlib.contextmanager
def _stack(options: Options) -> Iterator[Stack]:
    """CINDER_COW_SANDBOX names one that runs already."""
    running = os.environ.get('CINDER_COW_SANDBOX')
    if running:
        stack = Stack.load(pathlib.Path(running))
        try:
            yield stack
        finally:  # as it was
            for host in range(len(stack.cinder_volumes)):
                stack.restart_cinder_volume(host=host)
        return
    with tempfile.TemporaryDirectory() as folder:
        with step('Ceph, Keystone, Glance and Cinder are started'):
            stack = Stack.up(pathlib.Path(folder) / 'sandbox', options)
        try:
            yield stack
        finally:
            with step('They are stopped and removed'):
                stack.down()


if __name__ == '__main__':
    sys.exit(main())
