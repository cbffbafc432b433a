# SPDX-License-Identifier: Apache-2.0
"""What is measured of a volume. Pure."""

from dataclasses import asdict, dataclass
import pathlib
from typing import Any

SIZE_GIB = 2  # larger than the image: it has to be grown
POOLS = {'cow': 'volumes', 'upstream': 'volumes-upstream'}
DRIVERS = {'cow': 'cinder-cow', 'upstream': 'upstream'}
#: The case that `in_driver` measures.
ALONE = 'driver alone'
#: The first volume of an image whose base was built ahead.
WARMED = 'first, warmed'


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table. Seconds are from the API call to available."""

    driver: str
    image: str
    case: str
    seconds: float
    method: str
    reason: str | None = None
    parent: str | None = None
    #: Per volume.
    new_bytes: int | None = None
    content_equal: bool | None = None
    #: The most that was seen below image_conversion_dir.
    temp_bytes: int | None = None
    #: What the peak memory of the driver's process grew by.
    memory_bytes: int | None = None

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Image:
    """An image in Glance, and the bytes of its disk here."""

    image_id: str
    place: str
    path: pathlib.Path
    disk_format: str = 'raw'
