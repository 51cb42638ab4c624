"""Operators that move elements and tell shapes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastconv import _fastconv
from fastconv.onnx.errors import ModelError, UnsupportedError, check_size
from fastconv.onnx.graph import Node
from fastconv.onnx.memory import Joined
from fastconv.onnx.table import Function, operator

Array = NDArray[Any]


def _axis(axis: int, rank: int) -> int:
    if not -rank <= axis < max(rank, 1):
        raise ModelError(f"axis={axis}: expected one of {rank} axes")
    return axis % rank if rank else 0


def _axes(node: Node, value: Array | None) -> list[int] | None:
    """Axes, an attribute in old opsets and an input since."""
    axes = node.get("axes") if value is None else [int(axis) for axis in np.atleast_1d(value)]
    return None if axes is None else list(axes)


@operator("Reshape")
def reshape(node: Node) -> Function:
    """0 keeps an extent, -1 takes what is left."""
    keep_zeros = bool(node.get("allowzero"))

    def run(x: Array, shape: Array | None = None) -> Array:
        wanted = [int(extent) for extent in (node.get("shape") if shape is None else shape.reshape(-1))]
        if not keep_zeros:
            if any(extent == 0 for extent in wanted[x.ndim :]):
                raise ModelError(f"shape={wanted}: 0 keeps an extent, but the input is {x.shape}")
            wanted = [x.shape[axis] if extent == 0 else extent for axis, extent in enumerate(wanted)]
        return x.reshape(wanted)

    return run


@operator("Flatten")
def flatten(node: Node) -> Function:
    """Two axes: those before, those after."""
    axis = node.get("axis", 1)

    def run(x: Array) -> Array:
        if not -x.ndim <= axis <= x.ndim:
            raise ModelError(f"axis={axis}: expected at most {x.ndim}")
        place = axis + x.ndim if axis < 0 else axis
        before = int(np.prod(x.shape[:place]))
        return x.reshape(before, int(np.prod(x.shape[place:])))

    return run


@operator("Transpose")
def transpose(node: Node) -> Function:
    """Axes in another order, the reverse one unless told."""
    order = node.get("perm")
    return lambda x: np.transpose(x, order)


@operator("channel shuffle")
def channel_shuffle(node: Node) -> Function:
    """Deal out the channels of groups in turn: no operator of ONNX, but of `rewrite.fuse_shuffles`."""
    groups = node.get("groups")
    return lambda x, *, out=None: _fastconv.channel_shuffle(x, groups, out)


@operator("Concat")
def concat(node: Node) -> Function:
    """One after another."""
    axis = node.get("axis", 1)

    def run(*values: Array, out: Array | Joined | None = None) -> Array:
        if not isinstance(out, Joined):
            return np.concatenate(values, axis, out=out)
        for value, part in zip(values, out.parts, strict=True):
            if value is part:
                continue
            if value.shape != part.shape:
                raise ModelError(f"shape {value.shape}: expected what the model says, {part.shape}")
            np.copyto(part, value)
        return out.whole

    return run


@operator("Split")
def split(node: Node) -> Function:
    """Parts of given extents, else equal ones but the last."""
    count = len(node.outputs)

    def run(x: Array, sizes: Array | None = None) -> Any:
        axis = _axis(node.get("axis", 0), x.ndim)
        extent = x.shape[axis]
        parts = node.get("split") if sizes is None else [int(size) for size in sizes]
        if not parts:
            each = -(-extent // count)
            parts = [max(0, min(each, extent - each * i)) for i in range(count)]
        if len(parts) != count or sum(parts) != extent or min(parts) < 0:
            raise ModelError(f"split={parts}: expected {count} extents that add up to {extent}")
        pieces = tuple(np.split(x, np.cumsum(parts)[:-1], axis))
        return pieces if count > 1 else pieces[0]

    return run


@operator("Slice")
def slice_(node: Node) -> Function:
    """Bounds are attributes before opset 10, inputs since; those beyond the ends are clamped."""

    def run(
        x: Array,
        starts: Array | None = None,
        ends: Array | None = None,
        axes: Array | None = None,
        steps: Array | None = None,
    ) -> Array:
        first = node.get("starts") if starts is None else [int(v) for v in starts]
        last = node.get("ends") if ends is None else [int(v) for v in ends]
        if first is None or last is None or len(first) != len(last):
            raise ModelError(f"starts={first}, ends={last}: expected as many of each")
        along = _axes(node, axes)
        along = list(range(len(first))) if along is None else along
        by = [1] * len(first) if steps is None else [int(v) for v in steps]
        if len(along) != len(first) or len(by) != len(first) or 0 in by:
            raise ModelError(f"axes={along}, steps={by}: expected as many as starts, and no step of 0")
        where = [slice(None)] * x.ndim
        for axis, start, end, step in zip(along, first, last, by, strict=True):
            place = _axis(axis, x.ndim)
            extent = x.shape[place]
            start, end = (bound + extent if bound < 0 else bound for bound in (start, end))
            if step > 0:
                where[place] = slice(min(max(start, 0), extent), min(max(end, 0), extent), step)
            else:
                stop = min(max(end, -1), extent - 1)
                start = min(max(start, -1), extent - 1)
                where[place] = slice(0, 0) if start < 0 else slice(start, None if stop < 0 else stop, step)
        return x[tuple(where)]

    return run


@operator("Pad")
def pad(node: Node) -> Function:
    """Negative pads cut off."""
    mode = {"constant": "constant", "reflect": "reflect", "edge": "edge", "wrap": "wrap"}.get(
        node.get("mode", "constant")
    )
    if mode is None:
        raise ModelError(f"mode={node.get('mode')!r}: expected constant, reflect, edge or wrap")

    def run(
        x: Array, pads: Array | None = None, value: Array | None = None, axes: Array | None = None
    ) -> Array:
        amounts = (
            list(node.get("pads") or node.get("paddings") or [])
            if pads is None
            else [int(v) for v in pads.reshape(-1)]
        )
        along = _axes(node, axes)
        along = list(range(x.ndim)) if along is None else along
        if len(amounts) != 2 * len(along):
            raise ModelError(f"pads={amounts}: expected two for each of {len(along)} axes")
        pairs = [(0, 0)] * x.ndim
        for i, axis in enumerate(along):
            pairs[_axis(axis, x.ndim)] = (amounts[i], amounts[len(along) + i])
        check_size(
            tuple(max(0, n + before + after) for n, (before, after) in zip(x.shape, pairs, strict=True)),
            x.dtype,
        )
        if any(min(pair) < 0 for pair in pairs):
            kept = tuple(
                slice(max(0, -before), max(0, n - max(0, -after)))
                for n, (before, after) in zip(x.shape, pairs, strict=True)
            )
            x = x[kept]
            pairs = [(max(0, before), max(0, after)) for before, after in pairs]
        if mode != "constant":
            return np.pad(x, pairs, mode)  # type: ignore[call-overload, no-any-return]
        fill = node.get("value", 0) if value is None else value.reshape(-1)[0] if value.size else 0
        return np.pad(x, pairs, "constant", constant_values=fill)

    return run


@operator("Squeeze")
def squeeze(node: Node) -> Function:
    """Drop axes of extent 1, all of them unless told."""

    def run(x: Array, axes: Array | None = None) -> Array:
        along = _axes(node, axes)
        return np.squeeze(x, None if along is None else tuple(along))

    return run


@operator("Unsqueeze")
def unsqueeze(node: Node) -> Function:
    """Insert axes of extent 1."""

    def run(x: Array, axes: Array | None = None) -> Array:
        along = _axes(node, axes)
        if along is None:
            raise ModelError("axes: expected some")
        return np.expand_dims(x, tuple(along))

    return run


@operator("Expand")
def expand(node: Node) -> Function:
    """Broadcast to a shape, or to what it and the input's have in common."""

    def run(x: Array, shape: Array) -> Array:
        wanted = np.broadcast_shapes(x.shape, tuple(int(extent) for extent in shape))
        check_size(wanted, x.dtype)
        return np.broadcast_to(x, wanted).copy()

    return run


@operator("Tile")
def tile(node: Node) -> Function:
    """Repeat along every axis."""
    if node.opset < 6:
        raise UnsupportedError

    def run(x: Array, repeats: Array) -> Array:
        times = [int(count) for count in repeats]
        if len(times) != x.ndim:
            raise ModelError(f"repeats={times}: expected {x.ndim} numbers")
        check_size(tuple(n * count for n, count in zip(x.shape, times, strict=True)), x.dtype)
        return np.tile(x, times)

    return run


@operator("Gather")
def gather(node: Node) -> Function:
    """Pick along an axis."""
    axis = node.get("axis", 0)
    return lambda x, indices: np.take(x, indices, axis)


@operator("Shape")
def shape(node: Node) -> Function:
    """Extents, or some of them."""
    start, end = node.get("start", 0), node.get("end")
    return lambda x: np.array(x.shape[start:end], np.int64)


@operator("Size")
def size(node: Node) -> Function:
    """Count elements."""
    return lambda x: np.array(x.size, np.int64)


@operator("Constant")
def constant(node: Node) -> Function:
    """Return what its one attribute says."""
    for name, value in node.attributes.items():
        if name == "value":
            return lambda: value
        if name in ("value_float", "value_floats"):
            return lambda: np.array(value, np.float32)
        if name in ("value_int", "value_ints"):
            return lambda: np.array(value, np.int64)
    raise UnsupportedError


@operator("ConstantOfShape")
def constant_of_shape(node: Node) -> Function:
    """One value everywhere, zero unless told."""
    value = node.get("value")
    fill = np.zeros(1, np.float32) if value is None else value.reshape(-1)
    if fill.size != 1:
        raise ModelError(f"value of shape {fill.shape}: expected one element")

    def run(extents: Array) -> Array:
        wanted = tuple(int(extent) for extent in extents.reshape(-1))
        check_size(wanted, fill.dtype)
        return np.full(wanted, fill[0], fill.dtype)

    return run


@operator("Range")
def range_(node: Node) -> Function:
    """Count in steps."""

    def run(start: Array, limit: Array, step: Array) -> Array:
        first, last, by = (value.reshape(())[()] for value in (start, limit, step))
        if by == 0:
            raise ModelError("delta=0: expected a step")
        count = max(0, int(np.ceil((float(last) - float(first)) / float(by))))
        check_size((count,), start.dtype)
        return np.asarray(first + np.arange(count, dtype=start.dtype) * by).astype(start.dtype)

    return run
