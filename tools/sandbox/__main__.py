# SPDX-License-Identifier: Apache-2.0

"""The command line of the sandbox."""

import argparse
import os
import pathlib
import shlex
import signal
import sys
import types

from sandbox import errors, stack
from sandbox.options import Options

_DEFAULT_FOLDER = (
    pathlib.Path(__file__).resolve().parents[2] / '.cache' / 'sandbox'
)


def main() -> int:
    """The exit status."""
    # SIGINT too: a shell starts background jobs with it ignored.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    arguments = _parser().parse_args()
    commands = {'up': _up, 'down': _down, 'status': _status, 'env': _env}
    try:
        return commands[arguments.command](arguments)
    except errors.SandboxError as error:
        notes = getattr(error, '__notes__', [])
        print('\n'.join([f'error: {error}', *notes]), file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print('interrupted', file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog='sandbox.sh',
        description='Ceph, Keystone, Glance and Cinder on this machine.',
    )
    commands = parser.add_subparsers(dest='command', required=True)
    up = commands.add_parser('up', help='start everything')
    _add_options(up)
    down = commands.add_parser('down', help='stop everything, remove it all')
    status = commands.add_parser('status', help='one line per service')
    env = commands.add_parser('env', help='print exports for a shell')
    for command in (up, down, status, env):
        command.add_argument(
            '--folder',
            type=pathlib.Path,
            default=_DEFAULT_FOLDER,
            help='of the sandbox (default: %(default)s)',
        )
    return parser


def _add_options(up: argparse.ArgumentParser) -> None:
    up.add_argument(
        '--clusters',
        type=int,
        choices=(1, 2),
        default=2,
        help='Ceph clusters (default: %(default)s)',
    )
    up.add_argument(
        '--clone-format',
        type=int,
        choices=(1, 2),
        default=2,
        help="RBD's clone format in the first cluster (default: %(default)s)",
    )
    up.add_argument(
        '--concurrency',
        choices=('eventlet', 'threading'),
        default='eventlet',
        help='of cinder-volume (default: %(default)s)',
    )
    up.add_argument(
        '--hosts',
        type=int,
        choices=(1, 2),
        default=1,
        help='of cinder-volume, active at once (default: %(default)s)',
    )
    up.add_argument(
        '--ceph-only', action='store_true', help='start no OpenStack'
    )


def _up(arguments: argparse.Namespace) -> int:
    options = Options(
        arguments.clusters,
        arguments.clone_format,
        arguments.concurrency,
        arguments.ceph_only,
        arguments.hosts,
    )
    stack.Stack.up(arguments.folder, options)
    print(f'The sandbox is up in {arguments.folder}', file=sys.stderr)
    return 0


def _down(arguments: argparse.Namespace) -> int:
    stack.Stack.load(arguments.folder).down()
    return 0


def _status(arguments: argparse.Namespace) -> int:
    found = stack.Stack.load(arguments.folder)
    healthy = True
    print(f'{"service":18} {"pid":>8} {"state":6} port')
    for name, pid, alive in found.services():
        state = 'alive' if alive else 'dead'
        print(f'{name:18} {pid:8} {state:6} {found.port(name) or "-"}')
        healthy &= alive
    return 0 if healthy else 1


def _env(arguments: argparse.Namespace) -> int:
    variables = stack.Stack.load(arguments.folder).env()
    for name, value in variables.items():
        print(f'export {name}={shlex.quote(value)}')
    venv_bin = shlex.quote(os.path.join(sys.prefix, 'bin'))
    print(f'export PATH={venv_bin}:"$PATH"')
    return 0


def _interrupt(number: int, frame: types.FrameType | None) -> None:
    for ignored in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ignored, signal.SIG_IGN)  # clean-up comes first
    raise KeyboardInterrupt


if __name__ == '__main__':
    sys.exit(main())
