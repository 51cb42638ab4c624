"""`fastconv.ndimage` against the definitions: values, types, arrays of every kind, errors."""

from __future__ import annotations

import re
import tracemalloc
from collections.abc import Callable
from functools import cache
from itertools import product
from math import prod
from typing import Any, NamedTuple

import numpy as np
import pytest

import fastconv
from fastconv import ndimage
from fastconv.ndimage import _correlate

from . import bounds
from . import reference_filters as ref
from .guarded import guarded, guarded_copy
from .oracle import assert_within
from .reference import Array
from .reference_filters import MODES, SYNONYMS, Line, middle
from .test_arrays import FORMS
from .test_errors import check_message
from .test_special import spoilt

THREADS = (1, 2, 3)
INTEGERS = ("int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64")


def test_factors_whatever_the_image(monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel that has factors is applied by them to any image: a part has the bits of the whole."""
    seen: list[tuple[int, ...]] = []
    real = _correlate._factors
    monkeypatch.setattr(_correlate, "_factors", lambda w: seen.append(w.shape) or real(w))
    x, w = normal((200, 300), np.float32), np.outer([1.0, 3.0, 0.1], [0.7, 2.0, 0.3])
    whole = ndimage.correlate(x, w)
    for rows, columns in ((3, 3), (3, 300), (30, 30)):
        part = ndimage.correlate(x[50 : 50 + rows, :columns], w)
        np.testing.assert_array_equal(part[1:-1, :-1], whole[51 : 49 + rows, : columns - 1])
    assert seen == [(3, 3)] * 4
    ndimage.correlate(x, np.ones((1, 5)))  # one line as it is
    assert len(seen) == 4


def test_factors_are_kept() -> None:
    """Those of a small kernel are found once; those of a large one are as right."""
    for extent in (3, 65):
        line = np.arange(1.0, extent + 1)
        kernel = np.outer(line, np.ones(extent))
        found = _correlate._factors(kernel)
        assert found is not None
        (_, column), (_, row) = found
        np.testing.assert_array_equal(np.outer(column, row), kernel)
        assert (_correlate._factors(kernel.copy()) is found) == (extent == 3)
        assert _correlate._factors(kernel + np.eye(extent)) is None


def wide(dtype: Any) -> Any:
    """The type in which the definition is computed: wider than that of the sums."""
    return bounds.oracle(np.float32 if np.dtype(dtype) == np.float32 else np.float64)


def normal(shape: tuple[int, ...], dtype: Any, seed: int = 0) -> Array:
    return np.random.default_rng([seed, *shape]).standard_normal(shape).astype(dtype)


def small(shape: tuple[int, ...], dtype: Any, seed: int = 0) -> Array:
    """Integers so small that sums of their products are exact in every type."""
    low = 0 if np.dtype(dtype).kind in "ub" else -9
    high = 2 if np.dtype(dtype).kind == "b" else 10
    return np.random.default_rng([seed, *shape]).integers(low, high, shape).astype(dtype)


def same_with_any_threads(compute: Callable[[], Array]) -> Array:
    """The result, whose bits are those of any number of threads."""
    with fastconv.threads(1):
        first = compute()
    for threads in THREADS[1:]:
        with fastconv.threads(threads):
            np.testing.assert_array_equal(compute(), first, err_msg=f"threads={threads}", strict=True)
    return first


# ---------------------------------------------------------------- any kernel


class Case(NamedTuple):
    """Shapes of an array and a kernel, a mode and an origin for each axis, and the constant."""

    shape: tuple[int, ...]
    kernel: tuple[int, ...]
    modes: tuple[str, ...]
    origins: tuple[int, ...]
    cval: float


def label(case: Case) -> str:
    shapes = ("x".join(map(str, shape)) for shape in (case.shape, case.kernel))
    return "-".join([*shapes, ",".join(case.modes), ",".join(map(str, case.origins))])


# One element; primes; tiles of 8 rows and of 16, 32 or 128 columns, one less, one more; three colours.
SHAPES: list[tuple[int, ...]] = [
    *[(1,), (2,), (17,), (31,), (127,), (129,), (2003,)],
    *[(1, 1), (1, 16), (17, 1), (2, 3), (7, 15), (8, 32), (9, 33), (16, 127), (15, 128), (13, 129)],
    *[(2, 7, 31), (1, 9, 17), (11, 13, 3), (9, 33, 1), (8, 129, 3), (5, 1, 2), (3, 17, 41)],
    *[(2, 3, 9, 17), (1, 1, 1, 1), (3, 2, 5, 3), (2, 7, 11, 4)],
]  # fmt: skip


def make_cases() -> list[Case]:
    """Four kernels for each shape: larger than it or not, even or odd; modes and origins in turn."""
    cases = []
    for shape in SHAPES:
        rng = np.random.default_rng(shape)
        longest = {1: 12, 2: 6, 3: 4, 4: 3}[len(shape)]
        for number in range(4):
            kernel = tuple(int(k) for k in rng.integers(1, longest + 1, len(shape)))
            if shape[-1] <= 3 and number < 2:  # colours are left alone
                kernel = (*kernel[:-1], 1)
            modes = tuple(MODES[int(i)] for i in rng.integers(0, len(MODES), len(shape)))
            if number == 0:
                modes = (MODES[len(cases) // 4 % len(MODES)],) * len(shape)
            origins = tuple(int(rng.integers(-(k // 2), (k - 1) // 2 + 1)) for k in kernel)
            cases.append(Case(shape, kernel, modes, origins, float(number % 2) * 1.5))
    return cases


CASES = make_cases()


@cache
def expected_correlation(case: Case, dtype: str, separable: bool, flip: bool) -> tuple[Array, Array]:
    """By the definition, and the sum of the absolute values."""
    x, w = normal(case.shape, dtype).astype(wide(dtype)), weights_of(case, separable).astype(wide(dtype))
    definition = ref.convolve if flip else ref.correlate
    how = (case.modes, case.cval, case.origins)
    absolute = definition(np.abs(x), np.abs(w), case.modes, abs(case.cval), case.origins)
    return definition(x, w, *how), absolute


def weights_of(case: Case, separable: bool) -> Array:
    """Any numbers, or small integers whose products are exactly those of one line for each axis."""
    if not separable:
        return normal(case.kernel, np.float64, 1)
    kernel = np.ones([1] * len(case.kernel))
    for axis, k in enumerate(case.kernel):
        line = small((k,), np.float64, axis)
        line[k // 2] = 1
        kernel = kernel * line.reshape([-1 if a == axis else 1 for a in range(len(case.kernel))])
    return kernel


@pytest.mark.parametrize("separable", [False, True], ids=["dense", "separable"])
@pytest.mark.parametrize("case", CASES, ids=label)
def test_any_kernel(case: Case, separable: bool, isa: str) -> None:
    """Correlation and convolution; a kernel that is a product of lines may be applied as the lines."""
    w = weights_of(case, separable)
    for dtype, flip in product(("float32", "float64"), (False, True)):
        x = normal(case.shape, dtype)
        value, absolute = expected_correlation(case, dtype, separable, flip)
        function = ndimage.convolve if flip else ndimage.correlate
        mode: Any = case.modes[0] if len(set(case.modes)) == 1 else case.modes

        def compute(function: Any = function, mode: Any = mode, x: Any = x) -> Array:
            return np.asarray(function(x, w, mode=mode, cval=case.cval, origin=case.origins))

        actual = same_with_any_threads(compute)
        assert actual.dtype == dtype
        limit = ref.sums_bound(absolute, case.kernel, dtype, dtype)
        assert_within(actual, value, limit, f"{isa}, {function.__name__}")


# Large enough for several threads: strips of long lines, blocks of many rows, planes, colours.
LARGE = [
    Case((200_003,), (7,), ("wrap",), (-3,), 0.0),
    Case((3, 100_003), (2, 5), ("mirror", "reflect"), (0, 1), 0.0),
    Case((521, 517), (5, 4), ("constant", "nearest"), (1, -2), 1.5),
    Case((20_011, 9), (4, 3), ("reflect", "wrap"), (0, 0), 0.0),
    Case((331, 257, 3), (3, 3, 1), ("mirror",) * 3, (0, 1, 0), 0.0),
    Case((13, 127, 129), (3, 2, 3), ("nearest", "constant", "wrap"), (0, 0, -1), 0.5),
    Case((4, 5, 101, 103), (2, 1, 3, 3), ("reflect",) * 4, (0, 0, 0, 0), 0.0),
]


@pytest.mark.parametrize("separable", [False, True], ids=["dense", "separable"])
@pytest.mark.parametrize("case", LARGE, ids=label)
def test_large(case: Case, separable: bool, isa: str) -> None:
    """Arrays that are divided among threads: the definition, and the same bits for any number of them."""
    w, how = weights_of(case, separable), {"mode": case.modes, "cval": case.cval, "origin": case.origins}
    for dtype, to in (("float32", "float32"), ("uint8", "int16")):
        x = normal(case.shape, dtype) if dtype == "float32" else small(case.shape, dtype)
        actual = same_with_any_threads(lambda x=x, to=to: ndimage.correlate(x, np.round(w * 4), to, **how))  # type: ignore[misc]
        given, taps = x.astype(np.float64), np.round(w * 4)
        value = ref.correlate(given, taps, case.modes, case.cval, case.origins)
        if to == "int16":
            np.testing.assert_array_equal(actual, ref.cut(value, to), strict=True)
        else:
            absolute = ref.correlate(np.abs(given), np.abs(taps), case.modes, case.cval, case.origins)
            assert_within(actual, value, ref.sums_bound(absolute, case.kernel, dtype, to), isa)


def test_cases_are_of_every_kind() -> None:
    """Each mode, kernels larger than their array, even kernels and both extreme origins of several axes."""
    assert {mode for case in CASES for mode in case.modes} == set(MODES)
    pairs = [
        (n, k, o) for case in CASES for n, k, o in zip(case.shape, case.kernel, case.origins, strict=True)
    ]
    assert sum(k > n for n, k, _ in pairs) >= 20
    assert sum(k % 2 == 0 for _, k, _ in pairs) >= 40
    assert sum(o == -(k // 2) < 0 for _, k, o in pairs) >= 10
    assert sum(o == (k - 1) // 2 > 0 for _, k, o in pairs) >= 10
    assert sum(not bool(_matrix_is_rank_one(weights_of(case, False))) for case in CASES) >= 30


def _matrix_is_rank_one(w: Array) -> bool:
    matrix = w.reshape(len(w), -1)
    return bool(np.linalg.matrix_rank(matrix) <= 1)


@pytest.mark.parametrize("mode", [*MODES, *SYNONYMS])
@pytest.mark.parametrize("extent", [1, 2, 3, 5])
def test_every_origin(extent: int, mode: str, isa: str) -> None:
    """Kernels of one element and more, up to several times the array, at every origin: exact integers."""
    x = small((extent,), np.float64)
    for taps in range(1, 2 * extent + 4):
        w = small((taps,), np.float64, 1)
        for origin in range(-(taps // 2), (taps - 1) // 2 + 1):
            what = f"{taps} taps, origin {origin}"
            for name, definition in (("correlate", ref.correlate), ("convolve", ref.convolve)):
                expected = definition(x, w, [mode], 7, [origin])
                for function, more in ((name, {}), (f"{name}1d", {"axis": 0})):
                    actual = getattr(ndimage, function)(x, w, mode=mode, cval=7, origin=origin, **more)
                    np.testing.assert_array_equal(actual, expected, err_msg=f"{function}, {what}")


@pytest.mark.parametrize("extent", [1, 2, 3, 4, 7])
@pytest.mark.parametrize(
    ("mode", "name"),
    [("reflect", "symmetric"), ("mirror", "reflect"), ("nearest", "edge"), ("wrap", "wrap")],
)
def test_tables_of_the_definition(mode: str, name: Any, extent: int) -> None:
    """What the definition takes an axis to be beyond its ends is what np.pad makes of it."""
    for before, after in ((0, 1), (2, 3), (9, 20)):
        padded = np.pad(np.arange(extent), (before, after), name)
        np.testing.assert_array_equal(ref.table(mode, extent, before, after), padded)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(130,), (9, 33), (33, 9), (5, 8, 17), (17, 33, 3), (3, 4, 5, 6)], ids=str)
def test_along_each_axis(shape: tuple[int, ...], dtype: str, isa: str) -> None:
    """1-D kernels along any axis, counted from either end."""
    x, w = normal(shape, dtype), normal((5,), np.float64, 2)
    for axis in range(len(shape)):
        mode = MODES[axis]
        for flip in (False, True):
            line = w[::-1] if flip else w
            filters = [Line(axis, line, 2 - 1 if flip else 2 + 1, mode)]
            value = ref.lines(x.astype(wide(dtype)), filters, 0.5)
            size = ref.lines(np.abs(x).astype(wide(dtype)), [filters[0]._replace(weights=np.abs(line))], 0.5)
            function = ndimage.convolve1d if flip else ndimage.correlate1d
            for number in (axis, axis - len(shape)):
                actual = function(x, w, number, mode=mode, cval=0.5, origin=1)
                limit = ref.sums_bound(size, (5,), dtype, dtype)
                assert_within(actual, value, limit, f"{isa}, axis {number}, flip={flip}")


@pytest.mark.parametrize("axes", [0, 1, -1, (0,), (2,), (0, 1), (0, 2), (-2, -1), (0, 1, 2), ()], ids=str)
def test_axes(axes: Any, isa: str) -> None:
    """Axes that are left out are as if the kernel had one element along them."""
    x = small((5, 9, 17), np.float64)
    chosen = [axes % 3] if isinstance(axes, int) else sorted(axis % 3 for axis in axes)
    extents = [(2, 3, 4)[axis] for axis in chosen]
    w = small(tuple(extents), np.float64, 3)
    spread = w.reshape([(2, 3, 4)[axis] if axis in chosen else 1 for axis in range(3)])
    origins = [(0, 1, -2)[axis] for axis in chosen]
    every = [(0, 1, -2)[axis] if axis in chosen else 0 for axis in range(3)]
    modes = ["mirror", "constant", "wrap"]
    expected = ref.correlate(x, spread, modes, 2, every)
    mode: Any = [modes[axis] for axis in chosen]
    actual = ndimage.correlate(x, w, mode=mode, cval=2, origin=origins, axes=axes)
    np.testing.assert_array_equal(actual, expected, strict=True)


def test_axes_in_any_order() -> None:
    """The kernel lies along the axes in ascending order; origins and modes are those of the axes as given."""
    x, w = small((5, 9, 17), np.float64), small((3, 4), np.float64, 3)
    expected = ref.correlate(x, w[:, None], ["wrap", "wrap", "mirror"], 0, [1, 0, -2])
    actual = ndimage.correlate(x, w, mode=("mirror", "wrap"), origin=(-2, 1), axes=(2, 0))
    np.testing.assert_array_equal(actual, expected, strict=True)
    footprint = np.array([[1, 0, 1], [0, 1, 1]], bool)
    expected = ref.extremum(x, footprint[:, None], ["wrap", "wrap", "mirror"], 0, [-1, 0, 1], np.minimum)
    how = {"footprint": footprint, "mode": ("mirror", "wrap"), "origin": (1, -1), "axes": (2, 0)}
    np.testing.assert_array_equal(ndimage.minimum_filter(x, **how), expected, strict=True)


# ---------------------------------------------------------------- derivatives


def gradient_lines(rank: int, axis: int, across: tuple[int, ...], modes: Any) -> list[Line]:
    """The derivative first, then what smooths it."""
    derivative = Line(axis, (-1, 0, 1), 1, modes[axis])
    return [derivative, *(Line(a, across, 1, modes[a]) for a in range(rank) if a != axis)]


def one_after_the_other(x: Array, filters: list[Line], cval: Any) -> Array:
    """In the order given, not that of the axes."""
    for line in filters:
        x = ref.lines(x, [line], cval)
    return x


@pytest.mark.parametrize(("name", "across"), [("sobel", (1, 2, 1)), ("prewitt", (1, 1, 1))])
@pytest.mark.parametrize("shape", [(1,), (33,), (1, 1), (9, 33), (8, 129), (7, 16, 3), (3, 5, 4, 6)], ids=str)
@pytest.mark.parametrize("dtype", ["uint8", "int32", "float32", "float64"])
def test_gradients(name: str, across: Any, shape: tuple[int, ...], dtype: str, isa: str) -> None:
    """Exact on integers and on floating-point numbers that are integers, along every axis."""
    x = np.random.default_rng(shape).integers(0, 256, shape).astype(dtype)
    to = np.dtype(dtype if dtype != "uint8" else np.int32)
    for axis in range(len(shape)):
        for modes, cval in (("reflect",) * 4, 0), (("constant", "nearest", "mirror", "wrap"), 3):
            filters = gradient_lines(len(shape), axis, across, modes)
            expected = one_after_the_other(x.astype(np.int64), filters, cval)

            def compute(axis: int = axis, modes: Any = modes, cval: int = cval) -> Array:
                mode = modes[: len(shape)]
                return np.asarray(getattr(ndimage, name)(x, axis - len(shape), to, mode, cval))

            np.testing.assert_array_equal(same_with_any_threads(compute), expected.astype(to), strict=True)


def test_sobel_of_bytes_in_int16(isa: str) -> None:
    """The gradient of an 8-bit image needs 11 bits: exact in int16, cut to 0 and 255 in its own type."""
    x = np.random.default_rng(5).integers(0, 256, (67, 131)).astype(np.uint8)
    for axis in (0, 1):
        filters = gradient_lines(2, axis, (1, 2, 1), ["reflect"] * 2)
        expected = one_after_the_other(x.astype(np.int64), filters, 0)
        assert expected.min() < -500
        np.testing.assert_array_equal(
            ndimage.sobel(x, axis, np.int16), expected.astype(np.int16), strict=True
        )
        np.testing.assert_array_equal(ndimage.sobel(x, axis), ref.cut(expected, np.uint8), strict=True)


@pytest.mark.parametrize("axes", [None, 0, (1, 2), (0, -1)], ids=str)
@pytest.mark.parametrize("mode", MODES)
def test_laplace(mode: str, axes: Any, isa: str) -> None:
    """The sum of the second derivatives along the axes that are asked for."""
    x = small((6, 9, 17), np.int64)
    chosen = range(3) if axes is None else [axes] if isinstance(axes, int) else [axis % 3 for axis in axes]
    expected = sum(ref.lines(x, [Line(axis, (1, -2, 1), 1, mode)], 4) for axis in chosen)
    actual = ndimage.laplace(x.astype(np.float32), None, mode, 4, axes=axes)
    np.testing.assert_array_equal(actual, np.asarray(expected, np.float32), strict=True)
    np.testing.assert_array_equal(ndimage.laplace(x, mode=mode, cval=4, axes=axes), expected, strict=True)


# ---------------------------------------------------------------- the Gaussian


def he(order: int, x: Any, sign: int = -1) -> Any:
    """Hermite's polynomials, He[n+1] = x He[n] - n He[n-1]; with the sign 1 their absolute values' bound."""
    before, now = np.zeros_like(x), np.ones_like(x)
    for n in range(order):
        before, now = now, x * now + sign * n * before
    return now


def response(sigma: float, order: int, radius: int, **how: Any) -> Array:
    """The kernel that is correlated with: the response to one element, backwards, and exact."""
    x = np.zeros(2 * radius + 1)
    x[radius] = 1
    how |= {} if "truncate" in how else {"radius": radius}
    return ndimage.gaussian_filter1d(x, sigma, order=order, mode="constant", **how)[::-1]


@pytest.mark.parametrize("order", [0, 1, 2, 3])
@pytest.mark.parametrize("sigma", [0.5, 1.0, 2.25, 7.0])
def test_gaussian_weights(sigma: float, order: int) -> None:
    """The Gaussian, its sum 1, and its derivatives.

    The argument of the exponential has four roundings, so e^-t is off by 4 u t and the exponential's own 4 u;
    as are the terms of the sum, which has a rounding for each of them; a polynomial of degree n takes 4 n.
    """
    radius = int(4 * sigma + 0.5)
    place = np.arange(-radius, radius + 1).astype(np.longdouble) / np.longdouble(sigma)
    bell = np.exp(-place * place / 2)
    bell /= bell.sum()
    # The response to an impulse is the derivative itself, of which the kernel is the mirror image.
    expected = bell * he(order, place) / np.longdouble(sigma) ** order
    limit = bell * he(order, np.abs(place), 1) / np.longdouble(sigma) ** order
    roundings = 2 * (4 * float(place.max()) ** 2 / 2 + 4) + len(place) + 1 + 5 * order + 2 + 2 * order
    limit = bounds.gamma(roundings, np.float64) * limit
    assert_within(response(sigma, order, radius, truncate=4.0), expected, limit, "weights")  # fmt: skip


def gaussian_lines(sigmas: Any, orders: Any, modes: Any, radii: Any, axes: Any = None) -> list[Line]:
    """The library's own weights, which `test_gaussian_weights` looks at."""
    found = []
    each = zip(axes or range(len(sigmas)), sigmas, orders, modes, radii, strict=True)
    for axis, sigma, order, mode, radius in each:
        if sigma > 0:
            r = int(4 * sigma + 0.5) if radius is None else radius
            found.append(Line(axis, response(sigma, order, r), r, mode))
    return found


def lines_bound(x: Array, filters: list[Line], cval: float, dtype: Any) -> Array:
    """The bound of several lines."""
    absolute = [line._replace(weights=np.abs(line.weights)) for line in filters]
    taps = [len(line.weights) for line in filters] or [1]
    n = sum(taps) + len(taps)
    total = ref.lines(np.abs(x), absolute, abs(cval))
    return np.asarray(bounds.gamma(n, dtype) * total + n * bounds.eta(dtype))


# shape, sigma, order, mode, radius
GAUSSIANS: list[tuple[tuple[int, ...], Any, Any, Any, Any]] = [
    ((1,), 1.0, 0, "reflect", None),
    ((130,), 2.5, 1, "wrap", None),
    ((5,), 3.0, 0, "mirror", None),
    ((9, 33), 1.0, 0, "nearest", None),
    ((9, 33), (0.7, 2.0), (2, 0), ("constant", "reflect"), (None, 3)),
    ((8, 129), (0, 1.5), 0, "constant", None),
    ((16, 17, 3), (1.2, 0.8, 0), 0, "reflect", None),
    ((4, 7, 31), 1.0, (0, 1, 2), ("wrap", "mirror", "constant"), 2),
    ((2, 3, 9, 17), (1.0, 0, 0.5, 1.0), 0, "nearest", None),
    ((5, 1, 16, 2), 0.6, 1, "mirror", None),
]


@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8"])
@pytest.mark.parametrize("case", GAUSSIANS, ids=str)
def test_gaussian(case: Any, dtype: str, isa: str) -> None:
    """One line for each axis; cval begins anew for each."""
    shape, sigma, order, mode, radius = case
    rank = len(shape)

    def each(value: Any) -> Any:
        return value if isinstance(value, tuple) else (value,) * rank

    x = normal(shape, dtype) if dtype != "uint8" else small(shape, dtype)
    to = dtype if dtype != "uint8" else "float64"
    radii = [int(4 * s + 0.5) if r is None else r for s, r in zip(each(sigma), each(radius), strict=True)]
    filters = gaussian_lines(each(sigma), each(order), each(mode), radii)
    given = x.astype(wide(to))
    value = ref.lines(given, filters, 0.25)
    how = {"order": order, "mode": mode, "cval": 0.25, "radius": None if radius is None else radii}
    actual = same_with_any_threads(lambda: ndimage.gaussian_filter(x, sigma, output=to, **how))
    assert_within(actual, value, lines_bound(given, filters, 0.25, to), isa)


@pytest.mark.parametrize("name", ["gaussian_laplace", "gaussian_gradient_magnitude"])
@pytest.mark.parametrize("axes", [None, (0, 2), 1], ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_gaussian_derivatives(name: str, axes: Any, dtype: str, isa: str) -> None:
    """The sum of the second derivatives, or the root of the sum of the squares of the first.

    A sum of n terms has n roundings, and the terms' own errors; those of a vector's elements change its
    length by at most the length of the errors, and squaring, adding and the root are n + 2 roundings.
    """
    x = normal((7, 16, 17), dtype)
    chosen = range(3) if axes is None else [axes] if isinstance(axes, int) else axes
    order = 2 if name == "gaussian_laplace" else 1
    values, errors = [], []
    given = x.astype(wide(dtype))
    for axis in chosen:
        orders = [order if a == axis else 0 for a in chosen]
        count = len(orders)
        filters = gaussian_lines([0.8] * count, orders, ["nearest"] * count, [None] * count, list(chosen))
        values.append(ref.lines(given, filters, 0))
        errors.append(lines_bound(given, filters, 0, dtype))
    error = np.sum(errors, 0)
    if order == 2:
        value = np.sum(values, 0)
        limit = error + bounds.gamma(len(values), dtype) * (np.sum(np.abs(values), 0) + error)
    else:
        value = np.sqrt(np.sum(np.square(values), 0))
        error = np.sqrt(np.sum(np.square(errors), 0))
        limit = error + bounds.gamma(len(values) + 2, dtype) * (value + error)
    actual = getattr(ndimage, name)(x, 0.8, mode="nearest", axes=axes)
    assert actual.dtype == dtype
    assert_within(actual, value, limit, isa)


def test_no_gaussian_leaves_the_array() -> None:
    """A standard deviation of zero filters nothing, and gives a new array."""
    x = normal((5, 6), np.float32)
    y = ndimage.gaussian_filter(x, 0)
    np.testing.assert_array_equal(y, x, strict=True)
    assert not np.may_share_memory(x, y)


# ---------------------------------------------------------------- boxes

PICKS = {"minimum": np.minimum, "maximum": np.maximum}


@pytest.mark.parametrize("name", PICKS)
@pytest.mark.parametrize("case", CASES[::3], ids=label)
def test_extrema(case: Case, name: str, isa: str) -> None:
    """The least and the greatest element of a box and of a footprint are exact."""
    footprint = np.random.default_rng(case.kernel).random(case.kernel) < 0.6
    footprint.flat[footprint.size // 2] = True
    function = getattr(ndimage, f"{name}_filter")
    whole: Any = {"size": case.kernel}
    for dtype in ("float32", "float64", "uint8", "int64"):
        x = small(case.shape, dtype) if np.dtype(dtype).kind in "iu" else normal(case.shape, dtype)
        cval = x.dtype.type(2)
        for shape, how in ((np.ones_like(footprint), whole), (footprint, {"footprint": footprint})):
            expected = ref.extremum(x, shape, case.modes, cval, case.origins, PICKS[name])

            def compute(x: Any = x, cval: Any = cval, how: Any = how) -> Array:
                return np.asarray(function(x, mode=case.modes, cval=cval, origin=case.origins, **how))

            np.testing.assert_array_equal(same_with_any_threads(compute), expected, strict=True)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 16, 33, 64, 200])
@pytest.mark.parametrize("shape", [(1,), (130,), (9, 33), (17, 5, 3)], ids=str)
def test_boxes_along_an_axis(shape: tuple[int, ...], size: int, isa: str) -> None:
    """Windows of any size, at either extreme origin, along every axis."""
    x = normal(shape, np.float32)
    for axis in range(len(shape)):
        for mode, origin in zip(MODES, (0, -(size // 2), (size - 1) // 2, 0, 0), strict=True):
            longer = ref.extended(x, axis, mode, middle(size, origin), size - 1 - middle(size, origin), 0.5)
            seen = np.lib.stride_tricks.sliding_window_view(longer, size, axis)
            how = {"mode": mode, "cval": 0.5, "origin": origin}
            for name, pick in PICKS.items():
                actual = getattr(ndimage, f"{name}_filter1d")(x, size, axis, **how)
                np.testing.assert_array_equal(actual, pick.reduce(seen, -1), strict=True)
            mean = seen.astype(np.float64).mean(-1)
            # one rounding for each sum, and two for the division or the product with the reciprocal
            limit = bounds.gamma(size + 2, np.float32) * np.abs(seen).astype(np.float64).mean(-1)
            assert_within(ndimage.uniform_filter1d(x, size, axis, **how), mean, limit, f"{isa}, {mode}")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", CASES[::3], ids=label)
def test_uniform(case: Case, dtype: str, isa: str) -> None:
    """The mean along one axis after the other, the constant beginning anew."""
    x = normal(case.shape, dtype)
    filters = [
        Line(axis, np.full(k, 1 / np.longdouble(k)), middle(k, o), mode)
        for axis, (k, o, mode) in enumerate(zip(case.kernel, case.origins, case.modes, strict=True))
        if k > 1
    ]
    given = x.astype(np.longdouble)
    taps = [
        len(line.weights) + 1 for line in filters
    ]  # a rounding more: of the reciprocal and of the product
    value, absolute = (ref.lines(a, filters, case.cval) for a in (given, np.abs(given)))
    limit = bounds.gamma(sum(taps) + len(taps), dtype) * absolute

    def compute() -> Array:
        return ndimage.uniform_filter(x, case.kernel, None, case.modes, case.cval, case.origins)

    assert_within(same_with_any_threads(compute), value, limit, isa)


@pytest.mark.parametrize("name", PICKS)
def test_extrema_of_large_integers(name: str, isa: str) -> None:
    """Integers beyond 2**53 keep their last bits."""
    for dtype in ("int64", "uint64"):
        limits = np.iinfo(dtype)
        x = np.array([limits.max, limits.max - 1, limits.max - 3, limits.min, limits.min + 1], dtype)
        expected = ref.extremum(x, np.ones(3, bool), ["nearest"], 0, [0], PICKS[name])
        actual = getattr(ndimage, f"{name}_filter1d")(x, 3, mode="nearest")
        np.testing.assert_array_equal(actual, expected, strict=True)


# ---------------------------------------------------------------- types


@pytest.mark.parametrize("dtype", [*INTEGERS, "bool", "float32", "float64"])
def test_types(dtype: str, isa: str) -> None:
    """Sums of small integers are exact in every type; an integer's range ends them."""
    x, w = small((9, 35), dtype), small((3, 4), np.float64, 4) * 9
    value = ref.correlate(x.astype(np.float64), w - 18, ["reflect"] * 2)
    assert value.min() < -128
    for to in (*INTEGERS, "float32", "float64"):
        expected = ref.cut(value, to) if to in INTEGERS else value.astype(to)
        np.testing.assert_array_equal(ndimage.correlate(x, w - 18, to), expected, strict=True)


@pytest.mark.parametrize("dtype", INTEGERS)
@pytest.mark.parametrize("separable", [False, True], ids=["dense", "separable"])
def test_integers_are_cut_towards_zero(dtype: str, separable: bool, isa: str) -> None:
    """Halves and quarters, exact in float64, and what is beyond either end of the range."""
    x = small((17, 33), dtype)
    w = np.outer([1, 2, 1], [1, -2, 0.25]) if separable else np.array([[0.5, -0.25, 1], [3, 0.75, -4]])
    scale = 1 if np.iinfo(dtype).bits > 8 else 8
    expected = ref.cut(ref.correlate(x.astype(np.float64), w * scale, ["mirror"] * 2), dtype)
    np.testing.assert_array_equal(ndimage.correlate(x, w * scale, mode="mirror"), expected, strict=True)


@pytest.mark.parametrize("dtype", INTEGERS)
def test_saturation(dtype: str, isa: str) -> None:
    """Beyond either end of its range an integer type gives that end, and zero for NaN."""
    limits = np.iinfo(dtype)
    x = np.array([-1e30, -np.inf, np.inf, 1e30, np.nan, 1.9, -1.9, 0.5])
    expected = np.array(
        [limits.min, limits.min, limits.max, limits.max, 0, 1, -1 if limits.min else 0, 0], dtype
    )
    np.testing.assert_array_equal(ndimage.correlate1d(x, [1.0], output=dtype), expected, strict=True)


@pytest.mark.parametrize("to", INTEGERS)
@pytest.mark.parametrize("dtype", ["float64", "int16", "uint64"])
def test_nothing_to_filter_is_stored_as_well(dtype: str, to: str) -> None:
    """Where no axis is filtered numbers are cut as everywhere else."""
    x = np.array([0, 1, 127, 128, 255, 256, 32767], dtype)
    if dtype == "float64":
        x = np.array([*x + 0.75, -0.75, -129.5, 1e30, -np.inf, np.nan])
        expected = ref.cut(np.nan_to_num(x, nan=0, posinf=1e300, neginf=-1e300), to)
    else:
        expected = ref.cut(x, to)
    np.testing.assert_array_equal(ndimage.gaussian_filter(x, 0, output=to), expected, strict=True)
    np.testing.assert_array_equal(ndimage.uniform_filter(x, 1, to), expected, strict=True)
    np.testing.assert_array_equal(ndimage.maximum_filter(x, 1, output=to), expected, strict=True)


def test_own_type() -> None:
    """The result has the type of the input, in the machine's byte order."""
    for dtype in [*INTEGERS, "bool", "float32", "float64", "complex64", "complex128", ">i4", ">f8"]:
        x = np.ones((4, 5), dtype)
        for function in (
            lambda a: ndimage.correlate(a, np.ones((2, 3))),
            lambda a: ndimage.gaussian_filter(a, 1),
        ):
            y = function(x)
            assert y.dtype == np.dtype(dtype).newbyteorder("="), dtype
            assert y.dtype.isnative


def test_bool(isa: str) -> None:
    """False is 0 and True is 1; any number but 0 that is left of a sum is True."""
    x = np.random.default_rng(8).random((9, 33)) < 0.3
    sums = ref.correlate(x.astype(np.float64), np.ones((3, 3)), ["constant"] * 2)
    actual = ndimage.correlate(x, np.ones((3, 3)), mode="constant")
    np.testing.assert_array_equal(actual, sums >= 1, strict=True)
    np.testing.assert_array_equal(ndimage.correlate(x, np.ones((3, 3)), int, "constant"), sums.astype(int))


@pytest.mark.parametrize("dtype", ["float32", "float64", "int16", "complex64", "complex128"])
@pytest.mark.parametrize("weights", [np.float64, np.complex128])
def test_complex(dtype: str, weights: Any, isa: str) -> None:
    """Real and imaginary parts of arrays and kernels, and of cval; correlation conjugates the kernel."""
    x = small((9, 17), dtype) + (1j * small((9, 17), np.float32, 1) if dtype[0] == "c" else 0)
    x = x.astype(dtype)
    w = small((2, 3), weights, 2) + (1j * small((2, 3), weights, 3) if weights is np.complex128 else 0)
    cval = 2 - 3j if dtype[0] == "c" else 2
    for mode in ("mirror", "constant"):
        for name in ("correlate", "convolve"):
            taps = np.conj(w) if name == "correlate" else w
            expected = getattr(ref, name)(x.astype(np.complex128), taps, [mode] * 2, cval)
            actual = getattr(ndimage, name)(x, w, mode=mode, cval=cval)
            if dtype[0] != "c" and weights is np.float64:
                expected = expected.real
            assert actual.dtype.kind == expected.dtype.kind or dtype == "int16"
            np.testing.assert_array_equal(actual, expected.astype(actual.dtype), err_msg=f"{name}, {mode}")


@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
@pytest.mark.parametrize(
    "function",
    [
        lambda x: ndimage.gaussian_filter(x, 1.0),
        lambda x: ndimage.gaussian_filter1d(x, 1.0, 0, 1),
        lambda x: ndimage.gaussian_laplace(x, 1.0),
        lambda x: ndimage.sobel(x, 0),
        lambda x: ndimage.prewitt(x),
        lambda x: ndimage.laplace(x, mode="wrap"),
        lambda x: ndimage.uniform_filter(x, (3, 5)),
        lambda x: ndimage.correlate1d(x, [0.5, 2.0, 1.0]),
    ],
    ids=[
        "gaussian",
        "gaussian1d",
        "gaussian_laplace",
        "sobel",
        "prewitt",
        "laplace",
        "uniform",
        "correlate1d",
    ],
)
def test_linear_filters_of_complex_arrays(function: Any, dtype: str) -> None:
    """With real weights the parts are filtered one like the other."""
    x = (normal((9, 17), np.float64) + 1j * normal((9, 17), np.float64, 1)).astype(dtype)
    actual = function(x)
    assert actual.dtype == dtype
    np.testing.assert_array_equal(actual.real, function(np.ascontiguousarray(x.real)))
    np.testing.assert_array_equal(actual.imag, function(np.ascontiguousarray(x.imag)))


# ---------------------------------------------------------------- arrays

OPERATORS: dict[str, tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]] = {
    "correlate": (ndimage.correlate, (np.arange(1.0, 13).reshape(3, 4) ** 2,), {"mode": "mirror"}),
    "separable": (ndimage.correlate, (np.outer([1.0, 2, 1], [3, 1, 0, 2]),), {"mode": "wrap"}),
    "convolve-constant": (ndimage.convolve, (np.outer([1.0, 2], [1, 3]),), {"mode": "constant", "cval": 2.0}),
    "correlate1d": (ndimage.correlate1d, ([1.0, 4, 2],), {"axis": 0}),
    "convolve1d": (ndimage.convolve1d, ([1.0, 4, 2, 5],), {"mode": "nearest"}),
    "gaussian_filter": (ndimage.gaussian_filter, (1.0,), {"mode": ("wrap", "reflect")}),
    "gaussian_filter-none": (ndimage.gaussian_filter, (0.0,), {}),
    "gaussian_filter1d": (ndimage.gaussian_filter1d, (0.7,), {"axis": 0, "order": 1}),
    "gaussian_laplace": (ndimage.gaussian_laplace, (1.0,), {}),
    "gaussian_gradient_magnitude": (ndimage.gaussian_gradient_magnitude, (1.0,), {}),
    "sobel": (ndimage.sobel, (), {}),
    "prewitt": (ndimage.prewitt, (0,), {"mode": "constant", "cval": 1.0}),
    "laplace": (ndimage.laplace, (), {"mode": "nearest"}),
    "uniform_filter": (ndimage.uniform_filter, ((2, 3),), {}),
    "uniform_filter1d": (ndimage.uniform_filter1d, (4,), {"axis": 0}),
    "minimum_filter": (ndimage.minimum_filter, ((3, 4),), {"mode": "wrap"}),
    "minimum_filter1d": (ndimage.minimum_filter1d, (3,), {"axis": 0}),
    "maximum_filter": (ndimage.maximum_filter, (), {"footprint": np.array([[1, 0, 1], [0, 1, 0]])}),
    "maximum_filter1d": (ndimage.maximum_filter1d, (5,), {"mode": "mirror"}),
}


def call(name: str, x: Any, **more: Any) -> Any:
    function, arguments, keywords = OPERATORS[name]
    return function(x, *arguments, **keywords | more)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", OPERATORS)
def test_form(name: str, form: str) -> None:
    """An input of another form: the same numbers, so the same bits; and it is left as it was."""
    for dtype in ("float32", "float64", "int16", "uint8"):
        if form in ("every-second", "margin") and np.dtype(dtype).kind in "iu":
            continue  # what lies between is NaN
        x = small((9, 35), dtype)
        given = FORMS[form](x)
        before = np.array(given)
        actual = call(name, given)
        np.testing.assert_array_equal(actual, call(name, x), strict=True)
        assert type(actual) is np.ndarray
        assert actual.flags.c_contiguous
        np.testing.assert_array_equal(np.asarray(given), before)


@pytest.mark.parametrize(
    "form", ["fortran", "reversed", "every-second", "byte-swapped", "read-only", "unaligned"]
)
@pytest.mark.parametrize("separable", [False, True], ids=["dense", "separable"])
def test_form_of_weights(form: str, separable: bool) -> None:
    """Kernels of every form."""
    x = small((9, 17), np.float64)
    w = np.outer([1.0, 2, 4], [1, 3, 0, -1]) if separable else small((3, 4), np.float64, 1)
    expected = ndimage.correlate(x, w)
    np.testing.assert_array_equal(ndimage.correlate(x, FORMS[form](w)), expected)
    np.testing.assert_array_equal(ndimage.correlate(x, w.tolist()), expected)
    np.testing.assert_array_equal(ndimage.correlate(x, FORMS[form](w.astype(np.float32))), expected)
    np.testing.assert_array_equal(
        ndimage.convolve(x, FORMS[form](w[::-1, ::-1])), ndimage.convolve(x, w[::-1, ::-1])
    )


@pytest.mark.parametrize("name", OPERATORS)
def test_output(name: str) -> None:
    """An array of any form and type takes the result and is returned; a dtype makes a new one."""
    x = small((9, 35), np.float32) * 3
    for dtype in ("float32", "float64", "int8", "uint16"):
        expected = call(name, x, output=dtype)
        assert expected.dtype == dtype
        for swapped in (False, True):
            kind = np.dtype(dtype).newbyteorder() if swapped else np.dtype(dtype)
            larger = np.zeros((18, 70), kind)
            for out in (np.zeros((9, 35), kind), np.zeros((9, 35), kind, "F"), larger[::2, ::-2]):
                assert call(name, x, output=out) is out
                np.testing.assert_array_equal(out, expected)
            assert not larger[1::2].any(), "written outside"
            assert not larger[:, ::2].any(), "written outside"


@pytest.mark.parametrize("name", OPERATORS)
@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8"])
def test_output_is_the_input(name: str, dtype: str) -> None:
    """In place, moved by some elements, or backwards: as if the input had been copied before."""
    memory = np.zeros(9 * 35 + 40, dtype)
    for begin in (0, 1, 40):
        for backwards in (False, True):
            memory[...] = 0
            out = memory[begin : begin + 9 * 35].reshape(9, 35)
            x = memory[: 9 * 35].reshape(9, 35)
            x = x[::-1, ::-1] if backwards else x
            x[...] = small((9, 35), dtype)
            expected = call(name, x.copy())
            assert call(name, x, output=out) is out
            np.testing.assert_array_equal(out, expected, err_msg=f"{begin} elements, backwards={backwards}")


@pytest.mark.parametrize("dtype", ["float32", "uint8"])
@pytest.mark.parametrize("name", OPERATORS)
def test_threads(name: str, dtype: str, isa: str) -> None:
    """The bits are the same for any number of threads, where several have something to do."""
    x = np.random.default_rng(6).integers(0, 200, (521, 517)).astype(dtype)
    same_with_any_threads(lambda: call(name, x))
    same_with_any_threads(lambda: call(name, x[:, :9].copy()))


@pytest.mark.parametrize("name", OPERATORS)
def test_results_are_fresh(name: str) -> None:
    """A new array each time, and never the input."""
    x = np.ones((3, 4))
    first, second = call(name, x), call(name, x)
    assert not np.may_share_memory(first, second)
    assert not np.may_share_memory(first, x)


@pytest.mark.parametrize("flush", ["start", "end"])
@pytest.mark.parametrize("name", OPERATORS)
def test_guarded(name: str, flush: str, isa: str) -> None:
    """Nothing outside the arrays is read or written, with any number of threads."""
    shapes = ((1, 1), (3, 5), (8, 16), (9, 33), (17, 129), (40, 7))
    for dtype, shape in product(("float32", "float64", "uint8"), shapes):
        x = small(shape, dtype)
        expected = call(name, x)
        out = guarded(shape, dtype, flush)
        for threads in (1, 3):
            with fastconv.threads(threads):
                call(name, guarded_copy(x, flush), output=out)
            np.testing.assert_array_equal(out, expected, strict=True)


@pytest.mark.parametrize("case", CASES[1::2], ids=label)
def test_guarded_kernels(case: Case, isa: str) -> None:
    """The same for kernels of all extents, larger than the array or not."""
    for dtype, flush in product(("float32", "int16"), ("start", "end")):
        x, w = small(case.shape, dtype), small(case.kernel, np.float64, 1)
        how = {"mode": case.modes, "origin": case.origins}
        out = guarded(case.shape, dtype, flush)
        ndimage.correlate(guarded_copy(x, flush), guarded_copy(w, flush), out, **how)
        np.testing.assert_array_equal(out, ndimage.correlate(x, w, **how), strict=True)


@pytest.mark.parametrize("name", OPERATORS)
def test_empty(name: str) -> None:
    """An array without elements gives another one."""
    for dtype, shape in product(("float32", "uint8"), ((0, 5), (5, 0), (0, 0))):
        x = np.zeros(shape, dtype)
        y = call(name, x)
        assert (y.shape, y.dtype) == (shape, np.dtype(dtype))
        out = np.zeros(shape, np.float64)
        assert call(name, x, output=out) is out


# ---------------------------------------------------------------- special numbers


@pytest.mark.parametrize("special", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("mode", MODES)
def test_special_numbers(mode: str, dtype: str, special: float, isa: str) -> None:
    """A NaN or an infinity reaches exactly the outputs whose window sees it, by a kernel without zeros."""
    for shape, kernel in (((9, 35), (3, 4)), ((40,), (5,)), ((3, 9, 17), (2, 3, 2)), ((17, 9, 3), (3, 2, 1))):
        w = normal(kernel, np.float64)
        size = prod(shape)
        for at in sorted({0, 1, size // 3, size // 2, size - 2, size - 1}):
            x = normal(shape, dtype)
            x.flat[at] = special
            with np.errstate(invalid="ignore"):
                expected = spoilt(ref.correlate(x.astype(np.float64), w, [mode] * len(shape)))
            actual = spoilt(ndimage.correlate(x, w, mode=mode))
            np.testing.assert_array_equal(actual, expected.astype(dtype), err_msg=f"{shape}, element {at}")


@pytest.mark.parametrize("special", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", ["minimum", "maximum", "uniform"])
def test_special_numbers_in_boxes(name: str, special: float, isa: str) -> None:
    """So they do by boxes, and a NaN is the extremum of every box that sees it."""
    for shape in ((9, 35), (35, 9)):
        for at in (0, 17, 150, 9 * 35 - 1):
            x = normal(shape, np.float32)
            x.flat[at] = special
            if name == "uniform":
                with np.errstate(invalid="ignore"):
                    expected = spoilt(ref.correlate(x, np.ones((4, 5), np.float32), ["mirror"] * 2))
                actual = spoilt(ndimage.uniform_filter(x, (4, 5), mode="mirror"))
            else:
                expected = ref.extremum(x, np.ones((4, 5), bool), ["mirror"] * 2, 0, [0, 0], PICKS[name])
                actual = getattr(ndimage, f"{name}_filter")(x, (4, 5), mode="mirror")
            np.testing.assert_array_equal(actual, expected, err_msg=f"element {at}")


@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
def test_infinite_parts(dtype: str) -> None:
    """By a real kernel an infinite imaginary part leaves the real part what it is."""
    x = small((9, 35), np.float64) + 1j * small((9, 35), np.float64, 1)
    x[4, 20] = complex(3, np.inf)
    x[4, 21] = complex(-np.inf, 2)
    x, w = x.astype(dtype), small((3, 4), np.float64, 2) + 0.5
    for mode in ("constant", "wrap"):
        y = ndimage.convolve(x, w, mode=mode)
        for part in ("real", "imag"):
            with np.errstate(invalid="ignore"):
                expected = ref.convolve(getattr(x, part).astype(np.float64), w, [mode] * 2)
            np.testing.assert_array_equal(getattr(y, part), expected)


def test_zero_weights_count(isa: str) -> None:
    """Zero times infinity is NaN."""
    y = ndimage.correlate1d(np.array([1.0, np.inf, 2.0]), [0.0, 1.0, 0.0], mode="constant")
    np.testing.assert_array_equal(y, [np.nan, np.inf, np.nan])


def test_subnormal_numbers(isa: str) -> None:
    """Are not flushed to zero."""
    for dtype in (np.float32, np.float64):
        tiny = np.finfo(dtype).smallest_subnormal
        x = np.full((9, 33), 3 * tiny, dtype)
        np.testing.assert_array_equal(
            ndimage.correlate(x, np.ones((2, 3))), np.full(x.shape, 18 * tiny, dtype)
        )


# ---------------------------------------------------------------- errors

IMAGE = np.zeros((5, 6), np.float32)
WINDOW = np.ones((3, 3))

# function, arguments, error, the argument that is named, its value
REFUSED: list[tuple[str, dict[str, Any], type[Exception], str, str]] = [
    *[
        (name, {"input": np.zeros((5, 6), dtype)}, TypeError, "input", shown)
        for name in OPERATORS
        for dtype, shown in (("float16", "float16"), ("O", "object"), ("datetime64[s]", "datetime64[s]"))
    ],
    *[
        (name, {"input": np.zeros((5, 6), np.longdouble)}, TypeError, "input", str(np.dtype(np.longdouble)))
        for name in OPERATORS
    ],
    *[(name, {"mode": "edge"}, ValueError, "mode", "edge") for name in OPERATORS],
    *[(name, {"mode": 3}, TypeError, "mode", "3") for name in OPERATORS],
    *[(name, {"output": np.zeros((5, 7))}, ValueError, "output", "(5, 7)") for name in OPERATORS],
    *[(name, {"output": np.zeros((5, 6), np.float16)}, TypeError, "output", "float16") for name in OPERATORS],
    *[(name, {"output": np.float16}, TypeError, "output", "float16") for name in OPERATORS],
    *[
        (name, {"output": np.broadcast_to(0.0, (5, 6))}, ValueError, "output", "read-only")
        for name in OPERATORS
    ],
    *[
        (name, {"axis": axis}, ValueError, "axes", str(axis))
        for name in (
            "correlate1d",
            "convolve1d",
            "gaussian_filter1d",
            "sobel",
            "uniform_filter1d",
            "minimum_filter1d",
        )
        for axis in (2, -3)
    ],
    *[
        (name, {"axes": axes}, ValueError, "axes", str(axes))
        for name in (
            "laplace",
            "gaussian_filter",
            "gaussian_laplace",
            "gaussian_gradient_magnitude",
            "uniform_filter",
        )
        for axes in (2, (0, -3), (1, 1), (0, -2))
    ],
    *[
        (name, {"mode": ("reflect",) * 3}, ValueError, "mode", "('reflect', 'reflect', 'reflect')")
        for name in ("correlate", "gaussian_filter", "sobel", "prewitt", "uniform_filter", "minimum_filter")
    ],
    *[
        (name, {"origin": origin}, ValueError, "origin", str(origin))
        for name, origin in (
            ("correlate1d", 2),
            ("convolve1d", -3),
            ("convolve1d", 2),
            ("uniform_filter1d", -3),
        )
    ],
    ("correlate", {"origin": (0, 0, 0)}, ValueError, "origin", "(0, 0, 0)"),
    ("correlate", {"origin": 0.5}, TypeError, "origin", "0.5"),
    ("maximum_filter1d", {"origin": 0.5}, TypeError, "origin", "0.5"),
    ("correlate", {"weights": np.ones(3)}, ValueError, "weights", "(3,)"),
    ("correlate", {"weights": np.ones((3, 0))}, ValueError, "weights", "(3, 0)"),
    ("correlate", {"weights": np.full((2, 2), "a")}, TypeError, "weights", "<U1"),
    ("correlate", {"weights": np.full((2, 2), None)}, TypeError, "weights", "object"),
    ("correlate", {"weights": WINDOW * 1j, "output": np.zeros((5, 6))}, TypeError, "output", "float64"),
    ("correlate", {"cval": 1j, "mode": "constant"}, TypeError, "cval", "1j"),
    ("correlate", {"cval": "0"}, TypeError, "cval", "0"),
    ("correlate1d", {"weights": WINDOW}, ValueError, "weights", "(3, 3)"),
    ("convolve1d", {"weights": []}, ValueError, "weights", "(0,)"),
    ("gaussian_filter", {"sigma": (1, 2, 3)}, ValueError, "sigma", "(1, 2, 3)"),
    ("gaussian_filter", {"sigma": float("nan")}, ValueError, "sigma", "nan"),
    ("gaussian_filter", {"sigma": float("inf")}, ValueError, "sigma", "inf"),
    ("gaussian_filter1d", {"sigma": -1.0}, ValueError, "sigma", "-1.0"),
    ("gaussian_filter", {"sigma": "1"}, TypeError, "sigma", "1"),
    ("gaussian_filter", {"order": -1}, ValueError, "order", "-1"),
    ("gaussian_filter", {"order": (0, 1, 2)}, ValueError, "order", "(0, 1, 2)"),
    ("gaussian_filter", {"radius": -1}, ValueError, "radius", "-1"),
    ("gaussian_filter", {"radius": 1.5}, ValueError, "radius", "1.5"),
    ("gaussian_filter", {"truncate": float("nan")}, ValueError, "truncate", "nan"),
    ("gaussian_filter", {"truncate": -3.0}, ValueError, "truncate", "-3.0"),
    ("uniform_filter", {"size": 0}, ValueError, "size", "0"),
    ("uniform_filter", {"size": (3, -1)}, ValueError, "size", "-1"),
    ("uniform_filter", {"size": 1.5}, TypeError, "size", "1.5"),
    ("uniform_filter1d", {"size": 0}, ValueError, "size", "0"),
    ("minimum_filter1d", {"size": (3, 3)}, ValueError, "size", "(3, 3)"),
    ("minimum_filter", {"size": None}, ValueError, "size", "None"),
    ("minimum_filter", {"size": (3, 3, 3)}, ValueError, "size", "(3, 3, 3)"),
    ("minimum_filter", {"footprint": WINDOW}, ValueError, "footprint", ""),
    ("minimum_filter", {"size": None, "footprint": np.ones(3)}, ValueError, "footprint", "(3,)"),
    ("minimum_filter", {"size": None, "footprint": np.zeros((3, 3))}, ValueError, "footprint", ""),
    ("minimum_filter", {"input": IMAGE * 1j}, TypeError, "input", "complex64"),
    ("maximum_filter1d", {"input": IMAGE * 1j}, TypeError, "input", "complex64"),
]

VALID: dict[str, dict[str, Any]] = {
    **{name: {"weights": WINDOW} for name in ("correlate", "convolve")},
    **{name: {"weights": np.ones(4)} for name in ("correlate1d", "convolve1d")},
    **{name: {"sigma": 1.0} for name in ("gaussian_filter", "gaussian_filter1d", "gaussian_laplace")},
    "gaussian_gradient_magnitude": {"sigma": 1.0},
    **{name: {"size": 4} for name in ("uniform_filter1d", "minimum_filter1d", "maximum_filter1d")},
    **{name: {"size": 3} for name in ("minimum_filter", "maximum_filter")},
}


def plain_name(name: str) -> str:
    """The function behind a row of OPERATORS."""
    return OPERATORS[name][0].__name__ if name in OPERATORS else name


def described(row: Any) -> str:
    name, change, *_ = row
    shown = (
        f"{key}={value.dtype}{value.shape}" if isinstance(value, np.ndarray) else f"{key}={value!r}"
        for key, value in change.items()
    )
    return f"{name}-{','.join(shown)}"


HUGE = np.broadcast_to(np.float32(0), (2**26, 2**26))


@pytest.mark.parametrize("row", REFUSED, ids=described)
def test_refused(row: Any) -> None:
    """A bad argument is a TypeError or a ValueError that names and quotes it; nothing is allocated."""
    name, change, error, argument, value = row
    function = getattr(ndimage, plain_name(name))
    arguments = {"input": IMAGE} | VALID.get(function.__name__, {})
    function(**arguments)
    with pytest.raises(error) as caught:
        function(**arguments | change)
    assert type(caught.value) is error
    if value:
        check_message(str(caught.value), argument, value)
    else:
        assert re.search(rf"\b{argument}\b", str(caught.value))
    if {"input", "output"} & set(change):
        return
    # As soon on an input that no memory could hold a copy of, or a result for: never a MemoryError.
    tracemalloc.start()
    try:
        with pytest.raises(error):
            function(**arguments | {"input": HUGE} | change)
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name", OPERATORS)
def test_nothing_is_an_array_of_no_axes(name: str) -> None:
    """A number is refused, or gives an array without axes; it never ends the process."""
    function = getattr(ndimage, plain_name(name))
    try:
        y = function(3.0, **VALID.get(function.__name__, {}))
    except (TypeError, ValueError):
        return
    assert y.shape == ()
