"""How far a figure may be off: of a median within a run, and of what lies between two runs."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 4000


def median_interval(values: Sequence[float], level: float = 0.95) -> tuple[float, float]:
    """Return the bounds within which the median lies at this level of confidence, by the bootstrap.

    Efron 1979, https://doi.org/10.1214/aos/1176344552. The same values give the same bounds.

    Parameters
    ----------
    values : sequence of float
        One for each round, at least one.
    level : float
        Between 0 and 1.

    Examples
    --------
    >>> from fastconv.bench.intervals import median_interval
    >>> median_interval([1.0, 1.0, 1.0, 1.0])
    (1.0, 1.0)
    >>> low, high = median_interval([1.0, 1.1, 1.2, 1.3, 9.0])
    >>> low, high
    (1.0, 9.0)
    """
    drawn = np.random.default_rng(0).integers(0, len(values), (RESAMPLES, len(values)))
    medians = np.median(np.asarray(values, float)[drawn], axis=1)
    low, high = np.quantile(medians, [(1 - level) / 2, (1 + level) / 2]).tolist()
    return low, high


def quotient_interval(
    before: Sequence[float], after: Sequence[float], level: float = 0.95
) -> tuple[float, float, float]:
    """Return how many times as large the second numbers are as the first, and bounds of that.

    The quotient is the median of those of all pairs. The bounds are two of these, counted off so that a test
    of ranks (Mann, Whitney 1947) between them would not tell the two apart: they hold whatever the numbers'
    distribution is, if those of a run are drawn independently. Where so few numbers cannot bear out the level
    at all the bounds are 0 and infinity.

    Hodges, Lehmann 1963, https://doi.org/10.1214/aoms/1177704172

    Parameters
    ----------
    before, after : sequence of float
        Positive, at least one of each.
    level : float
        Between 0 and 1.

    Examples
    --------
    >>> from fastconv.bench.intervals import quotient_interval
    >>> quotient_interval([1.0, 1.0, 1.0, 1.0, 1.0], [2.0, 2.0, 2.0, 2.0, 2.0])
    (2.0, 2.0, 2.0)
    >>> quotient_interval([1.0, 1.0], [2.0, 2.0])
    (2.0, 0.0, inf)
    """
    pairs = np.sort(np.divide.outer(np.asarray(after, float), np.asarray(before, float)).ravel())
    counts = _orders(len(before), len(after))
    below = np.cumsum(counts / counts.sum())  # the chance of a statistic of at most 0, 1, 2, ...
    skipped = int(np.searchsorted(below, (1 - level) / 2, side="right"))
    if skipped == 0:
        return float(np.median(pairs)), 0.0, np.inf
    return float(np.median(pairs)), float(pairs[skipped - 1]), float(pairs[-skipped])


def _orders(n: int, m: int) -> NDArray[np.float64]:
    """Count, for each u, the orders of n and m things in which u pairs stand the other way round.

    Coefficients of the Gaussian binomial, the product of (1 - q^(m + i)) / (1 - q^i) for i = 1 ... n.
    """
    size = n * m + 1
    counts = np.zeros(size)
    counts[0] = 1
    for i in range(1, n + 1):
        if m + i < size:
            counts[m + i :] = counts[m + i :] - counts[: size - m - i]
        for u in range(i, size):
            counts[u] += counts[u - i]
    return counts
