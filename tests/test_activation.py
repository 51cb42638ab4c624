"""The activation functions and softmax against the definition."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fastconv

from . import bounds
from . import reference as ref
from .oracle import assert_within

FUNCTIONS = {name: getattr(fastconv, name) for name in ("relu", "leaky_relu", "sigmoid", "tanh", "silu")}
DTYPES = [np.float32, np.float64]
SOFTMAX = [((1,), 0), ((67,), -1), ((5, 33), 0), ((5, 33), 1), ((3, 4, 17), -2), ((2, 0), 1), ((0, 3), 1)]


def numbers(dtype: Any) -> Any:
    """Every magnitude of both signs: subnormals, powers of two up to overflow, and an even grid between."""
    info = np.finfo(dtype)
    powers = np.ldexp(dtype(1.1), np.arange(info.minexp - info.nmant, info.maxexp))
    grid = np.linspace(0, 110 if dtype == np.float32 else 760, 5001, dtype=dtype)
    positive = np.concatenate([powers, grid, [info.smallest_subnormal, info.tiny, info.max]]).astype(dtype)
    return np.concatenate([positive, -positive])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_definition(name: str, dtype: Any, isa: str) -> None:
    """Within a few units in the last place, over the whole range of the type."""
    x = numbers(dtype)
    wide = x.astype(bounds.oracle(dtype))
    actual = FUNCTIONS[name](x)
    assert actual.dtype == dtype
    assert_within(actual, *bounds.activated(wide, np.zeros_like(wide), name, dtype), f"{name} on {isa}")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_specials(name: str, dtype: Any, isa: str) -> None:
    """NaN stays NaN at any place in a vector, and the limits at infinity are met."""
    right, left = {
        "relu": (np.inf, 0),
        "leaky_relu": (np.inf, -np.inf),
        "sigmoid": (1, 0),
        "tanh": (1, -1),
    }.get(name, (np.inf, None))
    for at in range(37):
        x = np.linspace(-1, 1, 37, dtype=dtype)
        expected = FUNCTIONS[name](x)
        for special, limit in ((np.nan, np.nan), (np.inf, right), (-np.inf, left)):
            if limit is not None:  # silu(-inf) is -inf * 0 by its definition and 0 by its limit
                x[at], expected[at] = special, limit
                np.testing.assert_array_equal(FUNCTIONS[name](x), expected)


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("shape", [(), (1,), (0,), (7,), (3, 0, 2), (2, 3, 5, 7)], ids=str)
def test_shapes_and_out(name: str, shape: tuple[int, ...]) -> None:
    """Any shape, the same bits wherever a number lies, and `out` filled and returned."""
    x = np.random.default_rng(5).standard_normal(shape).astype(np.float32)
    actual = FUNCTIONS[name](x)
    assert actual.shape == shape
    one_by_one = [FUNCTIONS[name](np.array([number]))[0] for number in x.ravel()]
    np.testing.assert_array_equal(actual.ravel(), np.array(one_by_one, np.float32))
    out = np.full(shape, np.nan, np.float32)
    assert FUNCTIONS[name](x, out=out) is out
    np.testing.assert_array_equal(out, actual, strict=True)


@pytest.mark.parametrize("slope", [0.0, 0.25, 1.0, -0.5, 3.0])
def test_leaky_relu_slope(slope: float) -> None:
    """Slopes that are powers of two round nothing."""
    x = np.linspace(-2, 2, 33, dtype=np.float32)
    np.testing.assert_array_equal(fastconv.leaky_relu(x, slope), np.where(x > 0, x, x * np.float32(slope)))
    np.testing.assert_array_equal(fastconv.leaky_relu(x, negative_slope=slope), fastconv.leaky_relu(x, slope))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("shape", "axis"), SOFTMAX, ids=str)
def test_softmax(shape: tuple[int, ...], axis: int, dtype: Any, isa: str) -> None:
    """Along any axis; large numbers do not overflow."""
    for scale in (1, 30, 1000):
        x = (np.random.default_rng(6).standard_normal(shape) * scale).astype(dtype)
        actual = fastconv.softmax(x, axis)
        assert actual.dtype == dtype
        wide = x.astype(bounds.oracle(dtype))
        if x.size:
            assert_within(
                actual, ref.softmax(wide, axis), bounds.softmax_bound(wide, axis, dtype), f"{scale} on {isa}"
            )
        assert actual.shape == shape
        out = np.full(shape, np.nan, dtype)
        assert fastconv.softmax(x, axis=axis, out=out) is out
        np.testing.assert_array_equal(out, actual, strict=True)


def test_softmax_specials() -> None:
    """-inf is a probability of 0; a NaN or a +inf leaves its own row without meaning and no other."""
    x = np.zeros((4, 5))
    x[0, 2], x[1, 3], x[2, 4] = -np.inf, np.nan, np.inf
    p = fastconv.softmax(x)
    np.testing.assert_array_equal(p[0], [0.25, 0.25, 0, 0.25, 0.25])
    assert np.isnan(p[1]).all()
    assert np.isnan(p[2, 4])
    np.testing.assert_array_equal(p[3], np.full(5, 0.2))


def test_overwriting_the_input_is_an_error() -> None:
    """`out` may not overlap an input, for these functions either."""
    x = np.zeros(4)
    for function in [*FUNCTIONS.values(), fastconv.softmax]:
        with pytest.raises(ValueError, match="out"):
            function(x, out=x)
