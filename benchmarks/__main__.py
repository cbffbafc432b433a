# SPDX-License-Identifier: Apache-2.0
"""The benchmarks: `tools/bench.sh [--quick] [--json FILE] [--plot DIR]`."""

import argparse
from collections.abc import Callable, Iterator, Sequence
import contextlib
from dataclasses import dataclass
import json
import pathlib
import signal
import sys
import tempfile
from typing import Any

from benchmarks import (
    bursts,
    clones,
    conversions,
    machine,
    report,
    resources,
    scale,
    series,
    setup,
    streams,
    table,
    warmed,
)
from benchmarks.keys import KEYS
from benchmarks.statistics import Measured
from measuring import screen
from sandbox import state
from sandbox.options import Options
from sandbox.stack import Stack

CACHE = pathlib.Path(__file__).parents[1] / '.cache'


@dataclass(frozen=True, slots=True)
class Group:
    """Keys that are measured together."""

    keys: tuple[str, ...]
    measure: Callable[[setup.Setup], Iterator[Measured]]
    #: Whether a quick run has it.
    quick: bool = False


GROUPS = (
    Group(
        ('peak_memory_mib', 'temp_bytes', 'space_per_clone_bytes'),
        resources.taken,
        quick=True,
    ),
    Group(('api_clone_vs_upstream',), clones.through_the_api, quick=True),
    Group(('stream_vs_upstream',), streams.through_the_api, quick=True),
    Group(('qcow2_first_vs_upstream',), conversions.near, quick=True),
    Group(
        ('qcow2_first_foreign_vs_upstream', 'qcow2_again_vs_upstream'),
        conversions.foreign,
    ),
    Group(
        ('clone_vs_upstream', 'clone_vs_librbd', 'clone16_vs_upstream'),
        clones.in_the_driver,
        quick=True,
    ),
    Group(
        ('stream_vs_import', 'stream_noverify_vs_import'),
        streams.alone,
        quick=True,
    ),
    Group(('sparse_vs_import',), streams.sparse),
    Group(('clone_at_2000_vs_first',), scale.many_clones),
    Group(('qcow2_first_warm_vs_upstream',), warmed.qcow2),
    Group(('raw_foreign_first_warm_vs_upstream',), warmed.raw_foreign),
    Group(('herd10_warm_vs_upstream',), warmed.herd),
    Group(('herd10_warm_vs_empty',), warmed.herd_of_nothing),
    Group(('midway_warm_vs_unwarmed',), warmed.midway),
    Group(('herd10_vs_upstream',), conversions.herd),
    # Last: they leave many volumes behind.
    Group(('api_burst50_vs_upstream',), bursts.through_the_api),
    Group(('burst100_vs_upstream',), bursts.in_the_process),
)


def main() -> int:
    """0 when every key has a figure, whether it meets its aim or not."""
    arguments = _arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    about, load = machine.about(), machine.Load()
    groups = _chosen(arguments.only, arguments.quick)
    outcome = report.Outcome()
    rounds = setup.QUICK if arguments.quick else setup.FULL
    stays = state.is_there(arguments.folder)
    with (
        tempfile.TemporaryDirectory(prefix='cow-bench-') as folder,
        _stack(arguments.folder) as stack,
        setup.Setup(stack, rounds, pathlib.Path(folder), stays) as place,
    ):
        _measure(place, groups, outcome, arguments.plot is not None)
    outcome.close(key for group in groups for key in group.keys)
    about['machine']['load'] = load.read()
    about |= {'quick': arguments.quick, 'seconds': round(screen.elapsed())}
    _deliver(report.document(outcome, about), arguments)
    return 1 if outcome.failed else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog='tools/bench.sh',
        description="This driver against Cinder's own and against what the"
        ' machine allows, on a whole cloud on this machine. The exit status is'
        ' 1 when a figure could not be measured.',
    )
    parser.add_argument(
        '--quick',
        action='store_true',
        help='fewer keys and fewer pairs of each, some 5 minutes',
    )
    parser.add_argument(
        '--json', type=pathlib.Path, metavar='FILE', help='write all figures'
    )
    parser.add_argument(
        '--plot',
        type=pathlib.Path,
        metavar='DIR',
        help='draw PNG files; measures more for them, some minutes',
    )
    parser.add_argument(
        '--only',
        nargs='+',
        choices=list(KEYS),
        metavar='KEY',
        help='measure these, and what is measured with them',
    )
    parser.add_argument(
        '--folder',
        type=pathlib.Path,
        default=CACHE / 'bench-sandbox',
        help='of the sandbox; one that is up there is used and left up',
    )
    return parser.parse_args()


def _chosen(only: Sequence[str] | None, quick: bool) -> list[Group]:
    if only is None:
        return [group for group in GROUPS if group.quick or not quick]
    return [each for each in GROUPS if not set(only).isdisjoint(each.keys)]


@contextlib.contextmanager
def _stack(folder: pathlib.Path) -> Iterator[Stack]:
    """Configured for the benchmarks."""
    if state.is_there(folder):
        screen.tell(f'Using the sandbox in {folder}, which is left up')
        stack = Stack.load(folder)
        stack.restart_cinder_volume(setup.CONFIG)
        try:
            yield stack
        finally:
            stack.restart_cinder_volume()
        return
    with screen.step('start Ceph, Keystone, Glance and Cinder'):
        stack = Stack.up(folder, Options())
    try:
        stack.restart_cinder_volume(setup.CONFIG)
        yield stack
    finally:
        with screen.step('stop and remove them'):
            stack.down()


def _measure(
    place: setup.Setup,
    groups: Sequence[Group],
    outcome: report.Outcome,
    plotted: bool,
) -> None:
    with screen.step('the first volume of each process'):
        place.warm_up()
    for group in groups:
        try:
            outcome.add(group.measure(place))
        except Exception as exc:  # noqa: BLE001  the others go on
            _failed(outcome, group.keys, exc)
    if plotted:
        try:
            outcome.series.update(series.measured(place))
        except Exception as exc:  # noqa: BLE001  the figures are there
            outcome.failed['plots'] = repr(exc)


def _failed(
    outcome: report.Outcome, keys: Sequence[str], exc: Exception
) -> None:
    outcome.fail(keys, f'{type(exc).__name__}: {exc}')
    screen.tell(f'FAILED {", ".join(keys)}: {exc!r}')


def _deliver(doc: dict[str, Any], arguments: argparse.Namespace) -> None:
    table.show(doc)
    if arguments.json:
        arguments.json.write_text(json.dumps(doc, indent=2) + '\n')
        screen.tell(f'The figures are in {arguments.json}')
    if arguments.plot and doc['series']:
        from benchmarks import plots  # takes a second to load

        for path in plots.draw(doc, arguments.plot):
            screen.tell(f'A plot is in {path}')


if __name__ == '__main__':
    sys.exit(main())
