"""Transposed convolution against its definition; test_conv_gradients.py has what it shares with gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fastconv
from fastconv import Problem

from . import bounds
from . import reference as ref
from .conv_gradients import Oracle, able, call, draw, output_padding
from .oracle import assert_within
from .problems import CONVOLUTIONS
from .reference import Array
from .reference_conv_gradients import conv_transpose
from .variants import THREADS, instruction_set


def check(problem: Problem, choices: list[str]) -> None:
    """Every algorithm, on every instruction set, within its bound; any number of threads: the same bits."""
    a = draw(problem)
    oracle = Oracle("conv_transpose", problem, a)
    for isa in fastconv.instruction_sets():
        with instruction_set(isa):
            for algorithm in [*able("conv_transpose", problem, a), *choices]:
                first = call("conv_transpose", problem, a, algorithm=algorithm)
                oracle.check(first, algorithm, f"{algorithm} on {isa}")
                for threads in THREADS:
                    with fastconv.threads(threads):
                        again = call("conv_transpose", problem, a, algorithm=algorithm)
                    np.testing.assert_array_equal(again, first, strict=True, err_msg=f"{algorithm} on {isa}")


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_definition(name: str) -> None:
    """Small problems of every kind."""
    check(Problem(CONVOLUTIONS[name]), ["auto", "strict"])


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_is_the_input_gradient(name: str) -> None:
    """Without a bias it has the bits of the gradient of the convolution that it transposes."""
    problem = Problem(CONVOLUTIONS[name])
    a = draw(problem)
    expected = call("input", problem, a)
    without = type(a)(a.x, a.w, a.dy, None)
    np.testing.assert_array_equal(call("conv_transpose", problem, without), expected, strict=True)


LARGER = {
    "4x4-stride-2": "conv2d n1 ic40 ih64 iw66 oc70 kh4 kw4 s2 p1 nchw f32",
    "2x2-stride-2-nhwc": "conv2d n2 ic33 ih62 iw50 oc48 kh2 kw2 s2 p0 nhwc f32",
    "2x2-stride-2-to-one-nhwc": "conv2d n2 ic1 ih62 iw50 oc9 kh2 kw2 s2 p0 nhwc f32",
    "1d-stride-is-kernel-to-one-nhwc": "conv1d n1 ic1 iw38 oc3 kw2 s2 p0 nhwc f64",
    "2x2-stride-2-groups": "conv2d n2 ic30 ih62 iw50 oc48 kh2 kw2 s2 p0 g3 nchw f32",
    "3d-stride-is-kernel": "conv3d n1 ic9 id6 ih9 iw12 oc20 kd3 kh3 kw3 s3 p0 nhwc f64",
    "3x3": "conv2d n1 ic24 ih61 iw57 oc40 kh3 kw3 s1 p1 nchw f32",
    "phases-of-3x3": "conv2d n1 ic24 ih61 iw57 oc14 kh6 kw6 s2 p2 nchw f32",
    "1d": "conv1d n2 ic64 iw2000 oc32 kw8 s4 p2 nchw f32",
    "3d-nhwc": "conv3d n1 ic8 id12 ih20 iw21 oc12 kd4 kh4 kw4 s2 p1 nhwc f32",
}


@pytest.mark.parametrize("name", LARGER)
def test_larger_problems(name: str) -> None:
    """Layers as networks have them: many tiles, panels and tasks of each phase, shared by threads."""
    check(Problem(LARGER[name]), ["auto"])


def test_long_stride() -> None:
    """Phases on which no tap falls take neither time nor memory: there may be millions of them."""
    dx = fastconv.grad.conv2d_input((1, 1, 2000, 3000), np.ones((1, 1, 1, 2)), np.ones((1, 1, 1, 1)), 3000)
    assert dx[0, 0, 0, 0] == dx[0, 0, 0, 1] == 1
    assert dx.sum() == 2


ACTIVATIONS: list[Any] = ["relu", "relu6", "leaky_relu", "sigmoid", "tanh", "silu", (-1.0, 2.0), (None, 0.5)]


@pytest.mark.parametrize("activation", ACTIVATIONS, ids=str)
@pytest.mark.parametrize(
    "name", ["channels-67", "depthwise-nhwc", "groups-uneven", "stride-beyond-kernel", "3d-nhwc"]
)
def test_activation(name: str, activation: Any, isa: str) -> None:
    """Each is applied to the finished sums, and to the bias where no product falls on an output."""
    problem = Problem(CONVOLUTIONS[name])
    a = draw(problem)
    oracle = Oracle("conv_transpose", problem, a)
    for algorithm in [*able("conv_transpose", problem, a), "auto"]:
        expected, limit = bounds.activated(oracle.value, oracle.bound(algorithm), activation, oracle.dtype)
        actual = call("conv_transpose", problem, a, algorithm=algorithm, activation=activation)
        assert_within(actual, expected, limit, f"{problem}, {algorithm} with {activation} on {isa}")


@pytest.mark.parametrize(("stride", "dilation"), [(1, 1), (2, 1), (1, 3), (3, 2), (4, 6), (6, 4)])
def test_output_padding(stride: int, dilation: int) -> None:
    """Everything less than the stride or the dilation: so many more outputs."""
    rng = np.random.default_rng(23)
    x, w, b = rng.standard_normal((1, 3, 4, 5)), rng.standard_normal((3, 2, 3, 2)), rng.standard_normal(2)
    largest = max(stride, dilation) - 1
    for extra in np.ndindex(largest + 1, largest + 1):
        how = (stride, 1, extra, 1, dilation)
        y, expected = fastconv.conv_transpose2d(x, w, b, *how), conv_transpose(x, w, b, *how)
        assert_within(y, expected, sums_bound(x, w, b, *how), f"{extra}")


def sums_bound(x: Array, w: Array, b: Array | None, *how: Any) -> Array:
    """gamma(n)*S, n the products of all channels and taps and the bias, in float64 without Winograd."""
    magnitudes = conv_transpose(np.abs(x), np.abs(w), None if b is None else np.abs(b), *how)
    return np.asarray(bounds.gamma(w.size + 1, np.float64) * magnitudes)


@pytest.mark.parametrize("stride", [1, 2, 3, (2, 3)])
@pytest.mark.parametrize("kernel", [(1, 1), (2, 3), (4, 4), (5, 2)])
@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_same(stride: Any, kernel: Any, layout: str) -> None:
    """ "same" leaves input * stride outputs."""
    rng = np.random.default_rng(24)
    x, w = rng.standard_normal((2, 4, 5, 3)), rng.standard_normal((3, 2, *kernel))
    if layout == "NHWC":
        w = np.moveaxis(w, (0, 1), (-1, -2))
    else:
        x = np.moveaxis(x, -1, 1)
    y = fastconv.conv_transpose2d(x, w, stride=stride, padding="same", layout=layout)
    sh, sw = ref.per_axis(stride, 2)
    assert ref.channels_first(y, layout).shape == (2, 2, 4 * sh, 5 * sw)
    how = (stride, "same", 0, 1, 1, layout)
    assert_within(y, conv_transpose(x, w, None, *how), sums_bound(x, w, None, *how), "same")


def test_positional_order() -> None:
    """The order of torch: input, weight, bias, stride, padding, output_padding, groups, dilation."""
    rng = np.random.default_rng(25)
    x, w, b = rng.standard_normal((1, 4, 5, 5)), rng.standard_normal((4, 3, 3, 3)), rng.standard_normal(6)
    named = fastconv.conv_transpose2d(
        input=x, weight=w, bias=b, stride=2, padding=1, output_padding=1, groups=2, dilation=3
    )
    np.testing.assert_array_equal(fastconv.conv_transpose2d(x, w, b, 2, 1, 1, 2, 3), named)


SYMMETRIC = [
    name
    for name, text in CONVOLUTIONS.items()
    if Problem(text).layout == "NCHW" and Problem(text).n and all(a == b for a, b in Problem(text).padding)
]


@pytest.mark.parametrize("name", SYMMETRIC)
def test_torch(name: str) -> None:
    """torch's transposed convolution in float64, by the same arguments in the same order."""
    torch = pytest.importorskip("torch")
    p = Problem(CONVOLUTIONS[name])
    a, function = draw(p), f"conv_transpose{p.rank}d"
    x, w, b = (torch.tensor(array.astype(np.float64)) for array in (a.dy, a.w, a.b))
    how = (p.stride, tuple(before for before, _ in p.padding), output_padding(p), p.groups, p.dilation)
    expected = getattr(torch.nn.functional, function)(x, w, b, *how).numpy()
    limit = 2 * Oracle("conv_transpose", p, a).bound("auto")  # torch has an error of its own
    assert_within(getattr(fastconv, function)(a.dy, a.w, a.b, *how), expected, limit, f"{function} of {p}")


def test_nothing_is_stuffed_with_zeros() -> None:
    """Where a stride is larger than the kernel, outputs that see no pixel are the bias."""
    y = fastconv.conv_transpose2d(
        np.full((1, 1, 2, 2), np.inf), np.ones((1, 2, 1, 1)), np.array([3.0, 4.0]), stride=3
    )
    for channel, bias in enumerate((3, 4)):
        expected = np.full((4, 4), bias, float)
        expected[::3, ::3] = np.inf
        np.testing.assert_array_equal(y[0, channel], expected)
