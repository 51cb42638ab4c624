"""Pooling by the norm of windows, in one, two and three dimensions."""

from __future__ import annotations

from numpy.typing import ArrayLike

from . import _fastconv
from ._typing import Axes, FloatArray, Layout, Padding

__all__ = ["lp_pool1d", "lp_pool2d", "lp_pool3d"]


def lp_pool1d(
    input: ArrayLike,
    norm_type: float,
    kernel_size: Axes,
    stride: Axes | None = None,
    ceil_mode: bool = False,
    *,
    padding: Padding = 0,
    layout: Layout = "NCHW",
    out: FloatArray | None = None,
) -> FloatArray:
    """Norm of each window of a signal.

    Parameters
    ----------
    input : array_like of float32, float64, float16 or bfloat16
        ``(n, c, iw)``, or ``(c, iw)`` unbatched. Channels last: ``(n, iw, c)`` or ``(iw, c)``.
    norm_type, kernel_size, stride, ceil_mode, padding, layout, out
        As in `lp_pool2d`, for one axis.

    Returns
    -------
    ndarray
        ``(n, c, ow)``; channels last ``(n, ow, c)``; without ``n`` if the input has none.

    Raises
    ------
    TypeError, ValueError
        As `lp_pool2d`.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> fastconv.lp_pool1d(np.array([[3.0, -4.0, 5.0, 12.0]]), 2, 2)
    array([[ 5., 13.]])
    """
    return _fastconv.lp_pool(1, input, norm_type, kernel_size, stride, padding, ceil_mode, layout, out)


def lp_pool2d(
    input: ArrayLike,
    norm_type: float,
    kernel_size: Axes,
    stride: Axes | None = None,
    ceil_mode: bool = False,
    *,
    padding: Padding = 0,
    layout: Layout = "NCHW",
    out: FloatArray | None = None,
) -> FloatArray:
    """Norm of each window of an image.

    With ``x`` zero outside its extents and the exponent ``e = norm_type``::

        y[n, c, i, j] = (sum over p, q of abs(x[n, c, i * sh + p - ph, j * sw + q - pw]) ** e) ** (1 / e)

    Parameters
    ----------
    input : array_like of float32, float64, float16 or bfloat16
        ``(n, c, ih, iw)``, or ``(c, ih, iw)`` unbatched. Channels last: ``(n, ih, iw, c)`` or
        ``(ih, iw, c)``.
    norm_type : float
        The exponent, finite and above 0. 1 is the sum of magnitudes, 2 the Euclidean norm.
    kernel_size, stride, ceil_mode, padding, layout, out
        As in `max_pool2d`; padding adds nothing.

    Returns
    -------
    ndarray
        ``(n, c, oh, ow)``; channels last ``(n, oh, ow, c)``; without ``n`` if the input has none.

    Raises
    ------
    TypeError
        An argument of the wrong type or dtype.
    ValueError
        An argument of the wrong value or shape; the message names it, its value and what was expected.

    See Also
    --------
    fastconv.grad.lp_pool2d : Its gradient.

    Notes
    -----
    As the operator LpPool of ONNX, it takes magnitudes. ``torch.nn.functional.lp_pool2d`` does not: there an
    odd exponent lets elements cancel, and what is negative then stays so (exponent 1) or becomes NaN. And
    where a window is cut by `ceil_mode`, torch scales its sum up to a whole window. Exponents 1 and 2 take
    vectors alone; of others the root, or the power too, is the C library's, which takes many times as long.
    Powers of very large or small elements overflow or underflow, as in torch.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> image = np.array([[[1.0, -2.0, 0.0, 1.0], [4.0, 2.0, -1.0, 1.0]]])
    >>> fastconv.lp_pool2d(image, 1, 2)
    array([[[9., 3.]]])
    >>> fastconv.lp_pool2d(image, 2, 2) ** 2
    array([[[25.,  3.]]])
    """
    return _fastconv.lp_pool(2, input, norm_type, kernel_size, stride, padding, ceil_mode, layout, out)


def lp_pool3d(
    input: ArrayLike,
    norm_type: float,
    kernel_size: Axes,
    stride: Axes | None = None,
    ceil_mode: bool = False,
    *,
    padding: Padding = 0,
    layout: Layout = "NCHW",
    out: FloatArray | None = None,
) -> FloatArray:
    """Norm of each window of a volume.

    Parameters
    ----------
    input : array_like of float32, float64, float16 or bfloat16
        ``(n, c, id, ih, iw)``, or ``(c, id, ih, iw)`` unbatched. Channels last: ``(n, id, ih, iw, c)`` or
        ``(id, ih, iw, c)``.
    norm_type, kernel_size, stride, ceil_mode, padding, layout, out
        As in `lp_pool2d`, for three axes.

    Returns
    -------
    ndarray
        ``(n, c, od, oh, ow)``; channels last ``(n, od, oh, ow, c)``; without ``n`` if the input has none.

    Raises
    ------
    TypeError, ValueError
        As `lp_pool2d`.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> fastconv.lp_pool3d(np.full((1, 2, 2, 2), -3.0), 1, 2)
    array([[[[24.]]]])
    """
    return _fastconv.lp_pool(3, input, norm_type, kernel_size, stride, padding, ceil_mode, layout, out)
