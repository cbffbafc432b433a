# SPDX-License-Identifier: Apache-2.0
"""Watches exporters, and draws the dashboard of what they told."""

import argparse
import contextlib
import pathlib
import sys
import time

from dashboard import drawing, panels, prometheus
from dashboard.errors import DashboardError
from dashboard.served import output_of, served

#: How often an exporter is read, and a command run.
SCRAPE_SECONDS, COMMAND_SECONDS = 1, 5
_ROOT = pathlib.Path(__file__).resolve().parents[2]
_DASHBOARD = _ROOT / 'doc' / 'dashboards' / 'cinder-cow.json'


def main() -> int:
    """The exit status."""
    arguments = _parser().parse_args()
    try:
        _draw(arguments)
    except DashboardError as error:
        notes = getattr(error, '__notes__', [])
        print('\n'.join([f'error: {error}', *notes]), file=sys.stderr)
        return 1
    return 0


def _draw(arguments: argparse.Namespace) -> None:
    with contextlib.ExitStack() as stack:
        exporters = dict.fromkeys(arguments.scrape, SCRAPE_SECONDS)
        for command in arguments.command:
            url = stack.enter_context(served(output_of(command)))
            exporters[url] = COMMAND_SECONDS
        watching = stack.enter_context(prometheus.started(exporters))
        begin = time.time()
        time.sleep(arguments.seconds)
        end = time.time()
        found = [
            (panel, panel.read(watching, begin, end))
            for panel in panels.load(_DASHBOARD)
        ]
    drawing.draw(found, begin, end, arguments.output)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog='python -m dashboard', description=__doc__
    )
    parser.add_argument(
        '--scrape',
        action='append',
        default=[],
        metavar='URL',
        help='of an exporter; may be given again',
    )
    parser.add_argument(
        '--command',
        action='append',
        default=[],
        help='one that prints metrics, as "cinder-cow stats --prometheus"',
    )
    parser.add_argument(
        '--seconds',
        type=float,
        default=60,
        help='how long to watch (default: %(default)s)',
    )
    parser.add_argument('--output', type=pathlib.Path, required=True)
    return parser


if __name__ == '__main__':
    sys.exit(main())
