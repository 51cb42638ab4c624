"""How far a correct result may be from the definition: proven bounds, none tuned until something passed.

u is half the distance from 1 to the next number, gamma(k) = k*u / (1 - k*u) covers k roundings in a row,
and eta is the smallest subnormal, which covers a product that underflows. The oracle computes in a wider
type (`oracle`) and has an error of the same form, so every gamma here is that of the kernel's type plus
twice that of the oracle's: once for the expected value, once for the bound, which is itself computed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil, log2, prod
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from fastconv import Problem

from . import reference as ref
from .reference import Array


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


def pool_additions(problem: Problem) -> int:
    """Additions in a row that an element of an average pooling goes through, at most.

    Rows are added up one after another, in whatever order.  Then the reduced row: one after another too
    where windows overlap four times or less, else as four sums of a quarter of the width, rounded down, and
    three elements at most, and those sums in the same way: three additions for a quartering, and log2(n) for
    the n <= 4 elements of the last.  One output in a row, of however many elements, may be added up in any
    order.
    """
    *rows, width = problem.kernel_size
    if problem.output_shape[-1 if problem.layout == "NCHW" else -2] == 1:
        return prod(problem.kernel_size) - 1
    row = max(4 * problem.stride[-1] - 1, ceil(1.5 * log2(width)))
    return prod(rows) - 1 + min(width - 1, row)


def complex_bound(
    bound: Callable[[Array, Array], Array],
    absolute: Callable[[Array, Array], Array],
    x: Array,
    w: Array,
    b: Array | None,
    dtype: Any,
) -> tuple[Array, Array]:
    """Of the real and the imaginary part: two sums, each within its own `bound`, their difference, the bias.

    ``bound(p, q)`` and ``absolute(p, q)`` are those of the sum of the products of real arrays and of the sum
    of their magnitudes; `b` broadcasts with them.
    """

    def part(pairs: list[tuple[Array, Array]], b: Array | float) -> Array:
        error = sum((bound(p, q) for p, q in pairs), np.zeros(()))
        largest = sum((absolute(np.abs(p), np.abs(q)) for p, q in pairs), np.abs(b)) + error
        return np.asarray(error + gamma(2, dtype) * largest)

    real = part([(x.real, w.real), (x.imag, w.imag)], 0.0 if b is None else b.real)
    return real, part([(x.real, w.imag), (x.imag, w.real)], 0.0 if b is None else b.imag)


def mean_bound(x: Array, operator: Any, additions: int, dtype: Any, **parameters: Any) -> Array:
    """gamma(additions + 2) * mean |x|: the divisor is a rounded product, by which the sum is divided."""
    absolute = np.abs(operator(np.abs(x), **parameters))
    return np.asarray(gamma(additions + 2, dtype) * absolute + eta(dtype))


def adaptive_bound(x: Array, output_size: Any, dtype: Any, layout: str) -> Array:
    """The same for windows of several sizes, with the places of the largest, added up in any order."""
    windows = ref.adaptive(ref.channels_first(x, layout), output_size)
    places = prod(max((window.places for window in axis), default=0) for axis in windows)
    how = {"output_size": output_size, "layout": layout}
    return mean_bound(x, ref.adaptive_avg_pool, places - 1, dtype, **how)


# ---------------------------------------------------------------- Winograd F(m x m, r x r)


@dataclass(frozen=True)
class Transforms:
    """Y = A' [(G g G') * (B' d B)] A for one tile of (m+r-1)^2 inputs and m^2 outputs; ' is the transpose.

    ``edge_a`` and ``edge_b`` take the place of A' and B', along either axis, where few outputs are left, as
    many as ``edge_a`` has rows: they interpolate at fewer points and have rows and columns of zeros for what
    they do not use.
    """

    a: Array
    b: Array
    g: Array
    edge_a: Array
    edge_b: Array

    def along(self, outputs: int, edges: bool) -> tuple[Array, Array]:
        """A' and B' of each tile of one axis, stacked."""
        m, few = len(self.a), int(np.any(self.edge_a, axis=1).sum())
        tiles, edge = -(-outputs // m), edges and 0 < outputs % m <= few
        return tuple(  # type: ignore[return-value]
            np.stack([*[whole] * (tiles - edge), *[last] * edge])
            for whole, last in ((self.a, self.edge_a), (self.b, self.edge_b))
        )

    def roundings(self, channels: int) -> int:
        """The longest chain.

        Sums over channels begin anew after 64 of them at most; then the parts are added.  A dot product of n
        terms takes n, and coefficients, themselves computed, two more; there are two of each.  (Some are up
        to 3u off, but in sums that are shorter by more.)
        """
        transforms = sum(int(np.count_nonzero(p, axis=1).max()) + 2 for p in (self.a, self.b, self.g))
        return min(channels, RESTART) + (max(channels, 1) - 1) // RESTART + 2 * transforms


def matrix(*rows: tuple[Any, ...]) -> Array:
    """A matrix of long doubles."""
    return np.array(rows, np.longdouble)


RESTART = 64
MOST_LANE_CHANNELS = 8  # of tiles in lanes
# The points of F(4x4, 3x3), and what divides the rows of G: the product of a point's distances to the others.
A, B = np.longdouble(2) / 3, np.longdouble(3) / 2
NEAR, FAR = 1 / (2 * A**2 * (A**2 - B**2)), 1 / (2 * B**2 * (B**2 - A**2))

FOUR_POINTS = {  # 0, 1, -1, infinity; at the edge 0, 1, infinity
    "b": matrix((1, 0, -1, 0), (0, 1, 1, 0), (0, -1, 1, 0), (0, 1, 0, -1)),
    "edge_b": matrix((1, -1, 0, 0), (0, 2, 0, 0), (0, 0, 0, 0), (0, 1, -1, 0)),
}
SIX_POINTS = {  # 0, 2/3, -2/3, 3/2, -3/2, infinity; at the edge without +-3/2
    "b": matrix(
        (1, 0, -(A**2) - B**2, 0, 1, 0),
        (0, -B, -(B**2), A, 1, 0),
        (0, B, -(B**2), -A, 1, 0),
        (0, -A, -(A**2), B, 1, 0),
        (0, A, -(A**2), -B, 1, 0),
        (0, 1, 0, -(A**2) - B**2, 0, 1),
    ),
    "edge_b": matrix(
        (1, 0, -(B**2), 0, 0, 0),
        (0, A * (A**2 - B**2), A**2 - B**2, 0, 0, 0),
        (0, -A * (A**2 - B**2), A**2 - B**2, 0, 0, 0),
        *[(0,) * 6] * 2,
        (0, -(A**2), 0, 1, 0, 0),
    ),
}
# By the number in the algorithm's name, which is that of outputs for 3x3 kernels, and the taps of the kernel.
WINOGRAD = {
    (2, 3): Transforms(
        a=matrix((1, 1, 1, 0), (0, 1, -1, -1)),
        g=matrix((1, 0, 0), (0.5, 0.5, 0.5), (0.5, -0.5, 0.5), (0, 0, 1)),
        edge_a=matrix((1, 1, 0, -1), (0, 0, 0, 0)),
        **FOUR_POINTS,
    ),
    (4, 3): Transforms(
        a=matrix(
            (1, 1, 1, 1, 1, 0),
            (0, A, -A, B, -B, 0),
            (0, A**2, A**2, B**2, B**2, 0),
            (0, A**3, -(A**3), B**3, -(B**3), 1),
        ),
        g=matrix(
            (1, 0, 0),
            (NEAR, NEAR * A, NEAR * A**2),
            (NEAR, -NEAR * A, NEAR * A**2),
            (FAR, FAR * B, FAR * B**2),
            (FAR, -FAR * B, FAR * B**2),
            (0, 0, 1),
        ),
        edge_a=matrix((1, 1, 1, 0, 0, 0), (0, A, -A, 0, 0, 1), *[(0,) * 6] * 2),
        **SIX_POINTS,
    ),
    (4, 2): Transforms(
        a=matrix(
            (1, 1, 1, 1, 1, 0),
            (0, A, -A, B, -B, 0),
            (0, A**2, A**2, B**2, B**2, 0),
            (0, A**3, -(A**3), B**3, -(B**3), 0),
            (0, A**4, A**4, B**4, B**4, 1),
        ),
        g=matrix((1, 0), (NEAR, NEAR * A), (NEAR, -NEAR * A), (FAR, FAR * B), (FAR, -FAR * B), (0, 1)),
        edge_a=matrix((1, 1, 1, 0, 0, 0), (0, A, -A, 0, 0, 0), (0, A**2, A**2, 0, 0, 1), *[(0,) * 6] * 2),
        **SIX_POINTS,
    ),
}


def winograd(
    size: int,
    x: Array,
    w: Array,
    b: Array | None,
    *,
    padding: Any,
    dilation: Any,
    groups: int,
    layout: str,
    floor: Any = 0,
    absolute: bool,
    edges: bool = True,
) -> Array:
    """F(m x m, r x r) as written above; or the bound's T, in absolute values throughout.

    Without ``edges`` tiles at the edge are like all others.

    With a dilation d, outputs equal modulo d, along each axis, are a convolution without it of every d-th
    pixel: each such phase has its own tiles and edges.

    ``floor`` is added once for every product, so that T(eta) - T(0) is what underflows may add to the result.
    """
    x, w = ref.channels_first(x, layout), ref.weight_first(w, layout)
    taps = w.shape[-1]
    kind, t = x.dtype, WINOGRAD[size, taps]
    m, points = t.a.shape

    def two_sided(p: Array, tiles: Array, q: Array) -> Array:
        """P T Q' of tiles [..., rows, columns, i, j], a P for each row of tiles and a Q for each column."""
        p, q = p.astype(kind), q.astype(kind)
        if absolute:
            p, q = np.abs(p), np.abs(q)
        lost, lost_then = (np.count_nonzero(s, axis=-1).astype(kind) * floor for s in (p, q))
        half = p[:, None] @ tiles + lost[:, None, :, None]
        return np.asarray(half @ np.swapaxes(q, -1, -2) + lost_then[:, None, :])

    def phase(x: Array) -> Array:
        """An undilated convolution of a padded input, [n, groups, c, ...] to [n, groups, oc, ...]."""
        out = [i - taps + 1 for i in x.shape[-2:]]
        (a_rows, b_rows), (a_columns, b_columns) = (t.along(o, edges) for o in out)
        rows, columns = len(a_rows), len(a_columns)
        padded = np.pad(x, [(0, 0)] * 3 + [(0, -o % m) for o in out])
        tiles = sliding_window_view(padded, (points, points), axis=(-2, -1))[..., ::m, ::m, :, :]
        v = two_sided(b_rows, tiles, b_columns).reshape(*x.shape[:3], rows * columns, points, points)
        # [n, g, position, position, oc, tiles]: one matrix product for each position
        products = u.transpose(0, 3, 4, 1, 2) @ np.moveaxis(v, (4, 5), (2, 3)) + x.shape[2] * floor
        products = np.moveaxis(products, (2, 3), (-2, -1))
        outer = products.shape[:3]
        y = two_sided(a_rows, products.reshape(*outer, rows, columns, points, points), a_columns)
        y = np.swapaxes(y, -3, -2).reshape(*outer, rows * m, columns * m)
        return np.asarray(y[..., : out[0], : out[1]])

    if absolute:
        x, w = np.abs(x), np.abs(w)
    d = ref.per_axis(dilation, 2)[0]
    pad = ref.pads(padding, x.shape[2:], (taps, taps), (1, 1), (d, d))
    x = np.pad(x, [(0, 0), (0, 0), *pad])
    x = x.reshape(len(x), groups, w.shape[1], *x.shape[2:])
    u = two_sided(t.g[None], w[..., None, None, :, :], t.g[None])
    u = u.reshape(groups, len(w) // groups, w.shape[1], points, points)
    y = np.zeros((len(x), groups, len(w) // groups, *(i - (taps - 1) * d for i in x.shape[3:])), kind)
    for first in np.ndindex(*(min(d, extent) for extent in y.shape[3:])):
        every: Any = (..., *(slice(i, None, d) for i in first))
        y[every] = phase(x[every])
    y = y.reshape(len(y), len(w), *y.shape[3:])
    if b is not None:
        y += (np.abs(b) if absolute else b)[:, None, None]
    return ref.channels_back(y, layout)


def winograd_bound(
    size: int, x: Array, w: Array, b: Array | None, dtype: Any, *, layout: str, **parameters: Any
) -> Array:
    """gamma(K)*T and what underflow may add; or `conv_bound`, by which the direct kernel's tiles go.

    T = |A'| sum [(|G||g||G'|) * (|B'||d||B|)] |A| runs over the whole tile, so it is larger than S of
    `conv_bound` and counts pixels that the output does not see; but K grows with the channels more slowly.
    """
    _, channels, *_, taps = ref.weight_first(w, layout).shape
    k = WINOGRAD[size, taps].roundings(channels) + (b is not None)

    def bound(edges: bool) -> Array:
        how = {"layout": layout, "absolute": True, "edges": edges, **parameters}
        total = winograd(size, x, w, b, **how)
        underflow = np.maximum(winograd(size, x, w, b, floor=eta(dtype), **how) - total, 0)
        return np.asarray(gamma(k, dtype) * (total + underflow) + underflow)

    limit = np.maximum(bound(True), conv_bound(x, w, b, dtype, layout, **parameters))
    # With tiles in lanes, which takes few channels, those at the edge are like all others.
    lanes = (size, taps) == (4, 3) and layout == "NCHW" and channels <= MOST_LANE_CHANNELS
    return np.maximum(limit, bound(False)) if lanes else limit


# F(3x3, 4x4): 4x4 gradients are the kernel, dw is the result.
WEIGHT_GRADIENT = Transforms(
    a=matrix((1, 1, 1, 1, 1, 0), (0, A, -A, B, -B, 0), (0, A**2, A**2, B**2, B**2, 1)),
    g=matrix(
        (1, 0, 0, 0),
        (NEAR, NEAR * A, NEAR * A**2, NEAR * A**3),
        (NEAR, -NEAR * A, NEAR * A**2, -NEAR * A**3),
        (FAR, FAR * B, FAR * B**2, FAR * B**3),
        (FAR, -FAR * B, FAR * B**2, -FAR * B**3),
        (0, 0, 0, 1),
    ),
    edge_a=np.zeros((3, 6)),
    **SIX_POINTS,
)


def winograd_weight_bound(x: Array, dy: Array, dtype: Any, groups: int) -> Array:
    """gamma(K)*T and what underflow may add, for the weights' gradient of a padded image, channels first.

    T = |A'| sum over tiles [(|G||dy||G'|) * (|B'||x||B|)] |A|. K: one sum over all tiles, and at most as many
    parts; the roundings of the transforms.
    """
    t = WEIGHT_GRADIENT
    kind, (rows, columns) = x.dtype, dy.shape[2:]
    b, g, a = (np.abs(m).astype(kind) for m in (t.b, t.g, t.a))
    more = [(0, -rows % 4), (0, -columns % 4)]
    x, dy = (np.abs(np.pad(m, [(0, 0), (0, 0), *more])) for m in (x, dy))

    def tiles(m: Array, side: int) -> Array:
        """[groups, channels, tiles, side, side]"""
        seen = sliding_window_view(m, (side, side), axis=(-2, -1))[..., ::4, ::4, :, :]
        seen = seen.reshape(len(m), groups, m.shape[1] // groups, -1, side, side)
        return np.moveaxis(seen, 0, 2).reshape(groups, m.shape[1] // groups, -1, side, side)

    seen, given = tiles(x, 6), tiles(dy, 4)
    count = seen.shape[2]

    def total(floor: Any) -> Array:
        """T, with `floor` added for every product."""
        v = b @ seen @ b.T + 12 * floor
        u = g @ given @ g.T + 8 * floor
        m = u.transpose(0, 3, 4, 1, 2) @ v.transpose(0, 3, 4, 2, 1) + count * floor
        y = a @ m.transpose(0, 3, 4, 1, 2) @ a.T + 12 * floor
        return np.asarray(y.reshape(-1, *y.shape[2:]))

    transforms = sum(int(np.count_nonzero(p, axis=1).max()) + 2 for p in (t.a, t.b, t.g))
    exact = total(0)
    underflow = np.maximum(total(eta(dtype)) - exact, 0)
    return np.asarray(gamma(2 * count + 2 * transforms, dtype) * (exact + underflow) + underflow)


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
