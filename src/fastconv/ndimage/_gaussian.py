"""The Gaussian and what is made of it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.polynomial import hermite_e
from numpy.typing import ArrayLike, NDArray

from ._arguments import Array, Mode, Output, axes_of, boundary, each, input_array, output_array, store
from ._correlate import filter_axes

__all__ = [
    "gaussian_filter",
    "gaussian_filter1d",
    "gaussian_gradient_magnitude",
    "gaussian_laplace",
]

_SMALLEST_SIGMA = 1e-15  # below, an axis is left alone
_KEPT_RADIUS = 500  # kernels up to here are kept: axes have the same mostly, and so has the next image


def gaussian_filter1d(
    input: ArrayLike,
    sigma: float,
    axis: int = -1,
    order: int = 0,
    output: Output = None,
    mode: Mode = "reflect",
    cval: float = 0.0,
    truncate: float = 4.0,
    *,
    radius: int | None = None,
) -> Array:
    r"""Filter the lines of an array along one axis with a Gaussian or a derivative of it.

    .. math:: w_k \propto \exp\left(-\frac{k^2}{2 \sigma^2}\right), \quad |k| \le r

    scaled to the sum 1, and for an order above 0 multiplied by the polynomial of the derivative.

    Parameters
    ----------
    input : array_like
        Of any number of axes.
    sigma : float
        Standard deviation, in elements.
    axis : int, optional
        Along which to filter.
    order : int, optional
        Which derivative: 0 is the Gaussian itself.
    output, mode, cval : optional
        As in `correlate`.
    truncate : float, optional
        The Gaussian ends after so many standard deviations.
    radius : int, optional
        Or after so many elements.

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
    >>> ndimage.gaussian_filter1d([1.0, 2.0, 3.0, 4.0, 5.0], 1).round(4)
    array([1.427 , 2.0678, 3.    , 3.9322, 4.573 ])
    """
    return gaussian_filter(input, sigma, order, output, mode, cval, truncate, radius=radius, axes=axis)


def gaussian_filter(
    input: ArrayLike,
    sigma: float | Sequence[float],
    order: int | Sequence[int] = 0,
    output: Output = None,
    mode: Mode | Sequence[Mode] = "reflect",
    cval: float = 0.0,
    truncate: float = 4.0,
    *,
    radius: int | Sequence[int] | None = None,
    axes: int | Iterable[int] | None = None,
) -> Array:
    """Filter an array with a Gaussian or derivatives of it, along one axis after the other.

    Parameters
    ----------
    input : array_like
        Of any number of axes.
    sigma : float or sequence of float
        Standard deviation, in elements, for all axes or for each.
    order : int or sequence of int, optional
        Which derivative along all axes or along each: 0 is the Gaussian itself.
    output, mode, cval, axes : optional
        As in `correlate`.
    truncate : float, optional
        The Gaussian ends after so many standard deviations.
    radius : int or sequence of int, optional
        Or after so many elements.

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
    What lies between the axes is not rounded to the type of the output, as it is in SciPy: an integer result
    is cut towards zero once.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import ndimage
    >>> ndimage.gaussian_filter(np.eye(3), 1).round(3)
    array([[0.502, 0.329, 0.168],
           [0.329, 0.342, 0.329],
           [0.168, 0.329, 0.502]])
    """
    x = input_array(input)
    along = axes_of(axes, x.ndim)
    lines = _lines(along, sigma, order, mode, truncate, radius)
    result = output_array(output, x, complex_output=x.dtype.kind == "c")
    filter_axes(x, result, lines, cval)
    return result


def gaussian_laplace(
    input: ArrayLike,
    sigma: float | Sequence[float],
    output: Output = None,
    mode: Mode | Sequence[Mode] = "reflect",
    cval: float = 0.0,
    *,
    axes: int | Iterable[int] | None = None,
    truncate: float = 4.0,
    radius: int | Sequence[int] | None = None,
) -> Array:
    """Return the Laplacian of an array smoothed by a Gaussian, by second derivatives of the Gaussian.

    Parameters
    ----------
    input : array_like
        Of any number of axes.
    sigma : float or sequence of float
        Standard deviation, in elements, for all axes or for each.
    output, mode, cval, axes : optional
        As in `correlate`.
    truncate, radius : optional
        As in `gaussian_filter`.

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
    >>> ndimage.gaussian_laplace(np.eye(3), 1).round(3)[0]
    array([-0.385,  0.037,  0.348])
    """
    x = input_array(input)
    derivatives = _derivatives(x, sigma, 2, mode, truncate, radius, axes)
    result = output_array(output, x, complex_output=x.dtype.kind == "c")
    total = np.zeros(x.shape, _sums_type(x))
    part = np.empty_like(total)
    for lines in derivatives:
        filter_axes(x, part, lines, cval)
        total += part
    store(total, result)
    return result


def gaussian_gradient_magnitude(
    input: ArrayLike,
    sigma: float | Sequence[float],
    output: Output = None,
    mode: Mode | Sequence[Mode] = "reflect",
    cval: float = 0.0,
    *,
    axes: int | Iterable[int] | None = None,
    truncate: float = 4.0,
    radius: int | Sequence[int] | None = None,
) -> Array:
    """Return the length of the gradient of an array smoothed by a Gaussian.

    Parameters
    ----------
    input : array_like
        Of any number of axes.
    sigma : float or sequence of float
        Standard deviation, in elements, for all axes or for each.
    output, mode, cval, axes : optional
        As in `correlate`.
    truncate, radius : optional
        As in `gaussian_filter`.

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
    A slope of 2 along the rows:

    >>> import numpy as np
    >>> from fastconv import ndimage
    >>> slope = np.tile(np.arange(0.0, 40.0, 2.0), (3, 1))
    >>> round(float(ndimage.gaussian_gradient_magnitude(slope, 1)[1, 10]), 3)
    2.0
    """
    x = input_array(input)
    derivatives = _derivatives(x, sigma, 1, mode, truncate, radius, axes)
    result = output_array(output, x, complex_output=x.dtype.kind == "c")
    total = np.zeros(x.shape, _sums_type(x))
    part = np.empty_like(total)
    for lines in derivatives:
        filter_axes(x, part, lines, cval)
        total += part * part
    store(np.sqrt(total, out=total), result)
    return result


def _sums_type(x: Array) -> np.dtype[Any]:
    """Return the type in which derivatives are added up."""
    single = x.dtype.kind in "fc" and x.real.dtype.itemsize == 4
    if x.dtype.kind == "c":
        return np.dtype(np.complex64 if single else np.complex128)
    return np.dtype(np.float32 if single else np.float64)


def _derivatives(
    x: Array,
    sigma: float | Sequence[float],
    order: int,
    mode: Mode | Sequence[Mode],
    truncate: float,
    radius: int | Sequence[int] | None,
    axes: int | Iterable[int] | None,
) -> list[list[Any]]:
    """Return the lines of the smoothed array's derivative of that order along each axis.

    The mode of an axis is that of its derivative, along all axes, as it is in SciPy.
    """
    along = axes_of(axes, x.ndim)
    modes = each(mode, len(along), "mode")
    return [
        _lines(along, sigma, [order * (i == j) for j in range(len(along))], modes[i], truncate, radius)
        for i in range(len(along))
    ]


def _lines(
    along: tuple[int, ...],
    sigma: float | Sequence[float],
    order: int | Sequence[int],
    mode: Mode | Sequence[Mode],
    truncate: float,
    radius: int | Sequence[int] | None,
) -> list[Any]:
    count = len(along)
    lines = []
    for axis, s, o, m, r in zip(
        along,
        each(sigma, count, "sigma"),
        each(order, count, "order"),
        each(mode, count, "mode"),
        each(radius, count, "radius"),
        strict=True,
    ):
        edge = boundary(m)
        if not isinstance(s, float | int) and (np.ndim(s) != 0 or np.asarray(s).dtype.kind not in "biuf"):
            raise TypeError(f"sigma is {s!r}, expected a number")
        if not (math.isfinite(s) and s >= 0):
            raise ValueError(f"sigma is {s}, expected a finite number that is not negative")
        if s > _SMALLEST_SIGMA:
            weights = _weights(float(s), o, _radius(s, truncate, r))
            lines.append((axis, weights, len(weights) // 2, edge))
    return lines


def _radius(sigma: float, truncate: float, radius: int | None) -> int:
    if radius is None:
        if not (math.isfinite(truncate) and truncate >= 0):
            raise ValueError(f"truncate is {truncate}, expected a finite number that is not negative")
        return int(truncate * float(sigma) + 0.5)
    if not isinstance(radius, int | np.integer) or radius < 0:
        raise ValueError(f"radius is {radius!r}, expected an integer that is not negative")
    return int(radius)


def _weights(sigma: float, order: int, radius: int) -> NDArray[np.float64]:
    if not isinstance(order, int | np.integer) or order < 0:
        raise ValueError(f"order is {order!r}, expected an integer that is not negative")
    gaussian = _kept_gaussian if radius <= _KEPT_RADIUS else _gaussian
    return gaussian(sigma, int(order), radius)


def _gaussian(sigma: float, order: int, radius: int) -> NDArray[np.float64]:
    """Return the Gaussian's derivative of that order as the kernel of a correlation.

    The n-th derivative of exp(-x^2 / 2) is (-1)^n He_n(x) exp(-x^2 / 2), with Hermite's polynomials He_n
    (M. Abramowitz and I. A. Stegun, Handbook of Mathematical Functions, 1964, 22.11.8). Correlation flips it.
    """
    x = np.arange(-radius, radius + 1) / sigma
    bell = np.exp(-0.5 * x * x)
    bell /= bell.sum()
    if order > 0:
        bell = bell * hermite_e.hermeval(x, [0.0] * order + [1.0]) / sigma**order
    bell.flags.writeable = False
    return np.asarray(bell, np.float64)


_kept_gaussian = lru_cache(maxsize=64)(_gaussian)
