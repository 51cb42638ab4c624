"""Convolutions and transposed convolutions as layers."""

from __future__ import annotations

from math import prod
from typing import Any, ClassVar, Literal, SupportsIndex

import numpy as np
from numpy.typing import DTypeLike

from .. import conv, conv_transpose, grad
from .._typing import Activation, Axes, FloatArray, Layout, Padding, PaddingMode, Shape
from ..shapes import output_shape
from ._arguments import check_activation, check_layout, extents, float_type, positive, ranked
from ._layer import Layer, Parameter, Plan, Seed, initial
from .init import Initializer, he_uniform

__all__ = ["Conv1d", "Conv2d", "Conv3d", "ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d"]


class _Convolution(Layer):
    """What convolutions and transposed ones share: channels, parameters, the activation and its undoing."""

    _rank: ClassVar[Literal[1, 2, 3]]
    _input: FloatArray | None = None
    _output: FloatArray | None = None

    def _set(
        self,
        in_channels: SupportsIndex,
        out_channels: SupportsIndex,
        kernel_size: Axes,
        groups: SupportsIndex,
        layout: Layout,
        activation: Activation | None,
        algorithm: str,
    ) -> None:
        self.in_channels = positive("in_channels", in_channels)
        self.out_channels = positive("out_channels", out_channels)
        self.groups = positive("groups", groups)
        for name, channels in (("in_channels", self.in_channels), ("out_channels", self.out_channels)):
            if channels % self.groups:
                raise ValueError(f"{name}={channels}: expected a multiple of groups={self.groups}")
        self.kernel_size = extents("kernel_size", kernel_size, self._rank)
        self.layout, self.activation = check_layout(layout), check_activation(activation)
        self.algorithm = algorithm

    def _make_parameters(
        self, first: int, second: int, bias: bool, initialize: Initializer, rng: Seed, dtype: DTypeLike
    ) -> None:
        """Make weights that lie as ``(first, second, *kernel)``, or with channels last in their order."""
        kernel, kind = self.kernel_size, float_type(dtype)
        shape = (first, second, *kernel) if self.layout == "NCHW" else (*kernel, second, first)
        # Connections to an output, and from an input; nothing connects groups.
        fan_in, fan_out = (n // self.groups * prod(kernel) for n in (self.in_channels, self.out_channels))
        self.weight = initial(initialize, shape, (fan_in, fan_out), rng, kind)
        self.bias = Parameter(np.zeros(self.out_channels, kind)) if bias else None

    def _arrays(self) -> tuple[FloatArray, FloatArray | None]:
        """Return weight and bias as they are now, which training changes at every step."""
        return self.weight.data, None if self.bias is None else self.bias.data

    def _geometry(self) -> dict[str, Any]:
        """Return what the function and its gradients take beside arrays."""
        raise NotImplementedError

    def _facts(self) -> tuple[object, ...]:
        shown = [self.in_channels, self.out_channels, "x".join(map(str, self.kernel_size))]
        plain = dict[str, object](stride=1, padding=0, output_padding=0, dilation=1, groups=1)
        plain |= {"padding_mode": "zeros", "layout": "NCHW"}
        for name, usual in plain.items():
            value = _short(getattr(self, name, usual))
            if value != usual:
                shown.append(f"{name}={value}")
        return *shown, *([] if self.activation is None else [f"activation={self.activation}"])

    def backward_parameters(self, grad_output: FloatArray) -> None:
        """Set the gradients of weight and bias."""
        self._backward_parameters(grad_output)

    def _backward_parameters(self, grad_output: FloatArray) -> FloatArray:
        """Return the gradient with respect to the sums, before the activation."""
        x, y, inner = self._kept(self._input), self._kept(self._output), grad_output
        self._check_gradient(grad_output, y.shape)
        if self.activation is not None:
            inner = grad.activation(self.activation, grad_output, y)
        self.weight.grad = self._weight_gradient(x, inner)
        if self.bias is not None:
            self.bias.grad = grad.conv_bias(inner, layout=self.layout)
        return inner

    def _weight_gradient(self, x: FloatArray, inner: FloatArray) -> FloatArray:
        raise NotImplementedError


def _short(value: Any) -> Any:
    """Return one number for as many equal ones."""
    while isinstance(value, tuple) and len(set(value)) == 1:
        value = value[0]
    return value


class _Conv(_Convolution):
    """What convolutions of signals, images and volumes share."""

    def __init__(
        self,
        in_channels: SupportsIndex,
        out_channels: SupportsIndex,
        kernel_size: Axes,
        stride: Axes = 1,
        padding: Padding = 0,
        dilation: Axes = 1,
        groups: SupportsIndex = 1,
        bias: bool = True,
        padding_mode: PaddingMode = "zeros",
        *,
        layout: Layout = "NCHW",
        activation: Activation | None = None,
        algorithm: str = "auto",
        initialize: Initializer = he_uniform,
        rng: Seed = None,
        dtype: DTypeLike = np.float32,
    ) -> None:
        self._set(in_channels, out_channels, kernel_size, groups, layout, activation, algorithm)
        group_in = self.in_channels // self.groups
        self._make_parameters(self.out_channels, group_in, bias, initialize, rng, dtype)
        self.stride, self.padding, self.dilation = stride, padding, dilation
        self.padding_mode = padding_mode
        # Whatever else may be wrong, the prepared convolution finds, and brings the rest into one form.
        checked = self._prepared()
        self.stride, self.padding, self.dilation = checked.stride, checked.padding, checked.dilation

    def _geometry(self) -> dict[str, Any]:
        names = ("stride", "padding", "dilation", "groups", "padding_mode", "layout")
        return {name: getattr(self, name) for name in names}

    def _prepared(self) -> conv.Conv1d | conv.Conv2d | conv.Conv3d:
        made: conv.Conv1d | conv.Conv2d | conv.Conv3d = ranked(conv, "Conv", self._rank)(
            *self._arrays(), **self._geometry(), activation=self.activation, algorithm=self.algorithm
        )
        return made

    def forward(self, x: FloatArray) -> FloatArray:
        """Convolve a batch."""
        y: FloatArray = ranked(conv, "conv", self._rank)(
            x, *self._arrays(), **self._geometry(), activation=self.activation, algorithm=self.algorithm
        )
        self._input, self._output = x, y
        return y

    def backward(self, grad_output: FloatArray) -> FloatArray:
        """Set the gradients of weight and bias, and return that of the input."""
        inner = self._backward_parameters(grad_output)
        result: FloatArray = ranked(grad, "conv", self._rank, "_input")(
            self._kept(self._input).shape, self.weight.data, inner, **self._geometry()
        )
        return result

    def _weight_gradient(self, x: FloatArray, inner: FloatArray) -> FloatArray:
        result: FloatArray = ranked(grad, "conv", self._rank, "_weight")(
            x, self.weight.data.shape, inner, **self._geometry()
        )
        return result

    def plan(self, input_shape: Shape) -> Plan:
        """Say what the layer would do with an input of this shape."""
        shape = output_shape(f"conv{self._rank}d", input_shape, self.weight.data.shape, **self._geometry())
        explanation = self._prepared().explain(input_shape)
        return Plan(shape, explanation.flops, explanation.algorithm)

    def window(self) -> dict[str, Any]:
        """Return kernel, stride, padding and dilation."""
        return {name: getattr(self, name) for name in ("kernel_size", "stride", "padding", "dilation")}


class Conv1d(_Conv):
    """Convolution of signals, as `fastconv.conv1d`; parameters as in `Conv2d`, for one axis."""

    _rank = 1


class Conv2d(_Conv):
    """Convolution of images, as `fastconv.conv2d`.

    Parameters
    ----------
    in_channels, out_channels : int
        Channels of the input and of the result, multiples of `groups`.
    kernel_size : int or one int per axis
        Extents of the kernel.
    stride, padding, dilation, groups
        As in `fastconv.conv2d`.
    bias : bool
        Whether to add one number to each output channel; it begins as 0.
    padding_mode : str
        As in `fastconv.conv2d`.
    layout : {"NCHW", "NHWC"}
        Channels first or last. The weights lie as `fastconv.conv2d` takes them:
        ``(oc, ic / groups, kh, kw)``, which is PyTorch's order, or ``(kh, kw, ic / groups, oc)``.
    activation : str or (low, high), optional
        Fused, as in `fastconv.conv2d`; not ``"silu"``, which cannot be undone from its result.
    algorithm : str
        Of the forward step, as in `fastconv.conv2d`.
    initialize : function
        One of `fastconv.nn.init`.
    rng : numpy.random.Generator or int, optional
        Where first weights come from: a generator, or what makes one.
    dtype : dtype
        float32 or float64.

    Attributes
    ----------
    weight, bias : Parameter
        Numbers and gradients; `bias` is None without one.

    Raises
    ------
    TypeError, ValueError
        An argument of the wrong type or value.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import nn
    >>> layer = nn.Conv2d(1, 8, 3, padding="same", activation="relu", rng=0)
    >>> y = layer(np.ones((5, 1, 12, 12), np.float32))
    >>> y.shape
    (5, 8, 12, 12)
    >>> layer.backward(y).shape, layer.weight.grad.shape, layer.bias.grad.shape
    ((5, 1, 12, 12), (8, 1, 3, 3), (8,))
    """

    _rank = 2


class Conv3d(_Conv):
    """Convolution of volumes, as `fastconv.conv3d`; parameters as in `Conv2d`, for three axes."""

    _rank = 3


class _ConvTranspose(_Convolution):
    """What transposed convolutions of signals, images and volumes share."""

    def __init__(
        self,
        in_channels: SupportsIndex,
        out_channels: SupportsIndex,
        kernel_size: Axes,
        stride: Axes = 1,
        padding: Axes = 0,
        output_padding: Axes = 0,
        groups: SupportsIndex = 1,
        bias: bool = True,
        dilation: Axes = 1,
        *,
        layout: Layout = "NCHW",
        activation: Activation | None = None,
        algorithm: str = "auto",
        initialize: Initializer = he_uniform,
        rng: Seed = None,
        dtype: DTypeLike = np.float32,
    ) -> None:
        self._set(in_channels, out_channels, kernel_size, groups, layout, activation, algorithm)
        group_out = self.out_channels // self.groups
        self._make_parameters(self.in_channels, group_out, bias, initialize, rng, dtype)
        self.stride = extents("stride", stride, self._rank)
        self.dilation = extents("dilation", dilation, self._rank)
        self.padding = extents("padding", padding, self._rank, least=0)
        self.output_padding = extents("output_padding", output_padding, self._rank, least=0)
        # Whatever else may be wrong, an empty batch of images of one extent finds, that no padding uses up.
        spatial = tuple(2 * p + 1 for p in self.padding)
        x = np.zeros(self._batch(0, self.in_channels, spatial), self.weight.data.dtype)
        self.forward(x)
        self._input = None

    def _batch(self, n: int, channels: int, spatial: tuple[int, ...]) -> tuple[int, ...]:
        return (n, channels, *spatial) if self.layout == "NCHW" else (n, *spatial, channels)

    def _geometry(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("stride", "padding", "dilation", "groups", "layout")}

    def forward(self, x: FloatArray) -> FloatArray:
        """Convolve a batch, transposed."""
        y: FloatArray = ranked(conv_transpose, "conv_transpose", self._rank)(
            x,
            *self._arrays(),
            **self._geometry(),
            output_padding=self.output_padding,
            activation=self.activation,
            algorithm=self.algorithm,
        )
        self._input, self._output = x, y
        return y

    def backward(self, grad_output: FloatArray) -> FloatArray:
        """Set the gradients of weight and bias, and return that of the input."""
        inner = self._backward_parameters(grad_output)
        result: FloatArray = ranked(grad, "conv_transpose", self._rank, "_input")(
            self.weight.data, inner, **self._geometry()
        )
        return result

    def _weight_gradient(self, x: FloatArray, inner: FloatArray) -> FloatArray:
        result: FloatArray = ranked(grad, "conv_transpose", self._rank, "_weight")(
            x, self.weight.data.shape, inner, **self._geometry()
        )
        return result

    def plan(self, input_shape: Shape) -> Plan:
        """Say what the layer would do with an input of this shape."""
        shape = super().plan(input_shape).output_shape
        first = self.layout == "NCHW"
        if len(shape) != self._rank + 2 or shape[1 if first else -1] != self.in_channels:
            raise ValueError(
                f"input: shape {shape}, expected {self._rank + 2} axes with {self.in_channels} channels"
            )
        spatial = shape[2:] if first else shape[1:-1]
        axes = zip(
            spatial,
            self.stride,
            self.padding,
            self.dilation,
            self.kernel_size,
            self.output_padding,
            strict=True,
        )
        out = tuple((i - 1) * s - 2 * p + d * (k - 1) + o + 1 for i, s, p, d, k, o in axes)
        products = prod(shape) * self.out_channels // self.groups * prod(self.kernel_size)
        return Plan(self._batch(shape[0], self.out_channels, out), 2 * products)

    def window(self) -> dict[str, Any]:
        """Raise: outputs of one transposed convolution see windows of different extents."""
        raise ValueError(f"{self!r}: expected no transposed convolution, which has no one receptive field")


class ConvTranspose1d(_ConvTranspose):
    """Transposed convolution of signals, as `fastconv.conv_transpose1d`; see `ConvTranspose2d`."""

    _rank = 1


class ConvTranspose2d(_ConvTranspose):
    """Transposed convolution of images, as `fastconv.conv_transpose2d`, which makes them larger.

    Parameters
    ----------
    in_channels, out_channels, kernel_size, bias, activation, algorithm, initialize, rng, dtype
        As in `Conv2d`.
    stride, padding, output_padding, groups, dilation
        As in `fastconv.conv_transpose2d`.
    layout : {"NCHW", "NHWC"}
        Channels first or last. The weights lie as ``(ic, oc / groups, kh, kw)``, which is PyTorch's order, or
        ``(kh, kw, oc / groups, ic)``.

    Attributes
    ----------
    weight, bias : Parameter
        Numbers and gradients; `bias` is None without one.

    Raises
    ------
    TypeError, ValueError
        An argument of the wrong type or value.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import nn
    >>> layer = nn.ConvTranspose2d(8, 4, 2, stride=2, rng=0)
    >>> layer(np.ones((5, 8, 6, 6), np.float32)).shape
    (5, 4, 12, 12)
    """

    _rank = 2


class ConvTranspose3d(_ConvTranspose):
    """Transposed convolution of volumes, as `fastconv.conv_transpose3d`; see `ConvTranspose2d`."""

    _rank = 3
