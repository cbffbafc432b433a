# SPDX-License-Identifier: Apache-2.0
"""The demo: `tools/demo.sh [--full] [--keep] [--json FILE]`."""

import argparse
from collections.abc import Iterator
import contextlib
import pathlib
import signal
import sys

from demo import cases, facts, ratios, report
from measuring import image
from measuring.screen import SCREEN, elapsed, step, tell
from sandbox import state
from sandbox.options import Options
from sandbox.stack import Stack

CACHE = pathlib.Path(__file__).parents[2] / '.cache'


def main() -> int:
    """0 when every volume is right, however long it took."""
    arguments = _arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with step('Disk images (kept for the next time)'):
        disks = _disks(arguments.full)
    with _stack(arguments.folder, arguments.keep) as stack:
        demo = cases.Demo(stack, arguments.full)
        demo.warm_up()
        with demo.leaves_nothing():
            (cases.full if arguments.full else cases.short)(demo, *disks)
        report.show(demo.rows, SCREEN)
        if arguments.json:
            report.write(demo.rows, arguments.json)
            tell(f'The rows are in {arguments.json}')
        if arguments.keep:
            _explain(stack)
    return _judge(demo)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog='tools/demo.sh',
        description='Volumes of a real image, by this driver and by'
        " Cinder's own, on a whole cloud on this machine. The exit status is"
        ' 1 when a volume is not what it should be.',
    )
    parser.add_argument(
        '--full', action='store_true', help='more cases, some 5 minutes longer'
    )
    parser.add_argument(
        '--keep', action='store_true', help='leave the sandbox up'
    )
    parser.add_argument(
        '--json', type=pathlib.Path, metavar='FILE', help='write the rows'
    )
    parser.add_argument(
        '--folder',
        type=pathlib.Path,
        default=CACHE / 'sandbox',
        help='of the sandbox; one that is up there is used and left up',
    )
    return parser.parse_args()


def _disks(full: bool) -> list[pathlib.Path]:
    debian = image.debian(CACHE / 'images')
    if full:
        half = image.half_full(CACHE / 'images')
        return [debian, half, image.qcow2(half)]
    return [debian, image.qcow2(debian)]


@contextlib.contextmanager
def _stack(folder: pathlib.Path, keep: bool) -> Iterator[Stack]:
    if state.is_there(folder):
        tell(f'Using the sandbox in {folder}, which is left up')
        yield Stack.load(folder)
        return
    with step('Ceph, Keystone, Glance and Cinder are started'):
        stack = Stack.up(folder, Options())
    try:
        yield stack
    except BaseException:
        stack.down()
        raise
    if not keep:
        with step('They are stopped and removed'):
            stack.down()


def _explain(stack: Stack) -> None:
    folder = stack.folder
    tell(
        f'\nThe sandbox is up. To talk to it:\n'
        f'  eval "$(tools/sandbox.sh env --folder {folder})"\n'
        f'  openstack image list\n'
        f'  openstack volume create --type cow --size 2 --image IMAGE mine\n'
        f'  rbd ls volumes; grep "volume from image"'
        f' {stack.log_file("cinder-volume")}\n'
        f'To end it: tools/sandbox.sh down --folder {folder}\n'
    )


def _judge(demo: cases.Demo) -> int:
    tell('\nHow long it took, which decides nothing:')
    for line in ratios.lines(demo.rows):
        tell(f'  {line}')
    tell('\nWhat has to be right:')
    found = facts.of_rows(demo.rows) | demo.seen
    for fact, holds in found.items():
        tell(f'  [green]yes[/green] {fact}' if holds else f'  NO  {fact}')
    tell(f'\n{elapsed():.0f} s in all')
    return 0 if all(found.values()) else 1


if __name__ == '__main__':
    sys.exit(main())
