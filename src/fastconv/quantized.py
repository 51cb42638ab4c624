"""Convolution of quantized tensors: bytes that stand for numbers, ``real = scale * (byte - zero_point)``.

Sums are exact integers, whatever the processor: by its dot products of bytes where it has them (AVX-512 VNNI,
AMX), in floating point where not. Requantisation to bytes is one float32 product and one rounding, as in ONNX
Runtime.
"""

from __future__ import annotations

import operator
from typing import Any, Literal, TypeAlias, cast

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from . import _fastconv, _integers, conv
from ._results import as_array, empty
from ._typing import Axes, Layout, Padding, Shape

__all__ = ["Conv", "conv_integer", "dequantize", "qlinear_conv", "quantize"]

Bytes: TypeAlias = NDArray[np.int8] | NDArray[np.uint8]
QuantizedActivation: TypeAlias = Literal["relu", "relu6"] | tuple[float | None, float | None]

_BYTES = (np.dtype(np.int8), np.dtype(np.uint8))
_INT32 = np.iinfo(np.int32)


class Conv:
    """A convolution of bytes with its weights packed once, to be called on many inputs.

    With ``x`` equal to its zero point outside its extents, the sums are, as in `fastconv.conv2d`::

        s[n, o, i] = bias[o] + sum over c, k of
            (x[n, c, i * stride + k * dilation - p] - zx) * (w[o, c, k] - zw[o])

    Parameters
    ----------
    weight : array_like of int8 or uint8
        ``(oc, ic / groups, *kernel)`` with one to three kernel axes. Channels last:
        ``(*kernel, ic / groups, oc)``.
    zero_point : int or ``(oc,)``
        Which value of the weights stands for zero.
    bias : array_like of int32, optional
        ``(oc,)``, in units of the sums.
    stride, padding, dilation, groups, layout
        As in `fastconv.conv2d`.

    Raises
    ------
    TypeError, ValueError
        If an argument is not what it should be.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv.quantized import Conv
    >>> conv = Conv(np.array([[[[1, 2]]]], np.int8))
    >>> conv.sums(np.array([[[10, 20, 30]]], np.uint8))
    array([[[50, 80]]], dtype=int32)
    """

    def __init__(
        self,
        weight: ArrayLike,
        zero_point: ArrayLike = 0,
        bias: ArrayLike | None = None,
        stride: Axes = 1,
        padding: Padding = 0,
        dilation: Axes = 1,
        groups: int = 1,
        *,
        layout: Layout = "NCHW",
    ) -> None:
        w = _bytes(weight, "weight")
        if w.ndim not in (3, 4, 5):
            raise ValueError(f"weight: shape {w.shape}, expected channels and one to three axes of a kernel")
        self.rank = cast(Literal[1, 2, 3], w.ndim - 2)
        self._geometry = (stride, padding, dilation, groups, layout)
        _fastconv.check_convolution(self.rank, w.shape, *self._geometry)
        channels_first = layout.startswith("NC")
        self.out_channels = w.shape[0] if channels_first else w.shape[-1]
        self._channel_axis = -1 - self.rank if channels_first else -1
        self.zero_point = _zero_points(zero_point, "zero_point", w.dtype, self.out_channels)
        self.bias = _bias(bias, self.out_channels)
        shift = self.zero_point.astype(np.int16)
        if channels_first:
            shift = shift.reshape(-1, *[1] * (w.ndim - 1)) if shift.ndim else shift
        # as bytes if they fit
        self._weight: NDArray[Any] = np.ascontiguousarray(w.astype(np.int16) - shift)
        group_channels = self._weight.shape[1 if channels_first else -2]
        products = w.size // max(self.out_channels, 1)
        most = 255 * _integers.largest(self._weight) * products
        most += 0 if self.bias is None else _integers.largest(self.bias)
        self._dot = None
        if most <= _INT32.max and _integers.fits_words(self._weight, operator.index(groups), group_channels):
            self._dot = _fastconv.DotConv(self.rank, self._weight.astype(np.int8), *self._geometry)

    def output_shape(self, input_shape: Shape) -> tuple[int, ...]:
        """Shape of the result for an input of this shape.

        Parameters
        ----------
        input_shape : sequence of int
            Batched or unbatched, in the layout of this object.

        Returns
        -------
        tuple of int
            The shape.
        """
        return _fastconv.conv_output_shape(self.rank, input_shape, self._weight.shape, *self._geometry)

    def sums(self, x: ArrayLike, zero_point: int = 0) -> NDArray[np.int32]:
        """Return the sums as they are.

        Parameters
        ----------
        x : array_like of int8 or uint8
            The input, batched or unbatched.
        zero_point : int
            Which value of the input stands for zero; it is what padding holds.

        Returns
        -------
        ndarray of int32
            The sums.

        Raises
        ------
        OverflowError
            If one does not fit.
        """
        x, zero = _input(x, zero_point)
        if self._dot is None:
            s = self._exact_sums(x, zero)
            _integers.check_range(s, np.dtype(np.int32))
            return s.astype(np.int32)
        y = empty(self.output_shape(x.shape), np.dtype(np.int32))
        self._dot.run(x, zero, self.bias, None, 0, 0, 0, y)
        return y

    def __call__(
        self,
        x: ArrayLike,
        scale: ArrayLike,
        zero_point: int = 0,
        output_zero_point: int = 0,
        *,
        dtype: DTypeLike = np.uint8,
        low: int | None = None,
        high: int | None = None,
    ) -> Bytes:
        """Return the sums requantised to bytes: ``clip(round(scale[o] * s) + output_zero_point, low, high)``.

        The sum becomes a float32, the product is one of float32, and ties go to the even integer.

        Parameters
        ----------
        x : array_like of int8 or uint8
            The input, batched or unbatched.
        scale : float or ``(oc,)``
            Scale of the input times that of the weights over that of the output.
        zero_point, output_zero_point : int
            Which values of input and output stand for zero.
        dtype : dtype
            int8 or uint8, of the result.
        low, high : int, optional
            Bounds of the result, those of its type unless given: an activation.

        Returns
        -------
        ndarray
            The bytes.
        """
        x, zero = _input(x, zero_point)
        to = _byte_type(dtype)
        limits = np.iinfo(to)
        out_zero = _zero_point(output_zero_point, "output_zero_point", to)
        bottom, top = (
            limits.min if low is None else max(operator.index(low), limits.min),
            limits.max if high is None else min(operator.index(high), limits.max),
        )
        factor = np.asarray(scale, np.float32)
        if factor.shape not in ((), (self.out_channels,)):
            raise ValueError(f"scale: shape {factor.shape}, expected () or ({self.out_channels},)")
        if not np.all(np.isfinite(factor)):
            raise ValueError(f"scale={scale!r}: expected finite numbers")
        if self._dot is None:
            s = self._exact_sums(x, zero).astype(np.float32)
            s *= self._along_channels(factor)
            s = np.rint(np.clip(s, bottom - out_zero, top - out_zero))
            return (s + out_zero).astype(to)
        y = empty(self.output_shape(x.shape), to)
        every = np.ascontiguousarray(np.broadcast_to(factor, (self.out_channels,)))
        self._dot.run(x, zero, self.bias, every, out_zero, bottom, top, y)
        return y

    def __repr__(self) -> str:
        return (
            f"Conv({self._weight.shape}, zero_point={self.zero_point.tolist()}, bias={self.bias is not None})"
        )

    def _along_channels(self, values: NDArray[Any]) -> NDArray[Any]:
        return values.reshape(-1, *[1] * (-1 - self._channel_axis)) if values.ndim else values

    def _exact_sums(self, x: Bytes, zero: int) -> NDArray[np.int64]:
        convolve = (conv.conv1d, conv.conv2d, conv.conv3d)[self.rank - 1]
        stride, padding, dilation, groups, layout = self._geometry
        shifted = x.astype(np.int16) - np.int16(zero)
        s: NDArray[Any] = convolve(
            shifted, self._weight, None, stride, padding, dilation, groups, layout=layout
        ).astype(np.int64)
        return s if self.bias is None else s + self._along_channels(self.bias.astype(np.int64))


def conv_integer(
    input: ArrayLike,
    weight: ArrayLike,
    input_zero_point: int = 0,
    weight_zero_point: ArrayLike = 0,
    stride: Axes = 1,
    padding: Padding = 0,
    dilation: Axes = 1,
    groups: int = 1,
    *,
    layout: Layout = "NCHW",
) -> NDArray[np.int32]:
    """Convolve bytes with bytes, exactly, as ONNX's operator ConvInteger.

    Parameters
    ----------
    input : array_like of int8 or uint8
        ``(n, ic, *extents)``, or ``(ic, *extents)`` unbatched; channels last ``(n, *extents, ic)``.
    weight, weight_zero_point, stride, padding, dilation, groups, layout
        As in `Conv`.
    input_zero_point : int
        Which value of the input stands for zero; it is what padding holds.

    Returns
    -------
    ndarray of int32
        The sums, see `Conv`.

    Raises
    ------
    OverflowError
        If a sum does not fit into int32.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv.quantized import conv_integer
    >>> x = np.array([[[2, 3, 4, 5, 6]]], np.uint8)
    >>> conv_integer(x, np.array([[[1, 1]]], np.uint8), input_zero_point=1)
    array([[[3, 5, 7, 9]]], dtype=int32)
    """
    packed = Conv(weight, weight_zero_point, None, stride, padding, dilation, groups, layout=layout)
    return packed.sums(input, input_zero_point)


def qlinear_conv(
    input: ArrayLike,
    input_scale: float,
    input_zero_point: int,
    weight: ArrayLike,
    weight_scale: ArrayLike,
    weight_zero_point: ArrayLike,
    output_scale: float,
    output_zero_point: int,
    bias: ArrayLike | None = None,
    stride: Axes = 1,
    padding: Padding = 0,
    dilation: Axes = 1,
    groups: int = 1,
    *,
    layout: Layout = "NCHW",
    activation: QuantizedActivation | None = None,
    dtype: DTypeLike | None = None,
) -> Bytes:
    """Convolve quantized tensors, and quantize the result, as ONNX's operator QLinearConv.

    ::

        y = clip(round((sx * sw[o] / sy) * s) + zy),   s of `Conv`

    with the factors and the product in float32 and ties to even.

    Parameters
    ----------
    input : array_like of int8 or uint8
        ``(n, ic, *extents)``, or ``(ic, *extents)`` unbatched; channels last ``(n, *extents, ic)``.
    input_scale, output_scale : float
        Positive.
    input_zero_point, output_zero_point : int
        Which values of input and result stand for zero.
    weight, stride, padding, dilation, groups, layout
        As in `Conv`.
    weight_scale, weight_zero_point : number or ``(oc,)``
        Of all weights, or of each output channel.
    bias : array_like of int32, optional
        ``(oc,)``, in units of ``input_scale * weight_scale[o]``, its zero point 0.
    activation : str or (low, high), optional
        ``"relu"``, ``"relu6"`` or bounds, of the numbers that the result stands for.
    dtype : dtype, optional
        int8 or uint8, of the result: that of the input unless given.

    Returns
    -------
    ndarray
        The quantized result.

    See Also
    --------
    Conv : The same with the weights packed once.
    quantize, dequantize : To and from bytes.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv.quantized import dequantize, qlinear_conv, quantize
    >>> x = quantize(np.array([[[-1.0, 0.5, 2.0]]]), 0.5, 128)
    >>> w = quantize(np.array([[[1.0, -1.0]]]), 0.25, 0, np.int8)
    >>> dequantize(qlinear_conv(x, 0.5, 128, w, 0.25, 0, 0.5, 128), 0.5, 128)
    array([[[-1.5, -1.5]]], dtype=float32)
    """
    x = _bytes(input, "input")
    to = _byte_type(x.dtype if dtype is None else dtype)
    sx, sy = _scale(input_scale, "input_scale", ()), _scale(output_scale, "output_scale", ())
    packed = Conv(weight, weight_zero_point, bias, stride, padding, dilation, groups, layout=layout)
    sw = _scale(weight_scale, "weight_scale", (packed.out_channels,))
    low, high = _bounds(activation, sy, output_zero_point)
    return packed(
        x,
        sx * sw / sy,
        input_zero_point,
        output_zero_point,
        dtype=to,
        low=low,
        high=high,
    )


def quantize(x: ArrayLike, scale: ArrayLike, zero_point: int = 0, dtype: DTypeLike = np.uint8) -> Bytes:
    """Return ``clip(round(x / scale) + zero_point)`` as bytes, ties to even; computed in float32.

    Parameters
    ----------
    x : array_like
        Numbers. NaN becomes the zero point.
    scale : float or array_like
        Positive; broadcasts against `x`.
    zero_point : int
        Which byte stands for zero.
    dtype : dtype
        int8 or uint8.

    Returns
    -------
    ndarray
        The bytes.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv.quantized import quantize
    >>> quantize(np.array([-1.0, 0.0, 0.25, 1000.0]), 0.5, 10)
    array([  8,  10,  10, 255], dtype=uint8)
    """
    to = _byte_type(dtype)
    zero, limits = _zero_point(zero_point, "zero_point", to), np.iinfo(to)
    by = np.asarray(scale, np.float32)
    if not np.all(np.isfinite(by) & (by > 0)):
        raise ValueError(f"scale={scale!r}: expected positive finite numbers")
    scaled = np.nan_to_num(
        as_array(x, "x").astype(np.float32, copy=False) / by, posinf=np.inf, neginf=-np.inf
    )
    clipped: NDArray[np.float32] = np.clip(np.rint(scaled), limits.min - zero, limits.max - zero)
    return (clipped + np.float32(zero)).astype(to)


def dequantize(x: ArrayLike, scale: ArrayLike, zero_point: int = 0) -> NDArray[np.float32]:
    """Return the numbers that integers stand for, ``scale * (x - zero_point)``, in float32.

    Parameters
    ----------
    x : array_like of integers
        Bytes, or sums.
    scale : float or array_like
        Broadcasts against `x`.
    zero_point : int
        Which of them stands for zero.

    Returns
    -------
    ndarray of float32
        The numbers.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv.quantized import dequantize
    >>> dequantize(np.array([8, 10], np.uint8), 0.5, 10)
    array([-1.,  0.], dtype=float32)
    """
    integers = as_array(x, "x")
    if integers.dtype.kind not in "iu":
        raise TypeError(f"x: dtype {integers.dtype}, expected integers")
    shifted = integers.astype(np.int64) - operator.index(zero_point)
    result: NDArray[np.float32] = shifted.astype(np.float32) * np.asarray(scale, np.float32)
    return result


def _bytes(value: ArrayLike, name: str) -> Bytes:
    array = as_array(value, name)
    if array.dtype not in _BYTES:
        raise TypeError(f"{name}: dtype {array.dtype}, expected int8 or uint8")
    return np.ascontiguousarray(array).reshape(array.shape)


def _byte_type(value: DTypeLike) -> np.dtype[Any]:
    dtype = np.dtype(value)
    if dtype not in _BYTES:
        raise TypeError(f"dtype={value!r}: expected int8 or uint8")
    return dtype


def _input(value: ArrayLike, zero_point: int) -> tuple[Bytes, int]:
    x = _bytes(value, "input")
    return x, _zero_point(zero_point, "zero_point", x.dtype)


def _zero_point(value: object, name: str, dtype: np.dtype[Any]) -> int:
    try:
        zero = operator.index(value.item() if isinstance(value, np.ndarray) and value.size == 1 else value)  # type: ignore[arg-type]
    except TypeError:
        raise TypeError(f"{name}={value!r}: expected an integer") from None
    limits = np.iinfo(dtype)
    if not limits.min <= zero <= limits.max:
        raise ValueError(f"{name}={value!r}: expected a value of {dtype}")
    return zero


def _zero_points(value: ArrayLike, name: str, dtype: np.dtype[Any], channels: int) -> NDArray[Any]:
    zeros = as_array(value, name)
    if zeros.dtype.kind not in "iu":
        raise TypeError(f"{name}={value!r}: expected integers")
    if zeros.shape not in ((), (channels,)):
        raise ValueError(f"{name}: shape {zeros.shape}, expected () or ({channels},)")
    limits = np.iinfo(dtype)
    if zeros.size and not limits.min <= zeros.min() <= zeros.max() <= limits.max:
        raise ValueError(f"{name}={value!r}: expected values of {dtype}")
    return zeros.astype(dtype)


def _bias(value: ArrayLike | None, channels: int) -> NDArray[np.int32] | None:
    if value is None:
        return None
    bias = as_array(value, "bias")
    if bias.dtype != np.int32:
        raise TypeError(f"bias: dtype {bias.dtype}, expected int32")
    if bias.shape != (channels,):
        raise ValueError(f"bias: shape {bias.shape}, expected ({channels},)")
    return np.array(bias, np.int32)


def _scale(value: ArrayLike, name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
    scale = np.asarray(value, np.float32)
    if scale.shape not in ((), shape):
        raise ValueError(f"{name}: shape {scale.shape}, expected {' or '.join(map(str, {(), shape}))}")
    if not np.all(np.isfinite(scale) & (scale > 0)):
        raise ValueError(f"{name}={value!r}: expected positive finite numbers")
    return scale


def _bounds(
    activation: QuantizedActivation | None, scale: NDArray[np.float32], zero: int
) -> tuple[int | None, int | None]:
    if activation is None:
        return None, None
    known: dict[str, tuple[float | None, float | None]] = {"relu": (0.0, None), "relu6": (0.0, 6.0)}
    if isinstance(activation, str):
        if activation not in known:
            raise ValueError(f"activation={activation!r}: expected relu, relu6 or (low, high)")
        low, high = known[activation]
    else:
        low, high = activation
    far = 1000.0

    def bound(value: float | None) -> int | None:
        if value is None:
            return None
        return int(np.rint(np.clip(np.float32(value) / scale, -far, far))) + operator.index(zero)

    return bound(low), bound(high)
