"""Correlation and convolution with any kernel, over all axes at once or along one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import _fastconv
from .._arrays import add_by_parts, plain
from .._results import as_array
from ._arguments import (
    Array,
    Mode,
    Output,
    axes_of,
    boundary,
    each,
    input_array,
    output_array,
    plain_result,
    store,
    window,
)

__all__ = [
    "Window",
    "convolve",
    "convolve1d",
    "correlate",
    "correlate1d",
    "filter_axes",
    "filter_footprint",
    "windows_of",
]


# The factors of kernels with so many elements are kept: to find those of a small one takes some 80 us.
_KEPT_KERNEL = 4096


def correlate(
    input: ArrayLike,
    weights: ArrayLike,
    output: Output = None,
    mode: Mode | Sequence[Mode] = "reflect",
    cval: float = 0.0,
    origin: int | Sequence[int] = 0,
    *,
    axes: int | Iterable[int] | None = None,
) -> Array:
    r"""Correlate an array with a kernel.

    .. math:: y[i] = \sum_k w[k] \, x[i + k - \lfloor K / 2 \rfloor - origin]

    over all axes of the kernel, of extents :math:`K`.

    Parameters
    ----------
    input : array_like
        Of any number of axes; booleans, integers, float32, float64 or complex.
    weights : array_like
        The kernel, with as many axes as the input, or as there are `axes`.
    output : ndarray or dtype, optional
        Where to store the result, or the type of a new array: that of the input unless given.
    mode : str or sequence, optional
        What the input is taken to be beyond its edges, for all axes or for each:

        =============================  ================================
        ``"reflect"``, grid-mirror     ``d c b a | a b c d | d c b a``
        ``"constant"``, grid-constant  ``k k k k | a b c d | k k k k``
        ``"nearest"``                  ``a a a a | a b c d | d d d d``
        ``"mirror"``                   ``d c b | a b c d | c b a``
        ``"wrap"``, grid-wrap          ``a b c d | a b c d | a b c d``
        =============================  ================================
    cval : scalar, optional
        The ``k`` of mode ``"constant"``.
    origin : int or sequence, optional
        Moves the kernel: 0 puts its middle on the pixel, 1 one to the left.
    axes : int or sequence of int, optional
        The axes of the input that the kernel's axes lie along; all unless given.

    Returns
    -------
    ndarray
        Of the shape of the input.

    Raises
    ------
    TypeError
        An argument of the wrong type or dtype.
    ValueError
        An argument of the wrong value or shape; the message names it, its value and what was expected.

    Notes
    -----
    The parameters are those of ``scipy.ndimage.correlate``. A float32 array that stays float32 is summed in
    float32, everything else in float64. Results that an integer type cannot hold are cut towards zero, as in
    SciPy, and then to its range, where those of SciPy wrap around: 300 becomes 255 in uint8, not 44. A kernel
    that is exactly the product of a column and a row is applied as the two. Weights of zero count: zero times
    infinity is NaN, where SciPy leaves such weights out.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import ndimage
    >>> ndimage.correlate(np.arange(5.0), [1, 2, 4])
    array([ 4., 10., 17., 24., 27.])
    """
    return _correlate(input, weights, output, mode, cval, origin, axes, flip=False)


def convolve(
    input: ArrayLike,
    weights: ArrayLike,
    output: Output = None,
    mode: Mode | Sequence[Mode] = "reflect",
    cval: float = 0.0,
    origin: int | Sequence[int] = 0,
    *,
    axes: int | Iterable[int] | None = None,
) -> Array:
    r"""Convolve an array with a kernel.

    .. math:: y[i] = \sum_k w[k] \, x[i - k + \lfloor (K - 1) / 2 \rfloor + origin + e]

    where :math:`e` is 1 for an even extent :math:`K`: the correlation with the flipped kernel.

    Parameters
    ----------
    input : array_like
        Of any number of axes; booleans, integers, float32, float64 or complex.
    weights : array_like
        The kernel, with as many axes as the input, or as there are `axes`.
    output : ndarray or dtype, optional
        Where to store the result, or the type of a new array: that of the input unless given.
    mode, cval, axes : optional
        As in `correlate`.
    origin : int or sequence, optional
        Moves the kernel: 0 puts its middle on the pixel, 1 one to the right.

    Returns
    -------
    ndarray
        Of the shape of the input.

    Raises
    ------
    TypeError, ValueError
        As `correlate` does.

    Examples
    --------
    >>> from fastconv import ndimage
    >>> ndimage.convolve([1.0, 0.0, 0.0, 0.0], [1, 2, 4], mode="constant")
    array([2., 4., 0., 0.])
    """
    return _correlate(input, weights, output, mode, cval, origin, axes, flip=True)


def correlate1d(
    input: ArrayLike,
    weights: ArrayLike,
    axis: int = -1,
    output: Output = None,
    mode: Mode = "reflect",
    cval: float = 0.0,
    origin: int = 0,
) -> Array:
    """Correlate the lines of an array along one axis with a 1-D kernel.

    Parameters
    ----------
    input : array_like
        Of any number of axes.
    weights : array_like
        The kernel, one axis.
    axis : int, optional
        Along which to filter.
    output, mode, cval, origin : optional
        As in `correlate`.

    Returns
    -------
    ndarray
        Of the shape of the input.

    Raises
    ------
    TypeError, ValueError
        As `correlate` does.

    Examples
    --------
    >>> from fastconv import ndimage
    >>> ndimage.correlate1d([2, 8, 0, 4, 1, 9, 9, 0], weights=[1, 3])
    array([ 8, 26,  8, 12,  7, 28, 36,  9])
    """
    return _correlate(input, _line(weights), output, mode, cval, origin, axis, flip=False)


def convolve1d(
    input: ArrayLike,
    weights: ArrayLike,
    axis: int = -1,
    output: Output = None,
    mode: Mode = "reflect",
    cval: float = 0.0,
    origin: int = 0,
) -> Array:
    """Convolve the lines of an array along one axis with a 1-D kernel.

    Parameters
    ----------
    input : array_like
        Of any number of axes.
    weights : array_like
        The kernel, one axis.
    axis : int, optional
        Along which to filter.
    output, mode, cval, origin : optional
        As in `convolve`.

    Returns
    -------
    ndarray
        Of the shape of the input.

    Raises
    ------
    TypeError, ValueError
        As `correlate` does.

    Examples
    --------
    >>> from fastconv import ndimage
    >>> ndimage.convolve1d([2, 8, 0, 4, 1, 9, 9, 0], weights=[1, 3])
    array([14, 24,  4, 13, 12, 36, 27,  0])
    """
    return _correlate(input, _line(weights), output, mode, cval, origin, axis, flip=True)


def _line(weights: ArrayLike) -> Array:
    line = as_array(weights, "weights")
    if line.ndim != 1 or line.size == 0:
        raise ValueError(f"weights has shape {line.shape}, expected one axis that is not empty")
    return line


def _correlate(
    input: ArrayLike,
    weights: ArrayLike,
    output: Output,
    mode: Mode | Sequence[Mode],
    cval: complex,
    origin: int | Sequence[int],
    axes: int | Iterable[int] | None,
    *,
    flip: bool,
) -> Array:
    x = input_array(input)
    along = axes_of(axes, x.ndim)
    kernel = as_array(weights, "weights")
    if kernel.dtype.kind not in "biufc":
        raise TypeError(f"weights has dtype {kernel.dtype}, expected numbers")
    if kernel.ndim != len(along) or kernel.size == 0:
        raise ValueError(
            f"weights has shape {kernel.shape}, expected {len(along)} axes that are not empty"
            f" for input of shape {x.shape}" + ("" if axes is None else f" and axes {along}")
        )
    origins = each(origin, len(along), "origin")
    boundaries = [boundary(m) for m in each(mode, len(along), "mode")]
    if not isinstance(cval, float | int) and (
        np.ndim(cval) != 0 or np.asarray(cval).dtype.kind not in "biufc"
    ):
        raise TypeError(f"cval is {cval!r}, expected a number")
    if np.iscomplexobj(cval) and x.dtype.kind != "c":
        raise TypeError(f"cval is {cval!r}, expected a real number for input of dtype {x.dtype}")
    # As in SciPy the kernel's axes lie along those in ascending order, in whatever order they are given.
    extents, windows = [1] * x.ndim, [(0, 0)] * x.ndim
    for axis, k in zip(sorted(along), kernel.shape, strict=True):
        extents[axis] = k
    for axis, shift, edge in zip(along, origins, boundaries, strict=True):
        windows[axis] = (window(extents[axis], shift, flip=flip), edge)
    kernel = np.flip(kernel) if flip else np.conj(kernel)
    many = "c" in (x.dtype.kind, kernel.dtype.kind)
    result = output_array(output, x, complex_output=many)

    # The kernel as one of all axes, those that are not filtered of extent one.
    spread = kernel.reshape(extents)

    def apply(part: Array, w: Array, to: Array, outside: float) -> None:
        w = np.require(w, np.float64, ["C_CONTIGUOUS", "ALIGNED"])
        # A second line would see the constant itself outside, not what the first makes of it.
        separable = outside == 0 or boundary("constant") not in boundaries
        factors = _factors(w) if separable and w.size > sum(k for k in w.shape if k > 1) else None
        if factors is None:
            _run(_fastconv.filter, "weighted", part, to, w, tuple(windows), outside)
        else:
            lines = tuple((i, line, *windows[i]) for i, line in factors)
            _run(_fastconv.filter_axes, "weighted", part, to, lines, outside)

    def sums(part: Array, w: Array, outside: float) -> Array:
        to = np.empty(result.shape, f"f{result.dtype.itemsize // 2}")
        apply(part, w, to, outside)
        return to

    if many:
        total = np.zeros(result.shape, result.dtype)
        add_by_parts(sums, x, spread, complex(cval), total)
        result[...] = total
    else:
        apply(x, spread, result, float(np.real(cval)))
    return result


def _factors(kernel: NDArray[np.float64]) -> list[tuple[int, NDArray[np.float64]]] | None:
    """Return lines along the kernel's axes whose product is exactly the kernel, if there are any.

    Whatever the array that is filtered, so that a part of it has the bits of the whole.
    """
    if kernel.size > _KEPT_KERNEL:
        return _found_factors(kernel)
    return _kept_factors(kernel.tobytes(), kernel.shape)


@lru_cache(maxsize=64)
def _kept_factors(numbers: bytes, shape: tuple[int, ...]) -> list[tuple[int, NDArray[np.float64]]] | None:
    return _found_factors(np.frombuffer(numbers).reshape(shape))


def _found_factors(kernel: NDArray[np.float64]) -> list[tuple[int, NDArray[np.float64]]] | None:
    pivot = tuple(int(i) for i in np.unravel_index(np.argmax(np.abs(kernel)), kernel.shape))
    middle = kernel[pivot]
    if not np.isfinite(middle) or middle == 0:
        return None
    lines: list[tuple[int, NDArray[np.float64]]] = []
    whole = np.ones([1] * kernel.ndim)
    for axis, extent in enumerate(kernel.shape):
        crossing: list[Any] = [*pivot]
        crossing[axis] = slice(None)
        line = kernel[tuple(crossing)]
        if lines:  # the first line keeps the scale, the others are one where they cross it
            scaled = line / middle
            if not np.array_equal(_exact_product(scaled, middle), line):
                return None
            line = scaled
        if extent > 1 or not lines:
            lines.append((axis, np.ascontiguousarray(line)))
        whole = _exact_product(whole, line.reshape([-1 if a == axis else 1 for a in range(kernel.ndim)]))
    return lines if np.array_equal(whole, kernel) else None


def _exact_product(a: Any, b: Any) -> NDArray[np.float64]:
    """Return a * b, NaN where that is not exact: by T. J. Dekker, Numerische Mathematik 18, 1971."""
    product = np.multiply(a, b)
    (a1, a2), (b1, b2) = _halves(a), _halves(b)
    error = ((a1 * b1 - product) + a1 * b2 + a2 * b1) + a2 * b2
    # Near the ends of the range the halves or the error may be lost.
    safe = ((np.abs(product) > 1e-200) & (np.abs(product) < 1e200)) | (np.equal(a, 0) | np.equal(b, 0))
    return np.where((error == 0) & safe, product, np.nan)


def _halves(a: Any) -> tuple[Any, Any]:
    scaled = np.multiply(a, 2.0**27 + 1)
    high = scaled - (scaled - a)
    return high, a - high


def filter_axes(
    x: Array,
    result: Array,
    lines: Sequence[tuple[int, Any, int, int]],
    cval: complex,
    op: str = "weighted",
) -> None:
    """Filter along axes one after the other: (axis, weights or size, places before, boundary) for each."""
    ordered = tuple(
        (axis, np.ascontiguousarray(w, np.float64) if op == "weighted" else w, before, edge)
        for axis, w, before, edge in sorted(lines, key=lambda line: line[0])
    )
    if not ordered:
        store(x, result)
    elif result.dtype.kind == "c":
        halves = np.dtype(f"f{result.dtype.itemsize // 2}")
        whole = complex(cval)
        for part, to, edge in ((x.real, result.real, whole.real), (x.imag, result.imag, whole.imag)):
            half = np.empty(result.shape, halves)
            _run(_fastconv.filter_axes, op, part, half, ordered, edge)
            to[...] = half
    else:
        _run(_fastconv.filter_axes, op, x, result, ordered, float(np.real(cval)))


def filter_footprint(x: Array, result: Array, footprint: Array, windows: Any, cval: float, op: str) -> None:
    """Take the least or the greatest of the elements that a footprint of as many axes shows."""
    _run(_fastconv.filter, op, x, result, np.ascontiguousarray(footprint, np.float64), windows, float(cval))


@dataclass(frozen=True)
class Window:
    """What an output sees along an axis: so many elements before its own place, and behind it."""

    op: str
    axis: int
    before: int
    after: int
    wraps: bool


_noted: ContextVar[list[Window] | None] = ContextVar("noted", default=None)


def windows_of(call: Callable[[], Array]) -> tuple[list[Window], Array]:
    """Return the windows that kernels are asked to apply in a call, and its result."""
    windows: list[Window] = []
    token = _noted.set(windows)
    try:
        return windows, call()
    finally:
        _noted.reset(token)


def _note(windows: list[Window], function: Any, op: str, arguments: Sequence[Any]) -> None:
    lines: Any = arguments[0]  # (axis, weights or taps, before, boundary)
    if function is _fastconv.filter:
        weights, each_axis, _ = arguments
        lines = [(axis, taps, *each_axis[axis]) for axis, taps in enumerate(weights.shape)]
    for axis, taps, before, edge in lines:
        extent = taps if isinstance(taps, int) else taps.size
        windows.append(Window(op, axis, before, extent - 1 - before, edge == boundary("wrap")))


def _run(function: Any, op: str, x: Array, result: Array, *arguments: Any) -> None:
    """Call a kernel, whatever the strides and the byte order of the arrays."""
    if (windows := _noted.get()) is not None:
        _note(windows, function, op, arguments)
    if x.size == 0:
        return
    from_, to = plain(x), plain_result(result)
    function(op, from_.copy() if np.may_share_memory(from_, to) else from_, to, *arguments)
    if to is not result:
        result[...] = to
