"""The benchmark's NumPy baselines compute what the definition says, on every problem of the tests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from fastconv import Problem
from fastconv.bench import baselines, make_arrays
from fastconv.bench.baselines import pool_loops, pool_slices, pool_windows
from fastconv.bench.verify import exact_result

from . import reference as ref
from . import reference_gradients as definition
from .problems import CONVOLUTIONS, POOLS, arrays, parameters

# Operations that plain Python is asked for.
MOST_LOOPS = 2e5


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


def pools() -> list[tuple[Any, str]]:
    """Every baseline of pooling with every problem, but plain Python with the small ones alone."""
    small = [name for name, text in POOLS.items() if Problem(text).flops <= MOST_LOOPS]
    pairs = [(baseline, name) for baseline in (pool_windows, pool_slices) for name in POOLS]
    return pairs + [(pool_loops, name) for name in small]


@pytest.mark.parametrize(("baseline", "name"), pools())
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


@pytest.mark.parametrize(
    ("text", "has"),
    [
        ("conv2d n1 ic3 ih16 iw16 oc4 kh3 kw3 s1 p1 nchw f32", {"fft", "loops"}),
        ("conv2d n1 ic3 ih16 iw16 oc4 kh3 kw3 s1 p2 d2 nchw f32", {"loops"}),
        ("conv2d n1 ic8 ih64 iw64 oc8 kh3 kw3 s1 p1 nhwc f64", {"fft"}),
        ("conv2d n1 ic256 ih56 iw56 oc256 kh3 kw3 s1 p1 nchw f32", set()),
        ("conv1d n1 ic1 iw65536 oc1 kw63 s1 p31 nchw f32", {"fft"}),
        ("avg_pool3d n1 c2 id4 ih4 iw4 kd2 kh2 kw2 nchw f32", {"loops"}),
        ("max_pool2d n1 c64 ih112 iw112 kh2 kw2 nchw f32", set()),
    ],
)
def test_slow_baselines_are_for_problems_that_suit_them(text: str, has: set[str]) -> None:
    assert set(baselines(Problem(text))) & {"fft", "loops"} == has


def test_transforms_stay_in_single_precision() -> None:
    problem = Problem("conv2d n2 ic6 ih9 iw8 oc4 kh3 kw3 s2 p1 g2 nhwc f32 bias relu")
    data = make_arrays("any", problem)
    result = baselines(problem)["fft"](problem, data.x, data.weight, data.bias)
    exact = baselines(problem)["im2col"](problem, *vars(data.astype("float64")).values())
    assert result.dtype == np.float32
    np.testing.assert_allclose(
        result, exact, rtol=0, atol=64 * np.finfo(np.float32).eps * np.abs(exact).max()
    )


def test_the_exact_result_is_not_computed_by_transforms(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = Problem("conv1d n1 ic1 iw40 oc1 kw5 s1 p2 nchw f32")
    monkeypatch.setattr(np.fft, "rfftn", None)
    exact = exact_result(problem, make_arrays("any", problem))
    assert exact.dtype == np.float64


@pytest.mark.parametrize("mode", ["reflect", "replicate", "circular", "symmetric"])
def test_baselines_pad_as_the_problem_says(mode: str) -> None:
    problem = Problem(f"conv2d n2 ic4 ih7 iw6 oc4 kh3 kw3 s1 ph2:1 pw1 g4 nhwc f64 {mode}")
    data = make_arrays("any", problem)
    padded = definition.pad(data.x, list(problem.padding), mode, "NHWC")
    expected = ref.conv(padded, data.weight, None, groups=4, layout="NHWC")
    for baseline in baselines(problem).values():
        result = baseline(problem, data.x, data.weight, data.bias)
        np.testing.assert_allclose(result, expected, rtol=1e-12, atol=1e-12)
