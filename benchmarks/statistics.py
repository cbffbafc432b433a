# SPDX-License-Identifier: Apache-2.0
"""Pairs in turns, medians, ratios and how sure they are. Pure."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
import statistics
from typing import Any, TypeVar

from benchmarks import interval
from benchmarks.interval import Interval

T = TypeVar('T')


@dataclass(frozen=True, slots=True)
class Cost:
    """What something took."""

    seconds: float
    #: Of all cores together; None: that was not measured.
    core_seconds: float | None = None

    def per(self, count: int) -> 'Cost':
        """What each of so many took."""
        cores = self.core_seconds
        return Cost(
            self.seconds / count, None if cores is None else cores / count
        )


def costs(answered: Iterable[Sequence[float]]) -> list[Cost]:
    """Of a program's answer."""
    return [Cost(*each) for each in answered]


def in_turns(
    rounds: int, **measures: Callable[[int], T]
) -> dict[str, list[T]]:
    """What each measure answered in each round, by name.

    Another one begins in each round: what drifts favours none of them.

    :param measures: get the number of the round.
    """
    names = list(measures)
    found: dict[str, list[T]] = {name: [] for name in names}
    for number in range(rounds):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            found[name].append(measures[name](number))
    return found


def spread(values: Sequence[float]) -> tuple[float, float]:
    """The least and the greatest."""
    return min(values), max(values)


@dataclass(frozen=True, slots=True)
class Measured:
    """The value of one key, and what it comes from."""

    key: str
    value: float
    absolute: dict[str, Any] = field(default_factory=dict)
    spread: dict[str, tuple[float, float]] = field(default_factory=dict)
    #: Of a ratio. None: of too few pairs.
    interval: Interval | None = None


def compared(
    key: str, ours: Sequence[Cost], theirs: Sequence[Cost], **notes: Any
) -> Measured:
    """The median of the ratios of seconds, each of one pair.

    What makes the machine slow for a while is in both of a pair, and not in
    their ratio.

    :param notes: what else is to be known of the figures.
    :raises ValueError: where nothing was measured, or not in pairs.
    """
    if not ours or not theirs:
        raise ValueError(f'{key}: nothing was measured')
    own = [each.seconds for each in ours]
    other = [each.seconds for each in theirs]
    ratios = [a / b for a, b in zip(own, other, strict=True)]
    return Measured(
        key,
        statistics.median(ratios),
        {
            'ours': statistics.median(own),
            'theirs': statistics.median(other),
            'unit': 's',
            'pairs': len(ratios),
            'outliers': interval.outliers(ratios),
            **_cores(ours, theirs),
            **notes,
        },
        {
            'ratio': spread(ratios),
            'ours': spread(own),
            'theirs': spread(other),
        },
        interval.of_median(ratios),
    )


def _cores(ours: Sequence[Cost], theirs: Sequence[Cost]) -> dict[str, float]:
    """Where they were measured."""
    own = [each.core_seconds for each in ours if each.core_seconds]
    other = [each.core_seconds for each in theirs if each.core_seconds]
    if len(own) < len(ours) or len(other) < len(theirs):
        return {}
    ratios = [a / b for a, b in zip(own, other, strict=True)]
    return {
        'core_seconds_ours': statistics.median(own),
        'core_seconds_theirs': statistics.median(other),
        'core_ratio': statistics.median(ratios),
    }
