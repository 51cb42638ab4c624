"""Small integers: every sum of products is exact in any order, so results equal integer arithmetic.

Products of numbers up to 32 are at most 2^10, and 2^14 of them stay within the 2^24 integers that float32
holds.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fastconv
from fastconv import Problem

from . import bounds
from . import reference as ref
from .problems import CONVOLUTIONS, POOLS, Arrays, arrays, call, parameters
from .variants import THREADS, rounding_algorithms, variants

# An activation that divides or takes exponentials is not exact.
EXACT = {
    name: text
    for name, text in CONVOLUTIONS.items()
    if Problem(text).activation in ("", "relu", "relu6") and np.prod(Problem(text).weight_shape[1:]) <= 16384
}
# Channels and taps by the thousand, as far as 2^14 goes.
EXACT["16383-terms"] = "conv2d n1 ic1820 ih4 iw5 oc3 kh3 kw3 s1 p1 nchw f32 bias"
EXACT["16383-terms-nhwc"] = "conv2d n1 ic1820 ih4 iw5 oc17 kh3 kw3 s1 p1 nhwc f32 bias"
EXACT["16384-terms-pointwise"] = "conv2d n1 ic16384 ih1 iw15 oc5 kh1 kw1 s1 p0 nchw f32"
EXACT["128x128-kernel"] = "conv2d n1 ic1 ih130 iw131 oc2 kh128 kw128 s1 p0 nhwc f32"
SUMS = {name: text for name, text in POOLS.items() if text.startswith("avg") and " div" not in text}


def whole(data: Arrays) -> Arrays:
    """The same integers as int64."""
    return data.astype(np.int64)


@pytest.mark.parametrize("name", EXACT)
def test_convolution(name: str) -> None:
    """All algorithms that add nothing but products, on every instruction set, with 1, 2, 3 and 8 threads."""
    text = EXACT[name]
    problem, data = Problem(text), arrays(text, integers=True)
    ints = whole(data)
    expected = ref.conv(ints.input, ints.weight, ints.bias, **parameters(problem))
    expected = ref.activate(expected, problem.activation or None).astype(problem.dtype)
    able = rounding_algorithms(problem)
    for algorithm, what in variants(problem, THREADS):
        if algorithm in able:
            actual = call(problem, data, algorithm=algorithm)
            np.testing.assert_array_equal(actual, expected, strict=True, err_msg=what)


SMALL_TILES = [name for name in EXACT if name.startswith("winograd") and "2x2" not in name]


@pytest.mark.parametrize("name", SMALL_TILES)
def test_winograd2(name: str) -> None:
    """F(2x2) halves weights twice: with multiples of 4, and a bound T below 2^24, it is exact as well."""
    text = EXACT[name]
    problem, data = Problem(text), arrays(text, integers=True)
    data = Arrays(data.input, np.round(data.weight / 4) * 4, data.bias)
    ints = whole(data)
    tile = {key: parameters(problem)[key] for key in ("padding", "dilation", "groups", "layout")}
    largest = bounds.winograd(2, *vars(data.astype(np.float64)).values(), **tile, absolute=True).max()
    assert largest < 2**24, "choose smaller data"
    expected = ref.conv(ints.input, ints.weight, ints.bias, **parameters(problem))
    expected = ref.activate(expected, problem.activation or None).astype(problem.dtype)
    for algorithm, what in variants(problem, THREADS):
        if algorithm == "winograd2":
            actual = call(problem, data, algorithm=algorithm)
            np.testing.assert_array_equal(actual, expected, strict=True, err_msg=what)


@pytest.mark.parametrize("name", SUMS)
def test_average_pool(name: str, isa: str) -> None:
    """With a divisor of one an average pool is an exact sum; so is one over a power of two."""
    problem, data = Problem(SUMS[name]), arrays(SUMS[name], integers=True)
    settings = parameters(problem)
    if problem.rank > 1:
        for divisor in (1, 8):
            expected = ref.avg_pool(data.input.astype(np.float64), **settings | {"divisor_override": divisor})
            actual = call(problem, data, divisor_override=divisor)
            np.testing.assert_array_equal(actual, expected.astype(problem.dtype), strict=True, err_msg=isa)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 31, 33), (5, 16384, 7), (64, 100, 65)], ids=str)
def test_linear(shape: tuple[int, int, int], dtype: Any, isa: str) -> None:
    """The fully connected layer is a sum of products too."""
    rows, features, outputs = shape
    rng = np.random.default_rng(shape)
    x, w, b = (rng.integers(-32, 33, s) for s in ((rows, features), (outputs, features), (outputs,)))
    for threads in THREADS:
        with fastconv.threads(threads):
            actual = fastconv.linear(x.astype(dtype), w.astype(dtype), b.astype(dtype))
        np.testing.assert_array_equal(actual, ref.linear(x, w, b).astype(dtype), strict=True)
