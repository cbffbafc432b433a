# SPDX-License-Identifier: Apache-2.0
"""What `cinder-cow warm --status` shows."""

from typing import Any

from cinder_cow.backends.base_store import BaseStore
from cinder_cow.base_images.warm_records import WarmRecords, WarmStage
from cinder_cow.cli.base_selection import ShortNames
from cinder_cow.cli.columns import Short, Wrapped, moment

COLUMNS = ('Image ID', 'Name', 'Status', 'When', 'Base', 'Why')
#: Of a name and a reason in a table, that it fits into 100 columns.
NAME_WIDTH = 14
WHY_WIDTH = 24
#: What goes on comes first.
ORDER = tuple(WarmStage)


def rows(store: BaseStore) -> list[tuple[Any, ...]]:
    """Each image that cinder-volume has warmed, or is to.

    :raises StorageError: when that cannot be read.
    """
    records = sorted(
        WarmRecords(store).images.values(),
        key=lambda each: (ORDER.index(each.stage), -each.written),
    )
    short = ShortNames(each.base for each in records if each.base)
    return [
        (
            Short(each.image_id),
            Wrapped(each.image_name, NAME_WIDTH),
            each.stage.value,
            moment(each.written),
            short.column(each.base) if each.base else '',
            Wrapped(each.why, WHY_WIDTH),
        )
        for each in records
    ]
