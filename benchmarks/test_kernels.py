"""Every kernel and every NumPy baseline on the problems of the benchmark, by pytest-benchmark.

    pytest benchmarks                                   everything
    pytest benchmarks -k "r50.l1.3x3-"                  one problem
    pytest benchmarks --benchmark-json=before.json      to compare with later

One group, so one table, for each problem: fastconv's algorithms by name, ``auto``, and NumPy's ways.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

import pytest
from numpy.typing import NDArray
from pytest_benchmark.fixture import BenchmarkFixture

import fastconv
from fastconv.bench import LAYERS, Arrays, Prepared, baselines, kernel_call, kernel_names, make_arrays
from fastconv.bench.verify import exact_result, verify

PROBLEMS = {name: fastconv.Problem(text) for name, text in LAYERS.items()}
CASES = [
    pytest.param(name, way, marks=pytest.mark.benchmark(group=f"{name}: {problem}"), id=f"{name}-{way}")
    for name, problem in PROBLEMS.items()
    for way in [*kernel_names(problem), *(f"numpy {baseline}" for baseline in baselines(problem))]
]


@lru_cache(maxsize=1)
def data(name: str) -> tuple[Arrays, NDArray[Any]]:
    """Arrays of a problem and its float64 result; kept for the next case, which mostly is of the same one."""
    arrays = make_arrays(name, PROBLEMS[name])
    return arrays, exact_result(PROBLEMS[name], arrays)


def call_for(name: str, way: str) -> Callable[[], Any]:
    """What a case times."""
    problem, (arrays, _) = PROBLEMS[name], data(name)
    if way.startswith("numpy "):
        baseline = baselines(problem)[way.removeprefix("numpy ")]
        return partial(baseline, problem, arrays.x, arrays.weight, arrays.bias)
    return kernel_call(problem, arrays, way)


@pytest.mark.parametrize(("name", "way"), CASES)
def test_kernel(benchmark: BenchmarkFixture, name: str, way: str) -> None:
    """Verify against float64, then time."""
    call = call_for(name, way)
    verdict = verify(PROBLEMS[name], Prepared(call), data(name)[1])
    assert verdict.status == "ok", verdict.note
    benchmark(call)
    if benchmark.stats is not None:  # None with --benchmark-disable
        benchmark.extra_info["gflops"] = PROBLEMS[name].flops / benchmark.stats.stats.median / 1e9
