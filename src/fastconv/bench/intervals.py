"""How far a median may be off: bootstrap intervals (Efron 1979, https://doi.org/10.1214/aos/1176344552)."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 4000


def resampled_medians(values: Sequence[float]) -> NDArray[np.float64]:
    """Return the medians of as many values drawn from these, with replacement, `RESAMPLES` times.

    The same values give the same medians.
    """
    drawn = np.random.default_rng(0).integers(0, len(values), (RESAMPLES, len(values)))
    medians: NDArray[np.float64] = np.median(np.asarray(values, float)[drawn], axis=1)
    return medians


def median_interval(values: Sequence[float], level: float = 0.95) -> tuple[float, float]:
    """Return the bounds within which the median lies at this level of confidence.

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
    return quantiles(resampled_medians(values), level)


def quantiles(medians: NDArray[np.float64], level: float) -> tuple[float, float]:
    """Return the bounds between which this share of resampled medians lies."""
    tail = (1 - level) / 2
    low, high = np.quantile(medians, [tail, 1 - tail]).tolist()
    return low, high
