# SPDX-License-Identifier: Apache-2.0
"""How long a copy will take, from what past builds of bases took. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

from cinder_cow.model import BaseInfo
from cinder_cow.planning.formats import RAW_FORMATS


@dataclass(frozen=True, slots=True)
class Rate:
    """How quick the builds of one kind were."""

    #: How many there are.
    builds: int
    bytes_per_second: float

    def seconds(self, count: int) -> float:
        """For so many bytes, at that rate."""
        return count / self.bytes_per_second


def rate(
    builds: Iterable[BaseInfo], disk_format: str, source: str
) -> Rate | None:
    """The rate of the builds from the same source, of the same format.

    Of all their bytes in all their seconds: so the large ones count most,
    and what a small one takes beside its bytes hardly counts. None where
    there was no such build.
    """
    alike = [
        each
        for each in builds
        if each.source == source
        and _kind(each.disk_format) == _kind(disk_format)
        and each.seconds > 0
        and each.stored_bytes > 0
    ]
    if not alike:
        return None
    return Rate(
        len(alike),
        sum(each.stored_bytes for each in alike)
        / sum(each.seconds for each in alike),
    )


def _kind(disk_format: str) -> str:
    """Formats that are the disk itself are copied alike."""
    return 'raw' if disk_format in RAW_FORMATS else disk_format
