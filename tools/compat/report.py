# SPDX-License-Identifier: Apache-2.0
"""The rows of the matrix: as JSON, on the screen, and in the documents."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
import json
import pathlib
from typing import Any

from rich import table

from compat.checks import CHECKS, Outcome
from compat.releases import RELEASES, REPO, Setup

PAGES = REPO / 'doc' / 'source'
PAGE = PAGES / 'compatibility.rst'
RESULT = PAGES / 'compatibility.json'
#: Whose versions are shown.
PACKAGES = ('cinder', 'oslo.utils', 'urllib3', 'cliff')
#: Of a part that has no result in the repository.
NOTHING = 'It has not been run for this version yet.'
#: In a cell.
NONE = '\N{EN DASH}'
COLUMNS = ('install', *CHECKS)


@dataclass(frozen=True, slots=True)
class Row:
    """One setup, and what became of it."""

    setup: Setup
    versions: dict[str, str]
    outcomes: tuple[Outcome, ...]

    @property
    def ok(self) -> bool:
        return all(each.ok is not False for each in self.outcomes)

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        return {
            'release': self.setup.release,
            'series': RELEASES[self.setup.release],
            'python': self.setup.python,
            'debian': self.setup.debian,
            'mode': self.setup.mode,
            'versions': self.versions,
            'checks': {
                each.check: {'ok': each.ok, 'detail': _last(each.detail)}
                for each in self.outcomes
            },
        }


def write(rows: Iterable[Row], path: pathlib.Path) -> None:
    """As JSON; what was not tried this time is kept as it was.

    But nothing is kept of a setup that cannot be installed any more.
    """
    before = json.loads(path.read_text()) if path.exists() else []
    kept = {_key(each): each for each in before}
    for found in (row.plain() for row in rows):
        last = kept.get(_key(found), {'checks': {}})
        checks = found['checks']
        if found['versions']:
            checks = {**last['checks'], **checks}
        kept[_key(found)] = {**found, 'checks': checks}
    ordered = [kept[key] for key in sorted(kept)]
    path.write_text(json.dumps(ordered, indent=2) + '\n')


def _key(found: dict[str, Any]) -> tuple[int, str, str, int]:
    return found['release'], found['python'], found['mode'], found['debian']


def write_page() -> None:
    """Put the table of the result into the page."""
    put('releases', page_table(json.loads(RESULT.read_text())))


def write_part(
    name: str, rows: list[dict[str, Any]], lines: Iterable[str]
) -> None:
    """The result of another part: as JSON, and its table in the page."""
    part(name).write_text(json.dumps(rows, indent=2) + '\n')
    put(name, lines)


def part(name: str) -> pathlib.Path:
    """Where the result of that part is."""
    return PAGES / f'compatibility-{name}.json'


def put(name: str, lines: Iterable[str]) -> None:
    """Write the lines between the two marks of that name."""
    begin, end = f'.. begin of {name}', f'.. end of {name}'
    before, _, rest = PAGE.read_text().partition(begin)
    after = rest.partition(end)[2]
    body = '\n'.join((begin, '', *lines, '', end))
    PAGE.write_text(before + body + after)


def page_table(found: list[dict[str, Any]]) -> Iterator[str]:
    """The lines of the page."""
    yield from header('Cinder', 'Python', 'threads', *PACKAGES[1:], *COLUMNS)
    for row in found:
        yield from line(
            (
                f'{_version(row, "cinder")} ({row["series"]})',
                f'{row["python"]} (Debian {row["debian"]})',
                row['mode'],
                *(_version(row, each) for each in PACKAGES[1:]),
                *(_cell(row['checks'].get(each)) for each in COLUMNS),
            )
        )


def _version(row: dict[str, Any], package: str) -> str:
    """Nothing is known of what is not installed but Cinder's release."""
    unknown = str(row['release']) if package == 'cinder' else NONE
    found: str = row['versions'].get(package, unknown)
    return found


def header(*cells: str) -> Iterator[str]:
    """The begin of a list-table."""
    yield from ('.. list-table::', '   :header-rows: 1', '')
    yield from line(cells)


def screen_table(rows: Iterable[Row]) -> table.Table:
    """For a terminal."""
    shown = table.Table('setup', *COLUMNS)
    for row in rows:
        found = row.plain()['checks']
        shown.add_row(
            row.setup.name, *(_cell(found.get(each)) for each in COLUMNS)
        )
    return shown


def _cell(check: dict[str, Any] | None) -> str:
    if check is None or check['ok'] is None:
        return NONE
    if not check['ok']:
        return 'no'
    return 'yes' if check['detail'] == 'yes' else check['detail']


def line(cells: Iterable[str]) -> Iterator[str]:
    """One row of a list-table."""
    first, *more = cells
    yield f'   * - {first}'
    yield from (f'     - {each}' for each in more)


def _last(text: str) -> str:
    return text.splitlines()[-1] if text else ''
