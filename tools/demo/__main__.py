# SPDX-License-Identifier: Apache-2.0
"""The demo: `tools/demo.sh [--keep] [--json FILE]`."""

import argparse
from collections.abc import Iterator
import contextlib
import pathlib
import signal
import sys

from rich import console

from demo import cases, image, judgement, report, side_by_side
from sandbox.cloud import Cloud
from sandbox.stack import Options, Stack

REPO = pathlib.Path(__file__).parents[2]
CACHE = REPO / '.cache'
MANY = 20
AT_ONCE = 10
ROUNDS = 15
SCREEN = console.Console(width=None if sys.stdout.isatty() else 120)


def main() -> int:
    """0 when every volume was what the demo promises."""
    arguments = _arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with _step('Images (cached after the first time)'):
        disk = image.debian(CACHE / 'images')
        half = image.half_full(CACHE / 'images')
    with _stack(arguments.folder, arguments.keep) as stack:
        rows, seen = _volumes(stack, disk, half)
        report.show(rows, SCREEN)
        if arguments.json:
            report.write(rows, arguments.json)
            SCREEN.print(f'The rows are in {arguments.json}')
        if arguments.keep:
            _explain(stack)
    facts = {**judgement.facts(rows), **seen}
    for fact, holds in facts.items():
        SCREEN.print(f'[green]yes[/green] {fact}' if holds else f'NO  {fact}')
    return 0 if all(facts.values()) else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog='tools/demo.sh',
        description='Volumes of a real image, by this driver and by'
        " Cinder's own, on a whole cloud on this machine.",
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


@contextlib.contextmanager
def _step(title: str) -> Iterator[None]:
    with SCREEN.status(title):
        yield
    SCREEN.print(f'[green]done[/green] {title}')


@contextlib.contextmanager
def _stack(folder: pathlib.Path, keep: bool) -> Iterator[Stack]:
    if (folder / 'state.json').exists():
        SCREEN.print(f'Using the sandbox in {folder}, which is left up')
        yield Stack.load(folder)
        return
    SCREEN.print('Starting Ceph, Keystone, Glance and Cinder')
    stack = Stack.up(folder, Options())
    try:
        yield stack
    except BaseException:
        stack.down()
        raise
    if not keep:
        with _step('The sandbox is stopped and removed'):
            stack.down()


def _volumes(
    stack: Stack, disk: pathlib.Path, half: pathlib.Path
) -> tuple[list[cases.Row], dict[str, bool]]:
    """The rows, and what was seen that no row shows."""
    cloud = Cloud(stack.env())
    bench = cases.Bench(stack, cloud)
    with bench.pool('cow') as pool:
        before = pool.contents()
    rows = []
    with (
        _uploaded(cloud, disk, 'ceph', 'raw in rbd') as cloned,
        _uploaded(cloud, half, 'disk', 'raw in files') as copied,
    ):
        # The first volume of a process also opens its connections.
        rows += _measured(bench, cloned, 'first')
        rows += _measured(bench, cloned, 'next')
        rows += _measured(bench, cloned, f'{MANY} at once', MANY)
        rows += _measured(bench, copied, 'first')
        converted, seen = _converted(stack, bench, cloned, half)
        rows += converted
    bench.evict()
    with bench.pool('cow') as pool:
        seen[
            'With all volumes deleted and the bases evicted, our pool is as'
            ' empty as before'
        ] = pool.contents() == before
    return rows, seen


def _converted(
    stack: Stack, bench: cases.Bench, cloned: cases.Image, half: pathlib.Path
) -> tuple[list[cases.Row], dict[str, bool]]:
    """Volumes of a qcow2 image, in the end ten at once of a new one."""
    cloud = Cloud(stack.env())
    file = image.qcow2(half)
    with _uploaded(
        cloud, file, 'ceph', 'qcow2 in rbd', 'qcow2', half
    ) as qcow2:
        rows = _measured(bench, qcow2, 'first')
        rows += _measured(bench, qcow2, 'next')
        with _step(f'clone_image in each driver alone, {ROUNDS} times'):
            rows += side_by_side.measure(stack, cloud, [cloned, qcow2], ROUNDS)
        bench.evict()
        rows += _measured(bench, qcow2, f'{AT_ONCE} at once', AT_ONCE)
        with bench.pool('cow') as pool:
            bases = pool.bases()
    return rows, {
        f'{AT_ONCE} volumes at once of a new qcow2 image left exactly one'
        f' base': len(bases) == 1
    }


def _measured(
    bench: cases.Bench, source: cases.Image, case: str, count: int = 1
) -> list[cases.Row]:
    """A row for each driver."""
    rows = []
    for driver in cases.POOLS:
        title = f'{report.DRIVERS[driver]}: {source.place}, {case}'
        with _step(title):
            rows.append(bench.measure(driver, source, case, count))
    return rows


@contextlib.contextmanager
def _uploaded(
    cloud: Cloud,
    file: pathlib.Path,
    store: str,
    place: str,
    disk_format: str = 'raw',
    disk: pathlib.Path | None = None,
) -> Iterator[cases.Image]:
    with (
        _step(f'Image uploaded to Glance: {place}'),
        open(file, 'rb') as content,
    ):
        image_id = cloud.create_image(
            file.stem, content, store=store, disk_format=disk_format
        )
    try:
        yield cases.Image(image_id, place, disk or file, disk_format)
    finally:
        cloud.delete_image(image_id)


def _explain(stack: Stack) -> None:
    folder = stack.folder
    SCREEN.print(
        f'\nThe sandbox is up. To talk to it:\n'
        f'  eval "$(tools/sandbox.sh env --folder {folder})"\n'
        f'  openstack image list\n'
        f'  openstack volume create --type cow --size 2 --image IMAGE mine\n'
        f'  rbd ls volumes; grep "volume from image"'
        f' {stack.log_file("cinder-volume")}\n'
        f'To end it: tools/sandbox.sh down --folder {folder}',
        highlight=False,
        soft_wrap=True,
    )


if __name__ == '__main__':
    sys.exit(main())
