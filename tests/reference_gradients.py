"""Gradients, unpooling, columns of windows and borders in plain NumPy: the definitions, beside `reference`.

As there, nothing is clever and nothing asks for a dtype: arrays are channels first inside, and gradients are
written as the sums that they are, one window after another.
"""

from __future__ import annotations

from itertools import product
from math import prod
from typing import Any

import numpy as np

from . import reference as ref
from .reference import Array, Padding, Window

MODES = {
    "zeros": "constant",
    "reflect": "reflect",
    "replicate": "edge",
    "circular": "wrap",
    "symmetric": "symmetric",
}


def images(shape: Any, layout: str) -> tuple[int, ...]:
    """The shape (n, c, *spatial) of a batch."""
    return tuple(shape) if layout == "NCHW" else (shape[0], shape[-1], *shape[1:-1])


# ---------------------------------------------------------------- average and norm


def spread(g: Array, shape: Any, axes: list[list[Window]], divide: Any) -> Array:
    """Each output's gradient over its divisor, added to every input that its window sees."""
    n, c, *extents = shape
    x = np.zeros((n, c, *extents), g.dtype)
    for at, windows in zip(np.ndindex(*g.shape[2:]), product(*axes), strict=True):
        seen: Any = np.ix_(*(window.seen for window in windows))
        x[(..., *seen)] += (g[(..., *at)] / divide(windows)).reshape(n, c, *[1] * len(extents))
    return x


def avg_pool(
    g: Array,
    input_size: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Padding = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
    layout: str = "NCHW",
) -> Array:
    """Gradient of average pooling."""
    shape = images(input_size, layout)
    axes = ref.sliding(np.empty(shape), kernel_size, stride, padding, 1, ceil_mode)

    def divide(windows: Any) -> int:
        inside = prod(w.places if count_include_pad else len(w.seen) for w in windows)
        return divisor_override or inside

    return ref.channels_back(spread(ref.channels_first(g, layout), shape, axes, divide), layout)


def adaptive_avg_pool(g: Array, input_size: Any, layout: str = "NCHW") -> Array:
    """Gradient of adaptive average pooling."""
    shape, g = images(input_size, layout), ref.channels_first(g, layout)
    axes = ref.adaptive(np.empty(shape), g.shape[2:])
    x = spread(g, shape, axes, lambda windows: prod(w.places for w in windows))
    return ref.channels_back(x, layout)


def lp_pool_forward(x: Array, norm: float, kernel_size: Any, layout: str = "NCHW", **how: Any) -> Array:
    """The norm of each window, which has no padding in it."""
    x = ref.channels_first(x, layout)
    axes = ref.sliding(
        x, kernel_size, how.get("stride"), how.get("padding", 0), 1, how.get("ceil_mode", False)
    )
    sums = ref.pool(lambda values, positions, places: (np.abs(values) ** norm).sum(-1), x, axes)
    return ref.channels_back(sums ** (1 / x.dtype.type(norm)), layout)


def lp_pool(g: Array, x: Array, norm: float, kernel_size: Any, layout: str = "NCHW", **how: Any) -> Array:
    """Gradient of the norm; 0 where an element is."""
    y = lp_pool_forward(x, norm, kernel_size, layout, **how)
    share = np.where(y == 0, 0, g / np.where(y == 0, 1, y) ** (norm - 1))
    total = avg_pool(share, x.shape, kernel_size, divisor_override=1, layout=layout, **how)
    return np.asarray(np.sign(x) * np.abs(np.where(x == 0, 1, x)) ** (norm - 1) * total)


# ---------------------------------------------------------------- by index


def flat(x: Array, layout: str) -> Array:
    """A copy (n, c, pixels)."""
    x = ref.channels_first(x, layout)
    return x.reshape(*x.shape[:2], prod(x.shape[2:])).copy()


def max_pool(g: Array, indices: Array, input_size: Any, layout: str = "NCHW") -> Array:
    """Gradient of maximum pooling: added where the maxima were, nowhere for -1."""
    shape = images(input_size, layout)
    x = np.zeros((*shape[:2], prod(shape[2:])), g.dtype)
    g, indices = flat(g, layout), flat(indices, layout)
    for n, c in np.ndindex(*shape[:2]):
        real = indices[n, c] >= 0
        np.add.at(x[n, c], indices[n, c][real], g[n, c][real])
    return ref.channels_back(x.reshape(shape), layout)


def max_unpool(x: Array, indices: Array, input_size: Any, layout: str = "NCHW") -> Array:
    """Values where their indices say, the last one of several."""
    shape = images(input_size, layout)
    y = np.zeros((*shape[:2], prod(shape[2:])), x.dtype)
    x, indices = flat(x, layout), flat(indices, layout)
    for n, c in np.ndindex(*shape[:2]):
        for value, index in zip(x[n, c], indices[n, c], strict=True):
            y[n, c, index] = value
    return ref.channels_back(y.reshape(shape), layout)


def max_unpool_gradient(g: Array, indices: Array, layout: str = "NCHW") -> Array:
    """The gradient at each index."""
    shape = images(indices.shape, layout)
    taken = np.take_along_axis(flat(g, layout), flat(indices, layout), axis=-1)
    return ref.channels_back(taken.reshape(shape), layout)


# ---------------------------------------------------------------- columns


def tap_positions(
    size: Any, kernel_size: Any, dilation: Any, padding: Padding, stride: Any
) -> tuple[Any, list[tuple[int, int]], list[int]]:
    """Index of every tap of every window in the padded image, [p, q, i, j] of it; padding and windows."""
    kernel, dilation, stride = (ref.per_axis(v, 2) for v in (kernel_size, dilation, stride))
    pad = ref.pads(padding, size, kernel, stride, dilation)
    axes = list(zip(size, kernel, stride, pad, dilation, strict=True))
    out = [ref.conv_extent(*axis) for axis in axes]
    rows, columns = (
        np.arange(k)[:, None] * d + np.arange(o) * s for (_, k, s, _, d), o in zip(axes, out, strict=True)
    )
    return (rows[:, None, :, None], columns[None, :, None, :]), pad, out


def unfold(
    x: Array, kernel_size: Any, dilation: Any = 1, padding: Padding = 0, stride: Any = 1, layout: str = "NCHW"
) -> Array:
    """Windows as columns: (n, c * taps, windows), or (n, windows, taps * c)."""
    x = ref.channels_first(x, layout)
    taps, pad, out = tap_positions(x.shape[2:], kernel_size, dilation, padding, stride)
    seen = np.pad(x, [(0, 0), (0, 0), *pad])[(..., *taps)]  # n, c, p, q, i, j
    n, c, p, q = seen.shape[:4]
    if layout == "NCHW":
        return np.ascontiguousarray(seen.reshape(n, c * p * q, prod(out)))
    return np.ascontiguousarray(seen.transpose(0, 4, 5, 2, 3, 1).reshape(n, prod(out), p * q * c))


def fold(
    columns: Array,
    output_size: Any,
    kernel_size: Any,
    dilation: Any = 1,
    padding: Padding = 0,
    stride: Any = 1,
    layout: str = "NCHW",
) -> Array:
    """Each element of the columns added where `unfold` took it."""
    size = ref.per_axis(output_size, 2)
    taps, pad, out = tap_positions(size, kernel_size, dilation, padding, stride)
    p, q = ref.per_axis(kernel_size, 2)
    if layout == "NCHW":
        terms = columns.reshape(len(columns), columns.shape[1] // (p * q), p, q, *out)
    else:
        terms = columns.reshape(len(columns), *out, p, q, columns.shape[2] // (p * q)).transpose(
            0, 5, 3, 4, 1, 2
        )
    padded = np.zeros(
        (*terms.shape[:2], *(i + sum(both) for i, both in zip(size, pad, strict=True))), columns.dtype
    )
    np.add.at(padded, (slice(None), slice(None), *taps), terms)
    inside = tuple(slice(b, b + i) for (b, _), i in zip(pad, size, strict=True))
    return ref.channels_back(padded[(..., *inside)], layout)


# ---------------------------------------------------------------- borders


def pad(x: Array, padding: list[tuple[int, int]], mode: str, layout: str = "NCHW") -> Array:
    """A border, as NumPy makes it."""
    x = ref.channels_first(x, layout)
    return ref.channels_back(np.pad(x, [(0, 0), (0, 0), *padding], mode=MODES[mode]), layout)  # type: ignore[call-overload]


def pad_gradient(
    g: Array, input_size: Any, padding: list[tuple[int, int]], mode: str, layout: str = "NCHW"
) -> Array:
    """Each padded element added to the one that it shows."""
    shape, g = images(input_size, layout), ref.channels_first(g, layout)
    numbers = np.arange(1, prod(shape[2:]) + 1).reshape(shape[2:])
    shown = np.pad(numbers, padding, mode=MODES[mode])  # type: ignore[call-overload]
    x = np.zeros((*shape[:2], prod(shape[2:]) + 1), g.dtype)
    np.add.at(x, (slice(None), slice(None), shown.ravel()), g.reshape(*shape[:2], shown.size))
    return ref.channels_back(x[..., 1:].reshape(shape), layout)
