# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.
"""The demo: `tools/demo.sh [--keep] [--json FILE]`."""

import argparse
from collections.abc import Iterator
import contextlib
import json
import os
import pathlib
import signal
import statistics
import subprocess
import sys

from rich import console

from demo import cases
from demo import image
from demo import report
from sandbox.cloud import Cloud
from sandbox.stack import Options
from sandbox.stack import Stack

REPO = pathlib.Path(__file__).parents[2]
CACHE = REPO / '.cache'
AT_ONCE = 20
ROUNDS = 15
ALONE = 'driver alone'
#: A clone may gain this much, and take this share of upstream's time.
MOST_NEW_BYTES = 2**20
MOST_OF_UPSTREAM = 0.5
MOST_MEMORY_BYTES = 128 * 2**20
SCREEN = console.Console(width=None if sys.stdout.isatty() else 120)


def main() -> int:
    """0 when every volume was what the demo promises."""
    arguments = _arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with _step('Images (cached after the first time)'):
        disk = image.debian(CACHE / 'images')
        half = image.half_full(CACHE / 'images')
    with _stack(arguments.folder, arguments.keep) as stack:
        rows = _volumes(stack, disk, half)
        report.show(rows, SCREEN)
        if arguments.json:
            report.write(rows, arguments.json)
            SCREEN.print(f'The rows are in {arguments.json}')
        if arguments.keep:
            _explain(stack)
    return _judge(rows)


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
) -> list[cases.Row]:
    cloud = Cloud(stack.env())
    bench = cases.Bench(stack, cloud)
    with (
        _uploaded(cloud, disk, 'ceph', 'raw in rbd') as cloned,
        _uploaded(cloud, half, 'disk', 'raw in files') as streamed,
    ):
        rows = []
        # The first volume of a process also opens its connections.
        for source, case, count in (
            (cloned, 'first', 1),
            (cloned, 'next', 1),
            (cloned, f'{AT_ONCE} at once', AT_ONCE),
            (streamed, 'half full', 1),
        ):
            for driver in cases.POOLS:
                title = f'{report.DRIVERS[driver]}: {source.place}, {case}'
                with _step(title):
                    rows.append(bench.measure(driver, source, case, count))
        with _step(f'clone_image in each driver alone, {ROUNDS} times'):
            rows.extend(_in_driver(stack, cloned.image_id))
    return rows


@contextlib.contextmanager
def _uploaded(
    cloud: Cloud, path: pathlib.Path, store: str, place: str
) -> Iterator[cases.Image]:
    with _step(f'Image uploaded to Glance: {place}'), open(path, 'rb') as file:
        image_id = cloud.create_image(path.stem, file, store=store)
    try:
        yield cases.Image(image_id, place, path)
    finally:
        cloud.delete_image(image_id)


def _in_driver(stack: Stack, image_id: str) -> list[cases.Row]:
    fsid = stack.clusters[0].fsid
    done = subprocess.run(
        [sys.executable, '-W', 'ignore', '-m', 'demo.in_driver']
        + [str(stack.folder / 'cinder' / 'cinder.conf'), image_id]
        + [f'rbd://{fsid}/images/{image_id}/snap', str(ROUNDS)],
        env=os.environ | stack.env(),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f'demo.in_driver failed:\n{done.stderr}')
    return [
        cases.Row(
            driver,
            'raw in rbd',
            ALONE,
            round(statistics.median(seconds), 4),
            'clone',
        )
        for driver, seconds in json.loads(done.stdout).items()
    ]


def _judge(rows: list[cases.Row]) -> int:
    """Say what holds and what does not: 0 when all holds."""
    facts = {**_facts_of_clones(rows), **_facts_of_copies(rows)}
    for fact, holds in facts.items():
        SCREEN.print(f'[green]yes[/green] {fact}' if holds else f'NO  {fact}')
    return 0 if all(facts.values()) else 1


def _facts_of_clones(rows: list[cases.Row]) -> dict[str, bool]:
    alone = {row.driver: row.seconds for row in rows if row.case == ALONE}
    ratio = alone['cow'] / alone['upstream']
    ours = [
        row
        for row in rows
        if (row.driver, row.image) == ('cow', 'raw in rbd')
        and row.case != ALONE
    ]
    return {
        'Every volume of ours from rbd is a clone of the image': all(
            row.method == 'clone' and row.parent is not None for row in ours
        ),
        'Every content that was read is the image, byte for byte': all(
            row.content_equal is not False for row in rows
        ),
        'No clone of ours took 1 MiB of new space': all(
            (row.new_bytes or 0) < MOST_NEW_BYTES for row in ours
        ),
        f'In the driver a clone takes {alone["cow"] * 1000:.0f} ms, with'
        f" upstream's {alone['upstream'] * 1000:.0f} ms (medians):"
        f' {ratio:.2f} of it, at most half': ratio <= MOST_OF_UPSTREAM,
    }


def _facts_of_copies(rows: list[cases.Row]) -> dict[str, bool]:
    copies = {row.driver: row for row in rows if row.image == 'raw in files'}
    ours, theirs = copies['cow'], copies['upstream']
    part = ours.seconds / theirs.seconds
    temp = (theirs.temp_bytes or 0) / 2**20
    memory = ours.memory_bytes or 0
    return {
        f"Our copy from the file store took {part:.2f} of upstream's time,"
        f' less than all of it': part < 1,
        f'It wrote {ours.temp_bytes} bytes to temporary files, none (upstream'
        f' {temp:.0f} MiB)': ours.temp_bytes == 0,
        f'It took {memory / 2**20:.0f} MiB more memory, less than 128': memory
        < MOST_MEMORY_BYTES,
    }


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
