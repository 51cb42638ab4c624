"""`fastconv.convolve` and `fastconv.correlate` against NumPy's, of which they promise the results."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest

import fastconv

from . import bounds
from .reference import Array
from .test_ndimage import INTEGERS

MODES = ("full", "same", "valid")
LENGTHS = (1, 2, 3, 4, 7, 16, 33)
FLOATS = ("float32", "float64", "complex64", "complex128")


def values(shape: Any, dtype: str, seed: int) -> Array:
    """Any bits of an integer type, normal numbers of the others."""
    rng = np.random.default_rng(seed)
    if dtype in INTEGERS:
        limits = np.iinfo(dtype)
        return rng.integers(limits.min, limits.max, shape, dtype, endpoint=True)
    if dtype == "bool":
        return rng.random(shape) < 0.3
    x = rng.standard_normal(shape)
    return (x + 1j * rng.standard_normal(shape) if dtype[0] == "c" else x).astype(dtype)


def check(actual: Array, expected: Array, a: Array, v: Array) -> None:
    """Integers bit for bit, floats within the bound of two sums of products, each in any order."""
    assert actual.dtype == expected.dtype
    assert actual.shape == expected.shape
    if expected.dtype.kind in "biu":
        np.testing.assert_array_equal(actual, expected)
    else:
        single = expected.dtype in (np.float32, np.complex64)
        terms = 4 * min(a.size, v.size) + 4  # of a complex product too
        largest = np.abs(a.astype(complex)).max() * np.abs(v.astype(complex)).max() * terms
        limit = 2 * bounds.gamma(terms, np.float32 if single else np.float64) * largest
        assert np.abs(actual - expected).max() <= limit


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("dtype", ["bool", *INTEGERS, *FLOATS])
@pytest.mark.parametrize("name", ["convolve", "correlate"])
def test_as_numpy(name: str, dtype: str, mode: str) -> None:
    """The same numbers of the same type, whichever of both is longer."""
    for m, n in product(LENGTHS, repeat=2):
        a, v = values(m, dtype, m), values(n, dtype, n + 100)
        expected = getattr(np, name)(a, v, mode)
        check(getattr(fastconv, name)(a, v, mode), expected, a, v)


@pytest.mark.parametrize("types", list(product(["bool", *INTEGERS, *FLOATS], repeat=2)), ids="-".join)
def test_common_types(types: tuple[str, str]) -> None:
    """The result has NumPy's common type."""
    a, v = values(9, types[0], 0), values(4, types[1], 1)
    check(fastconv.convolve(a, v), np.convolve(a, v), a, v)
    check(fastconv.correlate(a, v), np.correlate(a, v), a, v)


@pytest.mark.parametrize("name", ["convolve", "correlate"])
def test_defaults_and_scalars(name: str) -> None:
    """Lists, single numbers and strided arrays as NumPy takes them."""
    ours, theirs = getattr(fastconv, name), getattr(np, name)
    for a, v in (([1, 2, 3], [0, 1, 5]), (np.arange(12)[::-3], np.arange(9)[1::2])):
        np.testing.assert_array_equal(ours(a, v), theirs(a, v), strict=True)
    for a, v in ((2, [3, 4]), ([3, 4], 2), (2, 3)):
        if name == "convolve":
            np.testing.assert_array_equal(ours(a, v), theirs(a, v), strict=True)
        else:
            for function in (ours, theirs):
                with pytest.raises(ValueError, match=r"has shape|depth"):
                    function(a, v)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("dtype", ["bool", "uint8", "int64", "complex128"])
@pytest.mark.parametrize("name", ["convolve", "correlate"])
def test_axis(name: str, dtype: str, mode: str) -> None:
    """Along an axis every line is filtered as if it were alone."""
    for shape, n in product([(5,), (4, 7), (3, 2, 9), (1, 33), (2, 1, 3, 4)], (1, 2, 5, 12)):
        a, v = values(shape, dtype, n), values(n, dtype, 50)
        for axis in range(-len(shape), len(shape)):
            line = getattr(np, name)
            expected = np.apply_along_axis(lambda x, line=line, v=v: line(x, v, mode), axis, a)
            check(getattr(fastconv, name)(a, v, mode, axis=axis), expected, a, v)


def test_no_lines() -> None:
    """Without any line the result is empty, and as long as a line's would be."""
    assert fastconv.convolve(np.ones((0, 5)), [1.0, 2.0], axis=1).shape == (0, 6)


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        ({"a": np.ones(3, np.float16)}, TypeError, "a has dtype float16, expected"),
        ({"v": np.ones(3, np.longdouble)}, TypeError, "v has dtype .*, expected"),
        ({"v": ["x"]}, TypeError, "v has dtype .*, expected"),
        ({"a": []}, ValueError, r"a has shape \(0,\), expected"),
        ({"v": []}, ValueError, r"v has shape \(0,\), expected"),
        ({"a": np.ones((2, 2))}, ValueError, r"a has shape \(2, 2\), expected one axis"),
        ({"v": np.ones((2, 2))}, ValueError, r"v has shape \(2, 2\), expected one axis"),
        ({"mode": "half"}, ValueError, "mode is 'half', expected one of full, same, valid"),
        ({"axis": 1}, ValueError, "axis 1 is not one of an array with 1 axes"),
        ({"axis": 0.5}, TypeError, "expected integers"),
    ],
)
def test_refused(wrong: dict[str, Any], error: type[Exception], message: str) -> None:
    """Errors name the argument, its value and what was expected."""
    arguments = {"a": np.ones(5), "v": np.ones(2)} | wrong
    for function in (fastconv.convolve, fastconv.correlate):
        with pytest.raises(error, match=message):
            function(**arguments)
