"""The calls themselves: arguments by position and name, remembered plans, references given back."""

from __future__ import annotations

import gc
import inspect
import pickle
import sys
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

import fastconv
from fastconv import _fastconv

from .variants import instruction_set

RNG = np.random.default_rng(15)
IMAGE = RNG.standard_normal((2, 3, 8, 9)).astype(np.float32)
WEIGHT = RNG.standard_normal((4, 3, 3, 3)).astype(np.float32)
BIAS = RNG.standard_normal(4).astype(np.float32)

# ---------------------------------------------------------------- arguments of a prepared object


def test_call_by_position_and_name() -> None:
    """`x` and `out` are the same either way."""
    conv = fastconv.Conv2d(WEIGHT, BIAS)
    expected = conv(IMAGE)
    np.testing.assert_array_equal(conv(x=IMAGE), expected)
    np.testing.assert_array_equal(conv(out=None, x=IMAGE), expected)
    out = np.empty_like(expected)
    calls: list[Callable[[], Any]] = [
        lambda: conv(IMAGE, out),
        lambda: conv(IMAGE, out=out),
        lambda: conv(out=out, x=IMAGE),
        lambda: conv(**{"".join(["o", "ut"]): out, "".join("x"): IMAGE}),
        lambda: conv.__call__(IMAGE, out=out),
    ]
    for call in calls:
        out.fill(np.nan)
        assert call() is out
        np.testing.assert_array_equal(out, expected)


@pytest.mark.parametrize(
    ("args", "kwargs", "word"),
    [
        ((), {}, "'x'"),
        ((), {"out": None}, "'x'"),
        ((IMAGE,), {"output": None}, "'output'"),
        ((IMAGE,), {"": None}, "''"),
        ((IMAGE,), {"\udcff": None}, "udcff"),
        ((IMAGE,), {"x": IMAGE}, "two values .*'x'"),
        ((IMAGE, None), {"out": None}, "two values .*'out'"),
        ((IMAGE, None, None, None), {}, "got 4"),
    ],
)
def test_wrong_arguments(args: Any, kwargs: Any, word: str) -> None:
    """A TypeError names the argument that is missing, unknown, given twice or too many."""
    with pytest.raises(TypeError, match=word):
        fastconv.Conv2d(WEIGHT)(*args, **kwargs)


def test_call_is_documented() -> None:
    """`help()` tells the arguments of the call, which no Python code takes."""
    assert str(inspect.signature(fastconv.Conv2d.__call__)) == "(self, /, x, out=None, residual=None)"
    assert "out : ndarray" in (inspect.getdoc(fastconv.Conv2d.__call__) or "")
    assert inspect.getdoc(fastconv.Conv2d.kernel_size) == "Kernel extents, one per axis."


def test_compiled_functions_count_their_arguments() -> None:
    """Too few or too many are a TypeError, not a crash."""
    with pytest.raises(TypeError, match=r"conv\(\) takes 13 positional arguments, got 1"):
        _fastconv.conv(2)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match=r"softmax\(\) takes 3 positional arguments, got 4"):
        _fastconv.softmax(IMAGE, 0, None, None)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="11 positional"):
        _fastconv.Conv(2)  # type: ignore[call-arg]


@pytest.mark.parametrize("name", ["layout", "padding", "padding_mode", "activation", "algorithm"])
def test_text_that_is_none(name: str) -> None:
    """A string that no encoding can write is a wrong value."""
    with pytest.raises(ValueError, match=name):
        fastconv.conv2d(IMAGE, WEIGHT, **{name: "\udcff"})  # type: ignore[arg-type]


# ---------------------------------------------------------------- life of a prepared object


def test_made_once() -> None:
    """Without __init__ an object refuses everything; a second __init__ is refused, and changes nothing."""
    unmade = fastconv.Conv2d.__new__(fastconv.Conv2d)
    for use in (lambda: unmade(IMAGE), lambda: unmade.weight, lambda: unmade.output_shape((1, 3, 8, 8))):
        with pytest.raises(TypeError):
            use()
    conv = fastconv.Conv2d(WEIGHT)
    expected = conv(IMAGE)
    with pytest.raises(TypeError, match="twice"):
        conv.__init__(2 * WEIGHT)  # type: ignore[misc]
    np.testing.assert_array_equal(conv(IMAGE), expected)


class Named(fastconv.Conv2d):
    """A convolution with a name."""

    def __init__(self, name: str, weight: Any) -> None:
        super().__init__(weight, padding=1)
        self.name = name


def test_subclass() -> None:
    """Users may inherit, add attributes, and refer to an object in a circle that is collected."""
    named = Named("edges", WEIGHT)
    np.testing.assert_array_equal(named(IMAGE), fastconv.conv2d(IMAGE, WEIGHT, padding=1))
    assert repr(named).startswith("Named(3 -> 4")
    named.itself = named  # type: ignore[attr-defined]
    gone = weakref.ref(named)
    del named
    gc.collect()
    assert gone() is None


@pytest.mark.parametrize("activation", [None, "silu", (0, 6), (None, 1.5)])
def test_pickle_keeps_what_was_given(activation: Any) -> None:
    """Every parameter survives."""
    conv = fastconv.Conv2d(WEIGHT, BIAS, 2, ((1, 0), (0, 2)), activation=activation, algorithm="direct")
    again = pickle.loads(pickle.dumps(conv))
    assert repr(again) == repr(conv)
    assert again.activation == activation
    np.testing.assert_array_equal(again(IMAGE), conv(IMAGE))


# ---------------------------------------------------------------- remembered plans


def mixed_calls() -> list[Callable[[], Any]]:
    """Calls that differ in one thing each, so that each must not be given the plan of another."""
    first, last = IMAGE, np.ascontiguousarray(np.moveaxis(IMAGE, 1, -1))
    last_weight = np.ascontiguousarray(np.transpose(WEIGHT, (2, 3, 1, 0)))
    square = RNG.standard_normal((1, 3, 3, 3)).astype(np.float32)  # the same shape in both layouts
    conv, pool, average = fastconv.conv2d, fastconv.max_pool2d, fastconv.avg_pool2d
    return [
        lambda: conv(first, WEIGHT),
        lambda: conv(last, last_weight, layout="NHWC"),
        lambda: conv(square, square),
        lambda: conv(square, square, layout="NHWC"),
        lambda: conv(first, WEIGHT, BIAS),
        lambda: conv(first, WEIGHT, activation="relu"),
        lambda: conv(first, WEIGHT, activation=(-0.5, None)),
        lambda: conv(first, WEIGHT, padding="same"),
        lambda: conv(first, WEIGHT, stride=(1, 2)),
        lambda: conv(first, WEIGHT, stride=(2, 1)),
        lambda: conv(first[0], WEIGHT),
        lambda: conv(first[:1], WEIGHT),
        lambda: conv(first.astype(np.float64), WEIGHT.astype(np.float64)),
        lambda: conv(first, np.full_like(WEIGHT, np.inf), padding=1, algorithm="im2col"),
        *[lambda name=name: conv(first, WEIGHT, algorithm=name) for name in ("direct", "im2col", "winograd")],
        lambda: pool(first, 3),
        lambda: pool(first, 3, stride=1),
        lambda: pool(first, 3, padding=1, ceil_mode=True),
        lambda: pool(first, 3, return_indices=True)[1],
        lambda: average(first, 3),
        lambda: average(first, 3, padding=1, count_include_pad=False),
        lambda: average(first, 3, padding=1, divisor_override=5),
        lambda: fastconv.adaptive_avg_pool2d(first, 3),
        lambda: fastconv.adaptive_max_pool2d(first, 3),
        lambda: pool(square, 2, layout="NHWC"),
        lambda: pool(square, 2),
    ]


def test_calls_in_turn() -> None:
    """One after another and again, in every order of two, with other threads and instruction sets between."""
    calls = mixed_calls()
    for name in fastconv.instruction_sets():
        with instruction_set(name):
            expected = [call() for call in calls]
            for step in (1, 3, 5):
                for i in range(len(calls)):
                    at = i * step % len(calls)
                    with fastconv.threads(1 + i % 3):
                        np.testing.assert_array_equal(calls[at](), expected[at], strict=True)


def test_instruction_set_of_a_remembered_plan() -> None:
    """A plan is for one instruction set: with another, a call gives what it gave there before."""
    x = RNG.standard_normal((1, 32, 9, 9)).astype(np.float32)
    w = RNG.standard_normal((7, 32, 3, 3)).astype(np.float32)
    conv = fastconv.Conv2d(w)
    expected = {}
    for _ in range(2):
        for name in fastconv.instruction_sets():
            with instruction_set(name):
                y = fastconv.conv2d(x, w)
                np.testing.assert_array_equal(conv(x), y)
                np.testing.assert_array_equal(expected.setdefault(name, y), y)
                assert conv.explain(x.shape).instruction_set == name


def test_functions_from_many_threads() -> None:
    """Eight Python threads share the remembered plans, more problems than are remembered."""
    calls = mixed_calls()
    expected = [call() for call in calls]
    start = threading.Barrier(8)

    def work(seed: int) -> bool:
        start.wait()
        order = np.random.default_rng(seed).integers(0, len(calls), 300)
        return all(np.array_equal(calls[i](), expected[i], equal_nan=True) for i in order)

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(8)))


# ---------------------------------------------------------------- references

CALLS: dict[str, Callable[..., Any]] = {
    "conv2d": lambda x, w, b, out: fastconv.conv2d(x, w, b, out=out),
    "Conv2d": lambda x, w, b, out: fastconv.Conv2d(w, b)(x, out=out),
    "max_pool2d": lambda x, w, b, out: fastconv.max_pool2d(x, 3, 1, out=out),
    "indices": lambda x, w, b, out: fastconv.max_pool2d(x, 3, 1, return_indices=True, out=out),
    "adaptive": lambda x, w, b, out: fastconv.adaptive_avg_pool2d(x, (6, 7), out=out),
    "linear": lambda x, w, b, out: fastconv.linear(x, w.reshape(-1, 9), out=out),
    "relu": lambda x, w, b, out: fastconv.relu(x, out=out),
    "softmax": lambda x, w, b, out: fastconv.softmax(x, out=out),
}


@pytest.mark.parametrize("name", CALLS)
def test_references(name: str) -> None:
    """Calls, also those that fail, hold on to nothing: neither arrays, nor their types and dtypes."""
    x, w, b, out = IMAGE.copy(), WEIGHT.copy(), BIAS.copy(), np.zeros(5, np.int32)
    held = (x, w, b, out, x.dtype, np.ndarray, fastconv.Conv2d)
    call = CALLS[name]
    good = call(x, w, b, None)
    good = good[0] if isinstance(good, tuple) else good

    def counts() -> list[int]:
        return [sys.getrefcount(value) for value in (*held, good)]

    before = counts()
    for _ in range(1000):
        assert call(x, w, b, good) is good or name == "indices"
        call(x, w, b, None)
        with pytest.raises(TypeError, match="out"):
            call(x, w, b, out)
    gc.collect()
    assert np.max(np.abs(np.subtract(counts(), before))) < 10


def test_references_of_an_object() -> None:
    """A prepared object gives back what it was called with, in every way to be called wrongly, too."""
    conv, x = fastconv.Conv2d(WEIGHT), IMAGE.copy()
    out = conv(x)
    before = [sys.getrefcount(value) for value in (conv, x, out, fastconv.Conv2d)]
    for _ in range(1000):
        conv(x, out=out)
        for wrong in ({"x": x}, {"other": x}, {"out": x}):
            with pytest.raises((TypeError, ValueError)):
                conv(x, **wrong)
    after = [sys.getrefcount(value) for value in (conv, x, out, fastconv.Conv2d)]
    assert np.max(np.abs(np.subtract(after, before))) < 10
