"""Maximum and average pooling in one, two and three dimensions, fixed windows and adaptive ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, Protocol, cast, overload

from numpy.typing import ArrayLike

from . import _fastconv
from ._typing import Axes, IndexArray, Layout, NumberArray, OutputSize, Padding

__all__ = [
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_avg_pool3d",
    "adaptive_max_pool1d",
    "adaptive_max_pool2d",
    "adaptive_max_pool3d",
    "avg_pool1d",
    "avg_pool2d",
    "avg_pool3d",
    "max_pool1d",
    "max_pool2d",
    "max_pool3d",
]


# return_indices decides the type of the result. The overloads that say so are the same for the three ranks,
# so they are written once, and a decorator that does nothing at run time gives them to each.


class _MaxPool(Protocol):
    @overload
    def __call__(
        self,
        input: ArrayLike,
        kernel_size: Axes,
        stride: Axes | None = ...,
        padding: Padding = ...,
        dilation: Axes = ...,
        ceil_mode: bool = ...,
        return_indices: Literal[False] = ...,
        *,
        layout: Layout = ...,
        out: NumberArray | None = ...,
    ) -> NumberArray: ...
    @overload
    def __call__(
        self,
        input: ArrayLike,
        kernel_size: Axes,
        stride: Axes | None = ...,
        padding: Padding = ...,
        dilation: Axes = ...,
        ceil_mode: bool = ...,
        *,
        return_indices: Literal[True],
        layout: Layout = ...,
        out: NumberArray | None = ...,
    ) -> tuple[NumberArray, IndexArray]: ...
    @overload
    def __call__(
        self,
        input: ArrayLike,
        kernel_size: Axes,
        stride: Axes | None,
        padding: Padding,
        dilation: Axes,
        ceil_mode: bool,
        return_indices: Literal[True],
        *,
        layout: Layout = ...,
        out: NumberArray | None = ...,
    ) -> tuple[NumberArray, IndexArray]: ...
    @overload
    def __call__(
        self,
        input: ArrayLike,
        kernel_size: Axes,
        stride: Axes | None = ...,
        padding: Padding = ...,
        dilation: Axes = ...,
        ceil_mode: bool = ...,
        return_indices: bool = ...,
        *,
        layout: Layout = ...,
        out: NumberArray | None = ...,
    ) -> NumberArray | tuple[NumberArray, IndexArray]: ...


class _AdaptiveMaxPool(Protocol):
    @overload
    def __call__(
        self,
        input: ArrayLike,
        output_size: OutputSize,
        return_indices: Literal[False] = ...,
        *,
        layout: Layout = ...,
        out: NumberArray | None = ...,
    ) -> NumberArray: ...
    @overload
    def __call__(
        self,
        input: ArrayLike,
        output_size: OutputSize,
        return_indices: Literal[True],
        *,
        layout: Layout = ...,
        out: NumberArray | None = ...,
    ) -> tuple[NumberArray, IndexArray]: ...
    @overload
    def __call__(
        self,
        input: ArrayLike,
        output_size: OutputSize,
        return_indices: bool = ...,
        *,
        layout: Layout = ...,
        out: NumberArray | None = ...,
    ) -> NumberArray | tuple[NumberArray, IndexArray]: ...


def _max_pool(function: Callable[..., Any]) -> _MaxPool:
    return cast(_MaxPool, function)


def _adaptive_max_pool(function: Callable[..., Any]) -> _AdaptiveMaxPool:
    return cast(_AdaptiveMaxPool, function)


@_max_pool
def max_pool1d(
    input: ArrayLike,
    kernel_size: Axes,
    stride: Axes | None = None,
    padding: Padding = 0,
    dilation: Axes = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
    *,
    layout: Layout = "NCHW",
    out: NumberArray | None = None,
) -> NumberArray | tuple[NumberArray, IndexArray]:
    """Maximum of each window of a signal.

    Parameters
    ----------
    input : array_like of floats or integers of at most 32 bits
        ``(n, c, iw)``, or ``(c, iw)`` unbatched. Channels last: ``(n, iw, c)`` or ``(iw, c)``.
    kernel_size, stride, padding, dilation, ceil_mode, return_indices, layout, out
        As in `max_pool2d`, for one axis; `layout` also ``"NCL"``, ``"NCW"``, ``"NLC"``, ``"NWC"``.

    Returns
    -------
    ndarray, or tuple of two
        As in `max_pool2d`.

    Raises
    ------
    TypeError, ValueError
        As `max_pool2d`.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> fastconv.max_pool1d(np.array([[1.0, 3.0, 2.0, 5.0]]), 2)
    array([[3., 5.]])
    """
    return _fastconv.pool(
        1,
        "max",
        input,
        kernel_size,
        stride,
        padding,
        dilation,
        ceil_mode,
        True,  # count_include_pad
        None,  # divisor_override
        return_indices,
        layout,
        out,
    )


@_max_pool
def max_pool2d(
    input: ArrayLike,
    kernel_size: Axes,
    stride: Axes | None = None,
    padding: Padding = 0,
    dilation: Axes = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
    *,
    layout: Layout = "NCHW",
    out: NumberArray | None = None,
) -> NumberArray | tuple[NumberArray, IndexArray]:
    """Maximum of each window of an image.

    With ``x`` minus infinity outside its extents::

        y[n, c, i, j] = max over p, q of x[n, c, i * sh + p * dh - ph, j * sw + q * dw - pw]

    Parameters
    ----------
    input : array_like of floats or integers of at most 32 bits
        ``(n, c, ih, iw)``, or ``(c, ih, iw)`` unbatched. Channels last: ``(n, ih, iw, c)`` or
        ``(ih, iw, c)``. Any strides, byte order and alignment.
    kernel_size : int or one int per axis
        Extents of the window.
    stride : int or one int per axis, optional
        Step between neighbouring windows; without it they touch, ``stride = kernel_size``.
    padding : int, one int per axis, one (before, after) pair per axis, "valid" or "same"
        Positions around the input, which never win. ``"valid"`` is none. ``"same"`` pads so that each output
        extent is ``ceil(input / stride)``, an odd one after, as in TensorFlow.
    dilation : int or one int per axis
        Step between the positions of one window.
    ceil_mode : bool
        Round output extents up, for a last window that is partly outside; one that would start in the padding
        after the input is dropped.
    return_indices : bool
        Also return where each maximum was.
    layout : str
        ``"NCHW"`` for channels first, ``"NHWC"`` for channels last.
    out : ndarray, optional
        Where to store the maxima: C-contiguous, writable, of the result's shape and dtype, not overlapping
        the input.

    Returns
    -------
    y : ndarray
        ``(n, c, oh, ow)``; channels last ``(n, oh, ow, c)``; without ``n`` if the input has none. Each extent
        is ``(input + before + after - dilation * (kernel - 1) - 1) // stride + 1``. The result is exact; a
        window with a NaN gives NaN, and one that sees nothing but padding, as dilation may leave it, minus
        infinity or the least integer of its type.
    indices : ndarray of int64
        With `return_indices`: ``h * iw + w`` of each maximum, in either layout, without counting padding. The
        first one where several are equal; the first NaN if there is any.

    Raises
    ------
    TypeError
        An argument of the wrong type or dtype.
    ValueError
        An argument of the wrong value or shape; the message names it, its value and what was expected.

    Notes
    -----
    The arithmetic of shapes is that of [1]_, chapter 3.

    Integers are compared as floats that hold them all, which is why those of 64 bits are refused.

    References
    ----------
    .. [1] V. Dumoulin, F. Visin, "A guide to convolution arithmetic for deep learning", 2016,
       arXiv:1603.07285.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> image = np.array([[[1.0, 2.0, 0.0, 1.0], [4.0, 3.0, 5.0, 1.0]]])
    >>> fastconv.max_pool2d(image, 2)
    array([[[4., 5.]]])
    >>> values, indices = fastconv.max_pool2d(image, 2, return_indices=True)
    >>> indices
    array([[[4, 6]]])
    >>> fastconv.max_pool2d(image.astype(np.uint8), 2)
    array([[[4, 5]]], dtype=uint8)
    """
    return _fastconv.pool(
        2,
        "max",
        input,
        kernel_size,
        stride,
        padding,
        dilation,
        ceil_mode,
        True,  # count_include_pad
        None,  # divisor_override
        return_indices,
        layout,
        out,
    )


@_max_pool
def max_pool3d(
    input: ArrayLike,
    kernel_size: Axes,
    stride: Axes | None = None,
    padding: Padding = 0,
    dilation: Axes = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
    *,
    layout: Layout = "NCHW",
    out: NumberArray | None = None,
) -> NumberArray | tuple[NumberArray, IndexArray]:
    """Maximum of each window of a volume.

    Parameters
    ----------
    input : array_like of floats or integers of at most 32 bits
        ``(n, c, id, ih, iw)``, or ``(c, id, ih, iw)`` unbatched. Channels last: ``(n, id, ih, iw, c)`` or
        ``(id, ih, iw, c)``.
    kernel_size, stride, padding, dilation, ceil_mode, return_indices, layout, out
        As in `max_pool2d`, for three axes; `layout` also ``"NCDHW"``, ``"NDHWC"``.

    Returns
    -------
    ndarray, or tuple of two
        As in `max_pool2d`; indices are ``(d * ih + h) * iw + w``.

    Raises
    ------
    TypeError, ValueError
        As `max_pool2d`.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> fastconv.max_pool3d(np.arange(8.0).reshape(1, 2, 2, 2), 2)
    array([[[[7.]]]])
    """
    return _fastconv.pool(
        3,
        "max",
        input,
        kernel_size,
        stride,
        padding,
        dilation,
        ceil_mode,
        True,  # count_include_pad
        None,  # divisor_override
        return_indices,
        layout,
        out,
    )


def avg_pool1d(
    input: ArrayLike,
    kernel_size: Axes,
    stride: Axes | None = None,
    padding: Padding = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    *,
    layout: Layout = "NCHW",
    out: NumberArray | None = None,
) -> NumberArray:
    """Mean of each window of a signal.

    Parameters
    ----------
    input : array_like of floats or complex numbers
        ``(n, c, iw)``, or ``(c, iw)`` unbatched. Channels last: ``(n, iw, c)`` or ``(iw, c)``.
    kernel_size, stride, padding, ceil_mode, count_include_pad, layout, out
        As in `avg_pool2d`, for one axis; `layout` also ``"NCL"``, ``"NCW"``, ``"NLC"``, ``"NWC"``.

    Returns
    -------
    ndarray
        ``(n, c, ow)``; channels last ``(n, ow, c)``; without ``n`` if the input has none.

    Raises
    ------
    TypeError, ValueError
        As `avg_pool2d`.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> fastconv.avg_pool1d(np.array([[1.0, 3.0, 2.0, 5.0]]), 2)
    array([[2. , 3.5]])
    """
    return _fastconv.pool(
        1,
        "avg",
        input,
        kernel_size,
        stride,
        padding,
        1,  # dilation
        ceil_mode,
        count_include_pad,
        None,  # divisor_override
        False,  # return_indices
        layout,
        out,
    )


def avg_pool2d(
    input: ArrayLike,
    kernel_size: Axes,
    stride: Axes | None = None,
    padding: Padding = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
    *,
    layout: Layout = "NCHW",
    out: NumberArray | None = None,
) -> NumberArray:
    """Mean of each window of an image.

    With ``x`` zero outside its extents::

        y[n, c, i, j] = sum over p, q of x[n, c, i * sh + p - ph, j * sw + q - pw] / divisor

    Parameters
    ----------
    input : array_like of floats or complex numbers
        ``(n, c, ih, iw)``, or ``(c, ih, iw)`` unbatched. Channels last: ``(n, ih, iw, c)`` or
        ``(ih, iw, c)``.
    kernel_size, stride, padding, ceil_mode, layout, out
        As in `max_pool2d`; padding counts as zeros.
    count_include_pad : bool
        The divisor is the number of positions of the window that lie in the input or its padding (the last
        window may reach beyond it with `ceil_mode`); with False, in the input alone.
    divisor_override : int, optional
        Divide by this number instead; not 0.

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

    Notes
    -----
    The result errs by at most ``n u / (1 - n u)`` times the mean of absolute values, with ``n = kh + kw``,
    or ``kh * kw + 1`` where ``ow`` is 1, and unit roundoff ``u``; of complex numbers, either part does.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> image = np.array([[[1.0, 2.0, 0.0, 1.0], [4.0, 3.0, 5.0, 1.0]]])
    >>> fastconv.avg_pool2d(image, 2)
    array([[[2.5 , 1.75]]])
    >>> fastconv.avg_pool2d(image, 2, divisor_override=1)
    array([[[10.,  7.]]])
    """
    return _fastconv.pool(
        2,
        "avg",
        input,
        kernel_size,
        stride,
        padding,
        1,  # dilation
        ceil_mode,
        count_include_pad,
        divisor_override,
        False,  # return_indices
        layout,
        out,
    )


def avg_pool3d(
    input: ArrayLike,
    kernel_size: Axes,
    stride: Axes | None = None,
    padding: Padding = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
    *,
    layout: Layout = "NCHW",
    out: NumberArray | None = None,
) -> NumberArray:
    """Mean of each window of a volume.

    Parameters
    ----------
    input : array_like of floats or complex numbers
        ``(n, c, id, ih, iw)``, or ``(c, id, ih, iw)`` unbatched. Channels last: ``(n, id, ih, iw, c)`` or
        ``(id, ih, iw, c)``.
    kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override, layout, out
        As in `avg_pool2d`, for three axes; `layout` also ``"NCDHW"``, ``"NDHWC"``.

    Returns
    -------
    ndarray
        ``(n, c, od, oh, ow)``; channels last ``(n, od, oh, ow, c)``; without ``n`` if the input has none.

    Raises
    ------
    TypeError, ValueError
        As `avg_pool2d`.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> fastconv.avg_pool3d(np.arange(8.0).reshape(1, 2, 2, 2), 2)
    array([[[[3.5]]]])
    """
    return _fastconv.pool(
        3,
        "avg",
        input,
        kernel_size,
        stride,
        padding,
        1,  # dilation
        ceil_mode,
        count_include_pad,
        divisor_override,
        False,  # return_indices
        layout,
        out,
    )


def adaptive_avg_pool1d(
    input: ArrayLike, output_size: OutputSize, *, layout: Layout = "NCHW", out: NumberArray | None = None
) -> NumberArray:
    """Mean over windows that divide a signal into `output_size` parts.

    Parameters
    ----------
    input : array_like of floats or complex numbers
        As in `avg_pool1d`.
    output_size, layout, out
        As in `adaptive_avg_pool2d`, for one axis.

    Returns
    -------
    ndarray
        ``(n, c, ow)``; channels last ``(n, ow, c)``; without ``n`` if the input has none.

    Raises
    ------
    TypeError, ValueError
        As `adaptive_avg_pool2d`.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> fastconv.adaptive_avg_pool1d(np.array([[1.0, 2.0, 3.0, 4.0, 5.0]]), 3)
    array([[1.5, 3. , 4.5]])
    """
    return _fastconv.adaptive_pool(1, "avg", input, output_size, False, layout, out)


def adaptive_avg_pool2d(
    input: ArrayLike, output_size: OutputSize, *, layout: Layout = "NCHW", out: NumberArray | None = None
) -> NumberArray:
    """Mean over windows that divide an image into `output_size` parts.

    Output ``i`` of ``o`` along an axis of extent ``e`` takes positions ``floor(i * e / o)`` up to, without,
    ``ceil((i + 1) * e / o)``: windows differ in length by one at most, and overlap where ``o`` does not
    divide ``e``.

    Parameters
    ----------
    input : array_like of floats or complex numbers
        As in `avg_pool2d`.
    output_size : int, None, or one per axis
        Output extents; None keeps the extent of the input. 1 is global pooling.
    layout : str
        ``"NCHW"`` for channels first, ``"NHWC"`` for channels last.
    out : ndarray, optional
        As in `avg_pool2d`.

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

    Notes
    -----
    The error bound of `avg_pool2d` holds with the extents of the window at hand. Windows are those of torch.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> image = np.arange(16.0).reshape(1, 4, 4)
    >>> fastconv.adaptive_avg_pool2d(image, 1)
    array([[[7.5]]])
    >>> fastconv.adaptive_avg_pool2d(image, (None, 2)).shape
    (1, 4, 2)
    """
    return _fastconv.adaptive_pool(2, "avg", input, output_size, False, layout, out)


def adaptive_avg_pool3d(
    input: ArrayLike, output_size: OutputSize, *, layout: Layout = "NCHW", out: NumberArray | None = None
) -> NumberArray:
    """Mean over windows that divide a volume into `output_size` parts.

    Parameters
    ----------
    input : array_like of floats or complex numbers
        As in `avg_pool3d`.
    output_size, layout, out
        As in `adaptive_avg_pool2d`, for three axes.

    Returns
    -------
    ndarray
        ``(n, c, od, oh, ow)``; channels last ``(n, od, oh, ow, c)``; without ``n`` if the input has none.

    Raises
    ------
    TypeError, ValueError
        As `adaptive_avg_pool2d`.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> fastconv.adaptive_avg_pool3d(np.arange(8.0).reshape(1, 2, 2, 2), (1, 1, None))
    array([[[[3., 4.]]]])
    """
    return _fastconv.adaptive_pool(3, "avg", input, output_size, False, layout, out)


@_adaptive_max_pool
def adaptive_max_pool1d(
    input: ArrayLike,
    output_size: OutputSize,
    return_indices: bool = False,
    *,
    layout: Layout = "NCHW",
    out: NumberArray | None = None,
) -> NumberArray | tuple[NumberArray, IndexArray]:
    """Maximum over windows that divide a signal into `output_size` parts.

    Parameters
    ----------
    input : array_like of floats or integers of at most 32 bits
        As in `max_pool1d`.
    output_size, return_indices, layout, out
        As in `adaptive_max_pool2d`, for one axis.

    Returns
    -------
    ndarray, or tuple of two
        As in `adaptive_max_pool2d`.

    Raises
    ------
    TypeError, ValueError
        As `adaptive_max_pool2d`.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> fastconv.adaptive_max_pool1d(np.array([[1.0, 2.0, 3.0, 4.0, 5.0]]), 3)
    array([[2., 4., 5.]])
    """
    return _fastconv.adaptive_pool(1, "max", input, output_size, return_indices, layout, out)


@_adaptive_max_pool
def adaptive_max_pool2d(
    input: ArrayLike,
    output_size: OutputSize,
    return_indices: bool = False,
    *,
    layout: Layout = "NCHW",
    out: NumberArray | None = None,
) -> NumberArray | tuple[NumberArray, IndexArray]:
    """Maximum over windows that divide an image into `output_size` parts.

    The windows are those of `adaptive_avg_pool2d`.

    Parameters
    ----------
    input : array_like of floats or integers of at most 32 bits
        As in `max_pool2d`.
    output_size : int, None, or one per axis
        Output extents; None keeps the extent of the input. 1 is global pooling.
    return_indices : bool
        Also return where each maximum was, as `max_pool2d` does.
    layout : str
        ``"NCHW"`` for channels first, ``"NHWC"`` for channels last.
    out : ndarray, optional
        As in `max_pool2d`.

    Returns
    -------
    y : ndarray
        ``(n, c, oh, ow)``; channels last ``(n, oh, ow, c)``; without ``n`` if the input has none.
    indices : ndarray of int64
        With `return_indices`: ``h * iw + w`` of each maximum, as in `max_pool2d`.

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
    >>> image = np.array([[[1.0, 2.0, 0.0], [4.0, 3.0, 5.0], [6.0, 0.0, 2.0]]])
    >>> fastconv.adaptive_max_pool2d(image, 2)
    array([[[4., 5.],
            [6., 5.]]])
    >>> values, indices = fastconv.adaptive_max_pool2d(image, 1, return_indices=True)
    >>> indices
    array([[[6]]])
    """
    return _fastconv.adaptive_pool(2, "max", input, output_size, return_indices, layout, out)


@_adaptive_max_pool
def adaptive_max_pool3d(
    input: ArrayLike,
    output_size: OutputSize,
    return_indices: bool = False,
    *,
    layout: Layout = "NCHW",
    out: NumberArray | None = None,
) -> NumberArray | tuple[NumberArray, IndexArray]:
    """Maximum over windows that divide a volume into `output_size` parts.

    Parameters
    ----------
    input : array_like of floats or integers of at most 32 bits
        As in `max_pool3d`.
    output_size, return_indices, layout, out
        As in `adaptive_max_pool2d`, for three axes.

    Returns
    -------
    ndarray, or tuple of two
        As in `adaptive_max_pool2d`; indices are ``(d * ih + h) * iw + w``.

    Raises
    ------
    TypeError, ValueError
        As `adaptive_max_pool2d`.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> fastconv.adaptive_max_pool3d(np.arange(8.0).reshape(1, 2, 2, 2), (1, 1, None))
    array([[[[6., 7.]]]])
    """
    return _fastconv.adaptive_pool(3, "max", input, output_size, return_indices, layout, out)
