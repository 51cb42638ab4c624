"""What changed between two runs, beyond what chance does.

A kernel's figures are its ratios to a NumPy baseline, taken within each round: what slows the machine slows
both, and most of it cancels. Two runs differ where the interval of their quotient, see `quotient_interval`,
leaves out 1. The more rows are compared, the wider the intervals: all of them hold together at the level that
is asked for (Bonferroni).
"""

import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from fastconv.bench.intervals import quotient_interval
from fastconv.bench.machine import differences
from fastconv.bench.report import Report, Row, write_json

LEVEL = 0.95
"""Of all intervals together: were rounds independent, one of twenty comparisons of equal runs named a row."""


@dataclass(frozen=True)
class Change:
    """One kernel on one problem, in both runs.

    Attributes
    ----------
    name, problem, algorithm : str
        The problem's name, its problem string, and what was asked for.
    chosen_before, chosen_after : str
        What ran: they may differ for ``auto``.
    seconds_before, seconds_after : float
        Median times.
    baseline : str
        What both are measured by; empty if the runs have no fastest baseline in common: then by their
        seconds, from which nothing of the machine's moods cancels.
    ratio, low, high : float
        How many times as fast it has become, and the bounds within which that lies.
    """

    name: str
    problem: str
    algorithm: str
    chosen_before: str
    chosen_after: str
    seconds_before: float
    seconds_after: float
    baseline: str
    ratio: float
    low: float
    high: float

    @property
    def verdict(self) -> Literal["faster", "slower", "same"]:
        """What can be said: ``"same"`` where chance alone might make the difference."""
        return "faster" if self.low > 1 else "slower" if self.high < 1 else "same"


@dataclass(frozen=True)
class Comparison:
    """What two runs have in common, and what they have not.

    Attributes
    ----------
    changes : list of Change
        In the order of the first run.
    only_before, only_after : list of str
        Names and algorithms of rows that were measured in one run alone.
    differences : list of str
        In what the machines, versions or settings differ, as far as times depend on it.
    """

    changes: list[Change]
    only_before: list[str]
    only_after: list[str]
    differences: list[str]

    @property
    def mean(self) -> float:
        """How many times as fast the second run was, in the geometric mean."""
        return statistics.geometric_mean(change.ratio for change in self.changes)

    def of(self, verdict: str) -> list[Change]:
        """Return the changes with a verdict, those with the largest difference first."""
        found = [change for change in self.changes if change.verdict == verdict]
        return sorted(found, key=lambda change: -abs(np.log(change.ratio)))

    def write(self, path: str | Path) -> None:
        """Write everything as JSON."""
        write_json(self, path)


def compare(before: Report, after: Report, level: float = LEVEL) -> Comparison:
    """Say what changed from one run to another, beyond what chance does.

    Parameters
    ----------
    before, after : Report
        Two runs, best of the same machine, see `Report.read`.
    level : float
        Confidence that all intervals hold together.

    Returns
    -------
    Comparison
        Rows that were not measured (refused results) count as missing.

    Raises
    ------
    ValueError
        No row was measured in both.
    """
    first, second = ({_key(row): row for row in report.rows if row.samples} for report in (before, after))
    shared = [key for key in first if key in second]
    if not shared:
        raise ValueError("the two runs have no measured row in common: the same problems and algorithms")
    each = 1 - (1 - level) / len(shared)
    how = ["packed once" if report.prepared else "packed at every call" for report in (before, after)]
    prepared = [f"weights: {how[0]}, then {how[1]}"] if how[0] != how[1] else []
    return Comparison(
        [_change(first[key], second[key], each) for key in shared],
        [" ".join(key[::2]) for key in first if key not in second],
        [" ".join(key[::2]) for key in second if key not in first],
        [*differences(before.machine, after.machine), *prepared],
    )


def _key(row: Row) -> tuple[str, str, str]:
    return row.name, row.problem, row.algorithm


def _change(before: Row, after: Row, level: float) -> Change:
    shared = before.baseline if before.baseline == after.baseline else ""
    speeds = [
        [baseline / own for baseline, own in zip(row.baseline_samples, row.samples, strict=True)]
        if shared
        else [1 / own for own in row.samples]
        for row in (before, after)
    ]
    ratio, low, high = quotient_interval(speeds[0], speeds[1], level)
    return Change(
        *_key(before),
        before.chosen,
        after.chosen,
        before.seconds,
        after.seconds,
        shared,
        ratio,
        low,
        high,
    )
