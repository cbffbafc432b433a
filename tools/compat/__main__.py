# SPDX-License-Identifier: Apache-2.0
"""The matrix: `tools/compat.sh`, see its --help."""

import argparse
from collections.abc import Sequence
from concurrent import futures
import pathlib
import signal
import sys

from compat import ceph, checks, environment, report, tempest
from compat.releases import ALL, SHORT, Setup
from compat.running import COMMANDS, FOLDER
from measuring.screen import SCREEN, elapsed, tell

NAMES = {each.name: each for each in ALL}


def main() -> int:
    """0 when every check of every setup is all right."""
    arguments = _arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    if arguments.tempest:
        return _tempest(arguments.write)
    with environment.wheel() as wheel:
        tell(f'{elapsed():5.0f} s The package is built')
        if arguments.ceph:
            return _pairs(arguments.write, wheel)
        return _releases(arguments, wheel)


def _releases(arguments: argparse.Namespace, wheel: pathlib.Path) -> int:
    rows = _rows(arguments, wheel)
    SCREEN.print(report.screen_table(rows))
    report.write(rows, FOLDER / 'result.json')
    if arguments.write:
        report.write(rows, report.RESULT)
        report.write_page()
    return 0 if all(row.ok for row in rows) else 1


def _rows(
    arguments: argparse.Namespace, wheel: pathlib.Path
) -> list[report.Row]:
    """Some at the same time. An interrupt waits for their clean-up."""
    names = _checks(arguments)
    with futures.ThreadPoolExecutor(checks.at_once()) as pool:
        try:
            return list(
                pool.map(
                    lambda setup: _row(setup, wheel, names), _setups(arguments)
                )
            )
        except BaseException:
            COMMANDS.interrupt()
            raise


def _pairs(write: bool, wheel: pathlib.Path) -> int:
    """One after the other: each pair's tests start two clusters."""
    found = []
    for pair in ceph.ALL:
        found.append((pair, ceph.tried(pair, wheel)))
        _tell('Ceph', found[-1][1])
    if write:
        ceph.write(found)
    return 0 if all(outcome.ok for _pair, outcome in found) else 1


def _tempest(write: bool) -> int:
    """0 when nothing fails with our type that passes with upstream's."""
    found = tempest.results()
    for name, each in found.items():
        tell(
            f'Tempest, type {name}: {each.passed} passed,'
            f' {each.skipped.total()} skipped, {len(each.failed)} failed'
        )
    ours = tempest.only_ours(found)
    for test in ours:
        tell(f'FAILED with our type alone: {test}')
    if write:
        tempest.write(found)
    return 1 if ours else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog='tools/compat.sh',
        description='Tries the package on every release of Cinder that is'
        ' claimed, each in an environment of its own under the constraints of'
        ' its release. The exit status is 1 when a check fails.',
    )
    _add_forms(parser)
    parser.add_argument(
        '--write',
        action='store_true',
        help='write the result into the documents',
    )
    parser.add_argument(
        '--checks',
        nargs='+',
        choices=checks.CHECKS,
        metavar='CHECK',
        help=f'only these of {", ".join(checks.CHECKS)}',
    )
    parser.add_argument(
        'setups', nargs='*', metavar='SETUP', help=f'of {", ".join(NAMES)}'
    )
    arguments = parser.parse_args()
    for each in arguments.setups:
        if each not in NAMES:
            parser.error(f'{each} is none of {", ".join(NAMES)}')
    return arguments


def _add_forms(parser: argparse.ArgumentParser) -> None:
    forms = parser.add_mutually_exclusive_group()
    forms.add_argument(
        '--short',
        action='store_true',
        help='only the oldest, one in the middle, and the newest',
    )
    forms.add_argument(
        '--ceph',
        action='store_true',
        help='pairs of an older or newer Ceph, in place of the releases;'
        ' makes another Debian in a folder, which root alone can',
    )
    forms.add_argument(
        '--tempest',
        action='store_true',
        help="Tempest's tests of volumes with our type, then with upstream's,"
        ' in place of the releases',
    )


def _setups(arguments: argparse.Namespace) -> list[Setup]:
    if arguments.setups:
        return [NAMES[each] for each in arguments.setups]
    wanted = SHORT if arguments.short else ALL
    return [each for each in wanted if environment.interpreter(each.python)]


def _checks(arguments: argparse.Namespace) -> list[str]:
    left_out = checks.LONG if arguments.short else ()
    return arguments.checks or [
        each for each in checks.CHECKS if each not in left_out
    ]


def _row(
    setup: Setup, wheel: pathlib.Path, names: Sequence[str]
) -> report.Row:
    """Made in an environment of its own."""
    made = environment.Environment(setup)

    def install() -> str:
        made.make(wheel)
        return 'yes'

    installed = checks.outcome('install', install)
    found = [installed]
    _tell(setup.name, installed)
    if installed.ok:
        for outcome in checks.outcomes(made, names):
            found.append(outcome)
            _tell(setup.name, outcome)
    versions = made.versions(*report.PACKAGES) if installed.ok else {}
    return report.Row(setup, versions, tuple(found))


def _tell(name: str, outcome: checks.Outcome) -> None:
    """A line; of a failure all that was said."""
    detail = outcome.detail if outcome.ok else f'FAILED\n{outcome.detail}'
    if outcome.ok is None:
        detail = f'not tried: {outcome.detail}'
    tell(
        f'{elapsed():5.0f} s {name}: {outcome.check}: {detail}'
        f' ({outcome.seconds:.0f} s)'
    )


if __name__ == '__main__':
    sys.exit(main())
