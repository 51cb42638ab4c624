"""Resize and Upsample: nearest and linear, axis by axis.

Cubic, cropped and antialiased ones are the reference's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastconv.onnx.errors import ModelError, UnsupportedError, check_size
from fastconv.onnx.graph import Node
from fastconv.onnx.table import Function, operator

Array = NDArray[Any]
Positions = NDArray[np.float64]

_ROUND: dict[str, Callable[[Positions], Any]] = {
    "round_prefer_floor": lambda x: np.ceil(x - 0.5),
    "round_prefer_ceil": lambda x: np.floor(x + 0.5),
    "floor": np.floor,
    "ceil": np.ceil,
}


def _positions(rule: str, extent: int, result: int, scale: float) -> Positions:
    """Return where in an axis of the input each element of the output lies."""
    x = np.arange(result, dtype=np.float64)
    whole = extent * scale  # what the result's extent was before it was rounded down
    if rule == "asymmetric":
        return x / scale
    if rule == "align_corners":
        return x * (extent - 1) / (whole - 1) if whole != 1 else np.zeros(result)
    if rule == "pytorch_half_pixel" and whole == 1:
        return np.full(result, -0.5)  # the first pixel
    centred = (x + 0.5) / scale - 0.5
    if rule == "half_pixel_symmetric":
        centred += extent / 2 * (1 - result / whole)
    return centred


def _resize(y: Array, axis: int, positions: Positions, mode: str, rounding: str) -> Array:
    last = y.shape[axis] - 1
    if mode == "nearest":
        places = np.clip(_ROUND[rounding](positions), 0, last).astype(np.intp)
        return y if np.array_equal(places, np.arange(last + 1)) else np.take(y, places, axis)
    below = np.floor(positions)
    weights = (positions - below).astype(y.dtype)
    weights = weights.reshape((-1,) + (1,) * (y.ndim - 1 - axis))
    low, high = (np.take(y, np.clip(n, 0, last).astype(np.intp), axis) for n in (below, below + 1))
    return np.asarray(low * (1 - weights) + high * weights)


@operator("Resize", "Upsample")
def resize(node: Node) -> Function:
    """By scales or to extents; Upsample counts pixels by their left edge, as Resize of opset 10 did."""
    old = node.op == "Upsample" or node.opset < 11
    mode = {"bilinear": "linear"}.get(node.get("mode", "nearest"), node.get("mode", "nearest"))
    rule = "asymmetric" if old else node.get("coordinate_transformation_mode", "half_pixel")
    rounding = "floor" if old else node.get("nearest_mode", "round_prefer_floor")
    known = {"asymmetric", "align_corners", "half_pixel", "pytorch_half_pixel", "half_pixel_symmetric"}
    stretched = node.get("keep_aspect_ratio_policy", "stretch") == "stretch"
    if mode not in ("nearest", "linear") or rule not in known or rounding not in _ROUND or not stretched:
        raise UnsupportedError
    if mode == "linear" and (node.get("antialias") or node.get("exclude_outside")):
        raise UnsupportedError

    def run(x: Array, *others: Array | None) -> Array:
        values = [None if value is None or value.size == 0 else value.reshape(-1) for value in others]
        values += [None] * 3
        scales, sizes = (values[0], None) if old else (values[1], values[2])
        if old and scales is None and node.get("scales"):
            scales = np.array(node.get("scales"))
        if mode == "linear" and x.dtype not in (np.float32, np.float64):
            raise UnsupportedError
        axes = [axis % x.ndim for axis in node.get("axes") or range(x.ndim)]
        given = scales if sizes is None else sizes
        if given is None or len(given) != len(axes):
            raise ModelError(f"scales={scales}, sizes={sizes}: expected one for each of {len(axes)} axes")
        extents = [x.shape[axis] for axis in axes]
        if sizes is None:
            factors = [float(value) for value in given]
            if not all(0 < factor < np.inf for factor in factors):
                raise ModelError(f"scales={factors}: expected positive numbers")
            results = [int(extent * factor) for extent, factor in zip(extents, factors, strict=True)]
        else:
            results = [int(value) for value in given]
            factors = [result / max(n, 1) for n, result in zip(extents, results, strict=True)]
        shape = list(x.shape)
        for axis, result in zip(axes, results, strict=True):
            shape[axis] = result
        check_size(tuple(shape), x.dtype)
        if 0 in shape:
            return np.zeros(shape, x.dtype)
        y = x
        for axis, extent, result, factor in zip(axes, extents, results, factors, strict=True):
            if (result, factor) != (extent, 1):
                y = _resize(y, axis, _positions(rule, extent, result, factor), mode, rounding)
        return y

    return run
