"""Nothing outside the arrays is touched and nothing inside forgotten.

Every array lies flush against a page without access, once at its start and once at its end, so that one
element too many is a segmentation fault; results are filled with NaN beforehand, so that one too few is
seen.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fastconv
from fastconv import Problem

from .guarded import guarded, guarded_copy
from .problems import CONVOLUTIONS, POOLS, Arrays, arguments, arrays, call
from .variants import variants

FLUSH = ["start", "end"]


def poisoned(shape: tuple[int, ...], dtype: Any, flush: str) -> Any:
    """A guarded result of NaN."""
    out = guarded(shape, dtype, flush)
    out.fill(np.nan)
    return out


def inside(data: Arrays, flush: str) -> Arrays:
    """The arrays of a problem in guarded memory."""
    weight, bias = (None if a is None else guarded_copy(a, flush) for a in (data.weight, data.bias))
    return Arrays(guarded_copy(data.input, flush), weight, bias)


@pytest.mark.parametrize("flush", FLUSH)
@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_convolution(name: str, flush: str) -> None:
    """Every algorithm on every instruction set, as a function and as a prepared object."""
    text = CONVOLUTIONS[name]
    problem = Problem(text)
    data = inside(arrays(text), flush)
    out = poisoned(problem.output_shape, problem.dtype, flush)
    kind = {"conv1d": fastconv.Conv1d, "conv2d": fastconv.Conv2d, "conv3d": fastconv.Conv3d}[problem.op]
    for algorithm, what in variants(problem):
        expected = call(problem, arrays(text), algorithm=algorithm)
        out.fill(np.nan)
        call(problem, data, algorithm=algorithm, out=out)
        np.testing.assert_array_equal(out, expected, err_msg=what)
        out.fill(np.nan)
        kind(data.weight, data.bias, **arguments(problem), algorithm=algorithm)(data.input, out)
        np.testing.assert_array_equal(out, expected, err_msg=what)


@pytest.mark.parametrize("flush", FLUSH)
@pytest.mark.parametrize("name", POOLS)
def test_pool(name: str, flush: str, isa: str) -> None:
    """Pools of every kind."""
    text = POOLS[name]
    problem = Problem(text)
    out = poisoned(problem.output_shape, problem.dtype, flush)
    expected = call(problem, arrays(text))
    call(problem, inside(arrays(text), flush), out=out)
    np.testing.assert_array_equal(out, expected[0] if problem.return_indices else expected)


ROWS = [1, 2, 7, 8, 15, 16, 17, 31, 33]


@pytest.mark.parametrize("flush", FLUSH)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_rest(dtype: Any, flush: str, isa: str) -> None:
    """The fully connected layer, adaptive pools, activations and softmax, at lengths around a vector's."""
    rng = np.random.default_rng(10)

    def check(function: Any, *plain: Any, **kwargs: Any) -> None:
        expected = function(*plain, **kwargs)
        out = poisoned(expected.shape, dtype, flush)
        function(*(guarded_copy(x, flush) for x in plain), **kwargs, out=out)
        np.testing.assert_array_equal(
            out, expected, err_msg=f"{function.__name__} {[x.shape for x in plain]} {isa}"
        )

    for n in ROWS:
        x, w, b = (rng.standard_normal(shape).astype(dtype) for shape in ((3, n), (n + 1, n), (n + 1,)))
        check(fastconv.linear, x, w, b)
        check(fastconv.softmax, x, axis=0)
        check(fastconv.softmax, x, axis=1)
        for name in ("relu", "leaky_relu", "sigmoid", "tanh", "silu"):
            check(getattr(fastconv, name), x[0].copy())
        image = rng.standard_normal((1, 2, 5, n)).astype(dtype)
        for layout in ("NCHW", "NHWC"):
            check(fastconv.adaptive_avg_pool2d, image, output_size=2, layout=layout)
            check(fastconv.adaptive_max_pool2d, image, output_size=(3, None), layout=layout)


def test_results_without_products_are_written() -> None:
    """An output that sees nothing but padding is its bias, and not what the memory held before."""
    for layout, shape, weight in (("NCHW", (1, 2, 3, 3), (4, 2, 2, 2)), ("NHWC", (1, 3, 3, 2), (2, 2, 2, 4))):
        y = fastconv.conv2d(
            np.full(shape, np.inf), np.ones(weight), np.arange(4.0), padding=((6, 0), (0, 0)), layout=layout
        )
        corner = y[0, :, 0, 0] if layout == "NCHW" else y[0, 0, 0]
        np.testing.assert_array_equal(corner, np.arange(4.0))
