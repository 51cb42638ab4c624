"""The timing engine: verify first, then time fastconv and NumPy in turn.

One problem at a time. Every kernel and every baseline computes it once and is compared with the float64
result; one that differs is reported and not timed. Then, in each round, each of them is timed once, one
after the other, so that a drift of the machine meets all alike; times are medians over the rounds, and
a speed-up is the median of the ratios within the rounds.
"""

import json
import math
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

import fastconv
from fastconv.bench.baselines import baselines
from fastconv.bench.data import Arrays, computed_in, make_arrays
from fastconv.bench.intervals import median_interval
from fastconv.bench.kernels import kernel_call, kernel_names
from fastconv.bench.machine import (
    Machine,
    as_asked,
    describe_machine,
    differences,
    measure_peak,
    settling_seconds,
)
from fastconv.bench.report import Report, Row

Call: TypeAlias = Callable[[], NDArray[Any]]
Samples: TypeAlias = dict[str, list[float]]  # seconds a call, a number for each round
T = TypeVar("T")

TOLERANCE = {dtype: 256 * float(np.finfo(dtype).eps) for dtype in ("float32", "float64")}
"""Largest difference from float64 over the largest magnitude: ten times Winograd's rounding, a hundredth of
what one forgotten tap of the largest kernel would do. Max pooling, which does not round, must be equal."""
TOLERANCE |= {dtype: TOLERANCE["float32"] + eps for dtype, eps in (("float16", 2**-10), ("bfloat16", 2**-7))}


@dataclass(frozen=True)
class Settings:
    """How to run.

    Attributes
    ----------
    rounds : int
        Rounds at most; a problem stops after three if it has used its seconds.
    seconds : float
        Time for the rounds of one problem.
    sample : float
        Seconds that one sample takes at least, by repeating a quick call.
    prepared : bool
        Weights packed before the timing, see `kernel_call`.
    threads, instruction_set : int, str, optional
        None leaves what is set.
    algorithm : str, optional
        Only this kernel, see `kernel_names`; None for all.
    """

    rounds: int = 9
    seconds: float = 0.8
    sample: float = 0.003
    prepared: bool = True
    threads: int | None = None
    instruction_set: str | None = None
    algorithm: str | None = None


@dataclass(frozen=True)
class Progress:
    """What a run tells while it goes: `done` problems of `total`, and the `name` that comes next."""

    done: int
    total: int
    name: str


def run(
    problems: Mapping[str, fastconv.Problem],
    settings: Settings | None = None,
    progress: Callable[[Progress], None] = lambda _: None,
    begun: Report | None = None,
) -> Report:
    """Verify and time every kernel and every baseline on each problem.

    Parameters
    ----------
    problems : mapping of str to Problem
        By name, see `select`.
    settings : Settings, optional
        Rounds, threads and so on.
    progress : callable
        Called before each problem and at the end.
    begun : Report, optional
        A run that stopped early: its rows are kept, and its problems not measured again.

    Returns
    -------
    Report
        KeyboardInterrupt ends the run early, with the rows measured so far.

    Raises
    ------
    ValueError
        `begun` is of another machine, or was not run as this would be.
    """
    settings = settings or Settings()
    started = time.perf_counter()
    with as_asked(settings.threads, settings.instruction_set):
        machine = describe_machine()
        _check_begun(begun, machine, settings)
        kept = {name: [row for row in begun.rows if row.name == name] for name in problems} if begun else {}
        left = {name: problem for name, problem in problems.items() if not kept.get(name)}
        found, complete = one_by_one(left, lambda name, problem: measure(name, problem, settings), progress)
        # Before and after, the larger counts: a peak that another process cut short flatters every row.
        after = measure_peak(machine.threads)
    peak = {dtype: max(before, after[dtype]) for dtype, before in machine.peak_gflops.items()}
    measured = {  # what an interruption left out is missing
        name: [_with_share(row, peak[computed_in(left[name])]) for row in part]
        for name, part in zip(left, found, strict=False)
    }
    rows = [row for name in problems for row in kept.get(name) or measured.get(name, [])]
    machine = replace(machine, peak_gflops=peak)
    seconds = time.perf_counter() - started + (begun.seconds if begun else 0)
    return Report(machine, rows, complete, settings.prepared, seconds)


def _check_begun(begun: Report | None, machine: Machine, settings: Settings) -> None:
    """Rows of two runs stand in one table only if both were run alike."""
    if begun is None:
        return
    unlike = differences(begun.machine, machine)
    first, second = (json.dumps([it.fastconv, it.build], sort_keys=True) for it in (begun.machine, machine))
    if first != second:
        unlike.append("another build of fastconv")
    if begun.prepared != settings.prepared:
        unlike.append(f"prepared: {begun.prepared}, then {settings.prepared}")
    if unlike:
        raise ValueError(
            f"the run that was begun cannot go on, since it was made otherwise: {'; '.join(unlike)}"
        )


def one_by_one(
    problems: Mapping[str, fastconv.Problem],
    measure: Callable[[str, fastconv.Problem], T],
    progress: Callable[[Progress], None],
) -> tuple[list[T], bool]:
    """Measure one problem after the other; KeyboardInterrupt keeps what was found, with False beside it."""
    found: list[T] = []
    try:
        for done, (name, problem) in enumerate(problems.items()):
            progress(Progress(done, len(problems), name))
            found.append(measure(name, problem))
        progress(Progress(len(problems), len(problems), ""))
    except KeyboardInterrupt:
        return found, False
    return found, True


def measure(name: str, problem: fastconv.Problem, settings: Settings) -> list[Row]:
    """Verify and time one problem: a row for each kernel."""
    names = [kernel for kernel in kernel_names(problem) if settings.algorithm in (None, kernel)]
    blank = {
        kernel: Row(name, str(problem), kernel, chosen=fastconv.explain(problem, kernel).algorithm)
        for kernel in names
    }
    try:
        arrays = make_arrays(name, problem)
        exact = exact_result(problem, arrays)
    except (OSError, ValueError, MemoryError) as error:
        return [replace(row, status="error", note=str(error)) for row in blank.values()]

    kernels = {kernel: kernel_call(problem, arrays, kernel, settings.prepared) for kernel in names}
    against: dict[str, Call] = {
        baseline: partial(function, problem, arrays.x, arrays.weight, arrays.bias)
        for baseline, function in baselines(problem).items()
    }
    verdicts = {kernel: verify(problem, call, exact) for kernel, call in kernels.items()}
    kernels = {kernel: call for kernel, call in kernels.items() if verdicts[kernel].status == "ok"}
    against = {
        baseline: call for baseline, call in against.items() if verify(problem, call, exact).status == "ok"
    }
    samples, numpy_samples = _rounds(kernels, against, settings) if kernels else ({}, {})
    rows = []
    for kernel, row in blank.items():
        figures = _figures(problem, samples[kernel], numpy_samples) if kernel in samples else {}
        rows.append(replace(row, **verdicts[kernel]._asdict(), **figures))
    return rows


class Verdict(NamedTuple):
    """What `verify` found; the fields of the same names in `Row`."""

    status: str
    note: str = ""
    difference: float = math.nan


def verify(problem: fastconv.Problem, call: Call, exact: NDArray[Any]) -> Verdict:
    """Compare the result of a call with the float64 one."""
    try:
        result = call()
    except (ValueError, TypeError, MemoryError, RuntimeError) as error:
        return Verdict("error", f"{type(error).__name__}: {error}")
    if result.shape != exact.shape or result.dtype != np.dtype(problem.dtype):
        found = f"{result.dtype} {result.shape}"
        return Verdict("differs", f"the result is {found}, expected {problem.dtype} {exact.shape}")
    largest = float(np.abs(exact).max(initial=0.0)) or 1.0
    difference = float(np.abs(result.astype(exact.dtype) - exact).max(initial=0.0)) / largest
    allowed = 0.0 if problem.op.startswith("max") else TOLERANCE[problem.dtype]
    if not difference <= allowed:  # NaN does not pass
        note = f"differs from float64 by {difference:.1e} of the largest value, allowed {allowed:.1e}"
        return Verdict("differs", note, difference)
    return Verdict("ok", "", difference)


def exact_result(problem: fastconv.Problem, arrays: Arrays) -> NDArray[Any]:
    """Compute the problem in float64, by the baseline nearest to the definition that is quick enough."""
    exact, known = arrays.astype("float64"), baselines(problem)
    for name in ("slices", "im2col"):
        if name in known:
            return known[name](problem, exact.x, exact.weight, exact.bias)
    raise ValueError(f"no NumPy baseline computes {problem}")


def in_turn(calls: Sequence[Call], settings: Settings, settling: int = 0) -> list[list[float]]:
    """Time every call once a round; a round has the same place in every list.

    The first `settling` calls are NumPy's: each is followed by a pause in which its threads fall asleep.
    """
    repeats = [max(1, round(settings.sample / max(_time(call, 1), 1e-7))) for call in calls]
    samples: list[list[float]] = [[] for _ in calls]
    end = time.perf_counter() + settings.seconds
    for done in range(settings.rounds):
        if done >= 3 and time.perf_counter() > end:
            break
        for index, call in enumerate(calls):
            call()  # brings caches and threads back from what ran before
            samples[index].append(_time(call, repeats[index]))
            if index < settling:
                time.sleep(settling_seconds())
    return samples


def _rounds(
    kernels: dict[str, Call], against: dict[str, Call], settings: Settings
) -> tuple[Samples, Samples]:
    """Time kernels and baselines in turn."""
    samples = in_turn([*against.values(), *kernels.values()], settings, settling=len(against))
    return (
        dict(zip(kernels, samples[len(against) :], strict=True)),
        dict(zip(against, samples[: len(against)], strict=True)),
    )


def _time(call: Call, repeats: int) -> float:
    start = time.perf_counter()
    for _ in range(repeats):
        call()
    return (time.perf_counter() - start) / repeats


def _figures(problem: fastconv.Problem, samples: list[float], numpy_samples: Samples) -> dict[str, Any]:
    """Return what the samples of one kernel and of all baselines come to: fields of `Row`."""
    seconds = statistics.median(samples)
    figures: dict[str, Any] = {
        "rounds": len(samples),
        "samples": samples,
        "seconds": seconds,
        "gflops": problem.flops / seconds / 1e9,
        "gbytes": problem.bytes / seconds / 1e9,
    }
    medians = {baseline: statistics.median(times) for baseline, times in numpy_samples.items()}
    if medians:
        best = min(medians, key=medians.__getitem__)
        ratios = [theirs / ours for theirs, ours in zip(numpy_samples[best], samples, strict=True)]
        low, high = median_interval(ratios)
        figures |= {"baselines": medians, "baseline": best, "baseline_seconds": medians[best]}
        figures |= {"baseline_samples": numpy_samples[best], "speedup": statistics.median(ratios)}
        figures |= {"speedup_low": low, "speedup_high": high}
    return figures


def _with_share(row: Row, peak: float) -> Row:
    """Fill in the share of peak, where multiplying is the work."""
    return row if "pool" in row.problem or row.status != "ok" else replace(row, peak_share=row.gflops / peak)
