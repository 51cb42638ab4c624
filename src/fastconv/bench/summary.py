"""What a run comes to, in a few sentences: for the terminal, the page and the documentation alike."""

from __future__ import annotations

import statistics
from typing import NamedTuple

from fastconv.bench.parts import LAYERS
from fastconv.bench.report import OURS, Report

_BUSY = 0.7  # load average: more than this is another process at work, or one that has just ended
_AS_GOOD = 1.02  # times the fastest: two timings differ by as much


class Standing(NamedTuple):
    """How fastconv stands beside one library on the problems that both computed.

    Attributes
    ----------
    library : str
        Its name; empty for the fastest of all others on each problem.
    mean, least, most : float
        Geometric mean and extremes of how many times as fast fastconv is.
    faster, slower, equal : int
        On how many problems, and on how many the interval holds 1.
    """

    library: str
    mean: float
    least: float
    most: float
    faster: int
    slower: int
    equal: int

    @property
    def problems(self) -> int:
        """How many both computed."""
        return self.faster + self.slower + self.equal


def standings(report: Report) -> list[Standing]:
    """Return how fastconv stands beside the fastest of all others, and then beside each.

    On the part ``layers``, or on all parts of a run that has not that.
    """
    cases = report.cases(LAYERS) or report.cases()
    others = [library for library in report.measured_libraries if library != OURS]
    found = []
    for library in ["", *others] if len(others) > 1 else others:
        best = [case.best(*[library] if library else []) for case in cases]
        rows = [row for row in best if row is not None and row.ratio > 0]
        if rows:
            ratios = [row.ratio for row in rows]
            mean = statistics.geometric_mean(ratios)
            faster = sum(row.ratio_low > 1 for row in rows)
            slower = sum(row.ratio_high < 1 for row in rows)
            equal = len(rows) - faster - slower
            found.append(Standing(library, mean, min(ratios), max(ratios), faster, slower, equal))
    return found


def choices(report: Report) -> str:
    """Say how often "auto" chose the fastest algorithm, and what its choices cost, if that can be known."""
    costs = {
        case.name: case.default.seconds / min(row.seconds for row in case.measured if row.ours)
        for case in report.cases()
        if case.default is not None and sum(row.ours for row in case.measured) > 2
    }
    if not costs:
        return ""
    good = sum(cost <= _AS_GOOD for cost in costs.values())
    worst = max(costs, key=costs.__getitem__)
    return (
        f'"auto" chose the fastest algorithm, or one within {_AS_GOOD - 1:.0%} of it, for {good} of '
        f"{len(costs)} problems; its choices cost {statistics.geometric_mean(costs.values()):.3f} times the "
        f"fastest in the geometric mean, at most {costs[worst]:.2f} ({worst})."
    )


def doubts(report: Report) -> list[str]:
    """Return what a reader must know before the figures count: a sentence for each thing."""
    found = [] if report.complete else ["The run was interrupted: what follows is a part of it."]
    if report.machine.load > _BUSY:
        found.append(
            f"Other processes kept the machine busy when the run began (load {report.machine.load}): "
            "repeat it on a quiet one."
        )
    for status, what in (
        ("differs", "not that of the definition, and not timed"),
        ("error", "missing, since the library failed"),
    ):
        rows = [row for row in report.rows if row.status == status]
        if rows:
            ways = dict.fromkeys(f"{row.library} {row.way} on {row.name}" for row in rows)
            found.append(f"{_count(len(rows), 'result')} {what}: {_list([*ways])}.")
    disturbed = [row for row in report.rows if row.status == "disturbed"]
    if disturbed:
        names = _list([*dict.fromkeys(row.name for row in disturbed)])
        found.append(
            f"{_count(len(disturbed), 'row')} without figures, as the machine was disturbed: {names}."
        )
    if report.repeated:
        rounds = "1 round was" if report.repeated == 1 else f"{report.repeated} rounds were"
        found.append(f"{rounds} measured again, as the machine was disturbed.")
    return found


def _count(number: int, thing: str) -> str:
    return f"{number} {thing} is" if number == 1 else f"{number} {thing}s are"


def _list(names: list[str], most: int = 6) -> str:
    return ", ".join(names[:most]) + f" and {len(names) - most} more" * (len(names) > most)
