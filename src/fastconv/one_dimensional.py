r"""Convolution and correlation with a line, under the names and with the parameters of NumPy.

With :math:`a` of :math:`M` elements and :math:`v` of :math:`N`

.. math:: y[i] = \sum_k v[k] \, a[i - k], \quad 0 \le i < M + N - 1

of which ``"full"`` is all, ``"same"`` the middle :math:`\max(M, N)` elements, ``"valid"`` the
:math:`\max(M, N) - \min(M, N) + 1` in which the shorter of both lies within the other.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from ._arrays import Array, axes_of
from .signal import part_by_sums

__all__ = ["convolve", "correlate"]

Mode: TypeAlias = Literal["full", "same", "valid"]


def convolve(a: ArrayLike, v: ArrayLike, mode: Mode = "full", axis: int | None = None) -> Array:
    r"""Convolve a sequence, or the lines of an array along one axis, with a sequence.

    Parameters
    ----------
    a : array_like
        One axis unless `axis` is given; booleans, integers, float32, float64 or complex.
    v : array_like
        One axis; of the same kinds.
    mode : {"full", "same", "valid"}, optional
        How much of the result is wanted: all, the middle as long as the longer of both, or what needs no
        zeros beyond the ends.
    axis : int, optional
        The axis of `a` along which to convolve.

    Returns
    -------
    ndarray
        Of the common type of both arrays, as that of ``numpy.convolve``.

    Raises
    ------
    TypeError
        An argument of the wrong type or dtype: float16 and long double are among those not known.
    ValueError
        An argument of the wrong value or shape; the message names it, its value and what was expected.

    Notes
    -----
    Integers are exact modulo 2\ :sup:`n` of their type and booleans are joined by "and" and "or": bit for bit
    what NumPy returns. float32 is summed in float32; floats may differ from NumPy's by the order of the sum.
    It is always computed by sums; `fastconv.signal.convolve` takes Fourier transforms where they are faster.

    Examples
    --------
    >>> import fastconv
    >>> fastconv.convolve([1, 2, 3], [0, 1, 5])
    array([ 0,  1,  7, 13, 15])

    Differences of neighbours along the rows:

    >>> fastconv.convolve([[1, 4, 9], [1, 8, 27]], [1, -1], mode="valid", axis=1)
    array([[ 3,  5],
           [ 7, 19]])
    """
    return _along(a, v, mode, axis, correlation=False)


def correlate(a: ArrayLike, v: ArrayLike, mode: Mode = "valid", axis: int | None = None) -> Array:
    r"""Correlate a sequence, or the lines of an array along one axis, with a sequence.

    .. math:: y[i] = \sum_k a[i + k - N + 1] \, \overline{v[k]}

    Parameters
    ----------
    a, v, axis : optional
        As in `convolve`.
    mode : {"valid", "same", "full"}, optional
        As in `convolve`.

    Returns
    -------
    ndarray
        Of the common type of both arrays, as that of ``numpy.correlate``.

    Raises
    ------
    TypeError, ValueError
        As `convolve` does.

    Examples
    --------
    >>> import fastconv
    >>> fastconv.correlate([1, 2, 3], [0, 1, 5], mode="full")
    array([ 5, 11, 17,  3,  0])
    """
    return _along(a, v, mode, axis, correlation=True)


def _along(a: ArrayLike, v: ArrayLike, mode: str, axis: int | None, *, correlation: bool) -> Array:
    x, w = _known(a, "a"), _known(v, "v")
    if not correlation:  # NumPy's correlate takes no single numbers, its convolve does
        x, w = np.atleast_1d(x, w)
    if mode not in ("full", "same", "valid"):
        raise ValueError(f"mode is {mode!r}, expected one of full, same, valid")
    if w.ndim != 1:
        raise ValueError(f"v has shape {w.shape}, expected one axis")
    if axis is None and x.ndim != 1:
        raise ValueError(f"a has shape {x.shape}, expected one axis, or the argument axis")
    (along,) = axes_of(0 if axis is None else axis, x.ndim)
    m, n = x.shape[along], w.size
    if m == 0 or n == 0:
        name, shape = ("a", x.shape) if m == 0 else ("v", w.shape)
        raise ValueError(f"{name} has shape {shape}, expected at least one element to convolve")
    if correlation:
        w = w[::-1].conj() if w.dtype.kind == "c" else w[::-1]  # NumPy's of booleans are bytes
    short, long = min(m, n), max(m, n)
    if mode == "full":
        begin, extent = 0, m + n - 1
    elif mode == "valid":
        begin, extent = short - 1, long - short + 1
    else:  # of the two middles NumPy's correlate takes the later one if v is longer
        begin, extent = short // 2 if correlation and m < n else (short - 1) // 2, long
    begins, extents = [0] * x.ndim, list(x.shape)
    begins[along], extents[along] = begin, extent
    kinds = x.dtype.kind + w.dtype.kind
    if x.size == 0:
        return np.empty(extents, np.result_type(x, w))
    if kinds == "bb":  # counted, so that no sum wraps around to 0
        x, w = x.astype(np.int64), w.astype(np.int64)
    y = part_by_sums(x, w.reshape([n if i == along else 1 for i in range(x.ndim)]), begins, extents)
    return y != 0 if kinds == "bb" else y


def _known(value: ArrayLike, name: str) -> Array:
    array = np.asarray(value)
    real = array.dtype.itemsize // (1 + (array.dtype.kind == "c"))
    if array.dtype.kind not in "biufc" or real > 8 or array.dtype == np.float16:
        raise TypeError(
            f"{name} has dtype {array.dtype}, expected booleans, integers, float32, float64 or complex"
        )
    return array
