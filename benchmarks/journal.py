# SPDX-License-Identifier: Apache-2.0
"""What cinder-volume's log tells of the volumes that it made. Pure."""

from collections.abc import Iterable
import datetime
import re

from measuring import log_line

_TIME = r'^(?P<time>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}) '
_BEGUN = re.compile(
    _TIME + r'.* Volume (?P<id>[0-9a-f-]{36}): being created as ', re.M
)
_ENDED = re.compile(
    _TIME + r'.* Volume \S+ \((?P<id>[0-9a-f-]{36})\): created successfully',
    re.M,
)


def begun(text: str) -> dict[str, float]:
    """When the making of each volume began: seconds since the epoch."""
    return _times(_BEGUN, text)


def ended(text: str) -> dict[str, float]:
    """When each was available, as Cinder's database has it."""
    return _times(_ENDED, text)


def methods(text: str) -> dict[str, str]:
    """By which method our driver made each volume."""
    return {
        volume_id: line.method
        for volume_id, line in log_line.by_volume(text).items()
    }


def span(text: str, volume_ids: Iterable[str]) -> float:
    """Seconds from the begin of the first volume to the end of the last.

    :raises KeyError: when one of them has not ended.
    """
    begins, ends = begun(text), ended(text)
    return max(ends[each] for each in volume_ids) - min(
        begins[each] for each in volume_ids
    )


def _times(pattern: re.Pattern[str], text: str) -> dict[str, float]:
    return {
        found['id']: _seconds(found['time'])
        for found in pattern.finditer(text)
    }


def _seconds(local: str) -> float:
    return datetime.datetime.fromisoformat(local).timestamp()
