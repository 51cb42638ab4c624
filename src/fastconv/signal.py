r"""Convolution of signals, under the names and with the parameters of SciPy's ``scipy.signal``.

With :math:`x` of extents :math:`N` and :math:`w` of extents :math:`K`, along every axis,

.. math:: y[i] = \sum_k w[k] \, x[i - k], \quad 0 \le i < N + K - 1

of which ``"full"`` is all, ``"same"`` the middle of the extents of the first argument, ``"valid"`` what sees
no zeros beyond the ends. Correlation takes :math:`w` backwards, and conjugated.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from importlib import import_module
from itertools import product
from types import ModuleType
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from . import _fastconv
from ._arrays import Array, add_by_parts, axes_of, plain
from ._results import as_array, empty

__all__ = ["convolve", "convolve2d", "correlate", "correlate2d", "fftconvolve", "oaconvolve"]

Mode: TypeAlias = Literal["full", "same", "valid"]
Method: TypeAlias = Literal["auto", "direct", "fft"]

_MODES = ("full", "same", "valid")
_BOUNDARIES = {
    "fill": 0,
    "pad": 0,
    "symm": 2,
    "symmetric": 2,
    "wrap": 4,
    "circular": 4,
}  # as csrc/filter.hpp numbers them


def convolve(in1: ArrayLike, in2: ArrayLike, mode: Mode = "full", method: Method = "auto") -> Array:
    r"""Convolve two arrays of as many axes.

    Parameters
    ----------
    in1, in2 : array_like
        Integers, float32, float64 or complex.
    mode : {"full", "same", "valid"}, optional
        How much of the result is wanted: all, the middle of the extents of `in1`, or what needs no zeros
        beyond the ends; for that one array has to be at least as long as the other along every axis.
    method : {"auto", "direct", "fft"}, optional
        By sums, by Fourier transforms, or by what is expected to be faster. ``"auto"`` never takes transforms
        for integers, nor where an element is not finite: one NaN would spread over the whole result.

    Returns
    -------
    ndarray
        Of the common type of both arrays.

    Raises
    ------
    TypeError
        An argument of the wrong type or dtype.
    ValueError
        An argument of the wrong value or shape; the message names it, its value and what was expected.

    Notes
    -----
    float32 is summed in float32. Integers are exact modulo 2\ :sup:`n` of their type, as in NumPy and SciPy.
    What ``"fft"`` makes of integers is rounded, and exact only while sums stay well below 2\ :sup:`50`.
    Transforms are those of SciPy if it is installed, of NumPy if not.

    Examples
    --------
    >>> from fastconv import signal
    >>> signal.convolve([1, 2, 3], [0, 1, 5])
    array([ 0,  1,  7, 13, 15])
    >>> signal.convolve([1, 2, 3], [0, 1, 5], mode="same")
    array([ 1,  7, 13])
    """
    x, w = _two(in1, in2)
    _one_of(mode, _MODES, "mode")
    _one_of(method, ("auto", "direct", "fft"), "method")
    if method == "auto":
        method = "fft" if _fft_is_faster(x, w, mode) and _finite(x) and _finite(w) else "direct"
    if method == "direct":
        return _direct(x, w, mode)
    y = _by_transform(x, w, mode, tuple(range(x.ndim)))
    whole = np.result_type(x, w)
    return np.rint(y).astype(whole) if whole.kind in "iu" else y.astype(whole, copy=False)


def correlate(in1: ArrayLike, in2: ArrayLike, mode: Mode = "full", method: Method = "auto") -> Array:
    """Correlate two arrays of as many axes: convolve the first with the second, backwards and conjugated.

    Parameters
    ----------
    in1, in2 : array_like
        Integers, float32, float64 or complex.
    mode, method : optional
        As in `convolve`.

    Returns
    -------
    ndarray
        Of the common type of both arrays.

    Raises
    ------
    TypeError, ValueError
        As `convolve` does.

    Examples
    --------
    >>> from fastconv import signal
    >>> signal.correlate([1, 2, 3], [0, 1, 5])
    array([ 5, 11, 17,  3,  0])
    """
    x, w = _two(in1, in2)
    return convolve(x, np.conj(np.flip(w)), mode, method)


def convolve2d(
    in1: ArrayLike,
    in2: ArrayLike,
    mode: Mode = "full",
    boundary: str = "fill",
    fillvalue: complex = 0,
) -> Array:
    """Convolve two images.

    Parameters
    ----------
    in1, in2 : array_like
        Two axes each; integers, float32, float64 or complex.
    mode : {"full", "same", "valid"}, optional
        As in `convolve`.
    boundary : {"fill", "wrap", "symm"}, optional
        What `in1` is taken to be beyond its edges: `fillvalue`, itself again, or mirrored with the edge
        twice.
    fillvalue : scalar, optional
        Of ``"fill"``.

    Returns
    -------
    ndarray
        Of the common type of both arrays.

    Raises
    ------
    TypeError, ValueError
        As `convolve` does.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import signal
    >>> signal.convolve2d(np.eye(2, dtype=int), [[1, 2], [3, 4]])
    array([[1, 2, 0],
           [3, 5, 2],
           [0, 3, 4]])
    """
    return _two_axes(in1, in2, mode, boundary, fillvalue, correlation=False)


def correlate2d(
    in1: ArrayLike,
    in2: ArrayLike,
    mode: Mode = "full",
    boundary: str = "fill",
    fillvalue: complex = 0,
) -> Array:
    """Correlate two images.

    Parameters
    ----------
    in1, in2 : array_like
        Two axes each; integers, float32, float64 or complex.
    mode, boundary, fillvalue : optional
        As in `convolve2d`.

    Returns
    -------
    ndarray
        Of the common type of both arrays.

    Raises
    ------
    TypeError, ValueError
        As `convolve` does.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import signal
    >>> signal.correlate2d(np.eye(2, dtype=int), [[1, 2], [3, 4]], mode="valid")
    array([[5]])
    """
    return _two_axes(in1, in2, mode, boundary, fillvalue, correlation=True)


def fftconvolve(
    in1: ArrayLike, in2: ArrayLike, mode: Mode = "full", axes: int | Iterable[int] | None = None
) -> Array:
    """Convolve two arrays by Fourier transforms.

    Parameters
    ----------
    in1, in2 : array_like
        Of as many axes.
    mode : {"full", "same", "valid"}, optional
        As in `convolve`.
    axes : int or sequence of int, optional
        Along which to convolve, all unless given; the others are broadcast.

    Returns
    -------
    ndarray
        Floating-point or complex.

    Raises
    ------
    TypeError, ValueError
        As `convolve` does.

    Notes
    -----
    One element that is not finite makes the whole result NaN.

    Examples
    --------
    >>> from fastconv import signal
    >>> signal.fftconvolve([1.0, 2.0, 3.0], [0.0, 1.0, 0.5]).round(6) + 0.0
    array([0. , 1. , 2.5, 4. , 1.5])
    """
    return _transformed(in1, in2, mode, axes, _by_transform)


def oaconvolve(
    in1: ArrayLike, in2: ArrayLike, mode: Mode = "full", axes: int | Iterable[int] | None = None
) -> Array:
    """Convolve two arrays by Fourier transforms of blocks, for one that is much longer than the other.

    Parameters
    ----------
    in1, in2 : array_like
        Of as many axes.
    mode, axes : optional
        As in `fftconvolve`.

    Returns
    -------
    ndarray
        Floating-point or complex.

    Raises
    ------
    TypeError, ValueError
        As `convolve` does.

    References
    ----------
    .. [1] T. G. Stockham, "High-speed convolution and correlation", AFIPS Spring Joint Computer Conference,
       1966.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import signal
    >>> signal.oaconvolve(np.ones(1000), np.ones(3)).round(6)[:4]
    array([1., 2., 3., 3.])
    """
    return _transformed(in1, in2, mode, axes, _by_blocks)


def _two(in1: ArrayLike, in2: ArrayLike) -> tuple[Array, Array]:
    x, w = as_array(in1, "in1"), as_array(in2, "in2")
    for name, array in (("in1", x), ("in2", w)):
        size = array.dtype.itemsize // (1 + (array.dtype.kind == "c"))
        if array.dtype.kind not in "iufc" or size > 8 or (array.dtype.kind == "f" and size < 4):
            raise TypeError(f"{name} has dtype {array.dtype}, expected integers, float32, float64 or complex")
    if x.ndim != w.ndim:
        raise ValueError(f"in2 has shape {w.shape}, expected as many axes as in1, of shape {x.shape}")
    return x, w


def _one_of(value: object, expected: Iterable[str], name: str) -> None:
    if not isinstance(value, str) or value not in expected:
        raise ValueError(f"{name} is {value!r}, expected one of {', '.join(expected)}")


def _extents(x: Sequence[int], w: Sequence[int], mode: str) -> tuple[list[int], list[int]]:
    """Return where the wanted part begins in the full result, and its extents."""
    if mode == "full":
        return [0] * len(x), [n + k - 1 for n, k in zip(x, w, strict=True)]
    if mode == "same":
        return [(k - 1) // 2 for k in w], list(x)
    if any(n < k for n, k in zip(x, w, strict=True)):
        if any(n > k for n, k in zip(x, w, strict=True)):
            raise ValueError(
                f"mode is 'valid', expected one array at least as long as the other along every axis,"
                f" got shapes {tuple(x)} and {tuple(w)}"
            )
        x, w = w, x
    return [k - 1 for k in w], [n - k + 1 for n, k in zip(x, w, strict=True)]


def _direct(
    x: Array,
    w: Array,
    mode: str,
    boundaries: Sequence[int] | None = None,
    outside: complex = 0,
    first: Sequence[int] | None = None,
) -> Array:
    """Convolve by sums."""
    if x.size == 0 or w.size == 0:
        return np.array([], np.result_type(x, w))
    begin, extents = _extents(x.shape, w.shape, mode)
    return part_by_sums(x, w, first or begin, extents, boundaries, outside)


def part_by_sums(
    x: Array,
    w: Array,
    begin: Sequence[int],
    extents: Sequence[int],
    boundaries: Sequence[int] | None = None,
    outside: complex = 0,
) -> Array:
    """Return the part of the full convolution that begins there and has those extents."""
    dtype = np.result_type(x, w)
    if boundaries is None:  # zeros outside: the shorter array may be the kernel
        boundaries = [0] * x.ndim
        if x.ndim == 0:
            return np.multiply(x, w, dtype=dtype)  # a scalar, as SciPy's
        if w.size > x.size:
            x, w = w, x
        if not _finite(w):  # zeros outside times a NaN would spread it
            if not _finite(x):
                return _overlapping(x, w, dtype, begin, extents)
            x, w = w, x
    windows = tuple((k - 1 - b, edge) for k, b, edge in zip(w.shape, begin, boundaries, strict=True))
    w = np.flip(w)
    if dtype.kind == "c":
        real = np.dtype(f"f{dtype.itemsize // 2}")
        y = np.zeros(extents, dtype)
        add_by_parts(
            lambda part, taps, edge: _sums(part, taps, extents, windows, edge, real), x, w, outside, y
        )
        return y
    return _sums(x, w, extents, windows, outside.real, dtype)


def _overlapping(x: Array, w: Array, dtype: Any, begin: Sequence[int], extents: Sequence[int]) -> Array:
    """Convolve without products with zeros outside, where either array is not finite."""
    full = np.zeros([n + k - 1 for n, k in zip(x.shape, w.shape, strict=True)], dtype)
    for at in np.ndindex(*w.shape):
        full[tuple(slice(i, i + n) for i, n in zip(at, x.shape, strict=True))] += w[at] * x
    return full[tuple(slice(b, b + n) for b, n in zip(begin, extents, strict=True))].copy()


def _sums(
    x: Array,
    w: Array,
    extents: Sequence[int],
    windows: tuple[tuple[int, int], ...],
    outside: float,
    dtype: np.dtype[Any],
) -> Array:
    y = empty(extents, dtype)
    weights = np.ascontiguousarray(w, np.float64 if dtype.kind == "f" else np.int64)
    _fastconv.filter("weighted", plain(x), y, weights, windows, float(outside))
    return y


def _two_axes(
    in1: ArrayLike, in2: ArrayLike, mode: Mode, boundary: str, fillvalue: complex, *, correlation: bool
) -> Array:
    x, w = _two(in1, in2)
    _one_of(mode, _MODES, "mode")
    _one_of(boundary, _BOUNDARIES, "boundary")
    if x.ndim != 2:
        raise ValueError(f"in1 has shape {x.shape}, expected two axes")
    if np.ndim(fillvalue) != 0 or np.asarray(fillvalue).dtype.kind not in "biufc":
        raise ValueError(f"fillvalue is {fillvalue!r}, expected a number")
    if np.iscomplexobj(fillvalue) and np.result_type(x, w).kind != "c":
        raise ValueError(f"fillvalue is {fillvalue!r}, expected a real number for arrays of real numbers")
    if correlation:
        w = np.conj(np.flip(w))
    if mode == "valid":  # nothing outside is seen, and either array may be the longer one
        return _direct(x, w, mode)
    if np.iscomplexobj(fillvalue):  # what lies outside belongs to the first array
        x = x.astype(np.result_type(x, np.complex64))
    # Of the two middles of an even kernel, SciPy's correlate2d takes the other one.
    begin = [k // 2 for k in w.shape] if correlation and mode == "same" else None
    return _direct(x, w, mode, [_BOUNDARIES[boundary]] * 2, complex(fillvalue), begin)


def _finite(x: Array) -> bool:
    return x.dtype.kind not in "fc" or bool(np.isfinite(x).all())


def _fft_is_faster(x: Array, w: Array, mode: str) -> bool:
    """Estimate both in nanoseconds.

    Right for 102 of 108 pairs of shapes of one to three axes, and where wrong 1.5 times the faster at worst
    (AMD EPYC Zen 5, two threads, November 2026).
    """
    if np.result_type(x, w).kind not in "fc" or x.size == 0 or w.size == 0:
        return False
    _, extents = _extents(x.shape, w.shape, mode)
    wide = np.result_type(x, w).itemsize / 4
    direct = math.prod(extents) * min(x.size, w.size) * wide / 60
    full = math.prod(n + k - 1 for n, k in zip(x.shape, w.shape, strict=True))
    transforms = 0.75 * full * max(math.log2(full), 1) * wide + 20_000
    return bool(transforms < direct)


def _fft() -> ModuleType:
    try:
        return import_module("scipy.fft")
    except ImportError:
        return np.fft


def _fast_length(n: int) -> int:
    """Return the least number from n on whose prime factors are 2, 3 and 5: transforms of it are fast."""
    best = 1 << max(n - 1, 0).bit_length()
    five = 1
    while five < best:
        three = five
        while three < best:
            best = min(best, three << max(-(-n // three) - 1, 0).bit_length())
            three *= 3
        five *= 5
    return best


def _transformed(
    in1: ArrayLike, in2: ArrayLike, mode: Mode, axes: int | Iterable[int] | None, by: Any
) -> Array:
    x, w = _two(in1, in2)
    _one_of(mode, _MODES, "mode")
    along = tuple(sorted(axes_of(axes, x.ndim)))
    if x.ndim and not along:
        raise ValueError(f"axes is {axes}, expected at least one")
    for axis in range(x.ndim):
        if axis not in along and x.shape[axis] != w.shape[axis] and 1 not in (x.shape[axis], w.shape[axis]):
            raise ValueError(
                f"in2 has shape {w.shape}, expected one that can be broadcast to {x.shape} along axis {axis}"
            )
    if x.size == 0 or w.size == 0:
        whole = np.result_type(x, w)
        return np.array([], np.float64 if whole.kind in "iu" else whole)
    y: Array = by(x, w, mode, along)
    return y


def _floating(x: Array, w: Array) -> tuple[Array, Array]:
    """Return both in the precision of their common type, real or complex as each is."""
    single = np.result_type(x, w) in (np.float32, np.complex64)
    types = {"c": np.complex64 if single else np.complex128}
    real = np.float32 if single else np.float64
    return x.astype(types.get(x.dtype.kind, real)), w.astype(types.get(w.dtype.kind, real))


def _by_transform(x: Array, w: Array, mode: str, axes: tuple[int, ...]) -> Array:
    x, w = _floating(x, w)
    if not axes:
        return np.multiply(x, w)
    fft: Any = _fft()
    lengths = [_fast_length(x.shape[a] + w.shape[a] - 1) for a in axes]
    real = np.isrealobj(x) and np.isrealobj(w)
    there, back = (fft.rfftn, fft.irfftn) if real else (fft.fftn, fft.ifftn)
    spectrum = there(x, lengths, axes=axes) * there(w, lengths, axes=axes)
    return _part(back(spectrum, lengths, axes=axes), x, w, mode, axes)


def _by_blocks(x: Array, w: Array, mode: str, axes: tuple[int, ...]) -> Array:
    if not axes:
        return _by_transform(x, w, mode, axes)
    x, w = _floating(x, w)
    extents = [
        x.shape[a] + w.shape[a] - 1 if a in axes else max(x.shape[a], w.shape[a]) for a in range(x.ndim)
    ]
    full = np.zeros(extents, np.result_type(x, w))
    # Blocks some times as long as the shorter array: transforms much longer cost more for each element, and
    # much shorter ones overlap more.
    shorter = {a: min(x.shape[a], w.shape[a]) for a in axes}
    block = {a: max(8 * shorter[a], 1024 if len(axes) == 1 else 128) - shorter[a] + 1 for a in axes}
    if any(x.shape[a] < w.shape[a] for a in axes) and not any(x.shape[a] > w.shape[a] for a in axes):
        long, short = w, x
    else:
        long, short = x, w
    starts = [range(0, long.shape[a], block[a]) for a in axes]
    for corner in product(*starts):
        piece: list[slice] = [slice(None)] * long.ndim
        for a, begin in zip(axes, corner, strict=True):
            piece[a] = slice(begin, min(begin + block[a], long.shape[a]))
        part = _by_transform(long[tuple(piece)], short, "full", axes)
        for a, begin in zip(axes, corner, strict=True):
            piece[a] = slice(begin, begin + part.shape[a])
        full[tuple(piece)] += part
    return _part(full, x, w, mode, axes)


def _part(full: Array, x: Array, w: Array, mode: str, axes: tuple[int, ...]) -> Array:
    """Cut what the mode asks for out of the full result, which may be padded at its end."""
    begin, extents = _extents([x.shape[a] for a in axes], [w.shape[a] for a in axes], mode)
    cut: list[slice] = [slice(None)] * full.ndim
    for a, b, n in zip(axes, begin, extents, strict=True):
        cut[a] = slice(b, b + n)
    return np.ascontiguousarray(full[tuple(cut)])
