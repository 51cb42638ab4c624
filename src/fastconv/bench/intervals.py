"""How far a figure may be off: of a ratio within a run, and of what lies between two runs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 2000


def median_interval(groups: Sequence[Sequence[float]], level: float = 0.95) -> tuple[float, float]:
    """Return the bounds within which the median lies at this level of confidence, by the bootstrap.

    Whole groups are drawn, and from each of these its members: rounds of one process have more in common
    than rounds of two. Efron 1979, https://doi.org/10.1214/aos/1176344552; for groups Davison, Hinkley 1997,
    "Bootstrap Methods and their Application", section 3.8. The same values give the same bounds.

    Parameters
    ----------
    groups : sequence of sequence of float
        One group for each process, with a number for each round; at least one number.
    level : float
        Between 0 and 1.

    Examples
    --------
    >>> from fastconv.bench.intervals import median_interval
    >>> median_interval([[1.0, 1.0], [1.0, 1.0]])
    (1.0, 1.0)
    >>> median_interval([[1.0, 1.1, 1.2, 1.3, 9.0]])
    (1.0, 9.0)
    """
    values = [np.asarray(group, float) for group in groups if len(group)]
    random = np.random.default_rng(0)
    longest = max(map(len, values))
    table = np.full((len(values), longest), np.nan)
    for row, group in zip(table, values, strict=True):
        row[: len(group)] = group
    lengths = np.array([len(group) for group in values])
    drawn = random.integers(0, len(values), (RESAMPLES, len(values)))
    members = (random.random((RESAMPLES, len(values), longest)) * lengths[drawn][..., None]).astype(int)
    chosen = table[drawn[..., None], members]
    chosen[np.arange(longest) >= lengths[drawn][..., None]] = np.nan
    medians = np.nanmedian(chosen.reshape(RESAMPLES, -1), axis=1)
    low, high = np.quantile(medians, [(1 - level) / 2, (1 + level) / 2]).tolist()
    return low, high


def moderated_bounds(
    before: Sequence[Sequence[float]], after: Sequence[Sequence[float]], level: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return by how much the mean of each row has changed, and how far off that may be.

    Of five numbers or more the least and the greatest do not count (Yuen 1974, the trimmed t,
    https://doi.org/10.1093/biomet/61.1.165). A row has too few to know its variance by themselves; but there
    are many rows. Each row's variance is drawn towards what is usual among all of them, as strongly as they
    resemble each other, and Student's t is taken with the degrees of freedom that this adds. All intervals
    hold together at `level` (Bonferroni).

    Smyth 2004, "Linear models and empirical Bayes methods for assessing differential expression in
    microarray experiments", https://doi.org/10.2202/1544-6115.1027. Needs SciPy.

    Parameters
    ----------
    before, after : sequence of sequence of float
        For each row its numbers, one for each process, two at least.
    level : float
        Between 0 and 1.

    Returns
    -------
    difference, bound : ndarray of float64
        After less before; and half the width of its interval.
    """
    from scipy import stats

    first, second = (np.array([_trimmed(numbers) for numbers in run]).T for run in (before, after))
    freedom = first[2] + second[2] - 2
    variance = np.maximum((first[1] + second[1]) / freedom, 1e-12)
    usual, weight = _usual_variance(variance, freedom)
    if np.isinf(weight):
        moderated, total = np.full_like(variance, usual), np.full_like(variance, np.inf)
    else:
        moderated, total = (weight * usual + freedom * variance) / (weight + freedom), weight + freedom
    each = 1 - (1 - level) / len(variance)
    quantile = stats.t.ppf((1 + each) / 2, total)
    return second[0] - first[0], quantile * np.sqrt(moderated * (1 / first[2] + 1 / second[2]))


_FEW = 5  # numbers: of fewer none is left out


def _trimmed(numbers: Sequence[float]) -> tuple[float, float, int]:
    """Return the mean without the extremes, the squares about it with these drawn in, and how many count."""
    ordered = np.sort(np.asarray(numbers, float))
    cut = 1 if len(ordered) >= _FEW else 0
    kept = ordered[cut : len(ordered) - cut]
    drawn_in = np.clip(ordered, kept[0], kept[-1])
    return float(kept.mean()), float(((drawn_in - drawn_in.mean()) ** 2).sum()), len(kept)


def _usual_variance(variance: NDArray[np.float64], freedom: NDArray[np.float64]) -> tuple[float, float]:
    """Fit what the rows' variances have in common: the usual one, and the degrees of freedom it is worth.

    The logarithms' mean and variance are made equal to those of F's distribution.
    """
    from scipy.optimize import brentq
    from scipy.special import polygamma

    half = freedom / 2
    logs = np.log(variance) - polygamma(0, half) + np.log(half)
    beyond = (logs.var(ddof=1) if len(logs) > 1 else 0.0) - polygamma(1, half).mean()
    if beyond <= polygamma(1, 1e6):  # no more unlike than chance makes them
        return float(np.exp(logs.mean())), np.inf
    prior = brentq(lambda x: polygamma(1, x) - beyond, 1e-3, 1e6)
    return float(np.exp(logs.mean() + polygamma(0, prior) - np.log(prior))), 2 * prior
