"""MaxPool, AveragePool, LpPool, and their global forms."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

import fastconv
from fastconv.onnx.errors import ModelError, UnsupportedError
from fastconv.onnx.graph import Node
from fastconv.onnx.table import Bindable, Function, operator
from fastconv.onnx.windows import Pads, Windows, windows

Array = NDArray[Any]

_MAX: tuple[Any, ...] = (fastconv.max_pool1d, fastconv.max_pool2d, fastconv.max_pool3d)
_AVERAGE: tuple[Any, ...] = (fastconv.avg_pool1d, fastconv.avg_pool2d, fastconv.avg_pool3d)
_LP: tuple[Any, ...] = (fastconv.lp_pool1d, fastconv.lp_pool2d, fastconv.lp_pool3d)
_GLOBAL_AVERAGE: tuple[Any, ...] = (
    fastconv.adaptive_avg_pool1d,
    fastconv.adaptive_avg_pool2d,
    fastconv.adaptive_avg_pool3d,
)
_GLOBAL_MAX: tuple[Any, ...] = (
    fastconv.adaptive_max_pool1d,
    fastconv.adaptive_max_pool2d,
    fastconv.adaptive_max_pool3d,
)


def _kernel(node: Node) -> tuple[int, ...]:
    kernel = tuple(node.get("kernel_shape") or ())
    if not kernel or min(kernel) < 1:
        raise ModelError(f"kernel_shape={list(kernel)}: expected positive numbers")
    if len(kernel) > 3:
        raise UnsupportedError
    return kernel


def _padding(x: Array, kernel: tuple[int, ...], how: Windows) -> Pads:
    if x.ndim != len(kernel) + 2:
        raise ModelError(f"input of shape {x.shape}: kernel_shape={list(kernel)} has other axes")
    pads = how.padding(x.shape[2:], kernel)
    if any(2 * max(pair) > size for pair, size in zip(pads, kernel, strict=True)):
        raise UnsupportedError  # windows of padding alone, which fastconv refuses
    return pads


@operator("MaxPool")
def max_pool(node: Node) -> Function:
    """Maxima, and where they were in the whole input."""
    kernel = _kernel(node)
    how = windows(node, len(kernel))
    ceil, columns = bool(node.get("ceil_mode")), bool(node.get("storage_order"))
    indexed = len(node.outputs) > 1 and bool(node.outputs[1])
    pool = _MAX[len(kernel) - 1]

    def bind(x: Array, *, out: Array | None) -> Callable[[], Any]:
        pads = _padding(x, kernel, how)
        return partial(pool, x, kernel, how.strides, pads, how.dilations, ceil, indexed, out=out)

    def with_indices(x: Array) -> Any:
        values, places = bind(x, out=None)()
        if columns:
            positions = np.unravel_index(np.maximum(places, 0), x.shape[2:])
            places = np.where(places < 0, -1, np.ravel_multi_index(positions, x.shape[2:], order="F"))
        # fastconv counts within a plane, ONNX from the first element of the input.
        planes = np.arange(x.shape[0] * x.shape[1]).reshape(x.shape[:2] + (1,) * len(kernel))
        size = int(np.prod(x.shape[2:]))
        return values, np.where(places < 0, -1, places + planes * size)

    return with_indices if indexed else Bindable(bind)


@operator("AveragePool")
def average_pool(node: Node) -> Function:
    """Means; padding counts only if asked."""
    kernel = _kernel(node)
    how = windows(node, len(kernel))
    if max(how.dilations) > 1:
        raise UnsupportedError
    ceil, counted = bool(node.get("ceil_mode")), bool(node.get("count_include_pad"))
    pool = _AVERAGE[len(kernel) - 1]

    def bind(x: Array, *, out: Array | None) -> Callable[[], Any]:
        return partial(pool, x, kernel, how.strides, _padding(x, kernel, how), ceil, counted, out=out)

    return Bindable(bind)


@operator("LpPool")
def lp_pool(node: Node) -> Function:
    """Norms."""
    kernel = _kernel(node)
    how = windows(node, len(kernel))
    if max(how.dilations) > 1:
        raise UnsupportedError
    power, ceil = node.get("p", 2), bool(node.get("ceil_mode"))
    pool = _LP[len(kernel) - 1]

    def run(x: Array) -> Array:
        pads = _padding(x, kernel, how)
        y: Array = pool(x, power, kernel, how.strides, ceil, padding=pads)
        return y

    return run


def _planes(x: Array) -> Array:
    """Every spatial axis in one, for a window of all of it."""
    if x.ndim < 3:
        raise ModelError(f"input of shape {x.shape}: expected spatial axes")
    return x.reshape(*x.shape[:2], -1)


def _pixel(y: Array, x: Array) -> Array:
    return y.reshape(x.shape[:2] + (1,) * (x.ndim - 2))


def _global(pools: tuple[Any, ...]) -> Function:
    def run(x: Array, *, out: Array | None = None) -> Array:
        if 3 <= x.ndim <= 5:
            y: Array = pools[x.ndim - 3](x, 1, out=out)
            return y
        if out is not None:
            out = out.reshape(*x.shape[:2], 1)
        return _pixel(pools[0](_planes(x), 1, out=out), x)

    return run


@operator("GlobalAveragePool")
def global_average_pool(node: Node) -> Function:
    """Means of planes."""
    return _global(_GLOBAL_AVERAGE)


@operator("GlobalMaxPool")
def global_max_pool(node: Node) -> Function:
    """Maxima of planes."""
    return _global(_GLOBAL_MAX)


@operator("GlobalLpPool")
def global_lp_pool(node: Node) -> Function:
    """Norms of planes."""
    power = node.get("p", 2)

    def run(x: Array) -> Array:
        planes = _planes(x)
        return _pixel(fastconv.lp_pool1d(planes, power, max(planes.shape[2], 1)), x)

    return run
