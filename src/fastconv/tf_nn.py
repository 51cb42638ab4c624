"""Convolution and pooling of arrays, under the names and with the parameters of TensorFlow's ``tf.nn``.

Channels are last (``"NHWC"``) unless `data_format` says otherwise; filters are ``(height, width, in, out)``
in either format. Along an axis of extent ``i``, with stride ``s`` and a window that reaches over
``e = dilation * (kernel - 1) + 1`` positions, ``"SAME"`` gives ``ceil(i / s)`` outputs and pads
``max((ceil(i / s) - 1) * s + e - i, 0)`` positions, an odd one after; ``"VALID"`` pads none and gives
``ceil((i - e + 1) / s)`` outputs. Both are upper-case, as TensorFlow wants them.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable, Sequence
from math import prod
from typing import Any, Literal, SupportsIndex, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from ._arrays import Array
from ._results import as_array
from ._typing import Axes
from .conv import conv1d as _conv1d
from .conv import conv2d as _conv2d
from .conv import conv3d as _conv3d
from .conv_transpose import conv_transpose2d
from .pool import avg_pool1d, avg_pool3d, max_pool1d, max_pool3d
from .pool import avg_pool2d as _avg_pool2d
from .pool import max_pool2d as _max_pool2d

__all__ = [
    "avg_pool",
    "avg_pool2d",
    "conv1d",
    "conv2d",
    "conv2d_transpose",
    "conv3d",
    "depthwise_conv2d",
    "max_pool",
    "max_pool2d",
    "separable_conv2d",
]

Rule: TypeAlias = Literal["SAME", "VALID"]
Padding: TypeAlias = Rule | Sequence[Sequence[SupportsIndex]]
Pairs: TypeAlias = tuple[tuple[int, int], ...]
DataFormat: TypeAlias = Literal["NHWC", "NCHW"]

# By the number of spatial axes: channels last, channels first.
_FORMATS = {1: ("NWC", "NCW"), 2: ("NHWC", "NCHW"), 3: ("NDHWC", "NCDHW")}
_CONVOLUTIONS = {1: _conv1d, 2: _conv2d, 3: _conv3d}
_MAXIMA = {1: max_pool1d, 2: _max_pool2d, 3: max_pool3d}
_MEANS = {1: avg_pool1d, 2: _avg_pool2d, 3: avg_pool3d}

_LARGEST = 2**31 - 1  # of strides, dilations and paddings, so that no extent overflows


# ---------------------------------------------------------------- convolution


def conv1d(
    input: ArrayLike,
    filters: ArrayLike,
    stride: Axes,
    padding: Padding,
    data_format: Literal["NWC", "NCW"] | None = "NWC",
    dilations: Axes | None = None,
    name: str | None = None,
) -> Array:
    """Convolve signals with filters, as `conv2d` does images.

    Parameters
    ----------
    input : array_like
        ``(..., iw, ic)``, or ``(..., ic, iw)``; one batch axis or more.
    filters : array_like
        ``(kw, ic / groups, oc)``.
    stride, dilations
        An int, or a sequence of one or three.
    padding
        As in `conv2d`; explicit ``[[0, 0], [before, after], [0, 0]]``.
    data_format : {"NWC", "NCW"}, optional
        Channels last or first.
    name : str, optional
        Ignored.

    Returns
    -------
    ndarray
        ``(..., ow, oc)``, or ``(..., oc, ow)``.

    Raises
    ------
    TypeError, ValueError
        As `conv2d`.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import tf_nn
    >>> signal = np.array([1.0, 4.0, 9.0, 16.0]).reshape(1, 4, 1)
    >>> tf_nn.conv1d(signal, np.array([-1.0, 1.0]).reshape(2, 1, 1), 1, "VALID").ravel()
    array([3., 5., 7.])
    """
    return _convolve(1, input, filters, (stride, "stride"), padding, data_format, dilations)


def conv2d(
    input: ArrayLike,
    filters: ArrayLike,
    strides: Axes,
    padding: Padding,
    data_format: DataFormat | None = "NHWC",
    dilations: Axes | None = None,
    name: str | None = None,
) -> Array:
    """Convolve images with filters (cross-correlation, as neural networks use the word).

    With ``x`` zero outside its extents, ``g = o // (oc / groups)``, and ``groups = ic / filters.shape[2]``::

        y[n, i, j, o] = sum over p, q, c of
            filters[p, q, c, o] * x[n, i * sh + p * dh - ph, j * sw + q * dw - pw, g * ic / groups + c]

    Parameters
    ----------
    input : array_like of floats, complex numbers or integers
        ``(..., ih, iw, ic)``; with ``data_format="NCHW"`` ``(..., ic, ih, iw)``. One batch axis
        or more.
    filters : array_like, same dtype, or integers beside integers
        ``(kh, kw, ic / groups, oc)``.
    strides : int or sequence of one, two or four ints
        Step between windows; of four, in the order of `data_format`, those of batch and channels are 1.
    padding : "SAME", "VALID", or pairs
        Pairs are ``[[0, 0], [top, bottom], [left, right], [0, 0]]``, in the order of `data_format`.
    data_format : {"NHWC", "NCHW"}, optional
        Channels last or first; both are native.
    dilations : int or sequence of one, two or four ints, optional
        Step between the positions that neighbouring filter elements see; 1 unless given.
    name : str, optional
        Ignored.

    Returns
    -------
    ndarray
        ``(..., oh, ow, oc)`` or ``(..., oc, oh, ow)``; the dtype, rounding and error bound are those of
        `fastconv.conv2d`.

    Raises
    ------
    TypeError
        An argument of the wrong type or dtype.
    ValueError
        An argument of the wrong value or shape; the message names it, its value and what was expected. Also a
        window that does not fit the input, where TensorFlow may return an array without elements.

    See Also
    --------
    fastconv.conv2d : With bias, activation, `out`, and the choice of an algorithm.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import tf_nn
    >>> image = np.arange(16.0).reshape(1, 4, 4, 1)
    >>> mean = np.full((3, 3, 1, 1), 1 / 9)
    >>> tf_nn.conv2d(image, mean, 1, "VALID")[0, :, :, 0].round(3)
    array([[ 5.,  6.],
           [ 9., 10.]])
    >>> tf_nn.conv2d(image, mean, [1, 2, 2, 1], "SAME").shape
    (1, 2, 2, 1)
    """
    return _convolve(2, input, filters, (strides, "strides"), padding, data_format, dilations)


def conv3d(
    input: ArrayLike,
    filters: ArrayLike,
    strides: Axes,
    padding: Padding,
    data_format: Literal["NDHWC", "NCDHW"] | None = "NDHWC",
    dilations: Axes | None = None,
    name: str | None = None,
) -> Array:
    """Convolve volumes with filters, as `conv2d` does images.

    Parameters
    ----------
    input : array_like
        ``(..., id, ih, iw, ic)``, or ``(..., ic, id, ih, iw)``.
    filters : array_like
        ``(kd, kh, kw, ic / groups, oc)``.
    strides, dilations
        An int, or a sequence of one, three or five.
    padding
        As in `conv2d`, pairs for five axes.
    data_format : {"NDHWC", "NCDHW"}, optional
        Channels last or first.
    name : str, optional
        Ignored.

    Returns
    -------
    ndarray
        ``(..., od, oh, ow, oc)``, or ``(..., oc, od, oh, ow)``.

    Raises
    ------
    TypeError, ValueError
        As `conv2d`.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import tf_nn
    >>> tf_nn.conv3d(np.ones((1, 3, 3, 3, 1)), np.ones((3, 3, 3, 1, 1)), [1, 1, 1, 1, 1], "VALID").ravel()
    array([27.])
    """
    return _convolve(3, input, filters, (strides, "strides"), padding, data_format, dilations)


def depthwise_conv2d(
    input: ArrayLike,
    filter: ArrayLike,
    strides: Axes,
    padding: Padding,
    data_format: DataFormat | None = None,
    dilations: Axes | None = None,
    name: str | None = None,
) -> Array:
    """Convolve every channel of images with filters of its own.

    With ``x`` zero outside its extents and ``m`` filters a channel::

        y[n, i, j, c * m + k] = sum over p, q of
            filter[p, q, c, k] * x[n, i * sh + p * dh - ph, j * sw + q * dw - pw, c]

    Parameters
    ----------
    input : array_like
        ``(n, ih, iw, c)``, or ``(n, c, ih, iw)``.
    filter : array_like, same dtype, or integers beside integers
        ``(kh, kw, c, m)``.
    strides, padding, data_format, name
        As in `conv2d`; strides of the axes may differ.
    dilations : optional
        As in `conv2d`; where one is larger than 1 all strides have to be 1.

    Returns
    -------
    ndarray
        ``(n, oh, ow, c * m)``, or ``(n, c * m, oh, ow)``.

    Raises
    ------
    TypeError, ValueError
        As `conv2d`.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import tf_nn
    >>> image = np.arange(8.0).reshape(1, 2, 2, 2)
    >>> filter = np.stack([np.ones((2, 2, 2)), -np.ones((2, 2, 2))], axis=-1)
    >>> tf_nn.depthwise_conv2d(image, filter, [1, 1, 1, 1], "VALID").ravel()
    array([ 12., -12.,  16., -16.])
    """
    return _depthwise(input, filter, "filter", strides, padding, data_format, dilations)


def separable_conv2d(
    input: ArrayLike,
    depthwise_filter: ArrayLike,
    pointwise_filter: ArrayLike,
    strides: Axes,
    padding: Padding,
    data_format: DataFormat | None = None,
    dilations: Axes | None = None,
    name: str | None = None,
) -> Array:
    """Convolve every channel on its own, then mix channels: `depthwise_conv2d`, and a `conv2d` of 1x1.

    Parameters
    ----------
    input : array_like
        ``(n, ih, iw, c)``, or ``(n, c, ih, iw)``.
    depthwise_filter : array_like, same dtype, or integers beside integers
        ``(kh, kw, c, m)``.
    pointwise_filter : array_like, same dtype, or integers beside integers
        ``(1, 1, c * m, oc)``.
    strides, padding, data_format, dilations, name
        As in `depthwise_conv2d`, for its step; the other has strides of 1.

    Returns
    -------
    ndarray
        ``(n, oh, ow, oc)``, or ``(n, oc, oh, ow)``.

    Raises
    ------
    TypeError, ValueError
        As `conv2d`.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import tf_nn
    >>> image = np.arange(8.0).reshape(1, 2, 2, 2)
    >>> both = np.array([1.0, 10.0]).reshape(1, 1, 2, 1)
    >>> tf_nn.separable_conv2d(image, np.ones((2, 2, 2, 1)), both, 1, "VALID").ravel()
    array([172.])
    """
    w = _array(depthwise_filter, "depthwise_filter", 4)
    mix = _array(pointwise_filter, "pointwise_filter", 4)
    middle = w.shape[2] * w.shape[3]
    if mix.shape[:3] != (1, 1, middle):
        raise ValueError(
            f"pointwise_filter: shape {mix.shape}, expected (1, 1, {middle}, oc) "
            f"for depthwise_filter of {w.shape}"
        )
    y = _depthwise(input, w, "depthwise_filter", strides, padding, data_format, dilations)
    _same_type(y, mix, "pointwise_filter")
    return _run(
        y, mix, "pointwise_filter", (1, 1), ((0, 0), (0, 0)), (1, 1), 1, _channels_last(data_format, 2)
    )


def conv2d_transpose(
    input: ArrayLike,
    filters: ArrayLike,
    output_shape: Sequence[SupportsIndex] | Array,
    strides: Axes,
    padding: Padding = "SAME",
    data_format: DataFormat | None = "NHWC",
    dilations: Axes | None = None,
    name: str | None = None,
) -> Array:
    """Spread images by filters: the transpose of the linear map that `conv2d` is.

    With the padding of the convolution that takes `output_shape` to the shape of the input::

        y[n, i, j, o] = sum over c, k, l, p, q with
            i = k * sh + p * dh - ph  and  j = l * sw + q * dw - pw  of  filters[p, q, o, c] * x[n, k, l, c]

    Parameters
    ----------
    input : array_like of floats, complex numbers or integers
        ``(n, ih, iw, ic)``, or ``(n, ic, ih, iw)``.
    filters : array_like, same dtype, or integers beside integers
        ``(kh, kw, oc, ic)``.
    output_shape : sequence of four ints
        The shape of the result, in the order of `data_format`: with a stride, several have the same input.
    strides, padding, data_format, dilations, name
        As in `conv2d`, those of the convolution.

    Returns
    -------
    ndarray
        Of shape `output_shape`.

    Raises
    ------
    TypeError, ValueError
        As `conv2d`; also an `output_shape` that the convolution would not take to the shape of the input.

    See Also
    --------
    fastconv.conv_transpose2d : With bias and activation; how it is computed.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import tf_nn
    >>> image = np.array([1.0, 2.0, 3.0, 4.0]).reshape(1, 2, 2, 1)
    >>> tf_nn.conv2d_transpose(image, np.ones((3, 3, 1, 1)), [1, 5, 5, 1], 2, "VALID")[0, :, :, 0]
    array([[ 1.,  1.,  3.,  2.,  2.],
           [ 1.,  1.,  3.,  2.,  2.],
           [ 4.,  4., 10.,  6.,  6.],
           [ 3.,  3.,  7.,  4.,  4.],
           [ 3.,  3.,  7.,  4.,  4.]])
    """
    last = _channels_last(data_format, 2)
    x, w = _array(input, "input", 4), _array(filters, "filters", 4)
    _same_type(x, w, "filters")
    stride, dilation = _per_axis(strides, "strides", 2, last), _per_axis(dilations, "dilations", 2, last)
    whole = _integers(output_shape, "output_shape")
    if len(whole) != 4 or min(whole) < 0:
        raise ValueError(f"output_shape={output_shape!r}: expected four extents, {_FORMATS[2][not last]}")
    extents, (*kernel, oc, ic) = _spatial(whole, 2, last), w.shape
    channels = _channels(x.shape, 2, last)
    if ic != channels:
        raise ValueError(
            f"filters: shape {w.shape}, expected (kh, kw, oc, {channels}) for input of {x.shape}"
        )
    if (whole[0], _channels(whole, 2, last)) != (x.shape[0], oc):
        raise ValueError(
            f"output_shape={output_shape!r}: expected a batch of {x.shape[0]} as input "
            f"and {oc} channels as filters"
        )
    pads = _pads(padding, extents, kernel, stride, dilation, last)
    _check_window(extents, kernel, pads, dilation, "filters", f"output_shape={output_shape!r}")
    spans = _spans(kernel, dilation)
    axes = list(zip(extents, spans, pads, stride, _spatial(x.shape, 2, last), strict=True))
    found = tuple((o + sum(pad) - e) // s + 1 for o, e, pad, s, _ in axes)
    if found != tuple(_spatial(x.shape, 2, last)):
        raise ValueError(
            f"output_shape={output_shape!r}: a convolution takes it to {found}, "
            f"expected {tuple(_spatial(x.shape, 2, last))} as input of {x.shape}"
        )
    # what the windows do not reach at the end
    rest = [o - ((i - 1) * s - sum(pad) + e) for o, e, pad, s, i in axes]
    return conv_transpose2d(
        x, _weight(w, last), None, stride, pads, rest, 1, dilation, layout="NHWC" if last else "NCHW"
    )


# ---------------------------------------------------------------- pooling


def max_pool(
    input: ArrayLike,
    ksize: Axes,
    strides: Axes,
    padding: Padding,
    data_format: str | None = None,
    name: str | None = None,
) -> Array:
    """Maximum of each window of signals, images or volumes: `max_pool2d` for one to three axes.

    Parameters
    ----------
    input : array_like of floats or integers of at most 32 bits
        Of three to five axes, which say how many are spatial.
    ksize, strides, padding, name
        As in `max_pool2d`.
    data_format : str, optional
        ``"NWC"``, ``"NHWC"`` or ``"NDHWC"``, as the input has axes; ``"NCW"``, ``"NCHW"``, ``"NCDHW"``.

    Returns
    -------
    ndarray
        Of as many axes.

    Raises
    ------
    TypeError, ValueError
        As `max_pool2d`.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import tf_nn
    >>> tf_nn.max_pool(np.array([1.0, 3.0, 2.0, 5.0, 4.0]).reshape(1, 5, 1), 2, 2, "SAME").ravel()
    array([3., 5., 4.])
    """
    return _pool("max", None, input, ksize, strides, padding, data_format)


def max_pool2d(
    input: ArrayLike,
    ksize: Axes,
    strides: Axes,
    padding: Padding,
    data_format: DataFormat | None = "NHWC",
    name: str | None = None,
) -> Array:
    """Maximum of each window of images.

    Parameters
    ----------
    input : array_like of floats or integers of at most 32 bits
        ``(n, ih, iw, c)``; with ``data_format="NCHW"`` ``(n, c, ih, iw)``.
    ksize, strides : int or sequence of one, two or four ints
        Extents of the window, and the step between windows; along batch and channels 1.
    padding : "SAME", "VALID", or pairs
        As in `conv2d`, but padding never wins; each number of explicit pairs is less than the window.
    data_format, name
        As in `conv2d`.

    Returns
    -------
    ndarray
        ``(n, oh, ow, c)`` or ``(n, c, oh, ow)``, exact; a window with a NaN gives NaN.

    Raises
    ------
    TypeError, ValueError
        As `conv2d`.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import tf_nn
    >>> image = np.arange(9.0).reshape(1, 3, 3, 1)
    >>> tf_nn.max_pool2d(image, 2, 2, "SAME")[0, :, :, 0]
    array([[4., 5.],
           [7., 8.]])
    >>> tf_nn.max_pool2d(image, 2, 2, "VALID")[0, :, :, 0]
    array([[4.]])
    """
    return _pool("max", 2, input, ksize, strides, padding, data_format)


def avg_pool(
    input: ArrayLike,
    ksize: Axes,
    strides: Axes,
    padding: Rule,
    data_format: str | None = None,
    name: str | None = None,
) -> Array:
    """Mean of each window of signals, images or volumes: `avg_pool2d` for one to three axes.

    Parameters
    ----------
    input : array_like of floats or complex numbers
        Of three to five axes, which say how many are spatial.
    ksize, strides, padding, name
        As in `avg_pool2d`.
    data_format : str, optional
        As in `max_pool`.

    Returns
    -------
    ndarray
        Of as many axes.

    Raises
    ------
    TypeError, ValueError
        As `avg_pool2d`.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import tf_nn
    >>> tf_nn.avg_pool(np.array([1.0, 3.0, 2.0, 5.0, 4.0]).reshape(1, 5, 1), 2, 2, "SAME").ravel()
    array([2. , 3.5, 4. ])
    """
    return _pool("avg", None, input, ksize, strides, padding, data_format)


def avg_pool2d(
    input: ArrayLike,
    ksize: Axes,
    strides: Axes,
    padding: Rule,
    data_format: DataFormat | None = "NHWC",
    name: str | None = None,
) -> Array:
    """Mean of each window of images, over what lies in the image: padding does not count.

    Parameters
    ----------
    input : array_like of floats or complex numbers
        ``(n, ih, iw, c)``; with ``data_format="NCHW"`` ``(n, c, ih, iw)``.
    ksize, strides : int or sequence of one, two or four ints
        Extents of the window, and the step between windows; along batch and channels 1.
    padding : "SAME" or "VALID"
        As in `conv2d`; no explicit pairs, as in TensorFlow.
    data_format, name
        As in `conv2d`.

    Returns
    -------
    ndarray
        ``(n, oh, ow, c)`` or ``(n, c, oh, ow)``; the error bound is that of `fastconv.avg_pool2d`.

    Raises
    ------
    TypeError, ValueError
        As `conv2d`.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import tf_nn
    >>> tf_nn.avg_pool2d(np.arange(9.0).reshape(1, 3, 3, 1), 2, 2, "SAME")[0, :, :, 0]
    array([[2. , 3.5],
           [6.5, 8. ]])
    """
    return _pool("avg", 2, input, ksize, strides, padding, data_format)


# ---------------------------------------------------------------- how


def _convolve(
    rank: int,
    input: ArrayLike,
    filters: ArrayLike,
    strides: tuple[Axes, str],
    padding: Padding,
    data_format: str | None,
    dilations: Axes | None,
) -> Array:
    """Convolve, in as many groups as filters see the channels of; `strides` come with their name."""
    last = _channels_last(data_format, rank)
    x, w = _array(input, "input"), _array(filters, "filters", rank + 2)
    if x.ndim < rank + 2:
        raise ValueError(f"input: shape {x.shape}, expected {rank + 2} axes or more")
    _same_type(x, w, "filters")
    channels, (*kernel, seen, oc) = _channels(x.shape, rank, last), w.shape
    groups = channels // seen if seen else 1
    if groups == 0 or groups * seen != channels or oc % groups:
        raise ValueError(
            f"filters: shape {w.shape}, expected {channels} channels as input before the last axis, or a "
            "divisor of them that leaves as many filters for each group"
        )
    stride, dilation = _per_axis(*strides, rank, last), _per_axis(dilations, "dilations", rank, last)
    pads = _pads(padding, _spatial(x.shape, rank, last), kernel, stride, dilation, last)
    return _run(x, w, "filters", stride, pads, dilation, groups, last)


def _depthwise(
    input: ArrayLike,
    filter: ArrayLike,
    name: str,
    strides: Axes,
    padding: Padding,
    data_format: str | None,
    dilations: Axes | None,
) -> Array:
    last = _channels_last(data_format, 2)
    x, w = _array(input, "input", 4), _array(filter, name, 4)
    _same_type(x, w, name)
    kh, kw, channels, multiplier = w.shape
    given = _channels(x.shape, 2, last)
    if channels != given or channels == 0:
        raise ValueError(f"{name}: shape {w.shape}, expected (kh, kw, {given}, m) for input of {x.shape}")
    stride, dilation = _per_axis(strides, "strides", 2, last), _per_axis(dilations, "dilations", 2, last)
    if max(dilation) > 1 and max(stride) > 1:
        raise ValueError(
            f"dilations={dilations!r} with strides={strides!r}: expected strides of 1 beside dilations "
            "larger than 1"
        )
    pads = _pads(padding, _spatial(x.shape, 2, last), (kh, kw), stride, dilation, last)
    w = w.reshape(kh, kw, 1, channels * multiplier)
    return _run(x, w, name, stride, pads, dilation, channels, last)


def _run(
    x: Array,
    w: Array,
    name: str,
    stride: tuple[int, ...],
    pads: Pairs,
    dilation: tuple[int, ...],
    groups: int,
    last: bool,
) -> Array:
    """Convolve what has been checked, but for whether the window fits."""
    rank = w.ndim - 2
    batch, image = x.shape[: -rank - 1], x.shape[-rank - 1 :]
    extents = _spatial(x.shape, rank, last)
    _check_window(extents, w.shape[:rank], pads, dilation, name, f"input of shape {x.shape}")
    y = _CONVOLUTIONS[rank](
        x if len(batch) == 1 else x.reshape(prod(batch), *image),
        _weight(w, last),
        None,
        stride,
        pads,
        dilation,
        groups,
        layout="NHWC" if last else "NCHW",
    )
    return y if len(batch) == 1 else y.reshape(*batch, *y.shape[1:])


def _pool(
    kind: Literal["max", "avg"],
    rank: int | None,
    input: ArrayLike,
    ksize: Axes,
    strides: Axes,
    padding: Padding,
    data_format: str | None,
) -> Array:
    """Pool; without a rank the input says it."""
    x = _array(input, "input", None if rank is None else rank + 2)
    rank = x.ndim - 2
    if rank not in _FORMATS:
        raise ValueError(f"input: shape {x.shape}, expected three to five axes")
    last = _channels_last(data_format, rank)
    kernel, stride = _per_axis(ksize, "ksize", rank, last), _per_axis(strides, "strides", rank, last)
    if kind == "avg" and not isinstance(padding, str):
        raise ValueError(f"padding={padding!r}: expected 'SAME' or 'VALID'")
    extents, ones = _spatial(x.shape, rank, last), (1,) * rank
    pads = _pads(padding, extents, kernel, stride, ones, last)
    if any(max(pair) >= k for pair, k in zip(pads, kernel, strict=True) if max(pair)):
        raise ValueError(f"padding={padding!r}: expected less than ksize={ksize!r}")
    _check_window(extents, kernel, pads, ones, f"ksize={ksize!r}", f"input of shape {x.shape}")
    layout: Literal["NHWC", "NCHW"] = "NHWC" if last else "NCHW"
    if kind == "avg":
        return _MEANS[rank](x, kernel, stride, pads, count_include_pad=False, layout=layout)
    if any(2 * max(pair) > k for pair, k in zip(pads, kernel, strict=True)):
        # more than fastconv.max_pool2d takes: drawn around the input, which is rare enough for a copy
        least = -np.inf if x.dtype.kind not in "iu" else np.iinfo(x.dtype).min
        around = ((0, 0), *pads, (0, 0)) if last else ((0, 0), (0, 0), *pads)
        x, pads = np.pad(x, around, constant_values=least), ((0, 0),) * rank
    return _MAXIMA[rank](x, kernel, stride, pads, layout=layout)


# ---------------------------------------------------------------- arguments


def _array(value: ArrayLike, name: str, axes: int | None = None) -> Array:
    x = as_array(value, name)
    if axes is not None and x.ndim != axes:
        raise ValueError(f"{name}: shape {x.shape}, expected {axes} axes")
    return x


def _same_type(x: Array, w: Array, name: str) -> None:
    one, other = (a.dtype.newbyteorder("=") for a in (x, w))
    if one != other and not (one.kind in "iu" and other.kind in "iu"):
        raise TypeError(f"{name}: dtype {w.dtype}, expected {x.dtype} as input")


def _channels_last(data_format: str | None, rank: int) -> bool:
    last, first = _FORMATS[rank]
    if data_format is None or data_format == last:
        return True
    if data_format == first:
        return False
    raise ValueError(f"data_format={data_format!r}: expected {last!r} or {first!r}")


def _spatial(axes: Sequence[Any], rank: int, last: bool) -> Sequence[Any]:
    """Return what belongs to the spatial axes, of one item for every axis."""
    return axes[-rank - 1 : -1] if last else axes[-rank:]


def _channels(shape: Sequence[int], rank: int, last: bool) -> int:
    return shape[-1] if last else shape[-rank - 1]


def _integers(value: Any, name: str) -> list[int]:
    try:
        return [operator.index(item) for item in (value if isinstance(value, Iterable) else [value])]
    except TypeError:
        raise TypeError(f"{name}={value!r}: expected integers") from None


def _per_axis(value: Axes | None, name: str, rank: int, last: bool) -> tuple[int, ...]:
    """One number for each spatial axis, of one for all, one for each, or one for every axis of the input."""
    numbers = [1] if value is None and name == "dilations" else _integers(value, name)
    if len(numbers) == rank + 2:
        spatial = _spatial(numbers, rank, last)
        if (numbers[0], _channels(numbers, rank, last)) != (1, 1):
            raise ValueError(f"{name}={value!r}: expected 1 along batch and channels")
        numbers = list(spatial)
    elif len(numbers) == 1:
        numbers *= rank
    elif len(numbers) != rank:
        lengths = f"one, {rank} or {rank + 2}" if rank > 1 else "one or 3"
        raise ValueError(f"{name}={value!r}: expected an integer or {lengths} of them")
    if not all(1 <= number <= _LARGEST for number in numbers):
        raise ValueError(f"{name}={value!r}: expected positive numbers of 31 bits")
    return tuple(numbers)


def _spans(kernel: Iterable[int], dilation: Iterable[int]) -> list[int]:
    """How many positions a window reaches over."""
    return [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]


def _pads(
    padding: Padding,
    extents: Sequence[int],
    kernel: Sequence[int],
    stride: tuple[int, ...],
    dilation: tuple[int, ...],
    last: bool,
) -> Pairs:
    """(before, after) for each spatial axis."""
    axes = len(extents) + 2
    expected = f"'SAME', 'VALID' or {axes} pairs, [0, 0] for batch and channels"
    if isinstance(padding, str):
        if padding == "VALID":
            return ((0, 0),) * len(extents)
        if padding != "SAME":
            raise ValueError(f"padding={padding!r}: expected {expected}")
        spans = _spans(kernel, dilation)
        totals = [
            max((-(-i // s) - 1) * s + e - i, 0) for i, s, e in zip(extents, stride, spans, strict=True)
        ]
        return tuple((total // 2, total - total // 2) for total in totals)
    try:
        pairs = [[operator.index(number) for number in pair] for pair in padding]
    except TypeError:
        raise TypeError(f"padding={padding!r}: expected {expected}") from None
    if (
        len(pairs) != axes
        or any(len(pair) != 2 or not all(0 <= number <= _LARGEST for number in pair) for pair in pairs)
        or [*pairs[0], *pairs[-1 if last else 1]] != [0, 0, 0, 0]
    ):
        raise ValueError(f"padding={padding!r}: expected {expected}")
    return tuple((before, after) for before, after in _spatial(pairs, len(extents), last))


def _check_window(
    extents: Sequence[int],
    kernel: Sequence[int],
    pads: Pairs,
    dilation: tuple[int, ...],
    name: str,
    where: str,
) -> None:
    """Refuse a window that is empty or larger than what it slides over."""
    kernel = tuple(kernel)
    if min(kernel) < 1:
        raise ValueError(f"{name}: a window of {kernel}, expected positive extents")
    spans = _spans(kernel, dilation)
    if any(i == 0 or i + sum(pad) < e for i, pad, e in zip(extents, pads, spans, strict=True)):
        raise ValueError(
            f"{name}: a window of {kernel} with dilations {dilation} does not fit {where} with padding {pads}"
        )


def _weight(w: Array, last: bool) -> Array:
    """Return filters in the order of the layout that the input has."""
    return w if last else w.transpose(-1, -2, *range(w.ndim - 2))
