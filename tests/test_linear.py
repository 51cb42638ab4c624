"""The fully connected layer against the definition."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fastconv

from . import bounds
from . import reference as ref
from .oracle import assert_within

SHAPES = [
    (1, 1, 1),
    (1, 13, 31),
    (2, 32, 33),
    (14, 15, 16),
    (33, 64, 14),
    (7, 129, 1),
    (0, 3, 4),
    (3, 1000, 10),
]


def layer(shape: tuple[int, int, int], dtype: Any) -> tuple[Any, Any, Any]:
    """Input, weight and bias of (rows, in_features, out_features)."""
    rng = np.random.default_rng(shape)
    rows, features, outputs = shape
    return tuple(
        rng.standard_normal(s).astype(dtype) for s in ((rows, features), (outputs, features), (outputs,))
    )


def expected(x: Any, w: Any, b: Any, activation: Any = None) -> tuple[Any, Any]:
    """Value and bound."""
    wide = [None if a is None else a.astype(bounds.oracle(x.dtype)) for a in (x, w, b)]
    limit = bounds.linear_bound(wide[0], wide[1], wide[2], x.dtype)
    return bounds.activated(ref.linear(*wide), limit, activation, x.dtype)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("biased", [False, True], ids=["", "bias"])
def test_definition(shape: tuple[int, int, int], dtype: Any, biased: bool, isa: str) -> None:
    """Any number of rows, features and outputs."""
    x, w, b = layer(shape, dtype)
    b = b if biased else None
    for threads in (1, 2):
        with fastconv.threads(threads):
            actual = fastconv.linear(x, w, b)
        assert actual.dtype == dtype
        assert_within(actual, *expected(x, w, b), f"{isa} with threads={threads}")
    out = np.full(actual.shape, np.nan, dtype)
    assert fastconv.linear(x, w, b, out=out) is out
    np.testing.assert_array_equal(out, actual, strict=True)


@pytest.mark.parametrize(
    "activation", ["relu", "relu6", "leaky_relu", "sigmoid", "tanh", "silu", (-0.5, 0.5)], ids=str
)
def test_activation(activation: Any, isa: str) -> None:
    """The activations of the convolutions serve here as well."""
    x, w, b = layer((5, 37, 35), np.float32)
    actual = fastconv.linear(x, w, b, activation=activation)
    assert_within(actual, *expected(x, w, b, activation), isa)


@pytest.mark.parametrize("leading", [(), (3,), (2, 3), (2, 0, 3), (1, 2, 1, 2)], ids=str)
def test_leading_axes(leading: tuple[int, ...]) -> None:
    """Any number of leading axes, none included, is so many rows."""
    x, w, b = layer((int(np.prod(leading)), 9, 5), np.float64)
    actual = fastconv.linear(x.reshape(*leading, 9), w, b)
    assert actual.shape == (*leading, 5)
    assert_within(actual.reshape(-1, 5), *expected(x, w, b), str(leading))
