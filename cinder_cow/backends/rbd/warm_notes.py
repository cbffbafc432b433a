# SPDX-License-Identifier: Apache-2.0
"""Notes of what was warmed, in one RADOS object of the base pool.

Read them with `rados --pool POOL listomapvals cow_warm`.
"""

from collections.abc import Mapping

import rados

from cinder_cow.backends.rbd import omap

OBJECT = 'cow_warm'


def read(ioctx: rados.Ioctx) -> dict[str, str]:
    """All notes, by their keys."""
    return {
        key: value.decode(errors='replace')
        for key, value in omap.items(ioctx, OBJECT)
    }


def write(ioctx: rados.Ioctx, notes: Mapping[str, str | None]) -> None:
    """Write each, or remove it where it is None."""
    values = {
        key: value.encode()
        for key, value in notes.items()
        if value is not None
    }
    gone = [key for key, value in notes.items() if value is None]
    if values:
        omap.write(ioctx, OBJECT, values, removed=gone)
    elif gone:
        omap.remove(ioctx, OBJECT, gone)
