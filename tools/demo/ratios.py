# SPDX-License-Identifier: Apache-2.0
"""How long it took, beside how long it usually takes. Pure.

Nothing here decides the exit status: a busy machine is no fault.
"""

from collections.abc import Iterable, Sequence

from measuring.rows import Row

#: By image and case, the least and the greatest of the runs so far, on two
#: cores that had nothing else to do.
USUAL: dict[tuple[str, str], tuple[float, float]] = {
    ('raw in rbd', 'first'): (0.87, 0.92),
    ('raw in rbd', 'next'): (0.78, 0.97),
    ('raw in rbd', '4 at once'): (0.87, 1.18),
    ('raw in rbd', '20 at once'): (0.69, 0.98),
    ('raw in rbd', 'driver alone'): (0.34, 0.37),
    ('raw in files', 'first'): (0.35, 0.42),
    ('qcow2 in rbd', 'first'): (0.24, 0.47),
    ('qcow2 in rbd', 'next'): (0.09, 0.21),
    ('qcow2 in rbd', '4 at once'): (0.18, 0.31),
    ('qcow2 in rbd', '10 at once'): (0.09, 0.12),
}


def lines(rows: Sequence[Row]) -> Iterable[str]:
    """A sentence for each case that both drivers did."""
    ours = {(row.image, row.case): row for row in rows if row.driver == 'cow'}
    for row in rows:
        key = row.image, row.case
        if row.driver == 'upstream' and key in ours:
            yield _line(ours[key], row)


def seconds(row: Row) -> str:
    """With as many digits as say something."""
    return f'{row.seconds:.{2 if row.seconds >= 0.1 else 3}f}'


def _line(ours: Row, theirs: Row) -> str:
    ratio = ours.seconds / theirs.seconds
    line = (
        f"{ours.image}, {ours.case}: {ratio:.2f} of upstream's time"
        f' ({seconds(ours)} s, upstream {seconds(theirs)} s)'
    )
    usual = USUAL.get((ours.image, ours.case))
    return (
        f'{line}; usually {usual[0]:.2f} to {usual[1]:.2f}' if usual else line
    )
