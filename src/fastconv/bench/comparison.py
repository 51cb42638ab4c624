"""What changed between two runs, beyond what chance does.

Each way of a library is measured by what took turns with it: how much longer than usual the other libraries
took in the same round, in the median of them, so that what slows the machine slows both, and most of it
cancels. A process gives one figure, the median over its rounds, for what a process has as a whole varies more
than its rounds do. Two runs differ where the interval of `moderated_bounds` leaves out no change.
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from fastconv.bench.intervals import moderated_bounds
from fastconv.bench.machine import differences
from fastconv.bench.report import OURS, Case, Report, Row, write_json

_Key = tuple[str, str, str, int, str, str]  # part, name, problem string, threads, library, way
_Speeds = dict[int, float]  # by process

LEVEL = 0.95
"""Of all intervals of fastconv's rows together: one of twenty comparisons of equal runs may name one."""


class _Measured(NamedTuple):
    row: Row
    speeds: _Speeds


_Found = dict[_Key, _Measured]


@dataclass(frozen=True)
class Change:
    """How many times as fast something has become.

    Attributes
    ----------
    ratio, low, high : float
        That, and the bounds within which it lies.
    """

    ratio: float
    low: float
    high: float

    @property
    def verdict(self) -> Literal["faster", "slower", "same"]:
        """What can be said: ``"same"`` where chance alone might make the difference."""
        return "faster" if self.low > 1 else "slower" if self.high < 1 else "same"


@dataclass(frozen=True)
class RowChange(Change):
    """One way of a library on one problem, in both runs.

    Attributes
    ----------
    part, name, problem, threads, library, way : str, str, str, int, str, str
        What was measured, see `Row`.
    chosen_before, chosen_after : str
        The algorithm that ran: they may differ for ``auto``.
    seconds_before, seconds_after : float
        Median times.
    """

    part: str
    name: str
    problem: str
    threads: int
    library: str
    way: str
    chosen_before: str
    chosen_after: str
    seconds_before: float
    seconds_after: float


@dataclass(frozen=True)
class WayChange(Change):
    """One of fastconv's ways on all problems together, which chance moves much less than a single row.

    Attributes
    ----------
    way : str
        Its name.
    rows : int
        How many rows it has.
    """

    way: str
    rows: int


@dataclass(frozen=True)
class Comparison:
    """What two runs have in common, and what they have not.

    Attributes
    ----------
    ways : list of WayChange
        By fastconv's algorithms, in the geometric mean of their rows.
    changes, others : list of RowChange
        Of fastconv, and of the other libraries, in the order of the first run.
    only_before, only_after : list of str
        Names and ways of what was measured in one run alone.
    differences : list of str
        In what the machines, versions or settings differ, as far as times depend on it.
    """

    ways: list[WayChange]
    changes: list[RowChange]
    others: list[RowChange]
    only_before: list[str]
    only_after: list[str]
    differences: list[str]

    @property
    def mean(self) -> float:
        """How many times as fast the second run was, in the geometric mean."""
        return statistics.geometric_mean(change.ratio for change in self.changes)

    def of(self, verdict: str) -> list[RowChange]:
        """Return fastconv's rows with a verdict, those with the largest difference first."""
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
        Two runs, best of the same machine, see `Report.read`. What one process measured alone is left out:
        how much processes differ is what tells a change from chance.
    level : float
        Confidence that all intervals of fastconv's rows hold together, and all of others', and all of ways.

    Returns
    -------
    Comparison
        Rows that were not measured (refused results) count as missing.

    Raises
    ------
    ValueError
        Nothing of fastconv was measured by several processes in both runs, beside another library.
    """
    usual = _usual(before, after)
    first, second = _speeds(before, usual), _speeds(after, usual)
    shared = [key for key in first if key in second]
    ours, theirs = ([key for key in shared if (key[4] == OURS) is own] for own in (True, False))
    if not ours:
        raise ValueError(
            "the two runs have nothing in common that several processes measured beside another library: "
            "the same problems and libraries, with --processes 2 or more"
        )
    return Comparison(
        _ways(ours, first, second, level),
        _rows(ours, first, second, level),
        _rows(theirs, first, second, level),
        _only(before, after),
        _only(after, before),
        [*differences(before.machine, after.machine), *_settings(before, after)],
    )


def _rows(keys: list[_Key], first: _Found, second: _Found, level: float) -> list[RowChange]:
    """Compare each row by itself."""
    bounds = _bounds([first[key].speeds for key in keys], [second[key].speeds for key in keys], level)
    changes = []
    for key, (ratio, low, high) in zip(keys, bounds, strict=True):
        old, new = first[key].row, second[key].row
        changes.append(RowChange(ratio, low, high, *key, old.chosen, new.chosen, old.seconds, new.seconds))
    return changes


def _bounds(before: list[_Speeds], after: list[_Speeds], level: float) -> list[tuple[float, float, float]]:
    """Return ratio, low and high of each row."""
    if not before:
        return []
    numbers = [[[*row.values()] for row in run] for run in (before, after)]
    change, bound = moderated_bounds(numbers[0], numbers[1], level)
    parts = (np.exp(part).tolist() for part in (change, change - bound, change + bound))
    return list(zip(*parts, strict=True))


def _ways(keys: list[_Key], first: _Found, second: _Found, level: float) -> list[WayChange]:
    """Compare the means over all rows of a way: one for each process, so that what its rows share counts."""
    ways: dict[str, list[_Key]] = {}
    for key in keys:
        ways.setdefault(key[5], []).append(key)
    means = {
        way: [_means(rows, found, first, second) for found in (first, second)] for way, rows in ways.items()
    }
    known = {way: runs for way, runs in means.items() if min(map(len, runs)) > 1}
    bounds = _bounds([runs[0] for runs in known.values()], [runs[1] for runs in known.values()], level)
    return [WayChange(*found, way, len(ways[way])) for way, found in zip(known, bounds, strict=True)]


def _means(keys: list[_Key], run: _Found, first: _Found, second: _Found) -> _Speeds:
    """Return the mean over rows for each process.

    About each row's own mean over both runs, so that a row that one process has not does not move its mean.
    """
    found: dict[int, list[float]] = {}
    for key in keys:
        middle = statistics.mean([*first[key].speeds.values(), *second[key].speeds.values()])
        for process, speed in run[key].speeds.items():
            found.setdefault(process, []).append(speed - middle)
    return {process: statistics.mean(speeds) for process, speeds in found.items()}


def _usual(*runs: Report) -> dict[_Key, float]:
    """Return the mean logarithm of the times of each row that is in all runs."""
    logs: dict[_Key, list[float]] = {}
    for run in runs:
        for case in run.cases():
            for row in case.measured:
                own = float(np.mean([np.log(seconds) for process in row.samples for seconds in process]))
                logs.setdefault(_key(case, row), []).append(own)
    return {key: statistics.mean(found) for key, found in logs.items() if len(found) == len(runs)}


def _speeds(report: Report, usual: dict[_Key, float]) -> _Found:
    """Return the rows that several processes measured."""
    found = {}
    for case in report.cases():
        known = [(row, usual[_key(case, row)]) for row in case.measured if _key(case, row) in usual]
        for row, _ in known:
            others = [(other, seconds) for other, seconds in known if other.library != row.library]
            speeds = _of_processes(row, others)
            if len(speeds) > 1:
                found[_key(case, row)] = _Measured(row, speeds)
    return found


def _only(report: Report, other: Report) -> list[str]:
    """Name fastconv's rows that were measured in one run alone."""
    there = {_key(case, row) for case in other.cases() for row in case.measured}
    return [
        f"{case.name} {row.way}"
        for case in report.cases()
        for row in case.measured
        if row.ours and _key(case, row) not in there
    ]


def _key(case: Case, row: Row) -> _Key:
    return case.part, case.name, case.problem, case.threads, row.library, row.way


def _of_processes(row: Row, others: list[tuple[Row, float]]) -> _Speeds:
    """Return the logarithm of how fast a row was in each process, had others taken what they usually do."""
    found = {}
    for process, own in enumerate(row.samples):
        unusual = [
            np.log(other.samples[process]) - usual
            for other, usual in others
            if len(other.samples) > process and len(other.samples[process]) == len(own)
        ]
        if own and unusual:
            found[process] = float(np.median(np.median(unusual, axis=0) - np.log(own)))
    return found


def _settings(before: Report, after: Report) -> list[str]:
    """Say in what two runs' settings differ that times depend on."""
    return [
        f"{name}: {getattr(before.settings, name)}, then {getattr(after.settings, name)}"
        for name in ("prepared", "cold")
        if getattr(before.settings, name) != getattr(after.settings, name)
    ]
