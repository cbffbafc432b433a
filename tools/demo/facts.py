# SPDX-License-Identifier: Apache-2.0
"""What has to be right, on any machine and at any speed. Pure."""

from collections.abc import Iterable

from cinder_cow.model import Method
from measuring.rows import ALONE, WARMED, Row

#: What a clone may gain: its own metadata.
MOST_NEW_BYTES = 2**20
CLONES = (Method.CLONE.value, Method.CLONE_BASE.value)


def of_rows(rows: Iterable[Row]) -> dict[str, bool]:
    """Sentences, and whether they hold."""
    made = [row for row in rows if row.case != ALONE]
    ours = [row for row in made if row.driver == 'cow']
    raw = [row for row in ours if row.image == 'raw in rbd']
    others = [row for row in ours if row not in raw]
    gained = [row for row in ours if row.method in CLONES]
    return {
        "Every volume of a raw image in rbd is a clone of Glance's own"
        ' image': all(
            row.method == Method.CLONE.value
            and (row.parent or '').startswith('images/')
            for row in raw
        ),
        'Every other volume is a clone of a base': all(
            '/cow-base-' in (row.parent or '') for row in others
        ),
        'Every volume that was read is its image, byte for byte': all(
            row.content_equal is True for row in made
        ),
        'No clone took 1 MiB of new space': all(
            (row.new_bytes or 0) < MOST_NEW_BYTES
            for row in gained
            # Of many at once, one builds the base that the others clone.
            if row.case in ('first', WARMED, 'next') or row in raw
        ),
        'No temporary file was written by our driver': all(
            row.temp_bytes == 0 for row in ours
        ),
    }
