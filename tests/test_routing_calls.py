"""Random calls of SciPy's functions, routed and not: the same types, errors and numbers but for rounding."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fastconv

from .reference import Array
from .test_ndimage import INTEGERS

scipy_ndimage = pytest.importorskip("scipy.ndimage")
scipy_signal = pytest.importorskip("scipy.signal")

DTYPES = ("bool", *INTEGERS, "float16", "float32", "float64", "complex64", "complex128", ">f8", ">i2")
BOUNDARIES = ("reflect", "constant", "nearest", "mirror", "wrap", "grid-constant", "grid-wrap", "bad")
CALLS = 200  # of each function


class Calls:
    """Arguments of any kind, right and wrong, from one seed."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)

    def pick(self, *values: Any) -> Any:
        return values[self.rng.integers(len(values))]

    def seldom(self, share: float) -> bool:
        return bool(self.rng.random() < share)

    def shape(self, rank: int, longest: int) -> tuple[int, ...]:
        return tuple(int(n) for n in self.rng.integers(1, longest + 1, rank))

    def array(self, shape: tuple[int, ...], dtype: str) -> Array:
        kind = np.dtype(dtype).kind
        if kind == "b":
            return self.rng.random(shape) < 0.4
        if kind in "iu":
            limits, size = np.iinfo(dtype), self.pick(3, 30, 300, 2**62)
            native = np.dtype(dtype).newbyteorder("=")
            low, high = max(limits.min, -size), min(limits.max, size)
            return self.rng.integers(low, high, shape, native, endpoint=True).astype(dtype)
        x = self.rng.standard_normal(shape) + (1j * self.rng.standard_normal(shape) if kind == "c" else 0)
        if self.seldom(0.15):
            x.flat[0] = self.pick(np.nan, np.inf)
        return x.astype(dtype)

    def filter(self, name: str) -> dict[str, Any]:
        rank = 0 if self.seldom(0.03) else int(self.rng.integers(1, 4))
        shape = self.shape(rank, 8)
        how: dict[str, Any] = {"input": self.array(shape, self.pick(*DTYPES))}
        weights = self.shape(1 if name.endswith("1d") else rank, 3)
        if name.startswith(("correlate", "convolve")):
            how["weights"] = self.rng.integers(-1, 3, weights)
            if self.seldom(0.6):
                how["weights"] = self.array(weights, self.pick("float64", "int32", "float32", "complex128"))
        elif name.startswith("gaussian"):
            how["sigma"] = self.pick(0.7, 1.5, 0, -1)
        elif name.startswith(("maximum", "minimum", "uniform")):
            how["size"] = self.pick(1, 2, 3, 5, 0, 3.0)
            if not name.startswith("uniform") and not name.endswith("1d") and self.seldom(0.5):
                del how["size"]
                how["footprint"] = self.rng.random(weights) < 0.7
        for share, argument, values in (
            (0.6, "mode", (*BOUNDARIES, ["reflect"] * rank)),
            (0.4, "cval", (1, 2.5, -1, 300, np.nan, np.inf, 1j, "x")),
            (0.1, "origin", (0, 1, -1, 7, 0.5)),
            (0.3, "output", (*DTYPES, np.float32, float, int)),
            (0.1, "axes", (0, -1, (0,), (-1, 0), (), 9)),
            (0.02, "nonsense", (1,)),
        ):
            if self.seldom(share):
                how[argument] = self.pick(*values)
        if self.seldom(0.2):
            how["output"] = self.array(shape, self.pick(*DTYPES[1:]))
        return how

    def signal(self, name: str) -> dict[str, Any]:
        rank = 2 if name.endswith("2d") else int(self.rng.integers(0, 4))
        how: dict[str, Any] = {
            key: self.array(self.shape(rank, 7), self.pick(*DTYPES)) for key in ("in1", "in2")
        }
        if self.seldom(0.7):
            how["mode"] = self.pick("full", "same", "valid", "bad")
        if name in ("convolve", "correlate"):
            how["method"] = self.pick(
                "fft", "direct", "bad"
            )  # not "auto": where it overflows nothing is certain
        if name.endswith("2d"):
            how["boundary"] = self.pick("fill", "wrap", "symm", "bad")
            how["fillvalue"] = self.pick(0, 1, 2.5, -1, 300, 1j)
        if name in ("fftconvolve", "oaconvolve") and self.seldom(0.3):
            how["axes"] = self.pick(0, -1, (0,), 5)
        return how


def outcome(function: Any, how: dict[str, Any]) -> tuple[Any, Any]:
    """What a call returns or raises, and the output that it was given; arguments are copied before."""
    how = {key: value.copy() if isinstance(value, np.ndarray) else value for key, value in how.items()}
    try:
        result = function(**how)
    except Exception as error:
        return error, how.get("output")
    return result, how.get("output")


def check(name: str, how: dict[str, Any], actual: Any, expected: Any) -> None:
    assert type(actual) is type(expected)
    if isinstance(expected, Exception):
        assert str(actual) == str(expected)
        return
    a, e = np.asarray(actual), np.asarray(expected)
    assert (a.dtype, a.shape) == (e.dtype, e.shape)
    if e.dtype.kind in "biu":
        np.testing.assert_array_equal(a, e)
        return
    inputs = [np.asarray(how[key]) for key in ("input", "in1", "in2", "weights") if key in how]
    if name.startswith("uniform") and not np.isfinite(inputs[0]).all():
        return  # spoils less here
    half = e.real.dtype.itemsize < 8 or any(x.real.dtype.itemsize < 8 for x in inputs if x.dtype.kind in "fc")
    scale = 1.0  # of sums of products
    for x in inputs:
        scale *= max(1.0, float(np.abs(np.where(np.isfinite(x), x, 0).astype(complex)).max(initial=0)))
    for part, other in ((a.real, e.real), (a.imag, e.imag)):
        np.testing.assert_allclose(part, other, rtol=0, atol=(1e-4 if half else 1e-12) * scale)


NAMES = [("ndimage", name) for name in fastconv.ndimage.__all__]
NAMES += [("signal", name) for name in fastconv.signal.__all__]


@pytest.mark.filterwarnings("ignore")  # SciPy's own
@pytest.mark.parametrize("name", NAMES, ids=".".join)
def test_random_calls(name: tuple[str, str]) -> None:
    """Whatever is asked, a program cannot tell routing from its results, but for rounding."""
    calls = Calls(len(name[1]))
    module = scipy_ndimage if name[0] == "ndimage" else scipy_signal
    counts = fastconv.routed("scipy")
    counts.reset()
    for _ in range(CALLS):
        how = calls.filter(name[1]) if name[0] == "ndimage" else calls.signal(name[1])
        if isinstance(how.get("output"), str) and how["output"] == "bool":
            continue  # SciPy's conversion of negative sums to booleans warns in a way that cannot be caught
        expected, expected_output = outcome(getattr(module, name[1]), how)
        with fastconv.installed("scipy"):
            actual, actual_output = outcome(getattr(module, name[1]), how)
        try:
            check(name[1], how, actual, expected)
            if isinstance(expected, Exception) and isinstance(expected_output, np.ndarray):
                np.testing.assert_array_equal(actual_output, expected_output)
        except AssertionError as error:
            raise AssertionError(f"{name[1]}(**{how!r})") from error
    assert counts.routed > CALLS // 20
    assert counts.handed_back > 0
