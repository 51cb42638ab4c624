r"""Classical image filters as small kernels, and one function that applies them.

Every kernel is written the way it is laid over the image: `fastconv.conv2d` (like every function of
that name in deep learning) does not flip it. With :math:`w` the kernel and :math:`x` the image,

.. math:: y[i, j] = \sum_{p, q} w[p, q] \, x[i + p - p_0, j + q - q_0]

where :math:`(p_0, q_0)` is the middle of the kernel. Rows grow downwards, columns to the right.

================  =====================================================================================
``"sobel"``       gradient, smoothed by 1 2 1 across: I. Sobel and G. Feldman, *A 3x3 isotropic gradient
                  operator for image processing*, talk at the Stanford AI project, 1968
``"scharr"``      gradient, smoothed by 3 10 3 across, which turns with the image better: H. Scharr,
                  *Optimale Operatoren in der Digitalen Bildverarbeitung*, thesis, Heidelberg, 2000
``"prewitt"``     gradient, smoothed by 1 1 1 across: J. M. S. Prewitt, *Object enhancement and
                  extraction*, in Picture Processing and Psychopictorics, 1970
``"laplace"``     second derivative, d2/dx2 + d2/dy2, by five points; its zero crossings are the edges of
                  D. Marr and E. Hildreth, *Theory of edge detection*, Proc. R. Soc. B 207, 1980
``"gaussian"``    exp(-(i^2 + j^2) / (2 sigma^2)), scaled to the sum 1
``"box"``         mean of a square
``"sharpen"``     image minus its Laplacian
``"emboss"``      image plus its derivative along the diagonal: lit from the upper left
``"identity"``    the image itself
================  =====================================================================================

Sobel, Scharr and Prewitt are pairs, (derivative along a row, derivative along a column): what one shows
of them is the length of the gradient, :math:`\sqrt{g_x^2 + g_y^2}`. Their numbers are the whole numbers
of the literature, not scaled.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from . import ndimage
from ._results import as_array

__all__ = ["NAMES", "box", "filter_image", "gaussian", "kernel", "to_pixels"]

_ROW = {"sobel": (1, 2, 1), "scharr": (3, 10, 3), "prewitt": (1, 1, 1)}  # the smoothing across a derivative
_SINGLE = {
    "laplace": ((0, 1, 0), (1, -4, 1), (0, 1, 0)),
    "sharpen": ((0, -1, 0), (-1, 5, -1), (0, -1, 0)),
    "emboss": ((-2, -1, 0), (-1, 1, 1), (0, 1, 2)),
    "identity": ((1,),),
}

NAMES: tuple[str, ...] = (*_ROW, "laplace", "gaussian", "box", "sharpen", "emboss", "identity")
"""The names that :func:`kernel` knows."""


def kernel(name: str, size: int | None = None, sigma: float | None = None) -> NDArray[np.float64]:
    """Return the kernel of a name.

    Parameters
    ----------
    name : str
        One of :data:`NAMES`.
    size : int, optional
        Rows and columns of ``"box"`` (3 unless given) and ``"gaussian"``; no other kernel has a choice.
    sigma : float, optional
        Standard deviation of ``"gaussian"`` in pixels; see :func:`gaussian`.

    Returns
    -------
    numpy.ndarray
        Of shape (rows, columns), or (2, rows, columns) for the pairs of derivatives.

    Examples
    --------
    >>> from fastconv import filters
    >>> filters.kernel("sobel")[0]
    array([[-1.,  0.,  1.],
           [-2.,  0.,  2.],
           [-1.,  0.,  1.]])
    >>> filters.kernel("box", size=2)
    array([[0.25, 0.25],
           [0.25, 0.25]])
    """
    if name not in NAMES:
        raise ValueError(f"name is {name!r}, expected one of {', '.join(NAMES)}")
    if name == "gaussian":
        return gaussian(sigma, size)
    if sigma is not None:
        raise ValueError(f"sigma belongs to 'gaussian', name is {name!r}")
    if name == "box":
        return box(3 if size is None else size)
    if size is not None:
        raise ValueError(f"size belongs to 'box' and 'gaussian', name is {name!r}")
    if name in _ROW:
        along_row = np.outer(_ROW[name], (-1, 0, 1)).astype(np.float64)
        return np.stack([along_row, along_row.T])
    return np.array(_SINGLE[name], dtype=np.float64)


def box(size: int = 3) -> NDArray[np.float64]:
    """Return the kernel that takes the mean of a square of `size` by `size` pixels.

    Examples
    --------
    >>> from fastconv import filters
    >>> float(filters.box(4).sum())
    1.0
    """
    if size < 1:
        raise ValueError(f"size is {size}, expected 1 or more")
    return np.full((size, size), 1.0 / (size * size))


def gaussian(sigma: float | None = None, size: int | None = None) -> NDArray[np.float64]:
    """Return the Gaussian bell, scaled to the sum 1.

    Parameters
    ----------
    sigma : float, optional
        Standard deviation in pixels. Unless given: 1, or (size - 1) / 6 if the size is given.
    size : int, optional
        Rows and columns. Unless given, the bell is cut at three standard deviations: 2 ceil(3 sigma) + 1.

    Examples
    --------
    >>> from fastconv import filters
    >>> filters.gaussian(sigma=1.5).shape
    (11, 11)
    >>> filters.gaussian(sigma=0.5, size=3).round(3)
    array([[0.011, 0.084, 0.011],
           [0.084, 0.619, 0.084],
           [0.011, 0.084, 0.011]])
    """
    if sigma is not None and not (sigma > 0 and math.isfinite(sigma)):
        raise ValueError(f"sigma is {sigma}, expected a finite number above 0")
    if size is not None and size < 1:
        raise ValueError(f"size is {size}, expected 1 or more")
    if size == 1:
        return np.ones((1, 1))
    if sigma is None:
        sigma = 1.0 if size is None else (size - 1) / 6
    if size is None:
        size = 2 * math.ceil(3 * sigma) + 1
    distance = np.arange(size) - (size - 1) / 2
    bell = np.exp(-0.5 * (distance / sigma) ** 2)
    bell /= bell.sum()
    return np.outer(bell, bell)


def filter_image(image: ArrayLike, kernel: str | ArrayLike) -> NDArray[np.floating[Any]]:
    """Filter an image, each colour by itself; outside its edges the image goes on as its last pixel.

    Parameters
    ----------
    image : array_like
        Of shape (rows, columns) or (rows, columns, colours). float32 is computed in float32, everything
        else in float64.
    kernel : str or array_like
        One of :data:`NAMES`, or numbers of shape (rows, columns). Several kernels of one size, shape
        (kernels, rows, columns), give the square root of the sum of the squares of their results: the length
        of the gradient for a pair of derivatives.

    Returns
    -------
    numpy.ndarray
        Of the shape of the image, not rounded and not clipped: see :func:`to_pixels`.

    Examples
    --------
    A step from 0 to 10 seen by the Sobel pair (weights 1 + 2 + 1, so four times the step):

    >>> import numpy as np
    >>> from fastconv import filters
    >>> step = np.repeat([[0, 0, 0, 10, 10, 10]], 4, axis=0)
    >>> filters.filter_image(step, "sobel")[0]
    array([ 0.,  0., 40., 40.,  0.,  0.])
    """
    pixels = as_array(image, "image")
    if pixels.ndim not in (2, 3) or pixels.size == 0:
        raise ValueError(f"image has shape {pixels.shape}, expected (rows, columns[, colours])")
    if pixels.dtype.kind not in "buif":
        raise TypeError(f"image has dtype {pixels.dtype}, expected real numbers")
    dtype = np.float32 if pixels.dtype == np.float32 else np.float64
    stack = (_named(kernel) if isinstance(kernel, str) else as_array(kernel, "kernel")).astype(dtype)
    if stack.ndim not in (2, 3) or stack.size == 0:
        raise ValueError(f"kernel has shape {stack.shape}, expected ([kernels, ]rows, columns)")
    stack = stack.reshape(-1, *stack.shape[-2:])
    # Of the two middles of an even kernel, the first.
    origin = [(extent - 1) // 2 - extent // 2 for extent in stack.shape[1:]]
    filtered = [ndimage.correlate(pixels, one, dtype, "nearest", origin=origin, axes=(0, 1)) for one in stack]
    if len(filtered) == 1:
        return filtered[0]
    length: NDArray[np.floating[Any]] = np.sqrt(np.square(filtered).sum(axis=0))
    return length


_named = kernel  # `kernel` is an argument's name in `filter_image`


def to_pixels(values: ArrayLike, dtype: DTypeLike = np.uint8) -> NDArray[Any]:
    """Round to whole numbers (halves to even) and clip to what the type holds; nothing is rescaled.

    Examples
    --------
    >>> from fastconv import filters
    >>> filters.to_pixels([-3.0, 1.5, 2.5, 300.0])
    array([  0,   2,   2, 255], dtype=uint8)
    """
    limits = np.iinfo(np.dtype(dtype))
    return np.clip(np.rint(values), limits.min, limits.max).astype(dtype)
