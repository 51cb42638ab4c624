"""Gradients of pooling and unpooling with respect to their input."""

from __future__ import annotations

from numpy.typing import ArrayLike

from .. import _fastconv
from .._typing import Axes, FloatArray, Layout, Padding, Shape

__all__ = [
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_avg_pool3d",
    "avg_pool1d",
    "avg_pool2d",
    "avg_pool3d",
    "lp_pool1d",
    "lp_pool2d",
    "lp_pool3d",
    "max_pool1d",
    "max_pool2d",
    "max_pool3d",
    "max_unpool1d",
    "max_unpool2d",
    "max_unpool3d",
]


def adaptive_avg_pool1d(
    grad_output: ArrayLike,
    input_size: Shape,
    *,
    layout: Layout = "NCHW",
    out: FloatArray | None = None,
) -> FloatArray:
    """Gradient of adaptive average pooling of a signal.

    Parameters
    ----------
    grad_output, input_size, layout, out
        As in `adaptive_avg_pool2d`, for one axis.

    Returns
    -------
    ndarray
        The gradient, of the shape of the input.

    Raises
    ------
    TypeError, ValueError
        As `adaptive_avg_pool2d`.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> from fastconv import grad
    >>> grad.adaptive_avg_pool1d(np.array([[6.0, 3.0]]), (1, 3))
    array([[3. , 4.5, 1.5]])
    """
    return _fastconv.adaptive_avg_pool_gradient(1, grad_output, input_size, layout, out)


def adaptive_avg_pool2d(
    grad_output: ArrayLike,
    input_size: Shape,
    *,
    layout: Layout = "NCHW",
    out: FloatArray | None = None,
) -> FloatArray:
    """Gradient of adaptive average pooling of an image.

    With ``g = grad_output`` and the windows of `fastconv.adaptive_avg_pool2d`::

        y[i, j] = sum over the windows p, q that hold i, j of g[p, q] / number of pixels in the window

    Parameters
    ----------
    grad_output : array_like of float32, float64, float16 or bfloat16
        Gradient with respect to the result, ``(n, c, oh, ow)``; channels last ``(n, oh, ow, c)``; or without
        ``n``.
    input_size : sequence of int
        Shape of the input, batched or unbatched, in the layout.
    layout, out
        As in `avg_pool2d`.

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
    >>> grad.adaptive_avg_pool2d(np.array([[[8.0]]]), (1, 2, 2))
    array([[[2., 2.],
            [2., 2.]]])
    """
    return _fastconv.adaptive_avg_pool_gradient(2, grad_output, input_size, layout, out)


def adaptive_avg_pool3d(
    grad_output: ArrayLike,
    input_size: Shape,
    *,
    layout: Layout = "NCHW",
    out: FloatArray | None = None,
) -> FloatArray:
    """Gradient of adaptive average pooling of a volume.

    Parameters
    ----------
    grad_output, input_size, layout, out
        As in `adaptive_avg_pool2d`, for three axes.

    Returns
    -------
    ndarray
        The gradient, of the shape of the input.

    Raises
    ------
    TypeError, ValueError
        As `adaptive_avg_pool2d`.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> from fastconv import grad
    >>> grad.adaptive_avg_pool3d(np.array([[[[8.0]]]]), (1, 2, 1, 2))
    array([[[[2., 2.]],
    <BLANKLINE>
            [[2., 2.]]]])
    """
    return _fastconv.adaptive_avg_pool_gradient(3, grad_output, input_size, layout, out)


def avg_pool1d(
    grad_output: ArrayLike,
    input_size: Shape,
    kernel_size: Axes,
    stride: Axes | None = None,
    padding: Padding = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    *,
    layout: Layout = "NCHW",
    out: FloatArray | None = None,
) -> FloatArray:
    """Gradient of average pooling of a signal.

    Parameters
    ----------
    grad_output, input_size, kernel_size, stride, padding, ceil_mode, count_include_pad, layout, out
        As in `avg_pool2d`, for one axis.

    Returns
    -------
    ndarray
        The gradient, of the shape of the input.

    Raises
    ------
    TypeError, ValueError
        As `avg_pool2d`.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> from fastconv import grad
    >>> grad.avg_pool1d(np.array([[2.0, 4.0]]), (1, 3), 2, 1)
    array([[1., 3., 2.]])
    """
    return _fastconv.avg_pool_gradient(
        1,
        grad_output,
        input_size,
        kernel_size,
        stride,
        padding,
        ceil_mode,
        count_include_pad,
        None,  # divisor_override
        layout,
        out,
    )


def avg_pool2d(
    grad_output: ArrayLike,
    input_size: Shape,
    kernel_size: Axes,
    stride: Axes | None = None,
    padding: Padding = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
    *,
    layout: Layout = "NCHW",
    out: FloatArray | None = None,
) -> FloatArray:
    """Gradient of average pooling of an image.

    With ``g = grad_output``, the gradient with respect to the result of `fastconv.avg_pool2d`::

        y[n, c, i, j] = sum over p, q with p * sh - ph <= i < p * sh - ph + kh, and so for j and q, of
            g[n, c, p, q] / divisor[p, q]

    Parameters
    ----------
    grad_output : array_like of float32, float64, float16 or bfloat16
        ``(n, c, oh, ow)``; channels last ``(n, oh, ow, c)``; without ``n`` if the input has none.
    input_size : sequence of int
        Shape of the input, batched or unbatched, in the layout.
    kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
        Of the pooling.
    layout : str
        ``"NCHW"`` for channels first, ``"NHWC"`` for channels last.
    out : ndarray, optional
        Where to store the result: C-contiguous, writable, of the result's shape and dtype, overlapping no
        input.

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

    Notes
    -----
    A sum of ``m`` terms errs by at most ``(m + 3) u / (1 - (m + 3) u)`` times the sum of their magnitudes,
    with unit roundoff ``u``. Its order is the same for any number of threads.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> from fastconv import grad
    >>> grad.avg_pool2d(np.array([[[4.0, 8.0]]]), (1, 2, 3), 2, 1)
    array([[[1., 3., 2.],
            [1., 3., 2.]]])
    """
    return _fastconv.avg_pool_gradient(
        2,
        grad_output,
        input_size,
        kernel_size,
        stride,
        padding,
        ceil_mode,
        count_include_pad,
        divisor_override,
        layout,
        out,
    )


def avg_pool3d(
    grad_output: ArrayLike,
    input_size: Shape,
    kernel_size: Axes,
    stride: Axes | None = None,
    padding: Padding = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
    *,
    layout: Layout = "NCHW",
    out: FloatArray | None = None,
) -> FloatArray:
    """Gradient of average pooling of a volume.

    Parameters
    ----------
    grad_output, input_size, kernel_size, stride, padding, ceil_mode, count_include_pad,
    divisor_override, layout, out
        As in `avg_pool2d`, for three axes.

    Returns
    -------
    ndarray
        The gradient, of the shape of the input.

    Raises
    ------
    TypeError, ValueError
        As `avg_pool2d`.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> from fastconv import grad
    >>> grad.avg_pool3d(np.array([[[[8.0]]]]), (1, 2, 2, 2), 2).sum()
    np.float64(8.0)
    """
    return _fastconv.avg_pool_gradient(
        3,
        grad_output,
        input_size,
        kernel_size,
        stride,
        padding,
        ceil_mode,
        count_include_pad,
        divisor_override,
        layout,
        out,
    )


def lp_pool1d(
    grad_output: ArrayLike,
    input: ArrayLike,
    output: ArrayLike,
    norm_type: float,
    kernel_size: Axes,
    stride: Axes | None = None,
    ceil_mode: bool = False,
    *,
    padding: Padding = 0,
    layout: Layout = "NCHW",
    out: FloatArray | None = None,
) -> FloatArray:
    """Gradient of pooling a signal by the norm of windows.

    Parameters
    ----------
    grad_output, input, output, norm_type, kernel_size, stride, ceil_mode, padding, layout, out
        As in `lp_pool2d`, for one axis.

    Returns
    -------
    ndarray
        The gradient, of the shape of the input.

    Raises
    ------
    TypeError, ValueError
        As `lp_pool2d`.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> from fastconv import grad
    >>> x = np.array([[3.0, -4.0]])
    >>> grad.lp_pool1d(np.array([[10.0]]), x, fastconv.lp_pool1d(x, 2, 2), 2, 2)
    array([[ 6., -8.]])
    """
    return _fastconv.lp_pool_gradient(
        1,
        grad_output,
        input,
        output,
        norm_type,
        kernel_size,
        stride,
        padding,
        ceil_mode,
        layout,
        out,
    )


def lp_pool2d(
    grad_output: ArrayLike,
    input: ArrayLike,
    output: ArrayLike,
    norm_type: float,
    kernel_size: Axes,
    stride: Axes | None = None,
    ceil_mode: bool = False,
    *,
    padding: Padding = 0,
    layout: Layout = "NCHW",
    out: FloatArray | None = None,
) -> FloatArray:
    """Gradient of pooling an image by the norm of windows.

    With ``g = grad_output``, ``e = norm_type`` and ``z = output``::

        y[n, c, i, j] = sign(x) * abs(x) ** (e - 1) * sum over p, q of
            g[n, c, p, q] / z[n, c, p, q] ** (e - 1)

    of the windows p, q over ``x = input[n, c, i, j]``; 0 where ``x`` is, even where there is no derivative.

    Parameters
    ----------
    grad_output : array_like of float32, float64, float16 or bfloat16
        Gradient with respect to the result of `fastconv.lp_pool2d`.
    input, output : array_like, same dtype
        What was pooled and the result.
    norm_type, kernel_size, stride, ceil_mode, padding
        Of the pooling.
    layout, out
        As in `avg_pool2d`.

    Returns
    -------
    ndarray
        The gradient, of the shape of the input.

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
    >>> x = np.array([[[3.0, -4.0], [0.0, 0.0]]])
    >>> grad.lp_pool2d(np.array([[[10.0]]]), x, fastconv.lp_pool2d(x, 2, 2), 2, 2)
    array([[[ 6., -8.],
            [ 0.,  0.]]])
    """
    return _fastconv.lp_pool_gradient(
        2,
        grad_output,
        input,
        output,
        norm_type,
        kernel_size,
        stride,
        padding,
        ceil_mode,
        layout,
        out,
    )


def lp_pool3d(
    grad_output: ArrayLike,
    input: ArrayLike,
    output: ArrayLike,
    norm_type: float,
    kernel_size: Axes,
    stride: Axes | None = None,
    ceil_mode: bool = False,
    *,
    padding: Padding = 0,
    layout: Layout = "NCHW",
    out: FloatArray | None = None,
) -> FloatArray:
    """Gradient of pooling a volume by the norm of windows.

    Parameters
    ----------
    grad_output, input, output, norm_type, kernel_size, stride, ceil_mode, padding, layout, out
        As in `lp_pool2d`, for three axes.

    Returns
    -------
    ndarray
        The gradient, of the shape of the input.

    Raises
    ------
    TypeError, ValueError
        As `lp_pool2d`.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> from fastconv import grad
    >>> x = np.array([[[[3.0, -4.0]]]])
    >>> grad.lp_pool3d(np.array([[[[10.0]]]]), x, fastconv.lp_pool3d(x, 2, (1, 1, 2)), 2, (1, 1, 2))
    array([[[[ 6., -8.]]]])
    """
    return _fastconv.lp_pool_gradient(
        3,
        grad_output,
        input,
        output,
        norm_type,
        kernel_size,
        stride,
        padding,
        ceil_mode,
        layout,
        out,
    )


def max_pool1d(
    grad_output: ArrayLike,
    indices: ArrayLike,
    input_size: Shape,
    *,
    layout: Layout = "NCHW",
    out: FloatArray | None = None,
) -> FloatArray:
    """Gradient of maximum pooling of a signal, adaptive or not.

    Parameters
    ----------
    grad_output, indices, input_size, layout, out
        As in `max_pool2d`, for one axis.

    Returns
    -------
    ndarray
        The gradient, of the shape of the input.

    Raises
    ------
    TypeError, ValueError
        As `max_pool2d`.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> from fastconv import grad
    >>> values, indices = fastconv.max_pool1d(np.array([[1.0, 3.0, 2.0]]), 2, 1, return_indices=True)
    >>> grad.max_pool1d(np.array([[5.0, 7.0]]), indices, (1, 3))
    array([[ 0., 12.,  0.]])
    """
    return _fastconv.max_pool_gradient(1, grad_output, indices, input_size, layout, out)


def max_pool2d(
    grad_output: ArrayLike,
    indices: ArrayLike,
    input_size: Shape,
    *,
    layout: Layout = "NCHW",
    out: FloatArray | None = None,
) -> FloatArray:
    """Gradient of maximum pooling of an image, adaptive or not.

    With ``y`` zero, the gradient of each maximum is added where the maximum was::

        y[n, c].flat[indices[n, c, p, q]] += grad_output[n, c, p, q]

    Parameters
    ----------
    grad_output : array_like of float32, float64, float16 or bfloat16
        Gradient with respect to the result of `fastconv.max_pool2d` or `fastconv.adaptive_max_pool2d`.
    indices : array_like of int64
        Of the same shape: what these return with ``return_indices=True``. -1, the index of a window without
        any element, adds nothing.
    input_size : sequence of int
        Shape of the input, batched or unbatched, in the layout.
    layout, out
        As in `avg_pool2d`.

    Returns
    -------
    ndarray
        The gradient, of shape `input_size`.

    Raises
    ------
    TypeError
        An argument of the wrong type or dtype.
    ValueError
        An argument of the wrong value or shape; the message names it, its value and what was expected. Of
        indices outside the input the first one is named, and nothing is written.

    Notes
    -----
    Sums are formed in ascending order of outputs, whatever the number of threads.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> from fastconv import grad
    >>> image = np.array([[[1.0, 2.0, 0.0], [4.0, 3.0, 5.0]]])
    >>> values, indices = fastconv.max_pool2d(image, 2, 1, return_indices=True)
    >>> grad.max_pool2d(np.array([[[10.0, 20.0]]]), indices, image.shape)
    array([[[ 0.,  0.,  0.],
            [10.,  0., 20.]]])
    """
    return _fastconv.max_pool_gradient(2, grad_output, indices, input_size, layout, out)


def max_pool3d(
    grad_output: ArrayLike,
    indices: ArrayLike,
    input_size: Shape,
    *,
    layout: Layout = "NCHW",
    out: FloatArray | None = None,
) -> FloatArray:
    """Gradient of maximum pooling of a volume, adaptive or not.

    Parameters
    ----------
    grad_output, indices, input_size, layout, out
        As in `max_pool2d`, for three axes.

    Returns
    -------
    ndarray
        The gradient, of the shape of the input.

    Raises
    ------
    TypeError, ValueError
        As `max_pool2d`.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> from fastconv import grad
    >>> volume = np.arange(8.0).reshape(1, 2, 2, 2)
    >>> values, indices = fastconv.max_pool3d(volume, 2, return_indices=True)
    >>> grad.max_pool3d(values, indices, volume.shape)[0, 1]
    array([[0., 0.],
           [0., 7.]])
    """
    return _fastconv.max_pool_gradient(3, grad_output, indices, input_size, layout, out)


def max_unpool1d(
    grad_output: ArrayLike,
    indices: ArrayLike,
    *,
    layout: Layout = "NCHW",
    out: FloatArray | None = None,
) -> FloatArray:
    """Gradient of maximum unpooling of a signal.

    Parameters
    ----------
    grad_output, indices, layout, out
        As in `max_unpool2d`, for one axis.

    Returns
    -------
    ndarray
        The gradient, of the shape of the indices.

    Raises
    ------
    TypeError, ValueError
        As `max_unpool2d`.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> from fastconv import grad
    >>> grad.max_unpool1d(np.array([[1.0, 2.0, 3.0, 4.0]]), np.array([[1, 2]]))
    array([[2., 3.]])
    """
    return _fastconv.max_unpool_gradient(1, grad_output, indices, layout, out)


def max_unpool2d(
    grad_output: ArrayLike,
    indices: ArrayLike,
    *,
    layout: Layout = "NCHW",
    out: FloatArray | None = None,
) -> FloatArray:
    """Gradient of maximum unpooling of an image.

    The gradient of an element is that of the pixel where it went::

        y[n, c, p, q] = grad_output[n, c].flat[indices[n, c, p, q]]

    Parameters
    ----------
    grad_output : array_like of float32, float64, float16 or bfloat16
        Gradient with respect to the result of `fastconv.max_unpool2d`.
    indices : array_like of int64
        Those of the unpooling. Of several that are equal each takes the gradient of their pixel, as in
        torch, though only the last one went there.
    layout, out
        As in `avg_pool2d`.

    Returns
    -------
    ndarray
        The gradient, of the shape of the indices.

    Raises
    ------
    TypeError
        An argument of the wrong type or dtype.
    ValueError
        An argument of the wrong value or shape; the message names it, its value and what was expected. Of
        indices outside the image the first one is named, and nothing is written.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> from fastconv import grad
    >>> grad.max_unpool2d(np.array([[[1.0, 2.0], [3.0, 4.0]]]), np.array([[[2]]]))
    array([[[3.]]])
    """
    return _fastconv.max_unpool_gradient(2, grad_output, indices, layout, out)


def max_unpool3d(
    grad_output: ArrayLike,
    indices: ArrayLike,
    *,
    layout: Layout = "NCHW",
    out: FloatArray | None = None,
) -> FloatArray:
    """Gradient of maximum unpooling of a volume.

    Parameters
    ----------
    grad_output, indices, layout, out
        As in `max_unpool2d`, for three axes.

    Returns
    -------
    ndarray
        The gradient, of the shape of the indices.

    Raises
    ------
    TypeError, ValueError
        As `max_unpool2d`.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> from fastconv import grad
    >>> grad.max_unpool3d(np.arange(8.0).reshape(1, 2, 2, 2), np.array([[[[5]]]]))
    array([[[[5.]]]])
    """
    return _fastconv.max_unpool_gradient(3, grad_output, indices, layout, out)
