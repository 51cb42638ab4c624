"""NaN, infinities and subnormal numbers behave as in the definition."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fastconv
from fastconv import Problem

from . import reference as ref
from .problems import CODES, CONVOLUTIONS, arrays, call, parameters
from .variants import algorithms, instruction_set, rounding_algorithms, variants

PLAIN = {
    name: text
    for name, text in CONVOLUTIONS.items()
    if not Problem(text).activation and 0 < np.prod(Problem(text).input_shape) < 5000
}


def spoilt(y: Any) -> Any:
    """What each number is: finite, NaN, or an infinity of either sign."""
    return np.where(np.isnan(y), np.nan, np.where(np.isinf(y), y, 0))


def places(problem: Problem) -> list[tuple[int, ...]]:
    """First and last element of the input and some between."""
    size = int(np.prod(problem.input_shape))
    flat = {0, size - 1, size // 2, size // 3, *np.random.default_rng(size).integers(0, size, 4).tolist()}
    return [tuple(int(i) for i in np.unravel_index(at, problem.input_shape)) for at in sorted(flat)]


@pytest.mark.parametrize("name", PLAIN)
def test_convolution(name: str) -> None:
    """One NaN or infinity spoils exactly the outputs that see it; an infinity has the sign of its weight."""
    text = PLAIN[name]
    problem, data = Problem(text), arrays(text)
    choices = [*algorithms(problem), "auto"]
    for special in (np.nan, np.inf, -np.inf):
        for place in places(problem):
            x = data.input.copy()
            x[place] = special
            expected = spoilt(ref.conv(x, data.weight, data.bias, **parameters(problem)))
            for isa in fastconv.instruction_sets():
                with instruction_set(isa):
                    for algorithm in choices:
                        actual = fastconv_call(problem, x, data, algorithm)
                        what = f"{algorithm} on {isa}, {special} at {place}"
                        np.testing.assert_array_equal(spoilt(actual), expected, err_msg=what)


def fastconv_call(problem: Problem, x: Any, data: Any, algorithm: str) -> Any:
    """The problem on another input."""
    return call(problem, type(data)(x, data.weight, data.bias), algorithm=algorithm)


def test_auto_on_a_layer_made_for_winograd() -> None:
    """Where Winograd's tiles are fastest, one infinite pixel still spoils nine outputs and no tenth."""
    text = "conv2d n1 ic64 ih30 iw30 oc64 kh3 kw3 s1 p1 nchw f32"
    assert fastconv.explain(text).algorithm == "winograd4"
    data = arrays(text)
    x = data.input.copy()
    x[0, 5, 13, 13] = np.inf
    y = fastconv_call(Problem(text), x, data, "auto")
    assert (~np.isfinite(y)).sum() == 64 * 9
    assert not np.isfinite(y[:, :, 12:15, 12:15]).any()


@pytest.mark.parametrize("dtype", ["f32", "f64"])
@pytest.mark.parametrize(
    "shape",
    ["ic5 ih9 iw11 oc19 kh3 kw3 s1 p2", "ic3 ih29 iw31 oc13 kh7 kw7 s2 p3", "ic3 ih5 iw6 oc9 kh1 kw1 s2 p1"],
)
def test_weights(shape: str, dtype: str) -> None:
    """A NaN or infinite weight spoils its own output channel, and there only where it meets an input."""
    text = f"conv2d n1 {shape} nchw {dtype}"
    problem, data = Problem(text), arrays(text)
    options = {"stride": problem.stride, "padding": problem.padding}
    for special in (np.nan, np.inf, -np.inf):
        for channel in range(problem.oc):
            w = data.weight.copy()
            w[channel, 2, channel % w.shape[2], w.shape[3] // 2] = special
            expected = spoilt(ref.conv(data.input, w, **options))
            for algorithm, what in variants(problem):
                function = fastconv.conv2d(data.input, w, **options, algorithm=algorithm)
                prepared = fastconv.Conv2d(w, **options, algorithm=algorithm)(data.input)
                for actual in (function, prepared):
                    np.testing.assert_array_equal(spoilt(actual), expected, f"{what}, channel {channel}")


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_subnormal_numbers(dtype: Any, layout: str, isa: str) -> None:
    """Sums and products that are subnormal, or made of subnormal numbers, are not flushed to zero."""
    tiny = np.finfo(dtype).smallest_subnormal
    x = np.full((1, 3, 9, 33) if layout == "NCHW" else (1, 9, 33, 3), 3 * tiny, dtype)
    w = np.ones((17, 3, 3, 3) if layout == "NCHW" else (3, 3, 3, 17), dtype)
    code = CODES[np.dtype(dtype).name]
    problem = Problem(f"conv2d n1 ic3 ih9 iw33 oc17 kh3 kw3 s1 p0 {layout.lower()} {code}")
    for algorithm in rounding_algorithms(problem):
        y = fastconv.conv2d(x, w, layout=layout, algorithm=algorithm)
        np.testing.assert_array_equal(y, np.full(problem.output_shape, 81 * tiny, dtype), err_msg=algorithm)
    for pool in (fastconv.max_pool2d, fastconv.avg_pool2d):
        np.testing.assert_array_equal(pool(x, 3, layout=layout).ravel()[:1], [3 * tiny])
    np.testing.assert_array_equal(fastconv.relu(x), x)
    np.testing.assert_array_equal(
        fastconv.linear(np.full((2, 5), tiny, dtype), np.ones((3, 5), dtype)), 5 * tiny
    )


def test_callers_arithmetic_is_unchanged() -> None:
    """Neither importing the library nor calling it makes the processor flush subnormal numbers."""
    x = np.random.default_rng(11).standard_normal((1, 16, 20, 20)).astype(np.float32)
    fastconv.conv2d(x, np.ones((16, 16, 3, 3), np.float32))
    assert np.float64(2.2e-308) / 4 != 0
    assert np.float32(1e-38) / np.float32(8) != 0


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("indices", [False, True], ids=["values", "indices"])
def test_max_pool_nan_in_every_lane(layout: str, indices: bool, isa: str) -> None:
    """A NaN is the maximum of every window that sees it, wherever it lies in a vector, and of no other."""
    for channels in range(1, 68):
        x = np.random.default_rng(channels).standard_normal((1, channels, 4, 7)).astype(np.float32)
        for c in range(channels):
            x[0, c, c % 4, (3 * c) % 7] = np.nan
        expected, where = ref.max_pool(x, 3, 2, 1)
        given = x if layout == "NCHW" else np.ascontiguousarray(np.moveaxis(x, 1, -1))
        result = fastconv.max_pool2d(given, 3, 2, 1, return_indices=indices, layout=layout)
        values, found = result if indices else (result, None)
        np.testing.assert_array_equal(
            ref.channels_first(values, layout), expected, err_msg=f"{channels} channels"
        )
        if found is not None:
            np.testing.assert_array_equal(
                ref.channels_first(found, layout), where, err_msg=f"{channels} channels"
            )


@pytest.mark.parametrize("special", [np.nan, np.inf, -np.inf])
def test_pool_windows(special: float, isa: str) -> None:
    """Every pixel of an image in turn: the outputs that change are those whose window holds it."""
    x = np.zeros((1, 2, 6, 9))
    for h, w in np.ndindex(6, 9):
        image = x.copy()
        image[0, 1, h, w] = special
        for pool, definition in ((fastconv.avg_pool2d, ref.avg_pool), (fastconv.max_pool2d, ref.max_pool)):
            expected = definition(image, 3, 2, 1)
            expected = expected[0] if isinstance(expected, tuple) else expected
            np.testing.assert_array_equal(pool(image, 3, 2, 1), expected)


ACTIVATIONS = ["relu", "relu6", "leaky_relu", "sigmoid", "tanh", "silu", (-1.0, 1.0), (None, 0.0)]


@pytest.mark.parametrize("activation", ACTIVATIONS, ids=str)
def test_fused_activations_keep_nan(activation: Any, isa: str) -> None:
    """A NaN that reaches an activation leaves it as a NaN; a clamp is no way to lose it."""
    x = np.zeros((1, 1, 3, 40), np.float32)
    x[0, 0, 1, 17] = np.nan
    for algorithm in rounding_algorithms(Problem("conv2d n1 ic1 ih3 iw40 oc3 kh3 kw3 s1 p1 nchw f32")):
        y = fastconv.conv2d(
            x, np.ones((3, 1, 3, 3), np.float32), padding=1, activation=activation, algorithm=algorithm
        )
        np.testing.assert_array_equal(np.isnan(y[0, 0]).any(0).nonzero()[0], [16, 17, 18], err_msg=algorithm)
    linear = fastconv.linear(np.full((1, 2), np.nan), np.ones((3, 2)), activation=activation)
    assert np.isnan(linear).all()
