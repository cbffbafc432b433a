# SPDX-License-Identifier: Apache-2.0
"""How long it took, beside how long it usually takes. Pure.

Nothing here decides the exit status: a busy machine is no fault.
"""

from collections.abc import Iterable, Sequence

from measuring.rows import Row

#: By image and case, the least and the greatest of the runs so far, on two
#: cores that had nothing else to do.
USUAL: dict[tuple[str, str], tuple[float, float]] = {
    ('raw in rbd', 'first'): (0.85, 1.05),
    ('raw in rbd', 'next'): (0.92, 0.97),
    ('raw in rbd', '4 at once'): (1.02, 1.05),
    ('qcow2 in rbd', 'first'): (0.24, 0.32),
    ('qcow2 in rbd', 'next'): (0.09, 0.17),
    ('qcow2 in rbd', '4 at once'): (0.18, 0.21),
}


def lines(rows: Sequence[Row]) -> Iterable[str]:
    """A sentence for each case that both drivers did."""
    ours = {(row.image, row.case): row for row in rows if row.driver == 'cow'}
    for row in rows:
        key = row.image, row.case
        if row.driver == 'upstream' and key in ours:
            yield _line(ours[key], row)


def _line(ours: Row, theirs: Row) -> str:
    ratio = ours.seconds / theirs.seconds
    line = (
        f"{ours.image}, {ours.case}: {ratio:.2f} of upstream's time"
        f' ({ours.seconds:.2f} s, upstream {theirs.seconds:.2f} s)'
    )
    usual = USUAL.get((ours.image, ours.case))
    return (
        f'{line}; usually {usual[0]:.2f} to {usual[1]:.2f}' if usual else line
    )
