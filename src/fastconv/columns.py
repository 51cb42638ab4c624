"""Columns of windows: `unfold` copies an image's windows side by side, `fold` adds them back."""

from __future__ import annotations

from numpy.typing import ArrayLike

from . import _fastconv
from ._typing import Axes, FloatArray, Layout, Padding

__all__ = ["fold", "unfold"]


def unfold(
    input: ArrayLike,
    kernel_size: Axes,
    dilation: Axes = 1,
    padding: Padding = 0,
    stride: Axes = 1,
    *,
    layout: Layout = "NCHW",
    out: FloatArray | None = None,
) -> FloatArray:
    """Copy the windows of an image into columns.

    With ``x`` zero outside its extents and windows numbered ``l = i * ow + j``::

        y[n, (c * kh + p) * kw + q, l] = x[n, c, i * sh + p * dh - ph, j * sw + q * dw - pw]

    so that a convolution is ``weight.reshape(oc, -1) @ unfold(x)``. Channels last it is
    ``unfold(x) @ weight.reshape(-1, oc)``, the channels being innermost::

        y[n, l, (p * kw + q) * c + channel] = x[n, i * sh + p * dh - ph, j * sw + q * dw - pw, channel]

    Parameters
    ----------
    input : array_like of float32, float64, float16 or bfloat16
        ``(n, c, ih, iw)``, or ``(c, ih, iw)`` unbatched. Channels last: ``(n, ih, iw, c)`` or
        ``(ih, iw, c)``.
    kernel_size, dilation, padding, stride
        Of the windows, as in `conv2d`.
    layout : str
        ``"NCHW"`` for channels first, ``"NHWC"`` for channels last.
    out : ndarray, optional
        Where to store the result: C-contiguous, writable, of the result's shape and dtype, not overlapping
        the input.

    Returns
    -------
    ndarray
        ``(n, c * kh * kw, oh * ow)``; channels last ``(n, oh * ow, kh * kw * c)``; without ``n`` if the input
        has none.

    Raises
    ------
    TypeError
        An argument of the wrong type or dtype.
    ValueError
        An argument of the wrong value or shape; the message names it, its value and what was expected.

    See Also
    --------
    fold : The way back, which is also the gradient.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> fastconv.unfold(np.arange(6.0).reshape(1, 2, 3), 2)
    array([[0., 1.],
           [1., 2.],
           [3., 4.],
           [4., 5.]])
    """
    return _fastconv.unfold(input, kernel_size, dilation, padding, stride, layout, out)


def fold(
    input: ArrayLike,
    output_size: Axes,
    kernel_size: Axes,
    dilation: Axes = 1,
    padding: Padding = 0,
    stride: Axes = 1,
    *,
    layout: Layout = "NCHW",
    out: FloatArray | None = None,
) -> FloatArray:
    """Add columns of windows back into an image.

    Each pixel is the sum of what the windows over it have there: the columns of `unfold`, which it gives
    back times the number of windows over each pixel. What lies in the padding is dropped.

    Parameters
    ----------
    input : array_like of float32, float64, float16 or bfloat16
        ``(n, c * kh * kw, oh * ow)``, or without ``n``. Channels last: ``(n, oh * ow, kh * kw * c)``.
    output_size : int or one int per axis
        ``(ih, iw)``, the extents of the image.
    kernel_size, dilation, padding, stride, layout, out
        As in `unfold`.

    Returns
    -------
    ndarray
        ``(n, c, ih, iw)``; channels last ``(n, ih, iw, c)``; without ``n`` if the input has none.

    Raises
    ------
    TypeError
        An argument of the wrong type or dtype.
    ValueError
        An argument of the wrong value or shape; the message names it, its value and what was expected.

    See Also
    --------
    unfold : The way back, which is also the gradient.

    Notes
    -----
    Sums have at most ``kh * kw`` terms and are formed in one order, whatever the number of threads.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> fastconv.fold(np.ones((4, 2)), (2, 3), 2)
    array([[[1., 2., 1.],
            [1., 2., 1.]]])
    """
    return _fastconv.fold(input, output_size, kernel_size, dilation, padding, stride, layout, out)
