"""Whether "auto" chooses well: every algorithm that it may choose, timed on the same problem.

"auto" chooses by a model of what an algorithm costs. Here each of the algorithms runs, in turn, and what the
model chose is compared with what was fastest. Results are not verified: that is what `run` does.
"""

import math
import statistics
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

import fastconv
from fastconv import Problem
from fastconv.bench.data import make_arrays
from fastconv.bench.kernels import kernel_call
from fastconv.bench.machine import Machine, as_asked, describe_machine
from fastconv.bench.report import write_json
from fastconv.bench.runner import Progress, Settings, in_turn, one_by_one

WITHIN = 1.02
"""A choice that costs up to this many times the fastest counts as right: two timings differ by as much."""


@dataclass(frozen=True)
class Selected:
    """What the model chose for one problem, and what its choice costs.

    Attributes
    ----------
    name, problem : str
        The problem's name and its problem string.
    chosen, fastest : str
        The algorithm with the lowest estimate, and the one with the lowest time.
    cost : float
        Time of the chosen one over time of the fastest: 1 where they are the same.
    estimate : float
        Seconds that the model expects of the chosen one, on one thread.
    seconds : dict
        Median time of each algorithm.
    """

    name: str
    problem: str
    chosen: str
    fastest: str
    cost: float
    estimate: float
    seconds: dict[str, float]


@dataclass(frozen=True)
class Selection:
    """What the model chose for every problem; `complete` is False after Ctrl-C."""

    machine: Machine
    rows: list[Selected]
    complete: bool = True
    prepared: bool = True
    seconds: float = 0.0

    @property
    def right(self) -> int:
        """How many choices were the fastest, or as good as that, see `WITHIN`."""
        return sum(row.cost <= WITHIN for row in self.rows)

    @property
    def mean_cost(self) -> float:
        """The geometric mean of the costs; NaN if nothing was measured."""
        return statistics.geometric_mean(row.cost for row in self.rows) if self.rows else math.nan

    @property
    def worst(self) -> Selected | None:
        """The choice that costs most."""
        return max(self.rows, key=lambda row: row.cost, default=None)

    def write(self, path: str | Path) -> None:
        """Write everything as JSON."""
        write_json(self, path)


def estimates(problem: Problem) -> dict[str, float]:
    """Return the model's estimate, in seconds, for each algorithm that "auto" may choose for a convolution.

    Examples
    --------
    >>> import fastconv
    >>> from fastconv.bench import estimates
    >>> sorted(estimates(fastconv.Problem("conv2d n1 ic8 ih9 iw9 oc8 kh3 kw3 s1 p1 nchw f32")))
    ['direct', 'im2col', 'winograd2', 'winograd4']
    """
    return {
        other["algorithm"]: other["estimate_us"] / 1e6
        for other in fastconv.explain(problem).alternatives
        if other["supported"]
    }


def time_algorithms(problem: Problem, names: Iterable[str], settings: Settings) -> dict[str, float]:
    """Return the median seconds of a convolution by each of the algorithms, on random arrays, in turn."""
    arrays = make_arrays("random", problem)
    out = np.empty(problem.output_shape, problem.dtype)
    calls = {name: kernel_call(problem, arrays, name, settings.prepared, out) for name in names}
    samples = in_turn(list(calls.values()), settings)
    return {name: statistics.median(times) for name, times in zip(calls, samples, strict=True)}


def run_selection(
    problems: Mapping[str, Problem],
    settings: Settings | None = None,
    progress: Callable[[Progress], None] = lambda _: None,
) -> Selection:
    """Time every algorithm that "auto" may choose on each of the convolutions.

    Parameters
    ----------
    problems : mapping of str to Problem
        By name, see `select`; pooling, where there is nothing to choose, is left out.
    settings : Settings, optional
        Rounds, threads and so on.
    progress : callable
        Called before each problem and at the end.

    Returns
    -------
    Selection
        KeyboardInterrupt ends the run early, with the rows measured so far.
    """
    settings = settings or Settings()
    convolutions = {name: problem for name, problem in problems.items() if "pool" not in problem.op}
    started = time.perf_counter()
    with as_asked(settings.threads, settings.instruction_set):
        machine = describe_machine()
        rows, complete = one_by_one(convolutions, partial(_compare, settings=settings), progress)
    return Selection(machine, rows, complete, settings.prepared, time.perf_counter() - started)


def _compare(name: str, problem: Problem, settings: Settings) -> Selected:
    # The lowest estimate and not what "auto" takes now: that may have been measured, see `fastconv.autotune`.
    expected = estimates(problem)
    chosen = min(expected, key=expected.__getitem__)
    seconds = time_algorithms(problem, expected, settings)
    fastest = min(seconds, key=seconds.__getitem__)
    cost = seconds[chosen] / seconds[fastest]
    return Selected(name, str(problem), chosen, fastest, cost, expected[chosen], seconds)
