"""Conv, ConvTranspose, ConvInteger, QLinearConv."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

import fastconv
from fastconv import quantized
from fastconv.onnx.errors import ModelError, UnsupportedError
from fastconv.onnx.graph import Node
from fastconv.onnx.table import Bindable, Function, operator
from fastconv.onnx.weights import Constant, value_of
from fastconv.onnx.windows import Windows, windows

Array = NDArray[Any]

_PREPARED: tuple[Any, ...] = (fastconv.Conv1d, fastconv.Conv2d, fastconv.Conv3d)
_PLAIN: tuple[Any, ...] = (fastconv.conv1d, fastconv.conv2d, fastconv.conv3d)
_TRANSPOSED: tuple[Any, ...] = (
    fastconv.conv_transpose1d,
    fastconv.conv_transpose2d,
    fastconv.conv_transpose3d,
)


def _kernel(node: Node, weight: Constant) -> tuple[int, ...]:
    """Return the extents of a kernel of one to three axes."""
    kernel = weight.shape[2:]
    declared = node.get("kernel_shape")
    if declared and tuple(declared) != kernel:
        raise ModelError(f"kernel_shape={declared}: the weights are {weight.shape}")
    if not 1 <= len(kernel) <= 3:
        raise UnsupportedError
    return kernel


def _check_input(x: Array, weight: tuple[int, ...]) -> None:
    if x.ndim != len(weight):
        raise ModelError(f"input of shape {x.shape} and weights of shape {weight}: expected equal ranks")


@operator("Conv")
def conv(node: Node) -> Function:
    """By a prepared object if the weights are constants."""
    groups, activation = node.get("group", 1), node.activation
    known, bias = node.unread(1), node.constant(2)
    if known is None or (node.given(2) and bias is None):

        def convolve(x: Array, w: Array, b: Array | None = None) -> Array:
            kernel = _kernel(node, w)
            _check_input(x, w.shape)
            how = windows(node, len(kernel))
            pads = how.padding(x.shape[2:], kernel)
            y: Array = _PLAIN[len(kernel) - 1](
                x, w, b, how.strides, pads, how.dilations, groups, activation=activation
            )
            return y

        return convolve

    kernel = _kernel(node, known)
    how = windows(node, len(kernel))
    weight, shape = value_of(known), known.shape
    node.leave_out(1, 2)

    def prepare(pads: Any) -> Any:
        kind = _PREPARED[len(kernel) - 1]
        return kind(weight, bias, how.strides, pads, how.dilations, groups, activation=activation)

    if how.rule != "SAME_LOWER":
        prepared = prepare("same" if how.rule == "SAME_UPPER" else how.pads)
        # Explaining packs the weights: the first run need not, and they are kept once.
        if (image := node.image_shape()) is not None:
            prepared.explain(image)

        def bind(
            x: Array, w: Any, b: Any = None, residual: Array | None = None, *, out: Array | None
        ) -> Callable[[], Any]:
            _check_input(x, shape)
            return partial(prepared, x, out, residual)

        return Bindable(bind)

    by_pads: dict[Any, Any] = {}

    def call_lower(
        x: Array, w: Any, b: Any = None, residual: Array | None = None, *, out: Array | None = None
    ) -> Array:
        _check_input(x, shape)
        pads = how.padding(x.shape[2:], kernel)
        if pads not in by_pads:
            by_pads[pads] = prepare(pads)
        y: Array = by_pads[pads](x, out, residual)
        return y

    return call_lower


@operator("ConvTranspose")
def conv_transpose(node: Node) -> Function:
    """By the function: pads may follow from the shape that is asked for."""
    groups = node.get("group", 1)

    def convolve(x: Array, w: Array, b: Array | None = None) -> Array:
        kernel = _kernel(node, w)
        _check_input(x, w.shape)
        rank = len(kernel)
        how = windows(node, rank)
        extra = tuple(node.get("output_padding") or (0,) * rank)
        if len(extra) != rank or min(extra) < 0:
            raise ModelError(f"output_padding={list(extra)}: expected {rank} numbers of at least 0")
        pads = _transposed_pads(node, how, x.shape[2:], kernel, extra)
        if any(before < 0 or after < 0 for before, after in pads):
            raise UnsupportedError  # the shape asked for is larger than what the kernels reach
        if any(more >= max(stride, dilation) for more, stride, dilation in zip(extra, *how[:2], strict=True)):
            raise UnsupportedError
        y: Array = _TRANSPOSED[rank - 1](
            x, w, b, how.strides, pads, extra, groups, how.dilations, activation=node.activation
        )
        return y

    return convolve


def _transposed_pads(
    node: Node, how: Windows, extents: tuple[int, ...], kernel: tuple[int, ...], extra: tuple[int, ...]
) -> tuple[tuple[int, int], ...]:
    """Return what is cut off on either side: ``output_shape`` goes before ``auto_pad``, that before pads."""
    wanted = node.get("output_shape")
    if wanted:
        wanted = tuple(wanted)[-len(kernel) :]
        if len(wanted) != len(kernel):
            raise ModelError(f"output_shape={list(wanted)}: expected {len(kernel)} numbers")
    elif how.rule.startswith("SAME"):
        wanted = tuple(extent * stride for extent, stride in zip(extents, how.strides, strict=True))
    else:
        return how.pads
    found = []
    for axis, target in enumerate(wanted):
        reach = how.dilations[axis] * (kernel[axis] - 1) + 1
        total = how.strides[axis] * (extents[axis] - 1) + extra[axis] + reach - target
        half = total // 2
        # The odd element is cut off at the start, unless SAME_UPPER: the definition of the operator.
        found.append((half, total - half) if how.rule == "SAME_UPPER" else (total - half, half))
    return tuple(found)


def _zero_point(value: Array | None) -> Any:
    """Return a zero point as `fastconv.quantized` takes it."""
    if value is None:
        return 0
    return int(value.reshape(())) if value.size == 1 else value.reshape(-1)


class _QuantizedConv:
    """The weights of a quantized convolution, packed once if they are constants."""

    def __init__(self, node: Node, weight: int, zero_point: int, bias: int | None = None) -> None:
        self.node = node
        self.places = [weight, zero_point, *([] if bias is None else [bias])]
        self.kept: dict[Any, quantized.Conv] = {}
        self.constant = all(node.unread(place) is not None or not node.given(place) for place in self.places)

    def __call__(self, x: Array, weight: Array, zero_point: Array | None, bias: Array | None = None) -> Any:
        kernel = _kernel(self.node, weight)
        _check_input(x, weight.shape)
        how = windows(self.node, len(kernel))
        pads = how.padding(x.shape[2:], kernel)
        if pads in self.kept:
            return self.kept[pads]
        prepared = quantized.Conv(
            weight,
            _zero_point(zero_point),
            bias,
            how.strides,
            pads,
            how.dilations,
            self.node.get("group", 1),
        )
        if self.constant:
            self.kept[pads] = prepared
        return prepared


@operator("ConvInteger")
def conv_integer(node: Node) -> Function:
    """Exact sums of bytes."""
    prepare = _QuantizedConv(node, 1, 3)

    def convolve(x: Array, w: Array, x_zero: Array | None = None, w_zero: Array | None = None) -> Array:
        y: Array = prepare(x, w, w_zero).sums(x, _zero_point(x_zero))
        return y

    return convolve


@operator("QLinearConv")
def qlinear_conv(node: Node) -> Function:
    """Bytes to bytes."""
    prepare = _QuantizedConv(node, 3, 5, 8)

    def convolve(
        x: Array,
        x_scale: Array,
        x_zero: Array,
        w: Array,
        w_scale: Array,
        w_zero: Array,
        y_scale: Array,
        y_zero: Array,
        b: Array | None = None,
    ) -> Array:
        if y_zero.dtype not in (np.int8, np.uint8):
            raise UnsupportedError
        scale = np.asarray(x_scale * w_scale / y_scale, np.float32)
        scale = scale.reshape(() if scale.size == 1 else -1)
        y: Array = prepare(x, w, w_zero, b)(
            x, scale, _zero_point(x_zero), _zero_point(y_zero), dtype=y_zero.dtype
        )
        return y

    return convolve
