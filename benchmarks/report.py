# SPDX-License-Identifier: Apache-2.0
"""The outcome as one document and as the lines of a table. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from benchmarks.keys import BYTES, KEYS, RATIO, Key
from benchmarks.statistics import Measured

DIGITS = 4
Document = dict[str, Any]
#: Key, value, interval, aim, verdict, ours, theirs, ratio of the core-seconds.
Line = tuple[str, ...]


@dataclass(slots=True)
class Outcome:
    """What a run has found so far."""

    measured: dict[str, Measured] = field(default_factory=dict)
    #: Why there is no figure, by key.
    failed: dict[str, str] = field(default_factory=dict)
    #: Points of the plots.
    series: dict[str, Any] = field(default_factory=dict)

    def add(self, found: Iterable[Measured]) -> None:
        """:raises KeyError: for what is no key."""
        for each in found:
            self.measured[KEYS[each.key].name] = each

    def fail(self, keys: Iterable[str], reason: str) -> None:
        """Those of them that have no figure have none for that reason."""
        for key in keys:
            if key not in self.measured:
                self.failed[KEYS[key].name] = reason

    def close(self, asked: Iterable[str]) -> None:
        """What was asked for, and has no figure and no reason, has failed."""
        rest = [key for key in asked if key not in self.failed]
        self.fail(rest, 'it was not measured')


def document(outcome: Outcome, about: Mapping[str, Any]) -> Document:
    """For JSON. Every key is there; null where it was not measured."""
    found = outcome.measured
    ratios = {
        name: _rounded(found[name].value) if name in found else None
        for name in KEYS
    }
    intervals = {
        name: _rounded(found[name].interval) if name in found else None
        for name in KEYS
    }
    return {
        **about,
        'ratios': ratios,
        'aims': {name: key.aim for name, key in KEYS.items()},
        'intervals': intervals,
        'met': {
            name: key.verdict(ratios[name], intervals[name])
            for name, key in KEYS.items()
        },
        'absolute': {
            name: _rounded(each.absolute) for name, each in found.items()
        },
        'spread': {
            name: _rounded(each.spread) for name, each in found.items()
        },
        'failed': outcome.failed,
        'series': _rounded(outcome.series),
    }


def lines(doc: Document) -> list[Line]:
    """One for each key that was asked for, in the order of the keys."""
    return [
        _line(key, doc)
        for key in KEYS.values()
        if key.name in doc['absolute'] or key.name in doc['failed']
    ]


def _line(key: Key, doc: Document) -> Line:
    value = doc['ratios'][key.name]
    absolute = doc['absolute'].get(key.name, {})
    interval = doc['intervals'][key.name]
    cores = absolute.get('core_ratio')
    return (
        key.name,
        'FAILED' if value is None else _shown(value, key.unit),
        '-' if interval is None else '{:.2f}..{:.2f}'.format(*interval),
        '-' if key.aim is None else f'<= {_shown(key.aim, key.unit)}',
        doc['met'][key.name] or '-',
        _seconds(absolute.get('ours')),
        _seconds(absolute.get('theirs')),
        '-' if cores is None else f'{cores:.2f}',
    )


def _shown(value: float, unit: str) -> str:
    if unit == RATIO:
        return f'{value:.2f}'
    if unit == BYTES and value >= 1024:
        return f'{value / 1024:,.0f} KiB'
    return f'{value:.0f} {unit}'


def _seconds(value: float | None) -> str:
    return '-' if value is None else f'{value:.3f} s'


def _rounded(found: Any) -> Any:
    match found:
        case float():
            return round(found, DIGITS)
        case dict():
            return {name: _rounded(value) for name, value in found.items()}
        case list() | tuple():
            return [_rounded(value) for value in found]
        case _:
            return found
