"""Gradients of convolutions and transposed convolutions, named and shaped after `torch.nn.grad`."""

from __future__ import annotations

from numpy.typing import ArrayLike

from .. import _fastconv
from .._typing import Axes, FloatArray, Layout, Padding, PaddingMode, Shape

__all__ = [
    "conv1d_input",
    "conv1d_weight",
    "conv2d_input",
    "conv2d_weight",
    "conv3d_input",
    "conv3d_weight",
    "conv_bias",
    "conv_transpose1d_input",
    "conv_transpose1d_weight",
    "conv_transpose2d_input",
    "conv_transpose2d_weight",
    "conv_transpose3d_input",
    "conv_transpose3d_weight",
]


def conv1d_input(
    input_size: Shape,
    weight: ArrayLike,
    grad_output: ArrayLike,
    stride: Axes = 1,
    padding: Padding = 0,
    dilation: Axes = 1,
    groups: int = 1,
    *,
    padding_mode: PaddingMode = "zeros",
    layout: Layout = "NCHW",
    algorithm: str = "auto",
    out: FloatArray | None = None,
) -> FloatArray:
    """Differentiate a 1-D convolution with respect to its input.

    Parameters
    ----------
    input_size : sequence of int
        ``(n, ic, iw)``, or without ``n``; channels last ``(n, iw, ic)``.
    weight : array_like of float32, float64, float16 or bfloat16
        ``(oc, ic / groups, kw)``; channels last ``(kw, ic / groups, oc)``.
    grad_output : array_like, same dtype
        ``(n, oc, ow)``, or without ``n``; channels last ``(n, ow, oc)``.
    stride, padding, dilation, groups, padding_mode, layout, algorithm, out
        As in `conv2d_input`, for one axis.

    Returns
    -------
    ndarray
        Of shape `input_size`.

    Raises
    ------
    TypeError, ValueError
        As `conv2d_input`.

    See Also
    --------
    conv2d_input : Every parameter in full, and the equation.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import grad
    >>> grad.conv1d_input((1, 4), np.ones((1, 1, 2)), np.array([[1.0, 2.0, 3.0]]))
    array([[1., 3., 5., 3.]])
    """
    return _fastconv.conv_input_gradient(
        1,
        input_size,
        weight,
        grad_output,
        stride,
        padding,
        dilation,
        groups,
        padding_mode,
        layout,
        algorithm,
        out,
    )


def conv2d_input(
    input_size: Shape,
    weight: ArrayLike,
    grad_output: ArrayLike,
    stride: Axes = 1,
    padding: Padding = 0,
    dilation: Axes = 1,
    groups: int = 1,
    *,
    padding_mode: PaddingMode = "zeros",
    layout: Layout = "NCHW",
    algorithm: str = "auto",
    out: FloatArray | None = None,
) -> FloatArray:
    """Differentiate a 2-D convolution with respect to its input.

    With ``grad_output`` the gradient ``dy`` of some number with respect to ``y = conv2d(x, w, ...)``, that
    with respect to ``x`` is, for one group::

        dx[n, c, i, j] = sum over o, k, l, p, q with
            i = k * sh + p * dh - ph  and  j = l * sw + q * dw - pw  of  w[o, c, p, q] * dy[n, o, k, l]

    Parameters
    ----------
    input_size : sequence of int
        The shape of the convolution's input, batched or unbatched: with a stride, several have the same
        result.
    weight : array_like of float32, float64, float16 or bfloat16
        The convolution's: ``(oc, ic / groups, kh, kw)``, channels last ``(kh, kw, ic / groups, oc)``.
    grad_output : array_like, same dtype
        Of the shape of the convolution's result: ``(n, oc, oh, ow)``, channels last ``(n, oh, ow, oc)``,
        without ``n`` if `input_size` has none.
    stride, padding, dilation, groups, padding_mode, layout
        The convolution's, as in `fastconv.conv2d`.
    algorithm : str
        As in `fastconv.conv_transpose2d`.
    out : ndarray, optional
        Where to store the result: C-contiguous, writable, of the result's shape and dtype, overlapping no
        input.

    Returns
    -------
    ndarray
        Of shape `input_size`.

    Raises
    ------
    TypeError
        An argument of the wrong type or dtype.
    ValueError
        An argument of the wrong value or shape; the message names it, its value and what was expected.

    See Also
    --------
    fastconv.conv_transpose2d : The same as an operator of its own; how it is computed.
    conv2d_weight, conv_bias : The gradients with respect to the other arguments.
    activation : Undoes a fused activation first.

    Notes
    -----
    A convolution with stride 1 has another one as its gradient: that of ``dy`` with the kernel in reverse and
    its channels exchanged, Winograd's algorithm included; `algorithm` chooses. The error bound is that of
    `fastconv.conv2d`.

    Examples
    --------
    Each pixel of a 2x2 sum over a 3x3 image is seen by one, two or four of them:

    >>> import numpy as np
    >>> from fastconv import grad
    >>> grad.conv2d_input((1, 3, 3), np.ones((1, 1, 2, 2)), np.ones((1, 2, 2)))
    array([[[1., 2., 1.],
            [2., 4., 2.],
            [1., 2., 1.]]])
    """
    return _fastconv.conv_input_gradient(
        2,
        input_size,
        weight,
        grad_output,
        stride,
        padding,
        dilation,
        groups,
        padding_mode,
        layout,
        algorithm,
        out,
    )


def conv3d_input(
    input_size: Shape,
    weight: ArrayLike,
    grad_output: ArrayLike,
    stride: Axes = 1,
    padding: Padding = 0,
    dilation: Axes = 1,
    groups: int = 1,
    *,
    padding_mode: PaddingMode = "zeros",
    layout: Layout = "NCHW",
    algorithm: str = "auto",
    out: FloatArray | None = None,
) -> FloatArray:
    """Differentiate a 3-D convolution with respect to its input.

    Parameters
    ----------
    input_size : sequence of int
        ``(n, ic, id, ih, iw)``, or without ``n``; channels last ``(n, id, ih, iw, ic)``.
    weight : array_like of float32, float64, float16 or bfloat16
        ``(oc, ic / groups, kd, kh, kw)``; channels last ``(kd, kh, kw, ic / groups, oc)``.
    grad_output : array_like, same dtype
        ``(n, oc, od, oh, ow)``, or without ``n``; channels last ``(n, od, oh, ow, oc)``.
    stride, padding, dilation, groups, padding_mode, layout, algorithm, out
        As in `conv2d_input`, for three axes.

    Returns
    -------
    ndarray
        Of shape `input_size`.

    Raises
    ------
    TypeError, ValueError
        As `conv2d_input`.

    See Also
    --------
    conv2d_input : Every parameter in full, and the equation.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import grad
    >>> grad.conv3d_input((1, 1, 1, 3), np.ones((1, 1, 1, 1, 2)), np.ones((1, 1, 1, 2)))
    array([[[[1., 2., 1.]]]])
    """
    return _fastconv.conv_input_gradient(
        3,
        input_size,
        weight,
        grad_output,
        stride,
        padding,
        dilation,
        groups,
        padding_mode,
        layout,
        algorithm,
        out,
    )


def conv1d_weight(
    input: ArrayLike,
    weight_size: Shape,
    grad_output: ArrayLike,
    stride: Axes = 1,
    padding: Padding = 0,
    dilation: Axes = 1,
    groups: int = 1,
    *,
    padding_mode: PaddingMode = "zeros",
    layout: Layout = "NCHW",
    algorithm: str = "auto",
    out: FloatArray | None = None,
) -> FloatArray:
    """Differentiate a 1-D convolution with respect to its weights.

    Parameters
    ----------
    input : array_like of float32, float64, float16 or bfloat16
        ``(n, ic, iw)``, or without ``n``; channels last ``(n, iw, ic)``.
    weight_size : sequence of int
        ``(oc, ic / groups, kw)``; channels last ``(kw, ic / groups, oc)``.
    grad_output : array_like, same dtype
        ``(n, oc, ow)``, or without ``n``; channels last ``(n, ow, oc)``.
    stride, padding, dilation, groups, padding_mode, layout, algorithm, out
        As in `conv2d_weight`, for one axis.

    Returns
    -------
    ndarray
        Of shape `weight_size`.

    Raises
    ------
    TypeError, ValueError
        As `conv2d_weight`.

    See Also
    --------
    conv2d_weight : Every parameter in full, and the equation.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import grad
    >>> grad.conv1d_weight(np.array([[1.0, 2.0, 4.0]]), (1, 1, 2), np.array([[1.0, 10.0]]))
    array([[[21., 42.]]])
    """
    return _fastconv.conv_weight_gradient(
        1,
        input,
        weight_size,
        grad_output,
        stride,
        padding,
        dilation,
        groups,
        padding_mode,
        layout,
        algorithm,
        out,
    )


def conv2d_weight(
    input: ArrayLike,
    weight_size: Shape,
    grad_output: ArrayLike,
    stride: Axes = 1,
    padding: Padding = 0,
    dilation: Axes = 1,
    groups: int = 1,
    *,
    padding_mode: PaddingMode = "zeros",
    layout: Layout = "NCHW",
    algorithm: str = "auto",
    out: FloatArray | None = None,
) -> FloatArray:
    """Differentiate a 2-D convolution with respect to its weights.

    With ``grad_output`` the gradient ``dy`` of some number with respect to ``y = conv2d(x, w, ...)``, that
    with respect to ``w`` is, with ``x`` zero outside its extents and ``g`` the group of ``o``::

        dw[o, c, p, q] = sum over n, i, j of
            dy[n, o, i, j] * x[n, g * ic / groups + c, i * sh + p * dh - ph, j * sw + q * dw - pw]

    Parameters
    ----------
    input : array_like of float32, float64, float16 or bfloat16
        The convolution's: ``(n, ic, ih, iw)``, channels last ``(n, ih, iw, ic)``, or without ``n``.
    weight_size : sequence of int
        The shape of its weights: ``(oc, ic / groups, kh, kw)``, channels last ``(kh, kw, ic / groups, oc)``.
    grad_output : array_like, same dtype
        Of the shape of its result: ``(n, oc, oh, ow)``, channels last ``(n, oh, ow, oc)``, without ``n`` if
        `input` has none.
    stride, padding, dilation, groups, padding_mode, layout
        The convolution's, as in `fastconv.conv2d`.
    algorithm : str
        ``"direct"`` adds up these products. ``"winograd4"``, for kernels of 3x3 with stride 1 and dilation 1,
        convolves tiles by Winograd's F(3x3, 4x4), a quarter of the multiplications. ``"auto"`` takes the one
        that costs less, ``"strict"`` is ``"direct"`` here.
    out : ndarray, optional
        Where to store the result: C-contiguous, writable, of the result's shape and dtype, overlapping no
        input.

    Returns
    -------
    ndarray
        Of shape `weight_size`.

    Raises
    ------
    TypeError
        An argument of the wrong type or dtype.
    ValueError
        An argument of the wrong value or shape; the message names it, its value and what was expected.

    See Also
    --------
    conv2d_input, conv_bias : The gradients with respect to the other arguments.

    Notes
    -----
    A product of matrices: of output channels and pixels with pixels and weights. With ``n`` the products in a
    sum, those of all images, the error bound is that of `fastconv.conv2d`; of Winograd's algorithm it is one
    in norms, and tiles with infinite, NaN or outlying numbers are computed from the definition. The order of
    a sum depends on the shapes, the instruction set and, with Winograd's algorithm, on which tiles those are,
    not on the number of threads.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import grad
    >>> image = np.arange(9.0).reshape(1, 3, 3)
    >>> grad.conv2d_weight(image, (1, 1, 2, 2), np.ones((1, 2, 2)))
    array([[[[ 8., 12.],
             [20., 24.]]]])
    """
    return _fastconv.conv_weight_gradient(
        2,
        input,
        weight_size,
        grad_output,
        stride,
        padding,
        dilation,
        groups,
        padding_mode,
        layout,
        algorithm,
        out,
    )


def conv3d_weight(
    input: ArrayLike,
    weight_size: Shape,
    grad_output: ArrayLike,
    stride: Axes = 1,
    padding: Padding = 0,
    dilation: Axes = 1,
    groups: int = 1,
    *,
    padding_mode: PaddingMode = "zeros",
    layout: Layout = "NCHW",
    algorithm: str = "auto",
    out: FloatArray | None = None,
) -> FloatArray:
    """Differentiate a 3-D convolution with respect to its weights.

    Parameters
    ----------
    input : array_like of float32, float64, float16 or bfloat16
        ``(n, ic, id, ih, iw)``, or without ``n``; channels last ``(n, id, ih, iw, ic)``.
    weight_size : sequence of int
        ``(oc, ic / groups, kd, kh, kw)``; channels last ``(kd, kh, kw, ic / groups, oc)``.
    grad_output : array_like, same dtype
        ``(n, oc, od, oh, ow)``, or without ``n``; channels last ``(n, od, oh, ow, oc)``.
    stride, padding, dilation, groups, padding_mode, layout, algorithm, out
        As in `conv2d_weight`, for three axes.

    Returns
    -------
    ndarray
        Of shape `weight_size`.

    Raises
    ------
    TypeError, ValueError
        As `conv2d_weight`.

    See Also
    --------
    conv2d_weight : Every parameter in full, and the equation.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import grad
    >>> grad.conv3d_weight(np.ones((1, 2, 2, 2)), (1, 1, 1, 1, 1), np.ones((1, 2, 2, 2)))
    array([[[[[8.]]]]])
    """
    return _fastconv.conv_weight_gradient(
        3,
        input,
        weight_size,
        grad_output,
        stride,
        padding,
        dilation,
        groups,
        padding_mode,
        layout,
        algorithm,
        out,
    )


def conv_bias(
    grad_output: ArrayLike, *, layout: Layout = "NCHW", out: FloatArray | None = None
) -> FloatArray:
    """Differentiate a convolution with respect to its bias: the sum of each channel.

    ::

        db[o] = sum over n, i, j of dy[n, o, i, j]

    Parameters
    ----------
    grad_output : array_like of float32, float64, float16 or bfloat16
        The gradient with respect to the result: ``(n, oc, *spatial)``, channels last ``(n, *spatial, oc)``,
        with one to three spatial axes. It has to be batched.
    layout : str
        As in `fastconv.conv2d`.
    out : ndarray, optional
        Where to store the result: C-contiguous, writable, of the result's shape and dtype, not overlapping
        `grad_output`.

    Returns
    -------
    ndarray
        ``(oc,)``.

    Raises
    ------
    TypeError
        An argument of the wrong type or dtype.
    ValueError
        An argument of the wrong value or shape; the message names it, its value and what was expected.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import grad
    >>> grad.conv_bias(np.arange(8.0).reshape(1, 2, 2, 2))
    array([ 6., 22.])
    """
    return _fastconv.conv_bias_gradient(grad_output, layout, out)


def conv_transpose1d_input(
    weight: ArrayLike,
    grad_output: ArrayLike,
    stride: Axes = 1,
    padding: Padding = 0,
    groups: int = 1,
    dilation: Axes = 1,
    *,
    layout: Layout = "NCHW",
    algorithm: str = "auto",
    out: FloatArray | None = None,
) -> FloatArray:
    """Differentiate a 1-D transposed convolution with respect to its input.

    It is the convolution of the gradient with the same weights, ``conv1d(grad_output, weight, ...)``: the
    transpose of a transpose.

    Parameters
    ----------
    weight : array_like of float32, float64, float16 or bfloat16
        ``(ic, oc / groups, kw)``; channels last ``(kw, oc / groups, ic)``.
    grad_output : array_like, same dtype
        ``(n, oc, ow)``, or without ``n``; channels last ``(n, ow, oc)``.
    stride, padding, groups, dilation, layout
        Those of the transposed convolution. Its `output_padding` is known from the shape of `grad_output`.
    algorithm, out
        As in `fastconv.conv1d`.

    Returns
    -------
    ndarray
        ``(n, ic, iw)``; channels last ``(n, iw, ic)``; without ``n`` if `grad_output` has none.

    Raises
    ------
    TypeError
        An argument of the wrong type or dtype.
    ValueError
        An argument of the wrong value or shape; the message names it, its value and what was expected.

    See Also
    --------
    fastconv.conv_transpose1d : What is differentiated.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import grad
    >>> grad.conv_transpose1d_input(np.ones((1, 1, 2)), np.array([[1.0, 2.0, 3.0, 4.0]]), stride=2)
    array([[3., 7.]])
    """
    return _fastconv.conv_transpose_input_gradient(
        1, weight, grad_output, stride, padding, dilation, groups, layout, algorithm, out
    )


def conv_transpose2d_input(
    weight: ArrayLike,
    grad_output: ArrayLike,
    stride: Axes = 1,
    padding: Padding = 0,
    groups: int = 1,
    dilation: Axes = 1,
    *,
    layout: Layout = "NCHW",
    algorithm: str = "auto",
    out: FloatArray | None = None,
) -> FloatArray:
    """Differentiate a 2-D transposed convolution with respect to its input.

    It is the convolution of the gradient with the same weights, ``conv2d(grad_output, weight, ...)``: the
    transpose of a transpose.

    Parameters
    ----------
    weight : array_like of float32, float64, float16 or bfloat16
        ``(ic, oc / groups, kh, kw)``; channels last ``(kh, kw, oc / groups, ic)``.
    grad_output : array_like, same dtype
        ``(n, oc, oh, ow)``, or without ``n``; channels last ``(n, oh, ow, oc)``.
    stride, padding, groups, dilation, layout
        Those of the transposed convolution. Its `output_padding` is known from the shape of `grad_output`.
    algorithm, out
        As in `fastconv.conv2d`.

    Returns
    -------
    ndarray
        ``(n, ic, ih, iw)``; channels last ``(n, ih, iw, ic)``; without ``n`` if `grad_output` has none.

    Raises
    ------
    TypeError
        An argument of the wrong type or dtype.
    ValueError
        An argument of the wrong value or shape; the message names it, its value and what was expected.

    See Also
    --------
    fastconv.conv_transpose2d : What is differentiated.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import grad
    >>> grad.conv_transpose2d_input(np.ones((1, 1, 2, 2)), np.ones((1, 4, 4)), stride=2)
    array([[[4., 4.],
            [4., 4.]]])
    """
    return _fastconv.conv_transpose_input_gradient(
        2, weight, grad_output, stride, padding, dilation, groups, layout, algorithm, out
    )


def conv_transpose3d_input(
    weight: ArrayLike,
    grad_output: ArrayLike,
    stride: Axes = 1,
    padding: Padding = 0,
    groups: int = 1,
    dilation: Axes = 1,
    *,
    layout: Layout = "NCHW",
    algorithm: str = "auto",
    out: FloatArray | None = None,
) -> FloatArray:
    """Differentiate a 3-D transposed convolution with respect to its input.

    It is the convolution of the gradient with the same weights, ``conv3d(grad_output, weight, ...)``: the
    transpose of a transpose.

    Parameters
    ----------
    weight : array_like of float32, float64, float16 or bfloat16
        ``(ic, oc / groups, kd, kh, kw)``; channels last ``(kd, kh, kw, oc / groups, ic)``.
    grad_output : array_like, same dtype
        ``(n, oc, od, oh, ow)``, or without ``n``; channels last ``(n, od, oh, ow, oc)``.
    stride, padding, groups, dilation, layout
        Those of the transposed convolution. Its `output_padding` is known from the shape of `grad_output`.
    algorithm, out
        As in `fastconv.conv3d`.

    Returns
    -------
    ndarray
        ``(n, ic, id, ih, iw)``; channels last ``(n, id, ih, iw, ic)``; without ``n`` if `grad_output` has
        none.

    Raises
    ------
    TypeError
        An argument of the wrong type or dtype.
    ValueError
        An argument of the wrong value or shape; the message names it, its value and what was expected.

    See Also
    --------
    fastconv.conv_transpose3d : What is differentiated.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import grad
    >>> grad.conv_transpose3d_input(np.ones((1, 1, 2, 2, 2)), np.ones((1, 2, 2, 4)), stride=2)
    array([[[[8., 8.]]]])
    """
    return _fastconv.conv_transpose_input_gradient(
        3, weight, grad_output, stride, padding, dilation, groups, layout, algorithm, out
    )


def conv_transpose1d_weight(
    input: ArrayLike,
    weight_size: Shape,
    grad_output: ArrayLike,
    stride: Axes = 1,
    padding: Padding = 0,
    groups: int = 1,
    dilation: Axes = 1,
    *,
    layout: Layout = "NCHW",
    algorithm: str = "auto",
    out: FloatArray | None = None,
) -> FloatArray:
    """Differentiate a 1-D transposed convolution with respect to its weights.

    The gradient with respect to the weights of the convolution that is transposed, input and gradient having
    changed places.

    Parameters
    ----------
    input : array_like of float32, float64, float16 or bfloat16
        ``(n, ic, iw)``, or without ``n``; channels last ``(n, iw, ic)``.
    weight_size : sequence of int
        ``(ic, oc / groups, kw)``; channels last ``(kw, oc / groups, ic)``.
    grad_output : array_like, same dtype
        ``(n, oc, ow)``, or without ``n``; channels last ``(n, ow, oc)``.
    stride, padding, groups, dilation, layout
        Those of the transposed convolution. Its `output_padding` is known from the shape of `grad_output`.
    algorithm, out
        As in `conv2d_weight`.

    Returns
    -------
    ndarray
        Of shape `weight_size`.

    Raises
    ------
    TypeError
        An argument of the wrong type or dtype.
    ValueError
        An argument of the wrong value or shape; the message names it, its value and what was expected.

    See Also
    --------
    fastconv.conv_transpose1d : What is differentiated.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import grad
    >>> grad.conv_transpose1d_weight(np.array([[1.0, 10.0]]), (1, 1, 2), np.ones((1, 4)), stride=2)
    array([[[11., 11.]]])
    """
    return _fastconv.conv_transpose_weight_gradient(
        1, input, weight_size, grad_output, stride, padding, dilation, groups, layout, algorithm, out
    )


def conv_transpose2d_weight(
    input: ArrayLike,
    weight_size: Shape,
    grad_output: ArrayLike,
    stride: Axes = 1,
    padding: Padding = 0,
    groups: int = 1,
    dilation: Axes = 1,
    *,
    layout: Layout = "NCHW",
    algorithm: str = "auto",
    out: FloatArray | None = None,
) -> FloatArray:
    """Differentiate a 2-D transposed convolution with respect to its weights.

    The gradient with respect to the weights of the convolution that is transposed, input and gradient having
    changed places.

    Parameters
    ----------
    input : array_like of float32, float64, float16 or bfloat16
        ``(n, ic, ih, iw)``, or without ``n``; channels last ``(n, ih, iw, ic)``.
    weight_size : sequence of int
        ``(ic, oc / groups, kh, kw)``; channels last ``(kh, kw, oc / groups, ic)``.
    grad_output : array_like, same dtype
        ``(n, oc, oh, ow)``, or without ``n``; channels last ``(n, oh, ow, oc)``.
    stride, padding, groups, dilation, layout
        Those of the transposed convolution. Its `output_padding` is known from the shape of `grad_output`.
    algorithm, out
        As in `conv2d_weight`.

    Returns
    -------
    ndarray
        Of shape `weight_size`.

    Raises
    ------
    TypeError
        An argument of the wrong type or dtype.
    ValueError
        An argument of the wrong value or shape; the message names it, its value and what was expected.

    See Also
    --------
    fastconv.conv_transpose2d : What is differentiated.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import grad
    >>> grad.conv_transpose2d_weight(np.ones((1, 2, 2)), (1, 1, 2, 2), np.ones((1, 4, 4)), stride=2)
    array([[[[4., 4.],
             [4., 4.]]]])
    """
    return _fastconv.conv_transpose_weight_gradient(
        2, input, weight_size, grad_output, stride, padding, dilation, groups, layout, algorithm, out
    )


def conv_transpose3d_weight(
    input: ArrayLike,
    weight_size: Shape,
    grad_output: ArrayLike,
    stride: Axes = 1,
    padding: Padding = 0,
    groups: int = 1,
    dilation: Axes = 1,
    *,
    layout: Layout = "NCHW",
    algorithm: str = "auto",
    out: FloatArray | None = None,
) -> FloatArray:
    """Differentiate a 3-D transposed convolution with respect to its weights.

    The gradient with respect to the weights of the convolution that is transposed, input and gradient having
    changed places.

    Parameters
    ----------
    input : array_like of float32, float64, float16 or bfloat16
        ``(n, ic, id, ih, iw)``, or without ``n``; channels last ``(n, id, ih, iw, ic)``.
    weight_size : sequence of int
        ``(ic, oc / groups, kd, kh, kw)``; channels last ``(kd, kh, kw, oc / groups, ic)``.
    grad_output : array_like, same dtype
        ``(n, oc, od, oh, ow)``, or without ``n``; channels last ``(n, od, oh, ow, oc)``.
    stride, padding, groups, dilation, layout
        Those of the transposed convolution. Its `output_padding` is known from the shape of `grad_output`.
    algorithm, out
        As in `conv2d_weight`.

    Returns
    -------
    ndarray
        Of shape `weight_size`.

    Raises
    ------
    TypeError
        An argument of the wrong type or dtype.
    ValueError
        An argument of the wrong value or shape; the message names it, its value and what was expected.

    See Also
    --------
    fastconv.conv_transpose3d : What is differentiated.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import grad
    >>> grad.conv_transpose3d_weight(np.ones((1, 1, 1, 2)), (1, 1, 1, 1, 1), np.ones((1, 1, 1, 2)))
    array([[[[[2.]]]]])
    """
    return _fastconv.conv_transpose_weight_gradient(
        3, input, weight_size, grad_output, stride, padding, dilation, groups, layout, algorithm, out
    )
