"""`fastconv.signal` against the definitions: sums and transforms, modes, boundaries, types, errors."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from functools import cache
from itertools import product
from typing import Any

import numpy as np
import pytest

import fastconv
from fastconv import signal

from . import bounds
from . import reference_filters as ref
from .guarded import guarded_copy
from .oracle import assert_within
from .reference import Array
from .test_arrays import FORMS
from .test_errors import check_message
from .test_ndimage import INTEGERS, described, normal, same_with_any_threads, small
from .test_special import spoilt

MODES = ("full", "same", "valid")
BOUNDARIES = ("fill", "wrap", "symm")

# in1 and in2: one element, primes, tile sizes and one more or less, even and odd, longer and shorter
PAIRS: list[tuple[tuple[int, ...], tuple[int, ...]]] = [
    *[((1,), (1,)), ((7,), (3,)), ((3,), (7,)), ((6,), (6,)), ((129,), (4,)), ((5,), (128,))],
    ((1009,), (31,)),
    *[((1, 1), (1, 1)), ((8, 32), (3, 3)), ((9, 33), (4, 5)), ((2, 3), (9, 17)), ((17, 1), (1, 16))],
    *[((7, 129), (2, 6)), ((16, 15), (1, 4)), ((4, 3, 17), (2, 2, 3)), ((2, 3, 4), (3, 4, 6))],
    *[((50_021,), (9,)), ((257, 263), (4, 5))],  # large enough for several threads
    *[((9, 5, 3), (3, 3, 1)), ((2, 3, 5, 7), (1, 2, 3, 2)), ((1, 1, 1, 1), (2, 1, 2, 1))],
]  # fmt: skip
# One is longer along one axis, the other along another.
CROSSED: list[tuple[tuple[int, ...], tuple[int, ...]]] = [((5, 3), (2, 9)), ((17, 2, 4), (3, 5, 1))]


def valid(n: tuple[int, ...], k: tuple[int, ...]) -> bool:
    """Whether one array is at least as long as the other along every axis."""
    pairs = list(zip(n, k, strict=True))
    return all(a >= b for a, b in pairs) or all(a <= b for a, b in pairs)


def data(shape: tuple[int, ...], dtype: str, seed: int) -> Array:
    """Normal numbers, with imaginary parts if the type has them."""
    x = normal(shape, np.float64, seed)
    return (x + 1j * normal(shape, np.float64, seed + 7) if dtype[0] == "c" else x).astype(dtype)


@cache
def expected_convolution(
    n: tuple[int, ...], k: tuple[int, ...], types: tuple[str, str], correlation: bool
) -> tuple[Array, Array]:
    """The full result, and that of the absolute values."""
    x, w = data(n, types[0], 0), data(k, types[1], 1)
    single = np.result_type(x, w) in (np.float32, np.complex64)
    real = np.float64 if single else np.longdouble
    x, w = (a.astype(np.result_type(real, np.complex64) if a.dtype.kind == "c" else real) for a in (x, w))
    if correlation:
        w = ref.reversed_conjugate(w)
    return ref.full(x, w), ref.full(np.abs(x), np.abs(w))


def precision(types: tuple[str, str]) -> Any:
    """The type of the sums."""
    return np.float32 if np.result_type(*types) in (np.float32, np.complex64) else np.float64


TYPES = [
    *[("float32", "float32"), ("float64", "float64"), ("float32", "float64")],
    *[("complex64", "complex64"), ("complex128", "float64"), ("float32", "complex64")],
]


def check_sums(actual: Array, value: Array, absolute: Array, terms: int, types: Any, what: str) -> None:
    """Real and imaginary parts: sums of at most twice as many products, each at most |w||x|."""
    dtype = np.result_type(*types)
    assert (actual.dtype, actual.shape) == (dtype, value.shape), what
    limit = (
        bounds.gamma(2 * terms + 2, precision(types)) * 2 * absolute + bounds.eta(precision(types)) * terms
    )
    for part in ("real", "imag"):
        assert_within(getattr(actual, part), getattr(value, part), limit, f"{what}, {part}")


@pytest.mark.parametrize("types", TYPES, ids="-".join)
@pytest.mark.parametrize(("n", "k"), PAIRS + CROSSED, ids=str)
def test_sums(n: tuple[int, ...], k: tuple[int, ...], types: tuple[str, str], isa: str) -> None:
    """Convolution and correlation, every mode, any number of threads."""
    x, w = data(n, types[0], 0), data(k, types[1], 1)
    terms = min(x.size, w.size)
    for correlation in (False, True):
        function = signal.correlate if correlation else signal.convolve
        value, absolute = expected_convolution(n, k, types, correlation)
        for mode in MODES if valid(n, k) else MODES[:2]:
            cut = ref.parts(n, k, mode)

            def compute(function: Any = function, mode: Any = mode) -> Array:
                return np.asarray(function(x, w, mode, "direct"))

            actual = same_with_any_threads(compute)
            what = f"{isa}, {mode}, correlation={correlation}"
            check_sums(actual, value[cut], absolute[cut], terms, types, what)
            if len(n) == 2 and not (correlation and mode == "same"):
                planar = signal.correlate2d if correlation else signal.convolve2d
                check_sums(planar(x, w, mode), value[cut], absolute[cut], terms, types, f"{what}, 2d")


@pytest.mark.parametrize("types", TYPES, ids="-".join)
@pytest.mark.parametrize(("n", "k"), PAIRS + CROSSED, ids=str)
def test_transforms(n: tuple[int, ...], k: tuple[int, ...], types: tuple[str, str]) -> None:
    """The same by Fourier transforms, whole and in blocks, within their own bound."""
    x, w = data(n, types[0], 0), data(k, types[1], 1)
    value, _ = expected_convolution(n, k, types, False)
    correlation, _ = expected_convolution(n, k, types, True)
    functions: list[tuple[Callable[..., Any], Array, int]] = [
        (lambda mode: signal.convolve(x, w, mode, "fft"), value, 1),
        (lambda mode: signal.correlate(x, w, mode, "fft"), correlation, 1),
        (lambda mode: signal.fftconvolve(x, w, mode), value, 1),
        (lambda mode: signal.oaconvolve(x, w, mode), value, 2 ** len(n)),
    ]
    for mode in MODES if valid(n, k) else MODES[:2]:
        for number, (function, full, blocks) in enumerate(functions):
            actual, expected = function(mode), full[ref.parts(n, k, mode)]
            assert actual.dtype == np.result_type(*types)
            limit = np.full(expected.shape, ref.transform_bound(x, w, precision(types), blocks))
            for part in ("real", "imag"):
                assert_within(
                    getattr(actual, part), getattr(expected, part), limit, f"{number}, {mode}, {part}"
                )


@pytest.mark.parametrize(
    ("n", "k"), [((5000,), (3,)), ((7,), (3001,)), ((300, 40), (3, 5)), ((5, 7), (150, 300))], ids=str
)
def test_blocks(n: tuple[int, ...], k: tuple[int, ...]) -> None:
    """More blocks than one along some axis, for either array as the longer one."""
    x, w = normal(n, np.float64), normal(k, np.float64, 1)
    long, short = (x, w) if x.size > w.size else (w, x)
    value = ref.full(long, short)
    limit = ref.transform_bound(x, w, np.float64, 2 ** len(n))
    for mode in MODES:
        expected = value[ref.parts(n, k, mode)]
        assert_within(signal.oaconvolve(x, w, mode), expected, np.full(expected.shape, limit), mode)


@pytest.mark.parametrize("axes", [0, 1, -1, (0,), (0, 2), (-1, 1), [2, 0]], ids=str)
@pytest.mark.parametrize("name", ["fftconvolve", "oaconvolve"])
def test_transforms_along_axes(name: str, axes: Any) -> None:
    """The other axes are broadcast."""
    chosen = {axis % 3 for axis in ([axes] if isinstance(axes, int) else axes)}
    n = (4, 7, 9)
    k = tuple(3 if axis in chosen else 1 if axis == 2 else n[axis] for axis in range(3))
    x, w = normal(n, np.float64), normal(k, np.float64, 1)
    for mode in MODES:
        cuts = ref.parts([n[a] for a in sorted(chosen)], [3] * len(chosen), mode)
        kept = [range(n[axis]) if axis not in chosen else [0] for axis in range(3)]
        actual = getattr(signal, name)(x, w, mode, axes)
        bound = ref.transform_bound(x, w, np.float64, 8)
        for at in product(*kept):
            line = tuple(slice(None) if a in chosen else at[a] for a in range(3))
            taps = tuple(slice(None) if a in chosen else min(at[a], k[a] - 1) for a in range(3))
            expected = ref.full(x[line], w[taps])[cuts]
            assert_within(actual[line], expected, np.full(expected.shape, bound), f"{mode}, {line}")


@pytest.mark.parametrize(
    "types", [("float32", "float32"), ("float64", "float64"), ("complex128", "complex64")], ids="-".join
)
@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize(
    ("n", "k"), [((1, 1), (3, 3)), ((9, 33), (3, 4)), ((8, 129), (5, 2)), ((3, 2), (4, 5))], ids=str
)
def test_boundaries(
    n: tuple[int, ...], k: tuple[int, ...], boundary: str, types: tuple[str, str], isa: str
) -> None:
    """An image that goes on beyond its edges; an even kernel has its middle later in correlate2d."""
    x, w = data(n, types[0], 0), data(k, types[1], 1)
    wide = np.longdouble if precision(types) == np.float64 else np.float64
    outside = 2 - 1j if types[0][0] == "c" else 2.5
    for correlation in (False, True):
        taps = ref.reversed_conjugate(w) if correlation else w
        given, taps = (
            a.astype(np.result_type(wide, np.complex64) if a.dtype.kind == "c" else wide) for a in (x, taps)
        )
        value = ref.bounded(given, taps, boundary, outside)
        absolute = ref.bounded(np.abs(given), np.abs(taps), boundary, abs(outside))
        function = signal.correlate2d if correlation else signal.convolve2d
        for mode in ("full", "same"):
            cut = ref.parts(n, k, mode)
            if correlation and mode == "same":
                cut = tuple(slice(b // 2, b // 2 + a) for a, b in zip(n, k, strict=True))
            actual = same_with_any_threads(lambda f=function, m=mode: f(x, w, m, boundary, outside))  # type: ignore[misc]
            check_sums(actual, value[cut], absolute[cut], w.size, types, f"{isa}, {mode}, {correlation}")


def test_synonyms_of_boundaries() -> None:
    """The long names."""
    x, w = small((5, 6), np.int64), small((3, 2), np.int64, 1)
    for short, long in (("fill", "pad"), ("symm", "symmetric"), ("wrap", "circular")):
        np.testing.assert_array_equal(
            signal.convolve2d(x, w, boundary=short), signal.convolve2d(x, w, boundary=long)
        )


@pytest.mark.parametrize("mode", MODES)
def test_correlate2d_of_a_shorter_array(mode: str) -> None:
    """The result of the definition, however the arrays' extents compare; as `correlate` for "valid"."""
    x, w = (small((3, 4), np.int64, s) + 1j * small((3, 4), np.int64, s + 1) for s in (0, 2))
    longer = np.pad(w, 2)
    expected = ref.convolved(x, ref.reversed_conjugate(longer), mode)
    if mode == "same":  # even extents: the other middle along the second axis
        full = ref.full(x, ref.reversed_conjugate(longer))
        expected = full[3:6, 4:8]
    np.testing.assert_array_equal(signal.correlate2d(x, longer, mode), expected)


# ---------------------------------------------------------------- types


@pytest.mark.parametrize("dtype", INTEGERS)
@pytest.mark.parametrize("other", [None, "uint8", "int64"], ids=str)
def test_integers(dtype: str, other: str | None, isa: str) -> None:
    """Any numbers of the type: exact modulo 2**n, as NumPy's own products and sums are."""
    rng = np.random.default_rng(3)
    shapes = (((40,), (7,)), ((9, 35), (3, 4)), ((3, 4), (9, 17)))
    for n, k in shapes:
        x, w = (
            rng.integers(np.iinfo(t).min, np.iinfo(t).max, shape, t, endpoint=True)
            for t, shape in ((dtype, n), (other or dtype, k))
        )
        common = np.result_type(x, w)
        if common.kind == "f":  # uint64 and int64 have no common integer type
            continue
        for mode in MODES:
            with np.errstate(over="ignore"):
                expected = ref.convolved(x.astype(common), w.astype(common), mode)
            np.testing.assert_array_equal(signal.convolve(x, w, mode), expected, err_msg=mode, strict=True)
            if len(n) == 2:
                np.testing.assert_array_equal(signal.convolve2d(x, w, mode), expected, strict=True)


@pytest.mark.parametrize("dtype", ["int8", "int64", "uint64", "int32"])
def test_integers_by_transforms(dtype: str) -> None:
    """Rounded to the nearest integer, so exact while they are small; fftconvolve itself gives float64."""
    x, w = small((40, 9), dtype), small((5, 4), dtype, 1) % 2
    expected = ref.full(x, w)
    actual = signal.convolve(x, w, method="fft")
    np.testing.assert_array_equal(actual, expected, strict=True)
    assert signal.fftconvolve(x, w).dtype == np.float64
    assert signal.oaconvolve([2], [3]).dtype == np.float64


@pytest.mark.parametrize("name", ["convolve", "correlate", "fftconvolve", "oaconvolve"])
def test_no_axes(name: str) -> None:
    """Two numbers are multiplied, the second conjugated where it is correlated with."""
    assert getattr(signal, name)(np.float64(3), np.float64(2)) == 6
    product_ = getattr(signal, name)(np.array(1 + 2j), np.array(3 - 1j))
    assert product_ == (1 + 2j) * (3 + 1j if name == "correlate" else 3 - 1j)
    assert np.shape(product_) == ()


# ---------------------------------------------------------------- arrays

OPERATORS: dict[str, tuple[Callable[..., Any], dict[str, Any]]] = {
    "convolve": (signal.convolve, {"mode": "same"}),
    "convolve-direct": (signal.convolve, {"method": "direct"}),
    "convolve-fft": (signal.convolve, {"method": "fft"}),
    "correlate": (signal.correlate, {"mode": "valid"}),
    "convolve2d": (signal.convolve2d, {"boundary": "wrap"}),
    "correlate2d": (signal.correlate2d, {"boundary": "symm", "mode": "same"}),
    "fftconvolve": (signal.fftconvolve, {"mode": "same"}),
    "oaconvolve": (signal.oaconvolve, {}),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", OPERATORS)
def test_form(name: str, form: str) -> None:
    """Arrays of other forms: the same numbers, so the same bits; they are left as they were."""
    function, how = OPERATORS[name]
    for dtype in ("float32", "float64", "complex64", "int16"):
        if form in ("every-second", "margin") and dtype == "int16":
            continue  # what lies between is NaN
        x, w = small((9, 35), dtype), small((3, 4), dtype, 1)
        expected = function(x, w, **how)
        for a, b in ((FORMS[form](x), w), (x, FORMS[form](w)), (FORMS[form](x), FORMS[form](w))):
            before = [np.array(a), np.array(b)]
            actual = function(a, b, **how)
            np.testing.assert_array_equal(actual, expected, err_msg=dtype, strict=True)
            assert actual.dtype.isnative
            assert actual.flags.c_contiguous
            np.testing.assert_array_equal(np.asarray(a), before[0])
            np.testing.assert_array_equal(np.asarray(b), before[1])


@pytest.mark.parametrize("flush", ["start", "end"])
@pytest.mark.parametrize(("n", "k"), PAIRS, ids=str)
def test_guarded(n: tuple[int, ...], k: tuple[int, ...], flush: str, isa: str) -> None:
    """Nothing outside the arrays is read."""
    for dtype in ("float32", "float64", "int16"):
        x, w = small(n, dtype), small(k, dtype, 1)
        a, b = guarded_copy(x, flush), guarded_copy(w, flush)
        for mode in MODES if valid(n, k) else MODES[:2]:
            for function in (signal.convolve, signal.correlate):
                expected = function(x, w, mode, "direct")
                np.testing.assert_array_equal(function(a, b, mode, "direct"), expected, strict=True)
            if len(n) == 2:
                np.testing.assert_array_equal(
                    signal.convolve2d(a, b, mode, "symm"), signal.convolve2d(x, w, mode, "symm"), strict=True
                )


@pytest.mark.parametrize("name", OPERATORS)
@pytest.mark.parametrize(("n", "k"), [((0, 3), (2, 2)), ((3, 3), (0, 2)), ((0, 0), (0, 0))], ids=str)
def test_empty(name: str, n: tuple[int, ...], k: tuple[int, ...]) -> None:
    """Of nothing comes nothing, in the type of something."""
    function, _ = OPERATORS[name]
    for dtype in ("float32", "float64", "complex64"):
        y = function(np.zeros(n, dtype), np.zeros(k, dtype))
        assert (y.size, y.dtype) == (0, np.dtype(dtype))


def test_results_are_fresh() -> None:
    """Even a convolution with 1 gives a new array."""
    x = np.ones((3, 4))
    for function, how in OPERATORS.values():
        y = function(x, np.ones((1, 1)), **how)
        assert not np.may_share_memory(x, y)


# ---------------------------------------------------------------- special numbers


@pytest.mark.parametrize("special", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_special_numbers(dtype: str, special: float, isa: str) -> None:
    """Reach exactly the outputs that see them, in either array."""
    for n, k in (((40,), (5,)), ((9, 35), (3, 4)), ((4, 5, 17), (2, 3, 2))):
        for spoil in (0, 1):
            for at in (0, 2, -1):
                pair = [normal(n, dtype), normal(k, dtype, 1)]
                pair[spoil].flat[at] = special
                with np.errstate(invalid="ignore"):
                    value = spoilt(ref.full(*pair))
                for mode in MODES:
                    expected = value[ref.parts(n, k, mode)]
                    actual = signal.convolve(*pair, mode)
                    np.testing.assert_array_equal(
                        spoilt(actual), expected, err_msg=f"{n}, {spoil}, {at}, {mode}"
                    )


@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
def test_infinite_parts(dtype: str) -> None:
    """With real numbers the real part of complex ones stays what it is beside an infinite imaginary part."""
    x = small((9, 35), np.float64) + 1j * small((9, 35), np.float64, 1)
    x[4, 20] = complex(3, np.inf)
    x, w = x.astype(dtype), small((3, 4), np.float32, 2) + np.float32(0.5)
    for a, b in ((x, w), (w, x)):
        y = signal.convolve(a, b, "full", "direct")
        np.testing.assert_array_equal(y.real, ref.full(x.real, w))
        np.testing.assert_array_equal(y.imag, ref.full(x.imag, w))


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex128"])
def test_auto_takes_no_transform_of_what_is_not_finite(dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where transforms are faster they are taken, unless a number is not finite: it would spread."""
    x, w = data((3000,), dtype, 0), data((1500,), dtype, 1)
    taken = []
    transforms = signal._by_transform
    monkeypatch.setattr(signal, "_by_transform", lambda *a: taken.append(1) or transforms(*a))
    signal.convolve(x, w)
    assert taken == [1]
    for special in (np.nan, np.inf):
        for spoil in (0, 1):
            pair = [x.copy(), w.copy()]
            pair[spoil][7] = special
            y = signal.convolve(*pair)
            assert taken == [1]
            seen = np.zeros(y.size, bool)
            seen[7 : 7 + pair[1 - spoil].size] = True
            np.testing.assert_array_equal(~np.isfinite(y), seen)


def test_auto_takes_no_transform_of_integers(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are exact."""
    monkeypatch.delattr(signal, "_by_transform")
    x, w = small((3000,), np.int64), small((1500,), np.int64, 1)
    np.testing.assert_array_equal(signal.convolve(x, w), np.convolve(x, w))


# ---------------------------------------------------------------- errors

IMAGE, KERNEL = np.zeros((5, 6), np.float32), np.ones((3, 4), np.float32)
ALL = ("convolve", "correlate", "convolve2d", "correlate2d", "fftconvolve", "oaconvolve")

REFUSED: list[tuple[str, dict[str, Any], type[Exception], str, str]] = [
    *[
        (name, {argument: np.zeros((5, 6), dtype)}, TypeError, argument, str(np.dtype(dtype)))
        for name in ALL
        for argument in ("in1", "in2")
        for dtype in ("float16", "longdouble", "clongdouble", "object", "datetime64[s]", "<U1")
    ],
    *[(name, {"mode": to}, ValueError, "mode", str(to)) for name in ALL for to in ("Full", "wrap", 3, None)],
    *[(name, {"in2": np.zeros(4)}, ValueError, "in2", "(4,)") for name in ALL],
    *[(name, {"in2": np.zeros((2, 9)), "mode": "valid"}, ValueError, "mode", "(2, 9)") for name in ALL],
    *[(name, {"method": how}, ValueError, "method", str(how)) for name in ALL[:2] for how in ("FFT", None)],
    *[(name, {"in1": np.zeros(4), "in2": np.zeros(3)}, ValueError, "in1", "(4,)") for name in ALL[2:4]],
    *[(name, {"boundary": b}, ValueError, "boundary", str(b)) for name in ALL[2:4] for b in ("reflect", 2)],
    *[(name, {"fillvalue": [1, 2]}, ValueError, "fillvalue", "[1, 2]") for name in ALL[2:4]],
    *[(name, {"fillvalue": "0"}, ValueError, "fillvalue", "0") for name in ALL[2:4]],
    *[(name, {"fillvalue": 1j}, ValueError, "fillvalue", "1j") for name in ALL[2:4]],
    *[
        (name, {"axes": axes}, ValueError, "axes", str(axes))
        for name in ALL[4:]
        for axes in (2, -3, (0, 0), (), (0, -2))
    ],
    *[(name, {"axes": axes}, TypeError, "axes", str(axes)) for name in ALL[4:] for axes in (0.5, (0, 1.5))],
    *[(name, {"axes": 0}, ValueError, "in2", "(3, 4)") for name in ALL[4:]],
]  # fmt: skip


@pytest.mark.parametrize("row", REFUSED, ids=described)
def test_refused(row: Any) -> None:
    """A bad argument is a TypeError or a ValueError that names and quotes it; nothing is allocated."""
    name, change, error, argument, value = row
    function = getattr(signal, name)
    function(IMAGE, KERNEL)
    with pytest.raises(error) as caught:
        function(**{"in1": IMAGE, "in2": KERNEL} | change)
    assert type(caught.value) is error
    check_message(str(caught.value), argument, value)
    if not {"in1", "in2"} & set(change):
        huge = np.broadcast_to(np.float32(0), (2**26, 2**26))
        tracemalloc.start()
        try:
            with pytest.raises(error):
                function(huge, KERNEL, **change)
            assert tracemalloc.get_traced_memory()[1] < 2**20
        finally:
            tracemalloc.stop()


def test_threads_are_the_process_s() -> None:
    """The functions compute with as many threads as are set, and leave them so."""
    with fastconv.threads(3):
        signal.convolve(normal((400, 400), np.float32), normal((5, 5), np.float32), method="direct")
        assert fastconv.get_num_threads() == 3


@pytest.mark.parametrize("name", ["convolve2d", "correlate2d"])
def test_complex_constant_around_real_numbers(name: str) -> None:
    """What lies outside may be complex where in1 is not."""
    x, w = normal((5, 6), np.float64), normal((3, 4), np.float64, 1) + 1j
    around = np.pad(x.astype(complex), ((2, 2), (3, 3)), constant_values=2 + 3j)
    expected = getattr(signal, name)(around, w, mode="valid")
    actual = getattr(signal, name)(x, w, mode="full", fillvalue=2 + 3j)
    np.testing.assert_allclose(actual, expected, atol=1e-13)
