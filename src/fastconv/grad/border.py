"""Gradients of borders with respect to what they surround."""

from __future__ import annotations

from numpy.typing import ArrayLike

from .. import _fastconv
from .._typing import FloatArray, Layout, Padding, PaddingMode, Shape

__all__ = ["pad1d", "pad2d", "pad3d"]


def pad1d(
    grad_output: ArrayLike,
    input_size: Shape,
    padding: Padding,
    mode: PaddingMode = "zeros",
    *,
    layout: Layout = "NCHW",
    out: FloatArray | None = None,
) -> FloatArray:
    """Gradient of a border around a signal: what it shows takes it back.

    Parameters
    ----------
    grad_output, input_size, padding, mode, layout, out
        As in `pad2d`, for one axis.

    Returns
    -------
    ndarray
        The gradient, of the shape of the input.

    Raises
    ------
    TypeError, ValueError
        As `pad2d`.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> from fastconv import grad
    >>> grad.pad1d(np.array([[1.0, 2.0, 3.0, 4.0, 5.0]]), (1, 3), 1, "reflect")
    array([[2., 9., 4.]])
    """
    return _fastconv.pad_gradient(1, grad_output, input_size, padding, mode, layout, out)


def pad2d(
    grad_output: ArrayLike,
    input_size: Shape,
    padding: Padding,
    mode: PaddingMode = "zeros",
    *,
    layout: Layout = "NCHW",
    out: FloatArray | None = None,
) -> FloatArray:
    """Gradient of a border around an image: what it shows takes it back.

    Each pixel takes the gradients of the padded pixels that show it::

        y[n, c, i] = sum over j with shown(j) = i of grad_output[n, c, j]

    Parameters
    ----------
    grad_output : array_like of float32, float64, float16 or bfloat16
        Gradient with respect to the result of `fastconv.pad2d`.
    input_size : sequence of int
        Shape of the input, batched or unbatched, in the layout.
    padding, mode, layout, out
        Of the padding, as in `fastconv.pad2d`.

    Returns
    -------
    ndarray
        The gradient, of shape `input_size`.

    Raises
    ------
    TypeError
        An argument of the wrong type or dtype.
    ValueError
        An argument of the wrong value or shape; the message names it, its value and what was expected.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> from fastconv import grad
    >>> grad.pad2d(np.ones((1, 4, 4)), (1, 2, 2), 1, "replicate")
    array([[[4., 4.],
            [4., 4.]]])
    """
    return _fastconv.pad_gradient(2, grad_output, input_size, padding, mode, layout, out)


def pad3d(
    grad_output: ArrayLike,
    input_size: Shape,
    padding: Padding,
    mode: PaddingMode = "zeros",
    *,
    layout: Layout = "NCHW",
    out: FloatArray | None = None,
) -> FloatArray:
    """Gradient of a border around a volume: what it shows takes it back.

    Parameters
    ----------
    grad_output, input_size, padding, mode, layout, out
        As in `pad2d`, for three axes.

    Returns
    -------
    ndarray
        The gradient, of the shape of the input.

    Raises
    ------
    TypeError, ValueError
        As `pad2d`.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> from fastconv import grad
    >>> grad.pad3d(np.ones((1, 3, 3, 3)), (1, 1, 1, 1), 1)
    array([[[[1.]]]])
    """
    return _fastconv.pad_gradient(3, grad_output, input_size, padding, mode, layout, out)
