"""Complex numbers: within the bound that follows from that of real sums, and what they are no part of."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fastconv
from fastconv import Problem

from . import bounds, reference_gradients
from . import reference as ref
from .oracle import assert_within
from .problems import CONVOLUTIONS, POOLS, parameters
from .reference import Array
from .reference_conv_gradients import conv_transpose
from .test_arrays import FORMS
from .test_properties import convolutions, pools, seeds
from .variants import algorithms, widest

TYPES = {"complex64": np.float32, "complex128": np.float64}


def draw(rng: Any, shape: Any, dtype: str) -> Array:
    """Normal numbers, real and imaginary."""
    return np.asarray(rng.standard_normal(shape) + 1j * rng.standard_normal(shape)).astype(dtype)


def check(
    actual: Array,
    definition: Callable[..., Array],
    bound: Callable[[Array, Array], Array],
    x: Array,
    w: Array,
    b: Array | None,
    channels: int,
    what: str = "",
) -> None:
    """Fail unless each part of a result is within its bound of the definition, computed in a wider type."""
    kind = TYPES[x.dtype.name]
    wide = np.result_type(bounds.oracle(kind), np.complex64)
    x, w = x.astype(wide), w.astype(wide)
    if b is not None:
        b = np.moveaxis(b.astype(wide).reshape(-1, *[1] * (actual.ndim - 1)), 0, channels)
    real, imaginary = bounds.complex_bound(bound, definition, x, w, b, kind)
    assert actual.dtype == f"c{2 * np.dtype(kind).itemsize}", what
    assert actual.dtype.isnative, what
    re = definition(x.real, w.real) - definition(x.imag, w.imag)
    im = definition(x.real, w.imag) + definition(x.imag, w.real)
    assert_within(actual.real, re if b is None else re + b.real, real, f"{what}, real")
    assert_within(actual.imag, im if b is None else im + b.imag, imaginary, f"{what}, imaginary")


def check_conv(actual: Array, x: Array, w: Array, b: Array | None, what: str, name: str, **how: Any) -> None:
    """The same for a convolution by some algorithm."""
    if name.startswith("winograd"):
        tile = {key: how[key] for key in ("padding", "dilation", "groups", "layout")}
        size = int(name.removeprefix("winograd"))
        bound = lambda p, q: bounds.winograd_bound(size, p, q, None, TYPES[x.dtype.name], **tile)  # noqa: E731
    else:
        bound = lambda p, q: bounds.conv_bound(p, q, None, TYPES[x.dtype.name], **how)  # noqa: E731
    definition = lambda p, q: ref.conv(p, q, None, **how)  # noqa: E731
    check(actual, definition, bound, x, w, b, 1 if how["layout"] == "NCHW" else -1, what)


def check_transposed(actual: Array, x: Array, w: Array, b: Array | None, **how: Any) -> None:
    """The same for a transposed one."""
    kind, layout = TYPES[x.dtype.name], how.get("layout", "NCHW")
    terms = ref.weight_first(w, layout)[:, 0].size
    definition = lambda p, q: conv_transpose(p, q, None, **how)  # noqa: E731

    def bound(p: Array, q: Array) -> Array:
        return np.asarray(
            bounds.gamma(terms, kind) * definition(np.abs(p), np.abs(q)) + terms * bounds.eta(kind)
        )

    check(actual, definition, bound, x, w, b, 1 if layout == "NCHW" else -1)


# ---------------------------------------------------------------- convolution


@pytest.mark.parametrize("name", CONVOLUTIONS)
@pytest.mark.parametrize("dtype", TYPES)
def test_definition(name: str, dtype: str, isa: str) -> None:
    """Problems of every kind, by every algorithm."""
    problem, rng = Problem(CONVOLUTIONS[name]), np.random.default_rng(1)
    assert problem.weight_shape is not None
    x, w = draw(rng, problem.input_shape, dtype), draw(rng, problem.weight_shape, dtype)
    b = draw(rng, problem.oc, dtype) if problem.bias else None
    how = parameters(problem)
    for algorithm in algorithms(problem):
        y = getattr(fastconv, problem.op)(x, w, b, **how, algorithm=algorithm)
        check_conv(y, x, w, b, f"{algorithm} on {isa}", algorithm, **how)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_transposed(layout: Any, dtype: str, isa: str) -> None:
    """Transposed convolutions, in groups."""
    rng, first = np.random.default_rng(2), layout == "NCHW"
    x = draw(rng, (2, 6, 4, 5) if first else (2, 4, 5, 6), dtype)
    w = draw(rng, (6, 4, 3, 2) if first else (3, 2, 4, 6), dtype)
    how: dict[str, Any] = {"stride": 2, "padding": 1, "groups": 2, "layout": layout, "output_padding": (1, 0)}
    for b in (None, draw(rng, 8, dtype)):
        check_transposed(fastconv.conv_transpose2d(x, w, b, **how), x, w, b, **how)
        one = fastconv.conv_transpose2d(x[0], w, b, **how)
        check_transposed(one[None], x[:1], w, b, **how)


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("mode", ["reflect", "replicate", "circular", "symmetric"])
def test_padding_modes(mode: Any, layout: Any, isa: str) -> None:
    """Borders."""
    rng, first = np.random.default_rng(3), layout == "NCHW"
    x = draw(rng, (2, 4, 7, 5) if first else (2, 7, 5, 4), "complex64")
    w = draw(rng, (6, 2, 3, 3) if first else (3, 3, 2, 6), "complex64")
    how: dict[str, Any] = {"groups": 2, "layout": layout, "dilation": 1, "padding": 0}
    y = fastconv.conv2d(x, w, **how | {"padding": ((1, 2), (0, 3))}, padding_mode=mode)
    bordered = reference_gradients.pad(x, [(1, 2), (0, 3)], mode, layout)
    check_conv(y, bordered, w, None, mode, "winograd4", **how)


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_without_a_batch(rank: int, layout: str) -> None:
    """One image gives what it gives in a batch."""
    rng, extents, first = np.random.default_rng(4), (5, 6, 7)[:rank], layout == "NCHW"
    x = draw(rng, (4, *extents) if first else (*extents, 4), "complex128")
    w = draw(rng, (4, 2, *[2] * rank) if first else (*[2] * rank, 2, 4), "complex128")
    b = draw(rng, 4, "complex128")
    how = {"groups": 2, "layout": layout}
    for name in (f"conv{rank}d", f"conv_transpose{rank}d"):
        function = getattr(fastconv, name)
        np.testing.assert_array_equal(
            function(x, w, b, **how), function(x[None], w, b, **how)[0], strict=True
        )


@pytest.mark.parametrize("dtype", TYPES)
def test_linear(dtype: str, isa: str) -> None:
    """Any leading axes, none as well."""
    rng = np.random.default_rng(5)
    w, b = draw(rng, (4, 7), dtype), draw(rng, 4, dtype)
    for shape in ((7,), (3, 7), (2, 3, 7), (0, 7)):
        x = draw(rng, shape, dtype)
        bound = lambda p, q: bounds.linear_bound(p, q, None, TYPES[dtype])  # noqa: E731
        check(fastconv.linear(x, w, b), ref.linear, bound, x, w, b, -1)


def test_real_numbers_among_complex_ones() -> None:
    """With imaginary parts of zero the real one has the bits of a real convolution, and i times i is -1."""
    rng = np.random.default_rng(6)
    x, w = rng.standard_normal((2, 3, 6, 5)), rng.standard_normal((4, 3, 2, 2))
    real = fastconv.conv2d(np.concatenate((x, 0 * x)), np.concatenate((w, 0 * w)))[:2, :4]
    np.testing.assert_array_equal(fastconv.conv2d(x + 0j, w + 0j), real)
    np.testing.assert_array_equal(fastconv.conv2d(x * 1j, w * 1j), -real)
    np.testing.assert_array_equal(fastconv.conv2d([[[[1j, 2]]]], [[[[1, 1j]]]], [1j]), [[[[4j]]]])


@given(convolutions(), seeds, st.sampled_from(list(TYPES)))
def test_any(text: str, seed: int, dtype: str) -> None:
    """Any convolution."""
    problem, rng = Problem(text), np.random.default_rng(seed)
    assert problem.weight_shape is not None
    x, w = draw(rng, problem.input_shape, dtype), draw(rng, problem.weight_shape, dtype)
    b = draw(rng, problem.oc, dtype) if problem.bias else None
    how = parameters(problem)
    y = getattr(fastconv, problem.op)(x, w, b, **how)
    check_conv(y, x, w, b, "auto", widest(problem), **how)


# ---------------------------------------------------------------- means


@pytest.mark.parametrize("name", [name for name in POOLS if name.startswith("mean")])
@pytest.mark.parametrize("dtype", TYPES)
def test_avg_pool(name: str, dtype: str, isa: str) -> None:
    """Either part is the mean of such parts, bit for bit."""
    problem = Problem(POOLS[name])
    check_mean(problem, draw(np.random.default_rng(7), problem.input_shape, dtype))


def check_mean(problem: Problem, x: Array) -> None:
    """Fail unless both parts are means."""
    function = partial(getattr(fastconv, problem.op), **parameters(problem))
    y = function(x)
    assert y.dtype == x.dtype
    np.testing.assert_array_equal(y.real, function(x.real))
    np.testing.assert_array_equal(y.imag, function(x.imag))


@given(pools(), seeds, st.sampled_from(list(TYPES)))
def test_any_mean(text: str, seed: int, dtype: str) -> None:
    """Any mean."""
    problem = Problem(text)
    if problem.op.startswith("avg"):
        check_mean(problem, draw(np.random.default_rng(seed), problem.input_shape, dtype))


def test_adaptive_avg_pool() -> None:
    """So are adaptive means."""
    x = draw(np.random.default_rng(8), (2, 7, 9, 3), "complex64")
    y = fastconv.adaptive_avg_pool2d(x, (3, 4), layout="NHWC")
    assert y.dtype == np.complex64
    np.testing.assert_array_equal(y.real, fastconv.adaptive_avg_pool2d(x.real, (3, 4), layout="NHWC"))
    np.testing.assert_array_equal(y.imag, fastconv.adaptive_avg_pool2d(x.imag, (3, 4), layout="NHWC"))


# ---------------------------------------------------------------- arrays


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("dtype", TYPES)
def test_form(form: str, dtype: str) -> None:
    """The same numbers, however they lie in memory."""
    rng = np.random.default_rng(9)
    x, w, b = draw(rng, (2, 4, 6, 5), dtype), draw(rng, (4, 2, 3, 3), dtype), draw(rng, 4, dtype)
    for call in (partial(fastconv.conv2d, groups=2), partial(fastconv.conv_transpose2d, groups=2)):
        expected = call(x, w, b)
        for changed in (0, 1, 2, None):
            inputs = [FORMS[form](a) if changed in (i, None) else a for i, a in enumerate((x, w, b))]
            actual = call(*inputs)
            np.testing.assert_array_equal(actual, expected, strict=True)
            assert type(actual) is np.ndarray
            assert actual.flags.c_contiguous
    means = fastconv.avg_pool2d(FORMS[form](x), 2)
    np.testing.assert_array_equal(means, fastconv.avg_pool2d(x, 2), strict=True)


def test_empty() -> None:
    """No images, no input channels, no output channels."""
    b = np.arange(3) * 1j
    for n, ic, oc in ((0, 2, 3), (2, 0, 3), (2, 2, 0)):
        y = fastconv.conv2d(np.ones((n, ic, 4, 5)) * 1j, np.ones((oc, ic, 2, 2)) * 1j, b[:oc])
        np.testing.assert_array_equal(
            y, np.broadcast_to(b[:oc, None, None] - 4 * ic, (n, oc, 3, 4)), strict=True
        )


def test_out() -> None:
    """Results go where they are wanted, if they fit."""
    x, w = np.ones((1, 2, 4, 4)) * 1j, np.ones((3, 2, 3, 3)) * 1j
    out = np.empty((1, 3, 2, 2), complex)
    assert fastconv.conv2d(x, w, out=out) is out
    np.testing.assert_array_equal(out, -18)
    with pytest.raises(TypeError, match="out: dtype <f8, expected native complex128"):
        fastconv.conv2d(x, w, out=out.real.copy())
    with pytest.raises(ValueError, match="out: the array overlaps input"):
        fastconv.avg_pool2d(x, 1, out=x)
    assert fastconv.adaptive_avg_pool2d(x, 2, out=out[:, :2]) is not None


# ---------------------------------------------------------------- what is refused

X, W, B = np.ones((1, 2, 4, 4), np.complex64), np.ones((3, 2, 3, 3), np.complex64), np.ones(3, np.complex64)

REFUSED: dict[str, tuple[dict[str, Any], type[Exception], str]] = {
    "wider weight": (
        {"weight": W.astype(complex)},
        TypeError,
        "weight: dtype complex128, expected complex64",
    ),
    "real weight": ({"weight": W.real}, TypeError, "weight: dtype float32, expected complex64 as input"),
    "whole weight": ({"weight": W.real.astype(int)}, TypeError, "weight: dtype int64, expected complex64"),
    "real input": ({"input": X.real}, TypeError, "weight: dtype complex64"),
    "whole input": ({"input": X.real.astype(int)}, TypeError, "weight: dtype complex64, expected integers"),
    "real bias": ({"bias": B.real}, TypeError, "bias: dtype float32, expected complex64 as input"),
    "widest": (
        {"input": X.astype(np.clongdouble)},
        TypeError,
        "input: dtype complex256, expected complex64 or",
    ),
    "bias shape": ({"bias": B[:2]}, ValueError, r"bias: shape \(2,\), expected \(3,\)"),
    "channels": ({"input": X[:, :1]}, ValueError, r"input: shape \(1, 1, 4, 4\) has 1 channels"),
    "axes": ({"input": X[0, 0]}, ValueError, r"input: shape \(4, 4\), expected"),
    "relu": ({"activation": "relu"}, ValueError, "activation='relu': expected None with complex numbers"),
    "clamp": ({"activation": (0, 1)}, ValueError, r"activation=\(0, 1\): expected None with complex"),
    "algorithm": ({"algorithm": "fft"}, ValueError, "algorithm='fft': expected one of"),
    "stride": ({"stride": 0}, ValueError, "stride=0: expected positive"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    """Errors name the argument, its value and what was expected."""
    change, error, words = REFUSED[name]
    with pytest.raises(error, match=words):
        fastconv.conv2d(**{"input": X, "weight": W, "bias": B} | change)


def test_refused_elsewhere() -> None:
    """Complex numbers have no maximum."""
    for pool in (fastconv.max_pool2d, fastconv.adaptive_max_pool2d):
        with pytest.raises(TypeError, match="input: dtype complex64, expected floating numbers or integers"):
            pool(X, 2)
    with pytest.raises(TypeError, match="input: dtype complex256"):
        fastconv.avg_pool2d(X.astype(np.clongdouble), 2)
    with pytest.raises(ValueError, match=r"input: shape \(4, 4\)"):
        fastconv.avg_pool2d(X[0, 0], 2)
    with pytest.raises(TypeError, match="weight: dtype complex64"):
        fastconv.Conv2d(W)
