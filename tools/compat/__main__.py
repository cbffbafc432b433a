# SPDX-License-Identifier: Apache-2.0
"""The matrix: `tools/compat.sh`, see its --help."""

import argparse
from collections.abc import Sequence
from concurrent import futures
import pathlib
import signal
import sys

from compat import checks, environment, report
from compat.releases import ALL, SHORT, Setup
from measuring.screen import SCREEN, elapsed, step, tell

NAMES = {each.name: each for each in ALL}


def main() -> int:
    """0 when every check of every setup is all right."""
    arguments = _arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with step('Build the package'):
        wheel = environment.build_wheel()
    with futures.ThreadPoolExecutor(checks.at_once()) as pool:
        rows = list(
            pool.map(
                lambda setup: _row(setup, wheel, _checks(arguments)),
                _setups(arguments),
            )
        )
    SCREEN.print(report.screen_table(rows))
    report.write(rows, environment.FOLDER / 'result.json')
    if arguments.write:
        report.write(rows, report.RESULT)
        report.write_page()
    return 0 if all(row.ok for row in rows) else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog='tools/compat.sh',
        description='Tries the package on every release of Cinder that is'
        ' claimed, each in an environment of its own under the constraints of'
        ' its release. The exit status is 1 when a check fails.',
    )
    parser.add_argument(
        '--short',
        action='store_true',
        help='only the oldest, one in the middle, and the newest',
    )
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
    _tell(setup, installed)
    if installed.ok:
        for outcome in checks.outcomes(made, names):
            found.append(outcome)
            _tell(setup, outcome)
    versions = made.versions(*report.PACKAGES) if installed.ok else {}
    return report.Row(setup, versions, tuple(found))


def _tell(setup: Setup, outcome: checks.Outcome) -> None:
    """A line; of a failure all that was said."""
    detail = outcome.detail if outcome.ok else f'FAILED\n{outcome.detail}'
    if outcome.ok is None:
        detail = f'not tried: {outcome.detail}'
    tell(
        f'{elapsed():5.0f} s {setup.name}: {outcome.check}: {detail}'
        f' ({outcome.seconds:.0f} s)'
    )


if __name__ == '__main__':
    sys.exit(main())
