# SPDX-License-Identifier: Apache-2.0
"""The rows as a table for the eye and as JSON for programs."""

from collections.abc import Sequence
import json
import pathlib

from rich import console, table

from demo import ratios
from measuring.rows import DRIVERS, Row


def show(rows: Sequence[Row], screen: console.Console) -> None:
    """Print the table."""
    drawn = table.Table(
        title='Volumes of 1 GiB images, by cinder-cow and by the RBD'
        ' driver that comes with Cinder'
    )
    for name in ('image', 'case', 'driver'):
        drawn.add_column(name, no_wrap=True)
    drawn.add_column('seconds', justify='right', no_wrap=True)
    drawn.add_column('method', no_wrap=True)
    drawn.add_column('parent', no_wrap=True)
    drawn.add_column('new space\nper volume', justify='right', no_wrap=True)
    drawn.add_column('equals\nimage', no_wrap=True)
    drawn.add_column('temporary\nfiles', justify='right', no_wrap=True)
    for row in rows:
        drawn.add_row(
            row.image,
            row.case,
            DRIVERS[row.driver],
            ratios.seconds(row),
            row.method,
            _parent(row.parent),
            _amount(row.new_bytes),
            {None: '', True: 'yes', False: 'NO'}[row.content_equal],
            _amount(row.temp_bytes),
        )
    screen.print(drawn)


def write(rows: Sequence[Row], path: pathlib.Path) -> None:
    """Write the rows as a list of objects."""
    path.write_text(json.dumps([row.as_dict() for row in rows], indent=2))


def _amount(found: int | None) -> str:
    """Empty where it was not measured."""
    match found:
        case None:
            return ''
        case 0:
            return 'none'
        case _ if found < 2**20:
            return f'{found / 2**10:.0f} KiB'
        case _ if found < 10 * 2**30:
            return f'{found / 2**20:.0f} MiB'
        case _:
            return f'{found / 2**30:.1f} GiB'


def _parent(parent: str | None) -> str:
    """An image id takes half a terminal: its beginning is enough here."""
    if parent is None:
        return ''
    pool, _, image = parent.partition('/')
    return f'{pool}/{image[:6]}…'
