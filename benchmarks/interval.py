# SPDX-License-Identifier: Apache-2.0
"""How sure a ratio is that comes of a few pairs. Pure."""

from collections.abc import Sequence
import random
import statistics

RESAMPLES = 4000
SHARE = 0.95
#: Of fewer pairs nothing is known.
LEAST_PAIRS = 5
#: Tukey's fences: so many times the distance of the quartiles beyond them.
FENCE = 1.5

Interval = tuple[float, float]


def of_median(values: Sequence[float]) -> Interval | None:
    """Where the median lies with 95 % of certainty, by the bootstrap.

    Efron and Tibshirani, An Introduction to the Bootstrap, chapter 13: the
    percentiles of the medians of samples with replacement. The same values
    give the same interval. None: of too few.
    """
    if len(values) < LEAST_PAIRS:
        return None
    chooser = random.Random(0)
    medians = sorted(
        statistics.median(chooser.choices(values, k=len(values)))
        for _ in range(RESAMPLES)
    )
    beyond = round(RESAMPLES * (1 - SHARE) / 2)
    return medians[beyond], medians[-1 - beyond]


def outliers(values: Sequence[float]) -> list[float]:
    """Those that lie far from the others. They count all the same."""
    if len(values) < LEAST_PAIRS:
        return []
    low, _middle, high = statistics.quantiles(values, method='inclusive')
    most = FENCE * (high - low)
    return [each for each in values if not low - most <= each <= high + most]
