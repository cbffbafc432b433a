# SPDX-License-Identifier: Apache-2.0

"""What the demo promises, held against the rows."""

from demo.cases import Row
from demo.side_by_side import ALONE

#: A clone may gain this much, and take this share of upstream's time.
MOST_NEW_BYTES = 2**20
MOST_OF_UPSTREAM = 0.5
MOST_MEMORY_BYTES = 128 * 2**20
#: Of upstream's time, for a new qcow2 image: one volume, and ten at once. On
#: two cores Cinder, its API and Keystone take 0.4 s per volume, whoever the
#: driver is: 4 of our 6 s.
MOST_OF_FIRST = 0.6
MOST_OF_TEN = 0.15
#: Of the time of a clone in place, for a clone of a base.
MOST_OF_CLONE = 1.2


def facts(rows: list[Row]) -> dict[str, bool]:
    """Sentences, and whether they hold."""
    return {
        **_facts_of_clones(rows),
        **_facts_of_copies(rows),
        **_facts_of_bases(rows),
    }


def _facts_of_clones(rows: list[Row]) -> dict[str, bool]:
    ratio, ours, theirs = _ratio(rows, 'raw in rbd', ALONE)
    clones = [
        row
        for row in rows
        if (row.driver, row.image) == ('cow', 'raw in rbd')
        and row.case != ALONE
    ]
    return {
        'Every volume of ours from rbd is a clone of the image': all(
            row.method == 'clone' and row.parent is not None for row in clones
        ),
        'Every content that was read is the image, byte for byte': all(
            row.content_equal is not False for row in rows
        ),
        'No clone of ours took 1 MiB of new space': all(
            (row.new_bytes or 0) < MOST_NEW_BYTES for row in clones
        ),
        f'In the driver a clone takes {ours.seconds * 1000:.0f} ms, with'
        f" upstream's {theirs.seconds * 1000:.0f} ms (medians):"
        f' {ratio:.2f} of it, at most half': ratio <= MOST_OF_UPSTREAM,
    }


def _facts_of_copies(rows: list[Row]) -> dict[str, bool]:
    part, ours, theirs = _ratio(rows, 'raw in files', 'first')
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


def _facts_of_bases(rows: list[Row]) -> dict[str, bool]:
    first, _ours, _theirs = _ratio(rows, 'qcow2 in rbd', 'first')
    ten, ours, theirs = _ratio(rows, 'qcow2 in rbd', '10 at once')
    base = _row(rows, 'cow', 'qcow2 in rbd', ALONE)
    clone = _row(rows, 'cow', 'raw in rbd', ALONE)
    part = base.seconds / clone.seconds
    return {
        f'The first volume of a qcow2 image took {first:.2f} of'
        f" upstream's time, at most {MOST_OF_FIRST}": first <= MOST_OF_FIRST,
        f'Ten at once of a new one took {ours.seconds:.1f} s, with'
        f' upstream {theirs.seconds:.1f} s: {ten:.2f} of it, at most'
        f' {MOST_OF_TEN}': ten <= MOST_OF_TEN,
        f'A later one, a clone of the base, takes {part:.2f} of the time of a'
        f' clone in place (in the driver), at most {MOST_OF_CLONE}': part
        <= MOST_OF_CLONE,
    }


def _ratio(rows: list[Row], image: str, case: str) -> tuple[float, Row, Row]:
    ours = _row(rows, 'cow', image, case)
    theirs = _row(rows, 'upstream', image, case)
    return ours.seconds / theirs.seconds, ours, theirs


def _row(rows: list[Row], driver: str, image: str, case: str) -> Row:
    (found,) = (
        row
        for row in rows
        if (row.driver, row.image, row.case) == (driver, image, case)
    )
    return found
