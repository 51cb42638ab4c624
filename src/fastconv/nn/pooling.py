"""Pooling as layers."""

from __future__ import annotations

from math import prod
from typing import Any, ClassVar, Literal

from .. import grad, pool
from .._typing import Axes, FloatArray, IndexArray, Layout, OutputSize, Padding, Shape
from ..shapes import output_shape
from ._arguments import check_layout, ranked
from ._layer import Layer, Plan

__all__ = [
    "AdaptiveAvgPool1d",
    "AdaptiveAvgPool2d",
    "AdaptiveAvgPool3d",
    "AdaptiveMaxPool1d",
    "AdaptiveMaxPool2d",
    "AdaptiveMaxPool3d",
    "AvgPool1d",
    "AvgPool2d",
    "AvgPool3d",
    "MaxPool1d",
    "MaxPool2d",
    "MaxPool3d",
]


class _Pool(Layer):
    """What pools share."""

    _rank: ClassVar[Literal[1, 2, 3]]
    _name: ClassVar[str]
    _maximum: ClassVar[bool]  # whose gradient goes by indices
    _input: FloatArray | None = None
    _output_shape: tuple[int, ...] = ()
    _indices: IndexArray | None = None

    layout: Literal["NCHW", "NHWC"]
    _settings: dict[str, Any]

    def _set(self, layout: Layout, **settings: Any) -> None:
        self.layout = check_layout(layout)
        self._settings = settings
        for name, value in settings.items():
            setattr(self, name, value)
        # Wrong settings are found now, by asking about an image that any window fits into.
        spatial = (1 << 54 // self._rank,) * self._rank
        self.plan((1, 1, *spatial) if layout == "NCHW" else (1, *spatial, 1))

    def _facts(self) -> tuple[object, ...]:
        (_, first), *others = self._settings.items()
        usual = {
            "stride": None,
            "padding": 0,
            "dilation": 1,
            "count_include_pad": True,
            "divisor_override": None,
        }
        return first, *(f"{name}={value}" for name, value in others if value != usual.get(name, False))

    def _pool(self, x: FloatArray, **more: Any) -> Any:
        function = ranked(pool, self._name, self._rank)
        return function(x, **self._settings, layout=self.layout, **more)

    def forward(self, x: FloatArray) -> FloatArray:
        """Pool a batch."""
        result: FloatArray
        if self._maximum and self.training:
            result, self._indices = self._pool(x, return_indices=True)
        else:
            result, self._indices = self._pool(x), None
        self._input, self._output_shape = x, result.shape
        return result

    def backward(self, grad_output: FloatArray) -> FloatArray:
        """Return the gradient with respect to the input."""
        x: FloatArray = self._kept(self._input)
        self._check_gradient(grad_output, self._output_shape)
        if not self._maximum:
            function = ranked(grad, self._name, self._rank)
            result: FloatArray = function(grad_output, x.shape, **self._windows(), layout=self.layout)
            return result
        if self._indices is None:  # forward did without, as outside training nobody is expected to ask
            self._indices = self._pool(x, return_indices=True)[1]
        result = ranked(grad, "max_pool", self._rank)(grad_output, self._indices, x.shape, layout=self.layout)
        return result

    def _windows(self) -> dict[str, Any]:
        """Return what the gradient of a mean has to be told about its windows."""
        return self._settings

    def plan(self, input_shape: Shape) -> Plan:
        """Say what the layer would do with an input of this shape."""
        name = f"{self._name}{self._rank}d"
        shape = output_shape(name, input_shape, **self._settings, layout=self.layout)
        return Plan(shape, prod(shape) * self._seen())

    def _seen(self) -> int:
        """Return how many pixels a window has."""
        return prod(self._axes("kernel_size"))

    def _axes(self, name: str) -> tuple[int, ...]:
        value = self._settings[name]
        return tuple(value) if hasattr(value, "__len__") else (value,) * self._rank

    def window(self) -> dict[str, Any] | None:
        """Return kernel, stride, padding and dilation."""
        stride = self._settings["stride"]
        return {
            "kernel_size": self._settings["kernel_size"],
            "stride": self._settings["kernel_size"] if stride is None else stride,
            "padding": self._settings["padding"],
            "dilation": self._settings.get("dilation", 1),
        }


class _MaxPool(_Pool):
    _name, _maximum = "max_pool", True

    def __init__(
        self,
        kernel_size: Axes,
        stride: Axes | None = None,
        padding: Padding = 0,
        dilation: Axes = 1,
        ceil_mode: bool = False,
        *,
        layout: Layout = "NCHW",
    ) -> None:
        self._set(
            layout,
            kernel_size=kernel_size,
            stride=stride,
            padding=padding,
            dilation=dilation,
            ceil_mode=ceil_mode,
        )


class MaxPool1d(_MaxPool):
    """Maxima of windows of signals; parameters as in `MaxPool2d`, for one axis."""

    _rank = 1


class MaxPool2d(_MaxPool):
    """Maxima of windows of images, whose gradient goes to the pixel that was the maximum.

    Parameters
    ----------
    kernel_size, stride, padding, dilation, ceil_mode
        As in `fastconv.max_pool2d`.
    layout : {"NCHW", "NHWC"}
        Channels first or last.

    Raises
    ------
    TypeError, ValueError
        An argument of the wrong type or value.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import nn
    >>> layer = nn.MaxPool2d(2)
    >>> layer(np.arange(16.0).reshape(1, 1, 4, 4))
    array([[[[ 5.,  7.],
             [13., 15.]]]])
    >>> layer.backward(np.ones((1, 1, 2, 2)))[0, 0]
    array([[0., 0., 0., 0.],
           [0., 1., 0., 1.],
           [0., 0., 0., 0.],
           [0., 1., 0., 1.]])
    """

    _rank = 2


class MaxPool3d(_MaxPool):
    """Maxima of windows of volumes; parameters as in `MaxPool2d`, for three axes."""

    _rank = 3


class _AvgPool(_Pool):
    _name, _maximum = "avg_pool", False

    def __init__(
        self,
        kernel_size: Axes,
        stride: Axes | None = None,
        padding: Padding = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
        *,
        layout: Layout = "NCHW",
    ) -> None:
        self._set(
            layout,
            kernel_size=kernel_size,
            stride=stride,
            padding=padding,
            ceil_mode=ceil_mode,
            count_include_pad=count_include_pad,
            divisor_override=divisor_override,
        )


class AvgPool1d(_Pool):
    """Means of windows of signals; parameters as in `AvgPool2d`, but for ``divisor_override``."""

    _name, _maximum, _rank = "avg_pool", False, 1

    def __init__(
        self,
        kernel_size: Axes,
        stride: Axes | None = None,
        padding: Padding = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        *,
        layout: Layout = "NCHW",
    ) -> None:
        self._set(
            layout,
            kernel_size=kernel_size,
            stride=stride,
            padding=padding,
            ceil_mode=ceil_mode,
            count_include_pad=count_include_pad,
        )


class AvgPool2d(_AvgPool):
    """Means of windows of images.

    Parameters
    ----------
    kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
        As in `fastconv.avg_pool2d`.
    layout : {"NCHW", "NHWC"}
        Channels first or last.

    Raises
    ------
    TypeError, ValueError
        An argument of the wrong type or value.
    """

    _rank = 2


class AvgPool3d(_AvgPool):
    """Means of windows of volumes; parameters as in `AvgPool2d`, for three axes."""

    _rank = 3


class _AdaptivePool(_Pool):
    def __init__(self, output_size: OutputSize = 1, *, layout: Layout = "NCHW") -> None:
        self._set(layout, output_size=output_size)

    def plan(self, input_shape: Shape) -> Plan:
        """Say what the layer would do with an input of this shape."""
        shape = output_shape(f"{self._name}{self._rank}d", input_shape, **self._settings, layout=self.layout)
        return Plan(shape, prod(int(extent) for extent in input_shape))

    def _windows(self) -> dict[str, Any]:
        return {}  # the extents of input and result tell them

    def window(self) -> None:
        """Return None: how much a window sees depends on the image."""
        return None


class AdaptiveAvgPool1d(_AdaptivePool):
    """Means of as many windows as are wanted; parameters as in `AdaptiveAvgPool2d`, for one axis."""

    _name, _maximum, _rank = "adaptive_avg_pool", False, 1


class AdaptiveAvgPool2d(_AdaptivePool):
    """Means of as many windows of an image as are wanted; with ``output_size=1`` the global mean.

    Parameters
    ----------
    output_size : int, one int per axis, or None
        As in `fastconv.adaptive_avg_pool2d`.
    layout : {"NCHW", "NHWC"}
        Channels first or last.

    Raises
    ------
    TypeError, ValueError
        An argument of the wrong type or value.
    """

    _name, _maximum, _rank = "adaptive_avg_pool", False, 2


class AdaptiveAvgPool3d(_AdaptivePool):
    """Means of as many windows as are wanted; parameters as in `AdaptiveAvgPool2d`, for three axes."""

    _name, _maximum, _rank = "adaptive_avg_pool", False, 3


class AdaptiveMaxPool1d(_AdaptivePool):
    """Maxima of as many windows as are wanted; parameters as in `AdaptiveAvgPool2d`, for one axis."""

    _name, _maximum, _rank = "adaptive_max_pool", True, 1


class AdaptiveMaxPool2d(_AdaptivePool):
    """Maxima of as many windows as are wanted; parameters as in `AdaptiveAvgPool2d`."""

    _name, _maximum, _rank = "adaptive_max_pool", True, 2


class AdaptiveMaxPool3d(_AdaptivePool):
    """Maxima of as many windows as are wanted; parameters as in `AdaptiveAvgPool2d`, for three axes."""

    _name, _maximum, _rank = "adaptive_max_pool", True, 3
