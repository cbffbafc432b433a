# SPDX-License-Identifier: Apache-2.0
"""How long it took, beside how long it usually takes. Pure.

Nothing here decides the exit status: a busy machine is no fault.
"""

from collections.abc import Iterable, Sequence

from measuring.rows import Row

#: The ratios of upstream's seconds that runs on two cores have had.
USUAL: dict[tuple[str, str], tuple[float, float]] = {}
#: Also seconds of the driver alone, a clone of a base to one of an image.
USUAL_BASE = (0.9, 1.2)


def lines(rows: Sequence[Row]) -> Iterable[str]:
    """A sentence for each case that both drivers did."""
    ours = {(row.image, row.case): row for row in rows if row.driver == 'cow'}
    for row in rows:
        key = row.image, row.case
        if row.driver == 'upstream' and key in ours:
            yield _line(ours[key], row)


def _line(ours: Row, theirs: Row) -> str:
    low, high = USUAL[ours.image, ours.case]
    ratio = ours.seconds / theirs.seconds
    return (
        f"{ours.image}, {ours.case}: {ratio:.2f} of upstream's time"
        f' ({ours.seconds:.2f} s, upstream {theirs.seconds:.2f} s); usually'
        f' {low:.2f} to {high:.2f}'
    )
