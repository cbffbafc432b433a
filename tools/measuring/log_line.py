# SPDX-License-Identifier: Apache-2.0
"""Reads the INFO line of a volume from an image. Pure.

``doc/source/log.rst`` describes the line and its fields.
"""

from dataclasses import dataclass
import re

VERSION = 1
_LINE = re.compile(
    r'volume from image: (?P<fields>\w+=.*?)(?: why="(?P<why>[^"]*)")?\s*$',
    re.M,
)
_FIELD = re.compile(r'(\w+)=(\S+)')
#: Stands for a field that has no value.
_NONE = '-'


@dataclass(frozen=True, slots=True)
class LogLine:
    """What was done for one volume, and why."""

    volume: str
    image: str
    method: str
    reason: str
    pool: str | None
    parent: str | None
    seconds: float
    bytes: int
    source: str | None
    verification: str
    #: Why it is no clone; empty where it is one.
    why: str


def parse(log: str) -> list[LogLine]:
    """All such lines in a log, in their order.

    Fields that are not known are left out: later releases may add some.

    :raises ValueError: for a line of another version.
    :raises KeyError: when a field is missing.
    """
    return [
        _line(dict(_FIELD.findall(found['fields'])), found['why'] or '')
        for found in _LINE.finditer(log)
    ]


def by_volume(log: str) -> dict[str, LogLine]:
    """The last line of each volume, by its id."""
    return {line.volume: line for line in parse(log)}


def _line(fields: dict[str, str], why: str) -> LogLine:
    version = int(fields['v'])
    if version != VERSION:
        raise ValueError(
            f'a line of version {version}: only {VERSION} is known'
        )
    return LogLine(
        volume=fields['volume'],
        image=fields['image'],
        method=fields['method'],
        reason=fields['reason'],
        pool=_value(fields['pool']),
        parent=_value(fields['parent']),
        seconds=float(fields['seconds']),
        bytes=int(fields['bytes']),
        source=_value(fields['source']),
        verification=fields['verification'],
        why=why,
    )


def _value(text: str) -> str | None:
    return None if text == _NONE else text
