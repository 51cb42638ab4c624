"""Derivatives by small kernels."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import ArrayLike

from ._arguments import Array, Mode, Output, axes_of, boundary, each, input_array, output_array
from ._correlate import correlate, filter_axes

__all__ = ["laplace", "prewitt", "sobel"]


def prewitt(
    input: ArrayLike,
    axis: int = -1,
    output: Output = None,
    mode: Mode | Sequence[Mode] = "reflect",
    cval: float = 0.0,
) -> Array:
    """Return the derivative -1 0 1 along one axis, smoothed by 1 1 1 along all others.

    Parameters
    ----------
    input : array_like
        Of any number of axes.
    axis : int, optional
        Along which to derive.
    output, mode, cval : optional
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
    In an unsigned type a falling slope becomes 0, where SciPy's wraps around. Ask for a signed `output`.

    References
    ----------
    .. [1] J. M. S. Prewitt, "Object enhancement and extraction", in Picture Processing and Psychopictorics,
       Academic Press, 1970.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import ndimage
    >>> ndimage.prewitt(np.tile([0.0, 1.0, 4.0, 9.0], (3, 1)))[1]
    array([ 3., 12., 24., 15.])
    """
    return _gradient(input, axis, output, mode, cval, (1, 1, 1))


def sobel(
    input: ArrayLike,
    axis: int = -1,
    output: Output = None,
    mode: Mode | Sequence[Mode] = "reflect",
    cval: float = 0.0,
) -> Array:
    """Return the derivative -1 0 1 along one axis, smoothed by 1 2 1 along all others.

    Parameters
    ----------
    input : array_like
        Of any number of axes.
    axis : int, optional
        Along which to derive.
    output, mode, cval : optional
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
    In an unsigned type a falling slope becomes 0, where SciPy's wraps around. Ask for a signed `output`.

    References
    ----------
    .. [1] I. Sobel and G. Feldman, "A 3x3 isotropic gradient operator for image processing", talk at the
       Stanford artificial intelligence project, 1968.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import ndimage
    >>> ndimage.sobel(np.tile([0.0, 1.0, 4.0, 9.0], (3, 1)))[1]
    array([ 4., 16., 32., 20.])
    """
    return _gradient(input, axis, output, mode, cval, (1, 2, 1))


def laplace(
    input: ArrayLike,
    output: Output = None,
    mode: Mode | Sequence[Mode] = "reflect",
    cval: float = 0.0,
    *,
    axes: int | Iterable[int] | None = None,
) -> Array:
    """Return the sum of the second derivatives 1 -2 1 along the axes.

    Parameters
    ----------
    input : array_like
        Of any number of axes.
    output, mode, cval, axes : optional
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
    >>> ndimage.laplace(np.square(np.arange(5.0)))
    array([ 1.,  2.,  2.,  2., -7.])
    """
    rank = len(axes_of(axes, np.ndim(input)))
    kernel = np.zeros((3,) * rank)
    for axis in range(rank):
        kernel[tuple(slice(None) if a == axis else 1 for a in range(rank))] += (1, -2, 1)
    return correlate(input, kernel, output, mode, cval, axes=axes)


def _gradient(
    input: ArrayLike,
    axis: int,
    output: Output,
    mode: Mode | Sequence[Mode],
    cval: float,
    across: tuple[int, int, int],
) -> Array:
    x = input_array(input)
    (along,) = axes_of(axis, x.ndim)
    edges = [boundary(m) for m in each(mode, x.ndim, "mode")]
    result = output_array(output, x, complex_output=x.dtype.kind == "c")
    lines = [(a, (-1, 0, 1) if a == along else across, 1, edges[a]) for a in range(x.ndim)]
    if cval != 0 and x.ndim > 1 and boundary("constant") in edges:
        # The constant is what lies beside the derivative too, so it matters which axis comes first.
        kinds = "f4", "f8", "c8", "c16"
        single = x.dtype.str[1:] in kinds and x.dtype.str[1:] == result.dtype.str[1:]
        wide = np.complex128 if x.dtype.kind == "c" else np.float64
        derivative = np.empty(x.shape, x.dtype.newbyteorder("=") if single else wide)
        filter_axes(x, derivative, [lines.pop(along)], cval)
        x = derivative
    filter_axes(x, result, lines, cval)
    return result
