"""The mean, the least and the greatest element of windows; boxes of any size take the same time."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.typing import ArrayLike

from .._results import as_array
from ._arguments import Array, Mode, Output, axes_of, boundary, each, input_array, output_array, window
from ._correlate import filter_axes, filter_footprint

__all__ = [
    "maximum_filter",
    "maximum_filter1d",
    "minimum_filter",
    "minimum_filter1d",
    "uniform_filter",
    "uniform_filter1d",
]


def uniform_filter1d(
    input: ArrayLike,
    size: int,
    axis: int = -1,
    output: Output = None,
    mode: Mode = "reflect",
    cval: float = 0.0,
    origin: int = 0,
) -> Array:
    """Take the mean of a window of so many elements along one axis.

    Parameters
    ----------
    input : array_like
        Of any number of axes.
    size : int
        Elements of the window.
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
    >>> ndimage.uniform_filter1d([2, 8, 0, 4, 1, 9, 9, 0], size=3)
    array([4, 3, 4, 1, 4, 6, 6, 3])
    """
    return _box("mean", input, size, output, mode, cval, origin, axis)


def uniform_filter(
    input: ArrayLike,
    size: int | Sequence[int] = 3,
    output: Output = None,
    mode: Mode | Sequence[Mode] = "reflect",
    cval: float = 0.0,
    origin: int | Sequence[int] = 0,
    *,
    axes: int | Iterable[int] | None = None,
) -> Array:
    """Take the mean of a box around every element.

    Parameters
    ----------
    input : array_like
        Of any number of axes.
    size : int or sequence of int, optional
        Elements of the box along all axes or along each.
    output, mode, cval, origin, axes : optional
        As in `correlate`.

    Returns
    -------
    ndarray
        Of the shape of the input.

    Raises
    ------
    TypeError, ValueError
        As `correlate` does.

    Notes
    -----
    Sums are made of sums of smaller windows, nothing is subtracted: the error grows with the logarithm of the
    box's width and with its height, not with the image, and a NaN or an infinity stays within its windows.
    Integers are cut towards zero once, not after each axis as in SciPy.

    References
    ----------
    .. [1] M. van Herk, "A fast algorithm for local minimum and maximum filters on rectangular and octagonal
       kernels", Pattern Recognition Letters 13, 1992.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import ndimage
    >>> ndimage.uniform_filter(9 * np.eye(3))
    array([[5., 3., 1.],
           [3., 3., 3.],
           [1., 3., 5.]])
    """
    return _box("mean", input, size, output, mode, cval, origin, axes)


def minimum_filter1d(
    input: ArrayLike,
    size: int,
    axis: int = -1,
    output: Output = None,
    mode: Mode = "reflect",
    cval: float = 0.0,
    origin: int = 0,
) -> Array:
    """Take the least element of a window along one axis.

    Parameters
    ----------
    input : array_like
        Of any number of axes; not complex.
    size : int
        Elements of the window.
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
    >>> ndimage.minimum_filter1d([2, 8, 0, 4, 1, 9, 9, 0], size=3)
    array([2, 0, 0, 0, 1, 1, 0, 0])
    """
    return _box("minimum", input, size, output, mode, cval, origin, axis)


def maximum_filter1d(
    input: ArrayLike,
    size: int,
    axis: int = -1,
    output: Output = None,
    mode: Mode = "reflect",
    cval: float = 0.0,
    origin: int = 0,
) -> Array:
    """Take the greatest element of a window along one axis.

    Parameters
    ----------
    input : array_like
        Of any number of axes; not complex.
    size : int
        Elements of the window.
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
    >>> ndimage.maximum_filter1d([2, 8, 0, 4, 1, 9, 9, 0], size=3)
    array([8, 8, 8, 4, 9, 9, 9, 9])
    """
    return _box("maximum", input, size, output, mode, cval, origin, axis)


def minimum_filter(
    input: ArrayLike,
    size: int | Sequence[int] | None = None,
    footprint: ArrayLike | None = None,
    output: Output = None,
    mode: Mode | Sequence[Mode] = "reflect",
    cval: float = 0.0,
    origin: int | Sequence[int] = 0,
    *,
    axes: int | Iterable[int] | None = None,
) -> Array:
    """Take the least element of a box, or of a footprint, around every element.

    Parameters
    ----------
    input : array_like
        Of any number of axes; not complex.
    size : int or sequence of int, optional
        Elements of the box along all axes or along each; this or `footprint`.
    footprint : array_like of bool, optional
        Which elements of a window count.
    output, mode, cval, origin, axes : optional
        As in `correlate`.

    Returns
    -------
    ndarray
        Of the shape of the input.

    Raises
    ------
    TypeError, ValueError
        As `correlate` does.

    Notes
    -----
    A NaN is the least and the greatest element of every window that sees it; SciPy leaves that undefined.

    References
    ----------
    .. [1] M. van Herk, "A fast algorithm for local minimum and maximum filters on rectangular and octagonal
       kernels", Pattern Recognition Letters 13, 1992.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import ndimage
    >>> ndimage.minimum_filter(np.eye(3) + 1, footprint=[[1, 0, 0], [0, 1, 0], [0, 0, 1]])
    array([[2., 1., 1.],
           [1., 2., 1.],
           [1., 1., 2.]])
    """
    return _rank("minimum", input, size, footprint, output, mode, cval, origin, axes)


def maximum_filter(
    input: ArrayLike,
    size: int | Sequence[int] | None = None,
    footprint: ArrayLike | None = None,
    output: Output = None,
    mode: Mode | Sequence[Mode] = "reflect",
    cval: float = 0.0,
    origin: int | Sequence[int] = 0,
    *,
    axes: int | Iterable[int] | None = None,
) -> Array:
    """Take the greatest element of a box, or of a footprint, around every element.

    Parameters
    ----------
    input : array_like
        Of any number of axes; not complex.
    size, footprint : optional
        As in `minimum_filter`.
    output, mode, cval, origin, axes : optional
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
    >>> import numpy as np
    >>> from fastconv import ndimage
    >>> ndimage.maximum_filter(np.arange(9.0).reshape(3, 3), size=(1, 3))
    array([[1., 2., 2.],
           [4., 5., 5.],
           [7., 8., 8.]])
    """
    return _rank("maximum", input, size, footprint, output, mode, cval, origin, axes)


def _box(
    op: str,
    input: ArrayLike,
    size: int | Sequence[int],
    output: Output,
    mode: Mode | Sequence[Mode],
    cval: float,
    origin: int | Sequence[int],
    axes: int | Iterable[int] | None,
) -> Array:
    x = _input(input, op)
    along = axes_of(axes, x.ndim)
    lines = []
    for axis, n, m, o in zip(
        along,
        each(size, len(along), "size"),
        each(mode, len(along), "mode"),
        each(origin, len(along), "origin"),
        strict=True,
    ):
        try:
            taps = operator.index(n)
        except TypeError:
            raise TypeError(f"size is {size}, expected integers") from None
        if taps < 1:
            raise ValueError(f"size is {size}, expected 1 or more")
        line = (axis, taps, window(taps, o), boundary(m))
        if taps > 1:
            lines.append(line)
    result = output_array(output, x, complex_output=x.dtype.kind == "c")

    def run(x: Array, result: Array, cval: float) -> None:
        filter_axes(x, result, lines, cval, op)

    if op == "mean":
        run(x, result, cval)
    else:
        _compare(op, run, x, result, cval)
    return result


def _rank(
    op: str,
    input: ArrayLike,
    size: int | Sequence[int] | None,
    footprint: ArrayLike | None,
    output: Output,
    mode: Mode | Sequence[Mode],
    cval: float,
    origin: int | Sequence[int],
    axes: int | Iterable[int] | None,
) -> Array:
    if footprint is None:
        if size is None:
            raise ValueError("size and footprint are None, expected one of them")
        return _box(op, input, size, output, mode, cval, origin, axes)
    if size is not None:
        raise ValueError(f"size is {size} and footprint is given, expected one of them")
    x = _input(input, op)
    along = axes_of(axes, x.ndim)
    shape = as_array(footprint, "footprint").astype(bool)
    if shape.ndim != len(along):
        raise ValueError(f"footprint has shape {shape.shape}, expected {len(along)} axes")
    if not shape.any():
        raise ValueError("footprint has no element that is true")
    if shape.all():
        return _box(op, x, shape.shape, output, mode, cval, origin, along)
    extents, windows = [1] * x.ndim, [(0, 0)] * x.ndim
    edges = [boundary(m) for m in each(mode, len(along), "mode")]
    for axis, k in zip(sorted(along), shape.shape, strict=True):
        extents[axis] = k
    for axis, o, edge in zip(along, each(origin, len(along), "origin"), edges, strict=True):
        windows[axis] = (window(extents[axis], o), edge)
    result = output_array(output, x)
    spread = shape.reshape(extents)

    def run(x: Array, result: Array, cval: float) -> None:
        filter_footprint(x, result, spread, tuple(windows), cval, op)

    _compare(op, run, x, result, cval)
    return result


def _compare(
    op: str, run: Callable[[Array, Array, float], None], x: Array, result: Array, cval: float
) -> None:
    """Run a comparison, of unsigned 64-bit integers as signed ones: those are what the kernels compare."""
    if not all(a.dtype.kind == "u" and a.dtype.itemsize == 8 for a in (x, result)):
        return run(x, result, cval)
    signed = np.empty(x.shape, np.int64)
    low = float(cval) - 2.0**63
    if x.size == 0 or x.max() < 2**63:
        run(x.astype(np.int64), signed, float(cval))
        result[...] = signed.view(np.uint64)
        return None
    # 2^63 less each, in the same order.
    top = np.int64(-(2**63))
    exact = int(low) + 2**63 == int(cval)
    never = 2.0**63 if op == "minimum" else -(2.0**63)
    run(x.astype(np.int64) ^ top, signed, low if exact else never)
    result[...] = (signed ^ top).view(np.uint64)
    if not exact:  # cval - 2^63 is not a double: where windows see it, it is compared here
        inside = float(op == "minimum")
        seen = np.empty(x.shape, np.uint8)
        run(np.full(x.shape, inside, np.uint8), seen, 1 - inside)
        compared = np.minimum if op == "minimum" else np.maximum
        compared(result, np.uint64(cval), out=result, where=seen != inside)
    return None


def _input(input: ArrayLike, op: str) -> Array:
    x = input_array(input)
    if op != "mean" and x.dtype.kind == "c":
        raise TypeError(f"input has dtype {x.dtype}, expected real numbers: complex ones have no order")
    return x
