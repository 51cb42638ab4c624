"""Gradients of activations, softmax, cross-entropy and the fully connected layer.

Against the definition in a wider type, within the bound of the arithmetic; against numerical differentiation
of the library's own functions; and against torch's autograd where it is installed.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fastconv
from fastconv import grad

from . import bounds
from . import reference as ref
from .guarded import guarded, guarded_copy
from .oracle import assert_within
from .reference import Array
from .test_activation import numbers

DTYPES = [np.float32, np.float64]
NAMED = ["relu", "leaky_relu", "sigmoid", "tanh", "silu"]
SHAPES = [
    ((1,), 0),
    ((67,), -1),
    ((5, 33), 0),
    ((5, 33), 1),
    ((3, 4, 17), 1),
    ((2, 0), 1),
    ((0, 3), 1),
    ((1, 2, 1), 1),
]


def draw(shape: Any, dtype: Any, seed: int = 0) -> Array:
    """Standard normal numbers."""
    return np.asarray(np.random.default_rng(seed).standard_normal(shape), dtype)


def wide(*arrays: Array) -> list[Array]:
    """The same numbers in the type of the oracle."""
    return [a.astype(bounds.oracle(a.dtype)) for a in arrays]


# ---------------------------------------------------------------- activations


def slope(name: str, at: Array) -> tuple[Array, Array, int]:
    """The derivative where the function returned (silu: was given) `at`, its terms' absolute sum, roundings.

    Each of the differences and products rounds once, and for silu the exponential twice (2 ulp), the sum, the
    quotient and the product of both of its factors; the gradient that it multiplies rounds once more.
    """
    if name == "relu":
        return np.where(at > 0, 1, 0), np.abs(at) * 0, 0
    if name == "leaky_relu":
        value = np.where(at > 0, 1, at.dtype.type(0.01))
        return value, value, 2
    if name == "sigmoid":
        return at * (1 - at), at * (1 - at), 3
    if name == "tanh":
        return (1 - at) * (1 + at), (1 - at) * (1 + at), 4
    s, rest = ref.activate(at, "sigmoid"), ref.activate(-at, "sigmoid")
    return s * (1 + at * rest), s * (1 + np.abs(at) * rest), 2 * bounds.ROUNDINGS["sigmoid"] + 4


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NAMED)
def test_activation(name: str, dtype: Any, isa: str) -> None:
    """Over the whole range of the type, and the same on any number of threads."""
    x = numbers(dtype)
    at = x if name == "silu" else getattr(fastconv, name)(x)
    dy = draw(x.shape, dtype)
    function = getattr(grad, name)
    actual = function(dy, at)
    assert actual.dtype == dtype
    at_wide, dy_wide = wide(at, dy)
    value, absolute, roundings = slope(name, at_wide)
    # A product that underflows errs by eta, before it is multiplied by what is left of the product.
    eta = bounds.eta(dtype) * (1 + np.abs(dy_wide)) * (1 + (np.abs(at_wide) if name == "silu" else 0))
    limit = bounds.gamma(roundings, dtype) * absolute * np.abs(dy_wide) + eta * (roundings > 0)
    assert_within(actual, value * dy_wide, limit, f"{name} on {isa}")
    for threads in (1, 2, 3):
        with fastconv.threads(threads):
            np.testing.assert_array_equal(function(np.tile(dy, 9), np.tile(at, 9)), np.tile(actual, 9))


@pytest.mark.parametrize("name", NAMED)
def test_activation_against_differences(name: str) -> None:
    """The central difference, whose error is h^2 |f'''| / 6 and the rounding of f divided by h."""
    x = np.linspace(-6, 6, 401) + 0.0077  # no kink within h
    h = 1e-4
    function = getattr(fastconv, name)
    difference = (function(x + h) - function(x - h)) / (2 * h)
    at = x if name == "silu" else function(x)
    actual = getattr(grad, name)(np.ones_like(x), at)
    rounding = 8 * np.finfo(np.float64).eps * (np.abs(x) + 1) / h
    np.testing.assert_array_less(np.abs(actual - difference), h**2 / 3 + rounding)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "name",
    [
        None,
        "relu",
        "relu6",
        "leaky_relu",
        "sigmoid",
        "tanh",
        (-0.5, 0.5),
        (None, 0.25),
        (-1, None),
        (None, None),
    ],
    ids=str,
)
def test_fused_activation_is_undone(name: Any, dtype: Any, isa: str) -> None:
    """What `activation=` names; clamps let through what lies strictly between their bounds."""
    y = ref.activate(np.concatenate([draw(61, dtype, 1) * 4, dtype([0, 6, -0.5, 0.5])]), name).astype(dtype)
    dy = draw(y.shape, dtype, 2)
    actual = grad.activation(name, dy, y)
    if name in ("leaky_relu", "sigmoid", "tanh"):
        np.testing.assert_array_equal(actual, getattr(grad, name)(dy, y))
        return
    low, high = {"relu": (0, None), "relu6": (0, 6), None: (None, None)}.get(name, name)
    stopped = np.zeros(y.shape, bool)
    stopped |= (y <= low) if low is not None else False
    stopped |= (y >= high) if high is not None else False
    np.testing.assert_array_equal(actual, np.where(stopped, 0, dy))
    if name is not None and name != "relu":
        np.testing.assert_array_equal(grad.clamp(dy, y, low, high), actual)


def test_activation_specials() -> None:
    """Where a rectifier is flat, not even NaN passes; where its output is NaN, all does."""
    inf, nan = np.inf, np.nan
    dy, y = np.array([nan, inf, 1, 1, 2, nan]), np.array([0.0, 0, inf, nan, -0.0, 1])
    np.testing.assert_array_equal(grad.relu(dy, y), [0, 0, 1, 1, 0, nan])
    np.testing.assert_array_equal(grad.leaky_relu(np.ones(3), np.array([inf, -inf, nan]), 0.5), [1, 0.5, 0.5])
    np.testing.assert_array_equal(grad.sigmoid(np.ones(3), np.array([0.0, 1.0, nan])), [0, 0, nan])
    np.testing.assert_array_equal(grad.tanh(np.ones(3), np.array([-1.0, 1.0, nan])), [0, 0, nan])
    np.testing.assert_array_equal(grad.silu(np.ones(3), np.array([1e30, -1e30, nan])), [1, 0, nan])
    np.testing.assert_array_equal(grad.clamp(np.ones(2), np.array([-inf, inf])), [1, 1])


@pytest.mark.parametrize("shape", [(), (1,), (0,), (7,), (3, 0, 2), (2, 3, 5, 7)], ids=str)
@pytest.mark.parametrize("name", NAMED)
def test_activation_shapes_and_forms(name: str, shape: tuple[int, ...]) -> None:
    """Any shape, `out`, and arrays in any form: transposed, reversed, byte-swapped, read-only."""
    dy, at = draw(shape, np.float32, 3), draw(shape, np.float32, 4)
    function = getattr(grad, name)
    actual = function(dy, at)
    assert actual.shape == shape
    out = np.full(shape, np.nan, np.float32)
    assert function(dy, at, out=out) is out
    np.testing.assert_array_equal(out, actual, strict=True)
    reverse = (slice(None, None, -1),) * len(shape)
    for form in (lambda a: a[reverse].copy()[reverse], lambda a: a.T.copy().T, lambda a: a.astype(">f4")):
        strange = np.asarray(form(at))
        strange.flags.writeable = False
        np.testing.assert_array_equal(function(form(dy), strange), actual)


def activation_gradient(name: str) -> Any:
    """The function of that name."""
    return getattr(grad, name)


def loss_gradient_of(x: Array, _: Array, *, target: Array, axis: int, out: Array | None = None) -> Array:
    """The gradient of the loss, called as the gradients of two arrays are."""
    return grad.cross_entropy(x, target, axis=axis, out=out)


@pytest.mark.parametrize("flush", ["start", "end"])
def test_memory(flush: str, isa: str) -> None:
    """Nothing outside the arrays is touched and nothing inside forgotten, in either form of the kernels."""
    for shape, axis in SHAPES:
        dy, y = (guarded_copy(draw(shape, np.float32, seed), flush) for seed in (5, 6))
        out = guarded(shape, np.float32, flush)
        functions = [*map(activation_gradient, NAMED), partial(grad.softmax, axis=axis)]
        if shape[axis]:
            kept = tuple(np.delete(shape, axis))
            target = guarded_copy(np.random.default_rng(7).integers(0, shape[axis], kept), flush)
            functions.append(partial(loss_gradient_of, target=target, axis=axis))
            values = fastconv.cross_entropy(dy, target, "none", axis=axis)
            np.testing.assert_array_equal(
                values, fastconv.cross_entropy(dy.copy(), target, "none", axis=axis)
            )
        for function in functions:
            out.fill(np.nan)
            function(dy, y, out=out)
            np.testing.assert_array_equal(out, function(dy.copy(), y.copy()))
            assert np.isfinite(out).all()


# ---------------------------------------------------------------- softmax and cross-entropy


def softmax_gradient(dy: Array, y: Array, axis: int, dtype: Any) -> tuple[Array, Array]:
    """The definition and its bound: n products and additions, a difference, a product."""
    value = y * (dy - (dy * y).sum(axis, keepdims=True))
    absolute = np.abs(y) * (np.abs(dy) + np.abs(dy * y).sum(axis, keepdims=True))
    n = y.shape[axis]
    return value, np.asarray(bounds.gamma(n + 2, dtype) * absolute + (n * np.abs(y) + 1) * bounds.eta(dtype))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("shape", "axis"), SHAPES, ids=str)
def test_softmax(shape: tuple[int, ...], axis: int, dtype: Any, isa: str) -> None:
    """Along any axis."""
    dy = draw(shape, dtype, 8)
    y = fastconv.softmax(draw(shape, dtype, 9) * 3, axis)
    actual = grad.softmax(dy, y, axis)
    assert (actual.shape, actual.dtype) == (shape, dtype)
    assert_within(actual, *softmax_gradient(*wide(dy, y), axis, dtype), isa)


def losses(x: Array, target: Array, axis: int, dtype: Any) -> tuple[Array, Array]:
    """The losses and their bound.

    Each power errs by 2 ulp and by what the rounding of its exponent d does, |d|u of the power; their sum by
    n roundings more; so the logarithm by that much of 1, since the sum is at least 1, and by its own 4 ulp.
    The     two differences that are left round once each, and the result.
    """
    top = x.max(axis, keepdims=True)
    d = x - top
    e = np.exp(d)
    total = e.sum(axis)
    wanted = np.take_along_axis(d, np.expand_dims(target, axis), axis).squeeze(axis)
    value = np.log(total) - wanted
    relative = x.shape[axis] + 4 + (e * np.abs(d)).sum(axis) / total
    limit = bounds.gamma(relative, dtype) + bounds.gamma(8 + 2, dtype) * (np.log(total) + np.abs(wanted))
    return value, np.asarray(limit + (x.shape[axis] + 1) * bounds.eta(dtype))


def loss_gradient(x: Array, target: Array, axis: int, scale: float, dtype: Any) -> tuple[Array, Array]:
    """The gradient of the losses and its bound: that of softmax, the scale, a product, a difference."""
    p = ref.softmax(x, axis)
    chosen = np.expand_dims(target, axis) == np.arange(x.shape[axis]).reshape(
        [-1] + [1] * (x.ndim - 1 - axis % x.ndim)
    )
    limit = bounds.softmax_bound(x, axis, dtype) + bounds.gamma(5, dtype) * (p + chosen)
    return scale * (p - chosen), np.asarray(scale * limit + 2 * bounds.eta(dtype))


CASES = [
    ((1, 1), 1),
    ((5, 10), 1),
    ((33, 17), 1),
    ((10, 33), 0),
    ((3, 7, 4, 5), 1),
    ((2, 3, 40), -1),
    ((4, 1000), 1),
]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("shape", "axis"), CASES, ids=str)
@pytest.mark.parametrize("spread", [1, 30, 1000])
def test_cross_entropy(shape: tuple[int, ...], axis: int, spread: float, dtype: Any, isa: str) -> None:
    """Losses, their sum and mean, and the gradients of these; large logits do not overflow."""
    x = draw(shape, dtype, 10) * dtype(spread)
    target = np.random.default_rng(11).integers(0, shape[axis], tuple(np.delete(shape, axis)))
    (x_wide,) = wide(x)
    actual = fastconv.cross_entropy(x, target, "none", axis=axis)
    assert (actual.shape, actual.dtype) == (target.shape, dtype)
    value, limit = losses(x_wide, target, axis, dtype)
    assert_within(actual, value, limit, isa)
    total = fastconv.cross_entropy(x, target, "sum", axis=axis)
    assert (
        abs(total - value.sum()) <= limit.sum() + bounds.gamma(target.size, np.float64) * np.abs(value).sum()
    )
    assert fastconv.cross_entropy(x, target, axis=axis) == total / target.size
    for reduction, scale in (("mean", 1 / target.size), ("sum", 1), ("none", 1)):
        back = grad.cross_entropy(x, target, reduction, axis=axis)
        assert (back.shape, back.dtype) == (shape, dtype)
        assert_within(back, *loss_gradient(x_wide, target, axis, scale, dtype), f"{reduction} on {isa}")


@pytest.mark.parametrize("shape", [(700, 33), (7, 33, 700)], ids=str)
def test_same_bits_on_any_number_of_threads(shape: tuple[int, ...], isa: str) -> None:
    """Rows and columns are shared out, sums are not."""
    x, dy = draw(shape, np.float32, 12), draw(shape, np.float32, 13)
    target = np.random.default_rng(14).integers(0, 33, (700,) if len(shape) == 2 else (7, 700))
    calls = (
        lambda: grad.softmax(dy, x, 1),
        lambda: grad.cross_entropy(x, target),
        lambda: fastconv.cross_entropy(x, target, "none"),
    )
    for call in calls:
        with fastconv.threads(1):
            expected = call()
        for threads in (2, 3, 8):
            with fastconv.threads(threads):
                np.testing.assert_array_equal(call(), expected)


def test_cross_entropy_specials() -> None:
    """-inf is a probability of 0; NaN and +inf spoil their own row and no other; nothing has no mean."""
    x = np.zeros((4, 5))
    x[0, 2], x[1, 3], x[2, 4] = -np.inf, np.nan, np.inf
    target = np.array([0, 0, 0, 0])
    value, back = fastconv.cross_entropy(x, target, "none"), grad.cross_entropy(x, target, "sum")
    np.testing.assert_allclose(value[[0, 3]], np.log([4, 5]), rtol=1e-15)
    assert np.isnan(value[1:3]).all()
    np.testing.assert_array_equal(back[0], [-0.75, 0.25, 0, 0.25, 0.25])
    assert np.isnan(back[1]).all()
    assert np.isnan(back[2, 4])
    assert np.isfinite(back[[0, 3]]).all()
    x[0, 0] = -np.inf
    assert fastconv.cross_entropy(x[:1], target[:1]) == np.inf
    none = np.zeros((0, 5))
    assert np.isnan(fastconv.cross_entropy(none, np.zeros(0, int)))
    assert fastconv.cross_entropy(none, np.zeros(0, int), "sum") == 0
    assert grad.cross_entropy(none, np.zeros(0, int)).shape == (0, 5)


@pytest.mark.parametrize("kind", [np.int8, np.uint8, np.int32, np.int64, np.uint64, ">i4"])
def test_cross_entropy_takes_any_integers(kind: Any) -> None:
    """Targets of any integer type, and lists."""
    x, target = draw((5, 3), np.float32, 15), [0, 2, 1, 1, 0]
    expected = fastconv.cross_entropy(x, target)
    assert fastconv.cross_entropy(x, np.array(target, kind)) == expected
    assert fastconv.cross_entropy(x[:, ::-1].copy()[:, ::-1], np.array(target * 2, kind)[:5]) == expected


# ---------------------------------------------------------------- the fully connected layer


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "shape", [(1, 1, 1), (2, 32, 33), (33, 64, 14), (7, 129, 1), (0, 3, 4), (3, 1000, 10)], ids=str
)
def test_linear(shape: tuple[int, int, int], dtype: Any) -> None:
    """Both gradients are sums of products, with the bound of such."""
    rows, features, outputs = shape
    x, w, dy = (
        draw((rows, features), dtype, 1),
        draw((outputs, features), dtype, 2),
        draw((rows, outputs), dtype, 3),
    )
    x_wide, w_wide, dy_wide = wide(x, w, dy)
    for threads in (1, 2):
        with fastconv.threads(threads):
            back, weights = grad.linear_input(w, dy), grad.linear_weight(x, dy)
        assert back.dtype == weights.dtype == dtype
        assert_within(
            back, ref.linear(dy_wide, w_wide.T), bounds.linear_bound(dy_wide, w_wide.T, None, dtype), "input"
        )
        limit = bounds.linear_bound(dy_wide.T, x_wide.T, None, dtype)
        assert_within(weights, ref.linear(dy_wide.T, x_wide.T), limit, "weight")
    for leading in ((), (1, rows)) if rows == 1 else ((1, rows, 1),):
        np.testing.assert_array_equal(
            grad.linear_input(w, dy.reshape(*leading, outputs)), back.reshape(*leading, features)
        )
        again = grad.linear_weight(x.reshape(*leading, features), dy.reshape(*leading, outputs))
        np.testing.assert_array_equal(again, weights)


# ---------------------------------------------------------------- torch


@settings(max_examples=60)
@given(
    st.lists(st.integers(1, 6), min_size=1, max_size=4),
    st.integers(0, 2**32 - 1),
    st.sampled_from([*NAMED, "softmax", "cross_entropy", "linear"]),
    st.integers(0, 3),
)
def test_against_torch(shape: list[int], seed: int, name: str, axis: int) -> None:
    """Autograd in float64 differs by rounding alone: at most 64 units of the largest term."""
    torch = pytest.importorskip("torch")
    axis %= len(shape)
    x, dy = draw(shape, np.float64, seed) * 3, draw(shape, np.float64, seed + 1)
    leaf = torch.from_numpy(x).requires_grad_()
    functional = torch.nn.functional
    close = {
        "rtol": 64 * np.finfo(np.float64).eps,
        "atol": 64 * np.finfo(np.float64).eps * (1 + np.abs(dy).sum()),
    }
    if name == "linear":
        w = draw((5, shape[-1]), np.float64, seed + 2)
        weight = torch.from_numpy(w).requires_grad_()
        above = draw((*shape[:-1], 5), np.float64, seed + 3)
        functional.linear(leaf, weight).backward(torch.from_numpy(above))
        close["atol"] *= 1 + np.abs(x).max() * np.abs(above).sum()
        np.testing.assert_allclose(grad.linear_input(w, above), leaf.grad.numpy(), **close)
        np.testing.assert_allclose(grad.linear_weight(x, above), weight.grad.numpy(), **close)
        return
    if name == "cross_entropy":
        target = np.random.default_rng(seed).integers(0, shape[axis], tuple(np.delete(shape, axis)))
        rows = leaf.movedim(axis, -1).reshape(-1, shape[axis])
        loss = functional.cross_entropy(rows, torch.from_numpy(target.reshape(-1)))
        loss.backward()
        np.testing.assert_allclose(fastconv.cross_entropy(x, target, axis=axis), loss.item(), **close)
        np.testing.assert_allclose(grad.cross_entropy(x, target, axis=axis), leaf.grad.numpy(), **close)
        return
    if name == "softmax":
        functional.softmax(leaf, axis).backward(torch.from_numpy(dy))
        actual = grad.softmax(dy, fastconv.softmax(x, axis), axis)
    else:
        function = getattr(torch if name in ("sigmoid", "tanh") else functional, name)
        function(leaf).backward(torch.from_numpy(dy))
        actual = getattr(grad, name)(dy, x if name == "silu" else getattr(fastconv, name)(x))
    np.testing.assert_allclose(actual, leaf.grad.numpy(), **close)


# ---------------------------------------------------------------- bad input

Z = np.zeros((2, 4), np.float32)
BAD: list[tuple[Any, type[Exception], str]] = [
    *[(partial(activation_gradient(name), Z, Z[:1]), ValueError, r"shape \(1, 4\), expected \(2, 4\)")
      for name in NAMED],
    *[(partial(activation_gradient(name), Z, Z.astype(np.float64)), TypeError, "put: dtype float64")
      for name in NAMED],
    (lambda: grad.relu(Z.astype(int), Z), TypeError, "grad_output: dtype int64"),
    (lambda: grad.relu("image", Z), TypeError, "grad_output: dtype <U5"),
    (lambda: grad.relu(Z, None), TypeError, "output"),
    (lambda: grad.relu(Z, Z, out=Z), ValueError, "out: the array overlaps grad_output"),
    (lambda: grad.silu(Z, np.ones_like(Z), out=Z[:1]), ValueError, r"out: shape \(1, 4\)"),
    (lambda: grad.relu(Z, Z, out=[1]), TypeError, "out="),
    (lambda: grad.leaky_relu(Z, Z, -0.5), ValueError, "negative_slope=-0.5: expected"),
    (lambda: grad.leaky_relu(Z, Z, np.nan), ValueError, "negative_slope=nan: expected"),
    (lambda: grad.leaky_relu(Z, Z, "1"), TypeError, "negative_slope='1': expected"),
    (lambda: grad.clamp(Z, Z, 1, 0), ValueError, r"activation=\(1, 0\): expected low <= high"),
    (lambda: grad.clamp(Z, Z, "0"), TypeError, "activation='0': expected a number"),
    (lambda: grad.activation("silu", Z, Z), ValueError, "name='silu': expected"),
    (lambda: grad.activation("gelu", Z, Z), ValueError, "activation='gelu': expected"),
    (lambda: grad.activation(1, Z, Z), TypeError, "activation=1: expected"),
    (lambda: grad.softmax(Z, Z, 2), ValueError, "axis=2: expected an axis of an array with 2 axes"),
    (lambda: grad.softmax(Z, Z, 0.5), TypeError, "axis=0.5: expected"),
    (lambda: grad.softmax(Z, Z[:1]), ValueError, r"output: shape \(1, 4\)"),
    (lambda: grad.softmax(np.float32(1), np.float32(1)), ValueError, "axis=-1"),
    (lambda: fastconv.cross_entropy(Z, [0, 4]), ValueError, "target: 4 at place 1, expected 0 <= target < 4"),
    (lambda: fastconv.cross_entropy(Z, [-1, 0]), ValueError, "target: -1 at place 0"),
    (lambda: fastconv.cross_entropy(Z, np.array([0, 2**64 - 1], np.uint64)), ValueError, str(2**64 - 1)),
    (lambda: fastconv.cross_entropy(Z, [0]), ValueError, r"target: shape \(1,\), expected \(2,\)"),
    (lambda: fastconv.cross_entropy(Z, [0.0, 1.0]), TypeError, "target: dtype float64, expected integers"),
    (lambda: fastconv.cross_entropy(Z, [True, False]), TypeError, "target: dtype bool"),
    (lambda: fastconv.cross_entropy(Z, None), TypeError, "target: dtype object"),
    (lambda: fastconv.cross_entropy(Z, [[0], [1, 2]]), TypeError, "target=.*: expected an array of integers"),
    (lambda: fastconv.cross_entropy(Z[0], 0), ValueError, "axis=1: expected"),
    (lambda: fastconv.cross_entropy(np.zeros((2, 0)), [0, 0]), ValueError, "expected 0 <= target < 0"),
    (lambda: fastconv.cross_entropy(Z, [0, 1], "median"), ValueError, "reduction='median': expected"),
    (lambda: fastconv.cross_entropy(Z, [0, 1], None), TypeError, "reduction=None: expected"),
    (lambda: fastconv.cross_entropy(Z.astype(int), [0, 1]), TypeError, "logits: dtype int64"),
    (lambda: grad.cross_entropy(Z, [0, 4]), ValueError, "target: 4 at place 1"),
    (lambda: grad.cross_entropy(Z, [0, 1], out=Z), ValueError, "out: the array overlaps logits"),
    (lambda: grad.linear_input(Z, Z), ValueError, r"grad_output: shape \(2, 4\), expected a last axis of 2"),
    (lambda: grad.linear_input(Z[0], Z), ValueError, r"weight: shape \(4,\), expected 2 axes"),
    (lambda: grad.linear_input(Z.T, Z.astype(np.float64)), TypeError, "grad_output: dtype float64"),
    (lambda: grad.linear_input(Z.T.astype(int), Z), TypeError, "weight: dtype int64"),
    (lambda: grad.linear_weight(Z, Z[:1]), ValueError, r"grad_output: shape \(1, 4\)"),
    (lambda: grad.linear_weight(Z, np.float32(1)), ValueError, r"grad_output: shape \(\)"),
    (lambda: grad.linear_weight(Z, Z.astype(np.float64)), TypeError, "grad_output: dtype float64"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("call", "error", "message"), BAD, ids=[f"{i}-{row[2][:30]}" for i, row in enumerate(BAD)]
)
def test_refused(call: Any, error: type[Exception], message: str) -> None:
    """Every door says what is wrong."""
    with pytest.raises(error, match=message) as caught:
        call()
    assert type(caught.value) is error
