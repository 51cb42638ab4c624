"""The benchmark's NumPy baselines compute what the definition says, on every problem of the tests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from fastconv import Problem
from fastconv.bench import baselines, make_arrays
from fastconv.bench.baselines import pool_slices, pool_windows

from . import reference as ref
from .problems import CONVOLUTIONS, POOLS, arrays, parameters


def check_baseline(baseline: Any, text: str, expected: Callable[[Any, dict[str, Any]], Any]) -> None:
    problem, data = Problem(text), arrays(text).astype("float64")
    result = baseline(problem, data.input, data.weight, data.bias)
    assert result.shape == problem.output_shape
    np.testing.assert_allclose(result, expected(data, parameters(problem)), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("name", "baseline"),
    [(name, baseline) for name, text in CONVOLUTIONS.items() for baseline in baselines(Problem(text))],
)
def test_convolution_baselines_agree_with_the_definition(name: str, baseline: str) -> None:
    problem = Problem(CONVOLUTIONS[name])
    check_baseline(
        baselines(problem)[baseline],
        CONVOLUTIONS[name],
        lambda data, options: ref.activate(
            ref.conv(data.input, data.weight, data.bias, **options), problem.activation or None
        ),
    )


@pytest.mark.parametrize("baseline", [pool_windows, pool_slices])
@pytest.mark.parametrize("name", POOLS)
def test_pooling_baselines_agree_with_the_definition(baseline: Any, name: str) -> None:
    if POOLS[name].startswith("max"):
        check_baseline(baseline, POOLS[name], lambda data, options: ref.max_pool(data.input, **options)[0])
    else:
        check_baseline(baseline, POOLS[name], lambda data, options: ref.avg_pool(data.input, **options))


def test_baselines_leave_their_arguments_alone() -> None:
    problem = Problem("conv2d n1 ic4 ih9 iw8 oc6 kh3 kw3 s1 p1 nchw f32 bias relu")
    data = make_arrays("any", problem)
    before = data.x.copy()
    for baseline in baselines(problem).values():
        assert baseline(problem, data.x, data.weight, data.bias).dtype == np.float32
    np.testing.assert_array_equal(data.x, before)
