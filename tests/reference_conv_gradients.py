"""Transposed convolution and the gradients of convolutions, as `reference` defines the operators.

One list of products carries them all: tap t of output p sees input p*s + t*d - before, where that exists.
Convolution adds w[t] * x[seen] to y[p]; its transpose, the gradient with respect to the input, adds
w[t] * dy[p] to dx[seen]; and the gradient with respect to the weights adds dy[p] * x[seen] to dw[t].
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import Any

import numpy as np

from . import reference as ref
from .reference import Array


def products(
    extents: Any, out: Any, kernel: Any, stride: Any, pad: list[tuple[int, int]], dilation: Any
) -> Iterator[tuple[Any, Any, Any]]:
    """Each tap, the outputs for which it lies inside the input, and where."""
    for tap in np.ndindex(*kernel):
        outputs, seen = [], []
        for i, o, t, s, (before, _), d in zip(extents, out, tap, stride, pad, dilation, strict=True):
            place = np.arange(o) * s + t * d - before
            inside = (place >= 0) & (place < i)
            outputs.append(np.flatnonzero(inside))
            seen.append(place[inside])
        yield tap, (..., *np.ix_(*outputs)), (..., *np.ix_(*seen))


def conv_input(
    input_size: Any,
    w: Array,
    dy: Array,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
    layout: str = "NCHW",
) -> Array:
    """dx[n, g * ic/groups + c, seen] = sum over o of group g, t and p of w[o, c, t] * dy[n, o, p]."""
    w, dy = ref.weight_first(w, layout), ref.channels_first(dy, layout)
    n, oc, *out = dy.shape
    _, per_group, *kernel = w.shape
    extents = input_size[2:] if layout == "NCHW" else input_size[1:-1]
    stride, dilation = ref.per_axis(stride, len(kernel)), ref.per_axis(dilation, len(kernel))
    pad = ref.pads(padding, extents, kernel, stride, dilation)
    w, dy = (
        w.reshape(groups, oc // groups, per_group, *kernel),
        dy.reshape(n, groups, oc // groups, *out),
    )
    dx = np.zeros((n, groups, per_group, *extents), dy.dtype)
    for tap, outputs, seen in products(extents, out, kernel, stride, pad, dilation):
        terms = dy[outputs]
        flat = terms.reshape(n, groups, oc // groups, prod(terms.shape[3:]))
        dx[seen] += (np.swapaxes(w[(..., *tap)], 1, 2) @ flat).reshape(n, groups, per_group, *terms.shape[3:])
    return ref.channels_back(dx.reshape(n, groups * per_group, *extents), layout)


def conv_weight(
    x: Array,
    weight_size: Any,
    dy: Array,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
    layout: str = "NCHW",
) -> Array:
    """dw[o, c, t] = sum over n and p of dy[n, o, p] * x[n, g * ic/groups + c, seen], g the group of o."""
    x, dy = ref.channels_first(x, layout), ref.channels_first(dy, layout)
    (n, ic, *extents), (_, oc, *out) = x.shape, dy.shape
    kernel = weight_size[2:] if layout == "NCHW" else weight_size[:-2]
    stride, dilation = ref.per_axis(stride, len(kernel)), ref.per_axis(dilation, len(kernel))
    pad = ref.pads(padding, extents, kernel, stride, dilation)
    x, dy = x.reshape(n, groups, ic // groups, *extents), dy.reshape(n, groups, oc // groups, *out)
    dw = np.zeros((groups, oc // groups, ic // groups, *kernel), x.dtype)
    for tap, outputs, seen in products(extents, out, kernel, stride, pad, dilation):
        rows, columns = (
            np.moveaxis(a, 0, -1).reshape(groups, a.shape[2], prod(a.shape[3:]) * n)
            for a in (dy[outputs], x[seen])
        )
        dw[(..., *tap)] = rows @ np.swapaxes(columns, 1, 2)
    dw = dw.reshape(oc, ic // groups, *kernel)
    return dw if layout == "NCHW" else np.moveaxis(dw, (0, 1), (-1, -2))


def conv_bias(dy: Array, layout: str = "NCHW") -> Array:
    """db[o] = sum over n and p of dy[n, o, p]."""
    dy = ref.channels_first(dy, layout)
    return np.asarray(dy.sum(tuple(axis for axis in range(dy.ndim) if axis != 1)))


def conv_transpose_extent(
    i: int, k: int, s: int, pad: tuple[int, int], d: int, output_padding: int = 0
) -> int:
    """The smallest input from which a convolution makes i outputs, and so many more."""
    return (i - 1) * s - sum(pad) + ref.span(k, d) + output_padding


def conv_transpose(
    x: Array,
    w: Array,
    b: Array | None = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
    layout: str = "NCHW",
) -> Array:
    """The gradient of the convolution from the result to x, whose weights w are, plus the bias."""
    n, _, *extents = ref.channels_first(x, layout).shape
    _, per_group, *kernel = ref.weight_first(w, layout).shape
    rank = len(kernel)
    stride, dilation, extra = (ref.per_axis(value, rank) for value in (stride, dilation, output_padding))
    if padding == "same":
        out = [i * s for i, s in zip(extents, stride, strict=True)]
        pad = ref.pads(padding, out, kernel, stride, dilation)
    else:
        pad = ref.pads(padding, extents, kernel, stride, dilation)
        out = [
            conv_transpose_extent(*axis)
            for axis in zip(extents, kernel, stride, pad, dilation, extra, strict=True)
        ]
    channels = groups * per_group
    size = (n, channels, *out) if layout == "NCHW" else (n, *out, channels)
    y = conv_input(size, w, x, stride, pad, dilation, groups, layout)
    if b is not None:
        y = y + (b.reshape(-1, *[1] * rank) if layout == "NCHW" else b)
    return y
