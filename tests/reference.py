"""Every operator in plain NumPy, written to be read: this file is the definition that the library is held to.

Nothing here is clever or fast, and nothing asks for a dtype: float64 data gives the answer for float32
kernels, ``longdouble`` for float64 ones, and int64 data the exact answer for small integers. Arrays are
channels first inside; ``layout="NHWC"`` moves the axes on the way in and out. Parameters are those of the
library.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Padding = int | str | Sequence[int] | Sequence[tuple[int, int]]

# ---------------------------------------------------------------- axes, extents, padding


def channels_first(x: Array, layout: str) -> Array:
    """(n, *spatial, c) to (n, c, *spatial), when the layout says so."""
    return x if layout == "NCHW" else np.moveaxis(x, -1, 1)


def channels_back(x: Array, layout: str) -> Array:
    """The way back from `channels_first`."""
    return x if layout == "NCHW" else np.moveaxis(x, 1, -1)


def weight_first(w: Array, layout: str) -> Array:
    """(*kernel, ic/groups, oc) to (oc, ic/groups, *kernel), when the layout says so."""
    return w if layout == "NCHW" else np.moveaxis(w, (-1, -2), (0, 1))


def per_axis(value: Any, rank: int) -> tuple[int, ...]:
    """One number for each spatial axis."""
    return (int(value),) * rank if np.ndim(value) == 0 else tuple(value)


def span(kernel: int, dilation: int) -> int:
    """Extent of the input from the first tap to the last one."""
    return dilation * (kernel - 1) + 1


def pads(padding: Padding, extents: Any, kernel: Any, stride: Any, dilation: Any) -> list[tuple[int, int]]:
    """(before, after) for each axis; "same" makes ceil(extent / stride) outputs, the odd zero after."""
    if padding == "valid":
        return [(0, 0)] * len(extents)
    if padding == "same":
        axes = zip(extents, kernel, stride, dilation, strict=True)
        totals = [max((-(-i // s) - 1) * s + span(k, d) - i, 0) for i, k, s, d in axes]
        return [(total // 2, total - total // 2) for total in totals]
    values: Any = [padding] * len(extents) if np.ndim(padding) == 0 else padding
    return [(p, p) if np.ndim(p) == 0 else (p[0], p[1]) for p in values]


def zeros_around(x: Array, pad: list[tuple[int, int]]) -> Array:
    """np.pad, whose zeros beside Python's integers are of 64 bits and spoil products beyond."""
    if x.dtype != object:
        return np.pad(x, pad)
    padded = np.zeros([extent + sum(pair) for extent, pair in zip(x.shape, pad, strict=True)], object)
    padded[tuple(slice(before, before + i) for i, (before, _) in zip(x.shape, pad, strict=True))] = x
    return padded


def conv_extent(i: int, k: int, s: int, pad: tuple[int, int], d: int) -> int:
    """How many windows fit into the padded input."""
    return (i + sum(pad) - span(k, d)) // s + 1


def pool_extent(i: int, k: int, s: int, pad: tuple[int, int], d: int, ceil_mode: bool) -> int:
    """As for a convolution; `ceil_mode` adds a last, cut window if it starts in the input or before it."""
    room = i + sum(pad) - span(k, d)
    out = (-(-room // s) if ceil_mode else room // s) + 1
    return out - 1 if ceil_mode and (out - 1) * s >= i + pad[0] else out


# ---------------------------------------------------------------- convolution and the fully connected layer


def conv(
    x: Array,
    w: Array,
    b: Array | None = None,
    stride: int | Sequence[int] = 1,
    padding: Padding = 0,
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
    layout: str = "NCHW",
) -> Array:
    """y[n, o, p] = b[o] + sum over c and t of w[o, c, t] * x[n, g * ic/groups + c, p*s + t*d - before].

    g is the group of o.  A tap t in the padding adds nothing, not even 0 * inf.
    """
    x, w = channels_first(x, layout), weight_first(w, layout)
    (n, ic, *extents), (oc, _, *kernel) = x.shape, w.shape
    rank = len(kernel)
    stride, dilation = per_axis(stride, rank), per_axis(dilation, rank)
    pad = pads(padding, extents, kernel, stride, dilation)
    out = [conv_extent(*axis) for axis in zip(extents, kernel, stride, pad, dilation, strict=True)]

    x, inside = zeros_around(x, [(0, 0), (0, 0), *pad]), np.pad(np.ones(extents, bool), pad)
    w = w.reshape(groups, oc // groups, ic // groups, *kernel)
    y = np.zeros((n, groups, oc // groups, prod(out)), x.dtype)
    for tap in np.ndindex(*kernel):
        axes = zip(tap, dilation, stride, out, strict=True)
        seen: list[Any] = [slice(t * d, t * d + (o - 1) * s + 1, s) for t, d, s, o in axes]
        with np.errstate(invalid="ignore"):
            products = w[(..., *tap)] @ x[(..., *seen)].reshape(n, groups, ic // groups, prod(out))
        y += np.where(inside[tuple(seen)].ravel(), products, 0)
    y = y.reshape(n, oc, *out)
    if b is not None:
        y += b.reshape(-1, *[1] * rank)
    return channels_back(y, layout)


def linear(x: Array, w: Array, b: Array | None = None) -> Array:
    """y[..., o] = b[o] + sum over i of w[o, i] * x[..., i]."""
    return np.asarray(x @ w.T if b is None else x @ w.T + b)


def wrapped(y: Array, dtype: Any) -> Array:
    """Python's integers, of any size, as those of a type: modulo 2 to the number of its bits."""
    kind = np.dtype(dtype)
    unsigned = np.dtype(f"u{kind.itemsize}")
    return (y & ((1 << 8 * kind.itemsize) - 1)).astype(unsigned).view(kind)


# ---------------------------------------------------------------- pooling


class Window(NamedTuple):
    """What one output sees along one axis: coordinates of inputs, and how many places with the padding."""

    seen: Array
    places: int


def sliding(
    x: Array, kernel: Any, stride: Any, padding: Padding, dilation: Any, ceil_mode: bool
) -> list[list[Window]]:
    """The windows of a pooling, axis by axis."""
    extents = x.shape[2:]
    kernel, dilation = per_axis(kernel, len(extents)), per_axis(dilation, len(extents))
    stride = kernel if stride is None else per_axis(stride, len(extents))
    pad_pairs = pads(padding, extents, kernel, stride, dilation)
    axes = []
    for i, k, s, pad, d in zip(extents, kernel, stride, pad_pairs, dilation, strict=True):
        taps = [o * s - pad[0] + np.arange(k) * d for o in range(pool_extent(i, k, s, pad, d, ceil_mode))]
        axes.append([Window(t[(t >= 0) & (t < i)], int(np.sum(t < i + pad[1]))) for t in taps])
    return axes


def adaptive(x: Array, output_size: Any) -> list[list[Window]]:
    """Window p of I inputs shared by O outputs runs from floor(p*I/O) to before ceil((p+1)*I/O)."""
    extents = x.shape[2:]
    sizes = output_size if isinstance(output_size, Sequence) else [output_size] * len(extents)
    axes = []
    for i, size in zip(extents, sizes, strict=True):
        o = i if size is None else size
        taps = [np.arange(p * i // o, -(-(p + 1) * i // o)) for p in range(o)]
        axes.append([Window(t, len(t)) for t in taps])
    return axes


def pool(reduce: Callable[[Array, Array, int], Array], x: Array, axes: list[list[Window]]) -> Array:
    """Apply `reduce(values, positions, places)` to the window of each output of a channels-first array.

    A position is the number of an input pixel, flat over the plane.
    """
    n, c, *extents = x.shape
    numbers = np.arange(prod(extents)).reshape(extents)
    results = []
    for windows in product(*axes):
        seen: Any = np.ix_(*(window.seen for window in windows))
        positions = numbers[seen].ravel()
        values = x[(..., *seen)].reshape(n, c, positions.size)
        results.append(reduce(values, positions, prod(window.places for window in windows)))
    shape = (n, c, *(len(axis) for axis in axes))
    return np.stack(results, axis=-1).reshape(shape) if results else np.zeros(shape, x.dtype)


def largest(x: Array, axes: list[list[Window]]) -> tuple[Array, Array]:
    """Maximum of each window and where it is first; a NaN is larger than anything, as it is for argmax.

    A window that, being dilated, sees nothing but padding has -inf and no place, -1.
    """
    lowest = -np.inf if x.dtype.kind == "f" else np.iinfo(x.dtype).min

    def value(values: Array, positions: Array, places: int) -> Array:
        return np.asarray(values.max(-1, initial=lowest))

    def index(values: Array, positions: Array, places: int) -> Array:
        return np.asarray(positions[values.argmax(-1)] if positions.size else np.full(values.shape[:-1], -1))

    return pool(value, x, axes), pool(index, x, axes).astype(np.int64)


def mean(x: Array, axes: list[list[Window]], include_pad: bool = True, divisor: int | None = None) -> Array:
    """Sum of each window over its places, over its inputs alone, or over a given divisor."""

    def value(values: Array, positions: Array, places: int) -> Array:
        return np.asarray(values.sum(-1) / (divisor or (places if include_pad else positions.size)))

    return pool(value, x, axes)


def max_pool(
    x: Array,
    kernel_size: Any,
    stride: Any = None,
    padding: Padding = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    layout: str = "NCHW",
) -> tuple[Array, Array]:
    """Largest value of each window, never padding, and the flat position where it is first."""
    x = channels_first(x, layout)
    values, indices = largest(x, sliding(x, kernel_size, stride, padding, dilation, ceil_mode))
    return channels_back(values, layout), channels_back(indices, layout)


def avg_pool(
    x: Array,
    kernel_size: Any,
    stride: Any = None,
    padding: Padding = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
    layout: str = "NCHW",
) -> Array:
    """Mean of each window; what a `ceil_mode` window has beyond the padding is not counted."""
    x = channels_first(x, layout)
    windows = sliding(x, kernel_size, stride, padding, 1, ceil_mode)
    return channels_back(mean(x, windows, count_include_pad, divisor_override), layout)


def adaptive_max_pool(x: Array, output_size: Any, layout: str = "NCHW") -> tuple[Array, Array]:
    """`max_pool` over windows that share the input out among `output_size` outputs."""
    x = channels_first(x, layout)
    values, indices = largest(x, adaptive(x, output_size))
    return channels_back(values, layout), channels_back(indices, layout)


def adaptive_avg_pool(x: Array, output_size: Any, layout: str = "NCHW") -> Array:
    """`avg_pool` over windows that share the input out among `output_size` outputs."""
    x = channels_first(x, layout)
    return channels_back(mean(x, adaptive(x, output_size)), layout)


# ---------------------------------------------------------------- activations


def relu(x: Array) -> Array:
    """The larger of x and 0; NaN stays NaN."""
    return np.maximum(x, 0)


def leaky_relu(x: Array, negative_slope: float = 0.01) -> Array:
    """x above 0, x * negative_slope below."""
    return np.where(x > 0, x, x * negative_slope)


def sigmoid(x: Array) -> Array:
    """1 / (1 + e^-x)."""
    with np.errstate(over="ignore"):  # e^-x = inf gives the right 0
        return np.asarray(1 / (1 + np.exp(-x)))


def silu(x: Array) -> Array:
    """x * sigmoid(x)."""
    return x * sigmoid(x)


def activate(x: Array, activation: str | tuple[float | None, float | None] | None) -> Array:
    """What is applied to each sum: a named function, a (low, high) clamp with None for no bound, nothing."""
    if isinstance(activation, tuple):
        low, high = activation
        x = x if low is None else np.maximum(x, low)
        return x if high is None else np.minimum(x, high)
    if activation == "relu6":
        return np.clip(x, 0, 6)
    functions: dict[str, Callable[[Array], Array]] = {
        "relu": relu,
        "leaky_relu": leaky_relu,
        "sigmoid": sigmoid,
        "tanh": np.tanh,
        "silu": silu,
    }
    return functions[activation](x) if activation else x


def softmax(x: Array, axis: int = -1) -> Array:
    """e^x over the sum of e^x along the axis; taking the largest x away changes nothing but the range."""
    e = np.exp(x - x.max(axis, keepdims=True, initial=-np.inf))
    return np.asarray(e / e.sum(axis, keepdims=True))


# ---------------------------------------------------------------- receptive field


def influences(layers: Sequence[tuple[int, int, Any, int]], extent: int, output: int) -> Array:
    """The inputs on which one output of 1-D (kernel, stride, padding, dilation) layers depends, by trial.

    Every input is raised in turn: image i of the batch has a single one at i, and the weights are ones.
    """
    y = np.eye(extent, dtype=np.int64)[:, None, :]
    for kernel, stride, padding, dilation in layers:
        y = conv(y, np.ones((1, 1, kernel), np.int64), None, stride, padding, dilation)
    return np.flatnonzero(y[:, 0, output])
