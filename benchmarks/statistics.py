# SPDX-License-Identifier: Apache-2.0
"""Rounds in turns, medians, spreads, ratios. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
import statistics
from typing import Any


def in_turns(
    rounds: int, **measures: Callable[[int], float]
) -> dict[str, list[float]]:
    """What each measure answered in each round, by name.

    Another one begins in each round: what drifts favours none of them.

    :param measures: get the number of the round.
    """
    names = list(measures)
    found: dict[str, list[float]] = {name: [] for name in names}
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


def compared(
    key: str, ours: Sequence[float], theirs: Sequence[float], **notes: Any
) -> Measured:
    """The ratio of the medians of seconds.

    :param notes: what else is to be known of the figures.
    :raises ValueError: where nothing was measured.
    """
    if not ours or not theirs:
        raise ValueError(f'{key}: nothing was measured')
    ratios = [mine / other for mine, other in zip(ours, theirs, strict=False)]
    return Measured(
        key,
        statistics.median(ours) / statistics.median(theirs),
        {
            'ours': statistics.median(ours),
            'theirs': statistics.median(theirs),
            'unit': 's',
            'rounds': min(len(ours), len(theirs)),
            **notes,
        },
        {
            'ratio': spread(ratios),
            'ours': spread(ours),
            'theirs': spread(theirs),
        },
    )
