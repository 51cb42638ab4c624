"""Transposed convolution in one, two and three dimensions."""

from __future__ import annotations

from numpy.typing import ArrayLike

from . import _fastconv
from ._typing import Activation, Axes, Layout, NumberArray, Padding

__all__ = ["conv_transpose1d", "conv_transpose2d", "conv_transpose3d"]


def conv_transpose1d(
    input: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    stride: Axes = 1,
    padding: Padding = 0,
    output_padding: Axes = 0,
    groups: int = 1,
    dilation: Axes = 1,
    *,
    layout: Layout = "NCHW",
    activation: Activation | None = None,
    algorithm: str = "auto",
    out: NumberArray | None = None,
) -> NumberArray:
    """Spread signals by kernels: the transpose of the linear map that `conv1d` is, without its bias.

    Parameters
    ----------
    input : array_like of floats, complex numbers or integers
        ``(n, ic, iw)``, or ``(ic, iw)`` unbatched. Channels last: ``(n, iw, ic)`` or ``(iw, ic)``.
    weight : array_like, same dtype, or integers beside integers
        ``(ic, oc / groups, kw)``. Channels last: ``(kw, oc / groups, ic)``.
    bias, stride, padding, output_padding, groups, dilation, layout, activation, algorithm, out
        As in `conv_transpose2d`, for one axis.

    Returns
    -------
    ndarray
        ``(n, oc, ow)``; channels last ``(n, ow, oc)``; without ``n`` if the input has none.

    Raises
    ------
    TypeError, ValueError
        As `conv_transpose2d`.

    See Also
    --------
    conv_transpose2d : Every parameter in full.

    Examples
    --------
    Each sample lays down a copy of the kernel:

    >>> import numpy as np
    >>> import fastconv
    >>> fastconv.conv_transpose1d(np.array([[1.0, 10.0]]), np.array([[[1.0, 2.0, 3.0]]]), stride=2)
    array([[ 1.,  2., 13., 20., 30.]])
    """
    return _fastconv.conv_transpose(
        1,
        input,
        weight,
        bias,
        stride,
        padding,
        output_padding,
        groups,
        dilation,
        layout,
        activation,
        algorithm,
        out,
    )


def conv_transpose2d(
    input: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    stride: Axes = 1,
    padding: Padding = 0,
    output_padding: Axes = 0,
    groups: int = 1,
    dilation: Axes = 1,
    *,
    layout: Layout = "NCHW",
    activation: Activation | None = None,
    algorithm: str = "auto",
    out: NumberArray | None = None,
) -> NumberArray:
    """Spread images by kernels: the transpose of the linear map that `conv2d` is, without its bias.

    Also called deconvolution, or convolution with a fractional stride. Each input pixel adds the kernel,
    weighted, to the output around its place; with ``g = c // (ic / groups)``, the group of input channel
    ``c``, and ``o`` counted within it::

        y[n, g * oc / groups + o, i, j] = b[...] + sum over c, k, l, p, q with
            i = k * sh + p * dh - ph  and  j = l * sw + q * dw - pw  of  w[c, o, p, q] * x[n, c, k, l]

    followed by the activation. It is the gradient of `conv2d` with respect to its input [1]_.

    Parameters
    ----------
    input : array_like of floats, complex numbers or integers
        ``(n, ic, ih, iw)``, or ``(ic, ih, iw)`` unbatched. Channels last: ``(n, ih, iw, ic)`` or
        ``(ih, iw, ic)``. Any strides, byte order and alignment.
    weight : array_like, same dtype, or integers beside integers
        ``(ic, oc / groups, kh, kw)``. Channels last: ``(kh, kw, oc / groups, ic)``. That is the weight of the
        convolution from `oc` to `ic` channels that this transposes.
    bias : array_like, same dtype, or integers, optional
        ``(oc,)``, added before the activation.
    stride : int or one int per axis
        Step between the places where neighbouring input pixels add their kernels.
    padding : int, one int per axis, one (before, after) pair per axis, "valid" or "same"
        That of the convolution which this transposes: as much is cut off the result on either side.
        ``"same"``: what leaves output extents of ``input * stride``, as in TensorFlow.
    output_padding : int or one int per axis
        How much larger than the smallest the result shall be, at its end: with a stride, convolution takes
        inputs of several extents to one. Less than the stride or the dilation; nothing with ``"same"``.
    groups : int
        Input and output channels are split into this many groups, each on its own.
    dilation : int or one int per axis
        Step between the output positions of neighbouring kernel elements.
    layout, activation, out
        As in `conv2d`.
    algorithm : str
        As in `conv2d`, for the convolutions with stride 1 that are computed (Notes); one that cannot compute
        all of them is refused.

    Returns
    -------
    ndarray
        ``(n, oc, oh, ow)``; channels last ``(n, oh, ow, oc)``; without ``n`` if the input has none. Each
        extent is ``(input - 1) * stride - before - after + dilation * (kernel - 1) + output_padding + 1``.

    Raises
    ------
    TypeError
        An argument of the wrong type or dtype.
    ValueError
        An argument of the wrong value or shape; the message names it, its value and what was expected.
    OverflowError
        A sum of numbers of 8 bits that int32 does not hold, as in `conv2d`.

    See Also
    --------
    conv2d : What this is the transpose of.
    fastconv.grad.conv2d_input : The same with the result's shape given.

    Notes
    -----
    No zeros are put between the pixels. Outputs that leave the same remainder by the stride see the same
    ``1 / stride`` of the kernel along an axis: they are one convolution with stride 1, and there are as many
    of those as there are remainders. Their results interleave. A product is formed only of an input pixel and
    a kernel element, so the error bound is that of `conv2d`, ``n`` being the products in a sum. So are the
    types of sums of integers, which are exact, and of complex numbers.

    References
    ----------
    .. [1] V. Dumoulin, F. Visin, "A guide to convolution arithmetic for deep learning", 2016,
       arXiv:1603.07285, chapter 4.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> image = np.array([[[1.0, 2.0], [3.0, 4.0]]])
    >>> fastconv.conv_transpose2d(image, np.ones((1, 1, 2, 2)), stride=2)
    array([[[1., 1., 2., 2.],
            [1., 1., 2., 2.],
            [3., 3., 4., 4.],
            [3., 3., 4., 4.]]])
    >>> fastconv.conv_transpose2d([[[1, 2]]], [[[[2**60, -1]]]])
    array([[[1152921504606846976, 2305843009213693951,                  -2]]])
    """
    return _fastconv.conv_transpose(
        2,
        input,
        weight,
        bias,
        stride,
        padding,
        output_padding,
        groups,
        dilation,
        layout,
        activation,
        algorithm,
        out,
    )


def conv_transpose3d(
    input: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    stride: Axes = 1,
    padding: Padding = 0,
    output_padding: Axes = 0,
    groups: int = 1,
    dilation: Axes = 1,
    *,
    layout: Layout = "NCHW",
    activation: Activation | None = None,
    algorithm: str = "auto",
    out: NumberArray | None = None,
) -> NumberArray:
    """Spread volumes by kernels: the transpose of the linear map that `conv3d` is, without its bias.

    Parameters
    ----------
    input : array_like of floats, complex numbers or integers
        ``(n, ic, id, ih, iw)``, or ``(ic, id, ih, iw)`` unbatched. Channels last: ``(n, id, ih, iw, ic)`` or
        ``(id, ih, iw, ic)``.
    weight : array_like, same dtype, or integers beside integers
        ``(ic, oc / groups, kd, kh, kw)``. Channels last: ``(kd, kh, kw, oc / groups, ic)``.
    bias, stride, padding, output_padding, groups, dilation, layout, activation, algorithm, out
        As in `conv_transpose2d`, for three axes.

    Returns
    -------
    ndarray
        ``(n, oc, od, oh, ow)``; channels last ``(n, od, oh, ow, oc)``; without ``n`` if the input has none.

    Raises
    ------
    TypeError, ValueError
        As `conv_transpose2d`.

    See Also
    --------
    conv_transpose2d : Every parameter in full.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> fastconv.conv_transpose3d(np.ones((1, 1, 1, 2)), np.ones((1, 1, 1, 1, 2)))
    array([[[[1., 2., 1.]]]])
    """
    return _fastconv.conv_transpose(
        3,
        input,
        weight,
        bias,
        stride,
        padding,
        output_padding,
        groups,
        dilation,
        layout,
        activation,
        algorithm,
        out,
    )
