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
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from . import ndimage
from ._arrays import axes_of
from ._results import as_array

__all__ = ["NAMES", "box", "filter_image", "filter_pixels", "gaussian", "kernel", "to_pixels"]

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


def filter_image(
    image: ArrayLike, kernel: str | ArrayLike, axes: Iterable[int] = (0, 1)
) -> NDArray[np.floating[Any]]:
    """Filter an image, each colour by itself; outside its edges the image goes on as its last pixel.

    Parameters
    ----------
    image : array_like
        Of shape (rows, columns) or (rows, columns, colours), or whatever `axes` says. float32 is computed in
        float32, everything else in float64.
    kernel : str or array_like
        One of :data:`NAMES`, or numbers of shape (rows, columns). Several kernels of one size, shape
        (kernels, rows, columns), give the square root of the sum of the squares of their results: the length
        of the gradient for a pair of derivatives.
    axes : (int, int), optional
        The axis that counts rows and the axis that counts columns. Along all others lie images, or colours,
        each filtered by itself.

    Returns
    -------
    numpy.ndarray
        Of the shape of the image, not rounded and not clipped: see :func:`filter_pixels`.

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
    if pixels.ndim < 2 or pixels.size == 0:
        raise ValueError(f"image has shape {pixels.shape}, expected (rows, columns[, colours])")
    if pixels.dtype.kind not in "buif":
        raise TypeError(f"image has dtype {pixels.dtype}, expected real numbers")
    along = axes_of(axes, pixels.ndim)
    if len(along) != 2:
        raise ValueError(f"axes is {axes}, expected two: that of rows and that of columns")
    dtype = np.float32 if pixels.dtype.newbyteorder("=") == np.float32 else np.float64
    stack = (_named(kernel) if isinstance(kernel, str) else as_array(kernel, "kernel")).astype(dtype)
    if stack.ndim not in (2, 3) or stack.size == 0:
        raise ValueError(f"kernel has shape {stack.shape}, expected ([kernels, ]rows, columns)")
    stack = stack.reshape(-1, *stack.shape[-2:])
    if along[0] > along[1]:  # correlate lays a kernel along its axes in ascending order
        stack = stack.swapaxes(1, 2)
    # Of the two middles of an even kernel, the first.
    origin = [(extent - 1) // 2 - extent // 2 for extent in stack.shape[1:]]

    def filtered(one: NDArray[Any]) -> NDArray[np.floating[Any]]:
        return ndimage.correlate(pixels, one, dtype, "nearest", origin=origin, axes=sorted(along))

    result = filtered(stack[0])
    if len(stack) > 1:
        np.square(result, out=result)
        for one in stack[1:]:
            other = filtered(one)
            result += np.square(other, out=other)
        np.sqrt(result, out=result)
    return result


_named = kernel  # `kernel` is an argument's name in `filter_image`


def filter_pixels(
    image: ArrayLike,
    kernel: str | ArrayLike,
    scale: float = 1.0,
    offset: float = 0.0,
    axes: Iterable[int] = (0, 1),
) -> NDArray[Any]:
    """Filter an image as :func:`filter_image` does, to pixels of its own type.

    Parameters
    ----------
    image : array_like
        As in :func:`filter_image`.
    kernel : str or array_like
        As in :func:`filter_image`.
    scale : float, optional
        What results are multiplied by.
    offset : float, optional
        What is added to them then.
    axes : (int, int), optional
        As in :func:`filter_image`.

    Returns
    -------
    numpy.ndarray
        Of the shape of the image. Of its type if that is of integers, rounded and clipped as by
        :func:`to_pixels`; otherwise float32 or float64, as :func:`filter_image` gives it.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import filters
    >>> step = np.repeat([[0, 0, 100, 100]], 3, axis=0).astype(np.uint8)
    >>> filters.filter_pixels(step, "laplace", offset=128)[0]
    array([128, 228,  28, 128], dtype=uint8)
    """
    pixels = as_array(image, "image")
    values = filter_image(pixels, kernel, axes)
    # Not by one and zero: that would turn -0.0 into 0.0.
    if scale != 1:
        values *= scale
    if offset != 0:
        values += offset
    if pixels.dtype.kind not in "iu":
        return values
    return _clipped(np.rint(values, out=values), pixels.dtype.newbyteorder("="))


def to_pixels(values: ArrayLike, dtype: DTypeLike = np.uint8) -> NDArray[Any]:
    """Round to whole numbers (halves to even) and clip to what the type holds; nothing is rescaled.

    Examples
    --------
    >>> from fastconv import filters
    >>> filters.to_pixels([-3.0, 1.5, 2.5, 300.0])
    array([  0,   2,   2, 255], dtype=uint8)
    """
    return _clipped(np.asarray(np.rint(values, dtype=np.float64)), np.dtype(dtype))


def _clipped(whole: NDArray[np.float64], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return whole numbers, which are overwritten, as ones of a type of integers."""
    limits = np.iinfo(dtype)
    greatest = float(limits.max)
    if greatest <= limits.max:
        return np.clip(whole, limits.min, greatest, out=whole).astype(dtype)
    # Of 64 bits: float64 has the number after the greatest, and not that itself.
    beyond = whole >= greatest
    pixels = np.clip(whole, limits.min, np.nextafter(greatest, 0), out=whole).astype(dtype)
    pixels[beyond] = limits.max
    return pixels
