"""Normalization, softmax, reductions, and Dropout at inference."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

import fastconv
from fastconv.onnx.errors import ModelError, UnsupportedError
from fastconv.onnx.graph import Node
from fastconv.onnx.table import Function, operator

Array = NDArray[Any]


def _channels(values: Array, rank: int) -> Array:
    """Shape a value for each channel to broadcast against images."""
    return values.reshape(values.shape + (1,) * (rank - 2))


@operator("BatchNormalization")
def batch_normalization(node: Node) -> Function:
    """By statistics that are inputs; those of the batch are the reference's."""
    if node.get("training_mode") or len([name for name in node.outputs if name]) > 1:
        raise UnsupportedError
    epsilon, of_channels = node.get("epsilon", 1e-5), bool(node.get("spatial", 1))

    def factors(scale: Array, bias: Array, mean: Array, variance: Array) -> tuple[Array, Array]:
        factor = scale / np.sqrt(variance + variance.dtype.type(epsilon))
        return factor, bias - mean * factor

    def run(x: Array, *statistics: Array) -> Array:
        factor, offset = factors(*statistics) if kept is None else kept
        if of_channels:
            factor, offset = _channels(factor, x.ndim), _channels(offset, x.ndim)
        y = np.multiply(x, factor, dtype=x.dtype if x.dtype == factor.dtype else None)
        y += offset
        return y.astype(x.dtype, copy=False)

    known = [node.constant(place) for place in (1, 2, 3, 4)]
    fixed = [value for value in known if value is not None]
    kept = factors(*fixed) if len(fixed) == 4 else None
    return run


@operator("InstanceNormalization")
def instance_normalization(node: Node) -> Function:
    """Every plane by its own statistics."""
    epsilon = node.get("epsilon", 1e-5)

    def run(x: Array, scale: Array, bias: Array) -> Array:
        axes = tuple(range(2, x.ndim))
        mean, variance = x.mean(axes, keepdims=True), x.var(axes, keepdims=True)
        factor = _channels(scale, x.ndim) / np.sqrt(variance + x.dtype.type(epsilon))
        return np.asarray((x - mean) * factor + _channels(bias, x.ndim)).astype(x.dtype, copy=False)

    return run


@operator("LRN")
def local_response_normalization(node: Node) -> Function:
    """Divide by a power of the squares of channels around."""
    size = node.get("size")
    alpha, beta, bias = node.get("alpha", 1e-4), node.get("beta", 0.75), node.get("bias", 1.0)
    if not size or size < 1:
        raise ModelError(f"size={size}: expected a positive number")
    padding = ((size - 1) // 2, size // 2), (0, 0)

    def run(x: Array) -> Array:
        images = x.reshape(x.shape[0], 1, x.shape[1], -1)  # one plane, whose rows are the channels
        squares = np.square(images, dtype=np.float64 if x.dtype == np.float64 else np.float32)
        y = fastconv.avg_pool2d(squares, (size, 1), 1, padding, count_include_pad=True)
        y *= alpha
        y += bias
        if beta == 0.75:  # as everywhere; roots are many times as fast as powers
            root = np.sqrt(y)
            np.multiply(root, np.sqrt(root, out=y), out=y)
        else:
            np.power(y, beta, out=y)
        return np.asarray(np.divide(images, y, out=y)).reshape(x.shape).astype(x.dtype, copy=False)

    return run


@operator("Softmax", "LogSoftmax")
def softmax(node: Node) -> Function:
    """Along one axis; before opset 13, along all from that one on."""
    old = node.opset < 13
    axis = node.get("axis", 1 if old else -1)

    def along(x: Array, place: int) -> Array:
        if node.op == "Softmax":
            return fastconv.softmax(x, place)
        shifted = x - x.max(place, keepdims=True)
        return np.asarray(shifted - np.log(np.exp(shifted).sum(place, keepdims=True))).astype(x.dtype)

    def run(x: Array) -> Array:
        if not -x.ndim <= axis < max(x.ndim, 1):
            raise ModelError(f"axis={axis}: expected one of {x.ndim} axes")
        if x.size == 0:
            return x.copy()
        if not old:
            return along(x, axis)
        before = int(np.prod(x.shape[: axis % x.ndim]))
        return along(x.reshape(before, -1), 1).reshape(x.shape)

    return run


@operator("Dropout")
def dropout(node: Node) -> Function:
    """Nothing is dropped, unless the node trains."""
    training = node.constant(2)
    if node.opset >= 12 and node.given(2) and (training is None or bool(training)):
        raise UnsupportedError
    masked = len(node.outputs) > 1

    def run(x: Array, *_: Array | None) -> Any:
        return (x, np.ones(x.shape, bool if node.opset >= 10 else x.dtype)) if masked else x

    return run


def _log_sum_exp(x: Array, axes: tuple[int, ...] | None, keep: bool) -> Any:
    if x.size == 0:
        return np.log(np.sum(np.exp(x), axis=axes, keepdims=keep))
    most = x.max(axis=axes, keepdims=True)
    finite = np.where(np.isfinite(most), most, 0)
    summed = np.log(np.exp(x - finite).sum(axis=axes, keepdims=True)) + finite
    return summed if keep else np.squeeze(summed, axes)


_REDUCE: dict[str, Callable[[Array, tuple[int, ...] | None, bool], Any]] = {
    "ReduceSum": lambda x, axes, keep: x.sum(axis=axes, keepdims=keep, dtype=x.dtype),
    "ReduceMean": lambda x, axes, keep: x.mean(axis=axes, keepdims=keep),
    "ReduceProd": lambda x, axes, keep: x.prod(axis=axes, keepdims=keep, dtype=x.dtype),
    "ReduceMax": lambda x, axes, keep: x.max(axis=axes, keepdims=keep),
    "ReduceMin": lambda x, axes, keep: x.min(axis=axes, keepdims=keep),
    "ReduceL1": lambda x, axes, keep: np.abs(x).sum(axis=axes, keepdims=keep, dtype=x.dtype),
    "ReduceL2": lambda x, axes, keep: np.sqrt(np.square(x).sum(axis=axes, keepdims=keep)),
    "ReduceSumSquare": lambda x, axes, keep: np.square(x).sum(axis=axes, keepdims=keep, dtype=x.dtype),
    "ReduceLogSum": lambda x, axes, keep: np.log(x.sum(axis=axes, keepdims=keep)),
    "ReduceLogSumExp": _log_sum_exp,
}


@operator(*_REDUCE)
def reduce_axes(node: Node) -> Function:
    """Axes are an attribute in old opsets and an input since; all of them unless told."""
    function = _REDUCE[node.op]
    keep, idle = bool(node.get("keepdims", 1)), bool(node.get("noop_with_empty_axes"))

    def run(x: Array, axes: Array | None = None) -> Array:
        along = node.get("axes") if axes is None else [int(axis) for axis in axes.reshape(-1)]
        if not along and idle:
            return np.asarray(function(x, (), True)).astype(x.dtype, copy=False)
        if x.size == 0 and node.op in ("ReduceMax", "ReduceMin"):
            raise UnsupportedError  # the extremum of nothing is a matter of types
        return np.asarray(function(x, tuple(along) if along else None, keep)).astype(x.dtype, copy=False)

    return run


@operator("ArgMax", "ArgMin")
def arg_extremum(node: Node) -> Function:
    """Where the extremum is, the first one unless told."""
    function = np.argmax if node.op == "ArgMax" else np.argmin
    axis, keep, last = node.get("axis", 0), bool(node.get("keepdims", 1)), bool(node.get("select_last_index"))

    def run(x: Array) -> Array:
        found = function(np.flip(x, axis) if last else x, axis=axis, keepdims=keep)
        return np.asarray(x.shape[axis] - 1 - found if last else found, np.int64)

    return run
