"""How far a correct result may be from the definition: proven bounds, none tuned until something passed.

u is half the distance from 1 to the next number, gamma(k) = k*u / (1 - k*u) covers k roundings in a row,
and eta is the smallest subnormal, which covers a product that underflows. The oracle computes in a wider
type (`oracle`) and has an error of the same form, so every gamma here is that of the kernel's type plus
twice that of the oracle's: once for the expected value, once for the bound, which is itself computed.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from . import reference as ref
from .reference import Array

SQRT2 = np.sqrt(np.longdouble(2))


def oracle(dtype: Any) -> type[np.floating[Any]]:
    """The wider type in which the expected values of a kernel of this type are computed."""
    return np.float64 if np.dtype(dtype) == np.float32 else np.longdouble


def gamma(k: Array | float, dtype: Any) -> Any:
    """Relative error of k roundings in this type, the oracle's own included."""

    def one(kind: Any) -> Any:
        u = np.finfo(kind).eps / 2
        return k * u / (1 - k * u)

    return one(dtype) + 2 * one(oracle(dtype))


def eta(dtype: Any) -> Any:
    """Smallest subnormal, as a number of the oracle's type."""
    return oracle(dtype)(np.finfo(dtype).smallest_subnormal)


# ---------------------------------------------------------------- sums of products


def conv_bound(
    x: Array, w: Array, b: Array | None, dtype: Any, layout: str = "NCHW", **parameters: Any
) -> Array:
    """gamma(n)*S + n*eta, S = sum |w||x| + |b|, for a sum of n terms in any order, with or without FMA."""
    n = ref.weight_first(w, layout)[0].size + (b is not None)
    absolute = ref.conv(np.abs(x), np.abs(w), None if b is None else np.abs(b), layout=layout, **parameters)
    return np.asarray(gamma(n, dtype) * absolute + n * eta(dtype))


def linear_bound(x: Array, w: Array, b: Array | None, dtype: Any) -> Array:
    """The same for rows of a matrix."""
    n = w.shape[1] + (b is not None)
    absolute = ref.linear(np.abs(x), np.abs(w), None if b is None else np.abs(b))
    return np.asarray(gamma(n, dtype) * absolute + n * eta(dtype))


def mean_bound(x: Array, operator: Any, places: int, dtype: Any, **parameters: Any) -> Array:
    """gamma(places + 1) * mean |x|: a rounding for each sum, one for the reciprocal, one for the product."""
    absolute = np.abs(operator(np.abs(x), **parameters))
    return np.asarray(gamma(places + 1, dtype) * absolute + eta(dtype))


def adaptive_bound(x: Array, output_size: Any, dtype: Any, layout: str) -> Array:
    """The same for windows of several sizes, with the places of the largest."""
    windows = ref.adaptive(ref.channels_first(x, layout), output_size)
    places = prod(max((window.places for window in axis), default=0) for axis in windows)
    how = {"output_size": output_size, "layout": layout}
    return mean_bound(x, ref.adaptive_avg_pool, places, dtype, **how)


# ---------------------------------------------------------------- Winograd F(m x m, 3x3)


@dataclass(frozen=True)
class Transforms:
    """Y = A' [(G g G') * (B' d B)] A for one tile of (m+2)^2 inputs and m^2 outputs; ' is the transpose."""

    a: Array
    b: Array
    g: Array

    def roundings(self, channels: int) -> int:
        """The longest chain: a dot product of n terms with rounded coefficients takes n + 1, twice each."""
        return channels + 2 * sum(
            int(np.count_nonzero(matrix, axis=1).max()) + 1 for matrix in (self.a, self.b, self.g)
        )


def matrix(*rows: tuple[Any, ...]) -> Array:
    """A matrix of long doubles."""
    return np.array(rows, np.longdouble)


R, H = SQRT2, SQRT2 / 2
THIRD = np.longdouble(1) / 3

WINOGRAD = {
    # points 0, 1, -1, infinity
    2: Transforms(
        a=matrix((1, 1, 1, 0), (0, 1, -1, 1)),
        b=matrix((1, 0, -1, 0), (0, 1, 1, 0), (0, -1, 1, 0), (0, -1, 0, 1)),
        g=matrix((1, 0, 0), (0.5, 0.5, 0.5), (0.5, -0.5, 0.5), (0, 0, 1)),
    ),
    # points 0, sqrt(1/2), -sqrt(1/2), sqrt(2), -sqrt(2), infinity
    4: Transforms(
        a=matrix(
            (1, 1, 1, 1, 1, 0),
            (0, H, -H, R, -R, 0),
            (0, 0.5, 0.5, 2, 2, 0),
            (0, H / 2, -H / 2, 2 * R, -2 * R, 1),
        ),
        b=matrix(
            (1, 0, -2.5, 0, 1, 0),
            (0, -R, -2, H, 1, 0),
            (0, R, -2, -H, 1, 0),
            (0, -H, -0.5, R, 1, 0),
            (0, H, -0.5, -R, 1, 0),
            (0, 1, 0, -2.5, 0, 1),
        ),
        g=matrix(
            (1, 0, 0),
            (-2 * THIRD, -R * THIRD, -THIRD),
            (-2 * THIRD, R * THIRD, -THIRD),
            (THIRD / 2, R * THIRD / 2, THIRD),
            (THIRD / 2, -R * THIRD / 2, THIRD),
            (0, 0, 1),
        ),
    ),
}


def winograd_tiles(x: Array, m: int, pad: list[tuple[int, int]]) -> tuple[Array, tuple[int, int]]:
    """Overlapping tiles [n, c, rows, columns, m+2, m+2] of a channels-first input; the output extents."""
    out = tuple(i + sum(p) - 2 for i, p in zip(x.shape[2:], pad, strict=True))
    fill = [(before, after + -o % m) for (before, after), o in zip(pad, out, strict=True)]
    padded = np.pad(x, [(0, 0), (0, 0), *fill])
    return sliding_window_view(padded, (m + 2, m + 2), axis=(2, 3))[:, :, ::m, ::m], (out[0], out[1])


def winograd(
    m: int,
    x: Array,
    w: Array,
    b: Array | None,
    *,
    padding: Any,
    groups: int,
    layout: str,
    floor: Any = 0,
    absolute: bool,
) -> Array:
    """F(m x m, 3x3) as written above; or the bound's T, in absolute values throughout.

    ``floor`` is added once for every product, so that T(eta) - T(0) is what underflows may add to the result.
    """
    kind = x.dtype

    def two_sided(p: Array, tiles: Array) -> Array:
        p = p.astype(kind)
        if not absolute:
            return np.asarray(p @ tiles @ p.T)
        p, lost = np.abs(p), np.count_nonzero(p, axis=1).astype(kind) * floor
        return np.asarray((p @ tiles + lost[:, None]) @ p.T + lost)

    x, w = ref.channels_first(x, layout), ref.weight_first(w, layout)
    pad = ref.pads(padding, x.shape[2:], (3, 3), (1, 1), (1, 1))
    tiles, out = winograd_tiles(np.abs(x) if absolute else x, m, pad)
    n, c, rows, columns = tiles.shape[:4]
    t = WINOGRAD[m]
    v = two_sided(t.b, tiles).reshape(n, groups, c // groups, rows * columns, m + 2, m + 2)
    u = two_sided(t.g, np.abs(w) if absolute else w)
    u = u.reshape(groups, len(w) // groups, c // groups, m + 2, m + 2)
    # [n, g, positions, positions, oc, tiles]: one matrix product for each of the (m+2)^2 positions
    products = u.transpose(0, 3, 4, 1, 2) @ v.transpose(0, 1, 4, 5, 2, 3) + (c // groups) * floor
    y = two_sided(t.a, np.moveaxis(products, (2, 3), (-2, -1))).reshape(n, len(w), rows, columns, m, m)
    y = y.transpose(0, 1, 2, 4, 3, 5).reshape(n, len(w), rows * m, columns * m)[:, :, : out[0], : out[1]]
    if b is not None:
        y = y + (np.abs(b) if absolute else b)[:, None, None]
    return ref.channels_back(y, layout)


def winograd_bound(
    m: int, x: Array, w: Array, b: Array | None, dtype: Any, *, padding: Any, groups: int, layout: str
) -> Array:
    """gamma(K)*T and what underflow may add.

    T = |A'| sum [(|G||g||G'|) * (|B'||d||B|)] |A| runs over the whole tile, so it is larger than S of
    `conv_bound` and counts pixels that the output does not see.
    """
    how = {"padding": padding, "groups": groups, "layout": layout, "absolute": True}
    total = winograd(m, x, w, b, **how)
    underflow = np.maximum(winograd(m, x, w, b, floor=eta(dtype), **how) - total, 0)
    channels = ref.channels_first(x, layout).shape[1] // groups
    return np.asarray(
        gamma(WINOGRAD[m].roundings(channels) + (b is not None), dtype) * (total + underflow) + underflow
    )


# ---------------------------------------------------------------- activations

# Steepest slope of each.  That of silu is 1.09984 at x = 2.4: where 2 + x + (2 - x) e^x = 0.
LIPSCHITZ = {"sigmoid": 0.25, "silu": 1.1}

# An exponential of 2 ulp at most and up to four roundings around it (scale, add, divide, multiply), half an
# ulp each: 4 ulp, or 8u of the value.  A clamp rounds nothing; a slope is rounded itself and then multiplies.
ROUNDINGS = {"leaky_relu": 2, "sigmoid": 8, "tanh": 8, "silu": 8}


def activation_error(name: str, x: Array, value: Array, dtype: Any) -> Array:
    """What the function itself may add where it is `value` at `x`, `x` being exact.

    A result, or for silu the sigmoid that x multiplies, may be subnormal and then errs by eta.
    """
    subnormal = 1 + np.abs(x) if name == "silu" else 1
    return np.asarray(gamma(ROUNDINGS.get(name, 0), dtype) * np.abs(value) + subnormal * eta(dtype))


def activated(x: Array, bound: Array, activation: Any, dtype: Any) -> tuple[Array, Array]:
    """The activation of x, and how far it may be from that of a number within `bound` of x."""
    value = ref.activate(x, activation)
    if activation is None:
        return value, bound
    name = activation if isinstance(activation, str) else "clamp"
    carried = LIPSCHITZ.get(name, 1) * bound
    # the function's own error is relative to the value it has there, at most `carried` away
    return value, np.asarray(
        carried + activation_error(name, np.abs(x) + bound, np.abs(value) + carried, dtype)
    )


def softmax_bound(x: Array, axis: int, dtype: Any) -> Array:
    """Each term e^d, d = x - max, has the rounding of d, |d|u in the exponent, and that of e^.

    The sum of the terms has the mean of their errors.

    Subnormal terms err by eta, and so does a subnormal result.
    """
    value = ref.softmax(x, axis)
    distance = np.abs(x - x.max(axis, keepdims=True))
    mean = (value * distance).sum(axis, keepdims=True)
    roundings = distance + mean + x.shape[axis] + ROUNDINGS["sigmoid"]
    return np.asarray(gamma(roundings, dtype) * value + 2 * eta(dtype))
