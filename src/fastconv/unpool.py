"""Maximum unpooling in one, two and three dimensions: values put back where maximum pooling found them."""

from __future__ import annotations

from numpy.typing import ArrayLike

from . import _fastconv
from ._typing import Axes, FloatArray, Layout, Shape

__all__ = ["max_unpool1d", "max_unpool2d", "max_unpool3d"]


def max_unpool1d(
    input: ArrayLike,
    indices: ArrayLike,
    kernel_size: Axes,
    stride: Axes | None = None,
    padding: Axes = 0,
    output_size: Shape | None = None,
    *,
    layout: Layout = "NCHW",
    out: FloatArray | None = None,
) -> FloatArray:
    """Put the maxima of a signal back where they were; zero elsewhere.

    Parameters
    ----------
    input : array_like of float32, float64, float16 or bfloat16
        ``(n, c, ow)``, or ``(c, ow)`` unbatched. Channels last: ``(n, ow, c)`` or ``(ow, c)``.
    indices, kernel_size, stride, padding, output_size, layout, out
        As in `max_unpool2d`, for one axis.

    Returns
    -------
    ndarray
        As in `max_unpool2d`.

    Raises
    ------
    TypeError, ValueError
        As `max_unpool2d`.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> values, indices = fastconv.max_pool1d(np.array([[1.0, 3.0, 5.0, 2.0]]), 2, return_indices=True)
    >>> fastconv.max_unpool1d(values, indices, 2)
    array([[0., 3., 5., 0.]])
    """
    return _fastconv.max_unpool(1, input, indices, kernel_size, stride, padding, output_size, layout, out)


def max_unpool2d(
    input: ArrayLike,
    indices: ArrayLike,
    kernel_size: Axes,
    stride: Axes | None = None,
    padding: Axes = 0,
    output_size: Shape | None = None,
    *,
    layout: Layout = "NCHW",
    out: FloatArray | None = None,
) -> FloatArray:
    """Put the maxima of an image back where they were; zero elsewhere.

    With ``y`` zero, and outputs in ascending order::

        y[n, c].flat[indices[n, c, i, j]] = x[n, c, i, j]

    Parameters
    ----------
    input : array_like of float32, float64, float16 or bfloat16
        ``(n, c, oh, ow)``, or ``(c, oh, ow)`` unbatched. Channels last: ``(n, oh, ow, c)`` or
        ``(oh, ow, c)``.
    indices : array_like of int64
        Of the same shape: positions ``h * iw + w`` in the result, as `max_pool2d` returns them with
        ``return_indices=True``. Of several that are equal in one plane the last one wins.
    kernel_size, stride, padding
        Of the pooling that is undone; padding is the same before and after.
    output_size : sequence of int, optional
        Extents of the result, or its whole shape, where several would be pooled to this input: each nearer
        than the stride to ``(input - 1) * stride - 2 * padding + kernel_size``, which it is otherwise.
    layout : str
        ``"NCHW"`` for channels first, ``"NHWC"`` for channels last.
    out : ndarray, optional
        Where to store the result: C-contiguous, writable, of the result's shape and dtype, overlapping no
        input.

    Returns
    -------
    ndarray
        ``(n, c, ih, iw)``; channels last ``(n, ih, iw, c)``; without ``n`` if the input has none.

    Raises
    ------
    TypeError
        An argument of the wrong type or dtype.
    ValueError
        An argument of the wrong value or shape; the message names it, its value and what was expected. Of
        indices outside the result the first one is named, and nothing is written.

    See Also
    --------
    fastconv.grad.max_unpool2d : Its gradient.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> image = np.array([[[1.0, 2.0, 0.0, 1.0], [4.0, 3.0, 5.0, 1.0]]])
    >>> values, indices = fastconv.max_pool2d(image, 2, return_indices=True)
    >>> fastconv.max_unpool2d(values, indices, 2)
    array([[[0., 0., 0., 0.],
            [4., 0., 5., 0.]]])
    """
    return _fastconv.max_unpool(2, input, indices, kernel_size, stride, padding, output_size, layout, out)


def max_unpool3d(
    input: ArrayLike,
    indices: ArrayLike,
    kernel_size: Axes,
    stride: Axes | None = None,
    padding: Axes = 0,
    output_size: Shape | None = None,
    *,
    layout: Layout = "NCHW",
    out: FloatArray | None = None,
) -> FloatArray:
    """Put the maxima of a volume back where they were; zero elsewhere.

    Parameters
    ----------
    input : array_like of float32, float64, float16 or bfloat16
        ``(n, c, od, oh, ow)``, or ``(c, od, oh, ow)`` unbatched. Channels last: ``(n, od, oh, ow, c)`` or
        ``(od, oh, ow, c)``.
    indices, kernel_size, stride, padding, output_size, layout, out
        As in `max_unpool2d`, for three axes; indices are ``(d * ih + h) * iw + w``.

    Returns
    -------
    ndarray
        As in `max_unpool2d`.

    Raises
    ------
    TypeError, ValueError
        As `max_unpool2d`.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> volume = np.arange(8.0).reshape(1, 2, 2, 2)
    >>> values, indices = fastconv.max_pool3d(volume, 2, return_indices=True)
    >>> fastconv.max_unpool3d(values, indices, 2)[0, 1]
    array([[0., 0.],
           [0., 7.]])
    """
    return _fastconv.max_unpool(3, input, indices, kernel_size, stride, padding, output_size, layout, out)
