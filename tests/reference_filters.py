"""Filters and convolutions in plain NumPy, written to be read, and how far a result may be from them.

As in `reference`, nothing here is clever or fast, and the dtype is that of the data: a wider one than the
kernel's for floating-point numbers, integers for exact answers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import product
from math import log2, prod
from typing import Any, NamedTuple

import numpy as np

from .bounds import eta, gamma
from .reference import Array

# ---------------------------------------------------------------- beyond the edges

# One period of what an axis of n elements is taken to be, for the modes that repeat.
PERIODS: dict[str, Callable[[int], list[int]]] = {
    "wrap": lambda n: [*range(n)],
    "reflect": lambda n: [*range(n), *reversed(range(n))],
    "mirror": lambda n: [*range(n), *reversed(range(1, n - 1))],
}
MODES = ("reflect", "constant", "nearest", "mirror", "wrap")
SYNONYMS = {"grid-mirror": "reflect", "grid-constant": "constant", "grid-wrap": "wrap"}


def table(mode: str, extent: int, before: int, after: int) -> list[int]:
    """Which element each place from `before` in front of an axis to `after` behind it shows, -1 for cval."""
    mode = SYNONYMS.get(mode, mode)
    places = range(-before, extent + after)
    if mode == "constant":
        return [i if 0 <= i < extent else -1 for i in places]
    if mode == "nearest":
        return [min(max(i, 0), extent - 1) for i in places]
    period = PERIODS[mode](extent)
    return [period[i % len(period)] for i in places]


def extended(x: Array, axis: int, mode: str, before: int, after: int, cval: Any) -> Array:
    """An array with more elements in front of and behind one axis."""
    shown = np.array(table(mode, x.shape[axis], before, after))
    longer = x.take(shown, axis)
    longer[(slice(None),) * axis + (shown < 0,)] = cval
    return longer


# ---------------------------------------------------------------- windows


class Line(NamedTuple):
    """A filter along one axis: output i sees the inputs from i - before on."""

    axis: int
    weights: Any
    before: int
    mode: str


def middle(extent: int, origin: int = 0) -> int:
    """How many places before an output its window begins."""
    return extent // 2 + origin


def windows(
    x: Array, shape: Sequence[int], befores: Sequence[int], modes: Sequence[str], cval: Any
) -> Iterator[tuple[tuple[int, ...], Array]]:
    """Every place of a window of this shape, with what all outputs see there."""
    extents = x.shape
    for axis, (k, before, mode) in enumerate(zip(shape, befores, modes, strict=True)):
        x = extended(x, axis, mode, before, k - 1 - before, cval)
    for place in np.ndindex(*shape):
        yield place, x[tuple(slice(p, p + n) for p, n in zip(place, extents, strict=True))]


def correlate(
    x: Array, w: Array, modes: Sequence[str], cval: Any = 0, origins: Sequence[int] | None = None
) -> Array:
    """y[i] = sum_k w[k] x[i + k - K // 2 - origin]."""
    befores = [middle(k, o) for k, o in zip(w.shape, origins or [0] * w.ndim, strict=True)]
    y = np.zeros(x.shape, np.result_type(x, w))
    for place, seen in windows(x, w.shape, befores, modes, cval):
        y += w[place] * seen
    return y


def convolve(
    x: Array, w: Array, modes: Sequence[str], cval: Any = 0, origins: Sequence[int] | None = None
) -> Array:
    """y[i] = sum_k w[k] x[i - k + K // 2 + origin]: the place K - 1 - k of a window that begins there."""
    befores = [k - 1 - k // 2 - o for k, o in zip(w.shape, origins or [0] * w.ndim, strict=True)]
    y = np.zeros(x.shape, np.result_type(x, w))
    for place, seen in windows(x, w.shape, befores, modes, cval):
        y += w[tuple(k - 1 - p for k, p in zip(w.shape, place, strict=True))] * seen
    return y


def lines(x: Array, filters: Sequence[Line], cval: Any = 0) -> Array:
    """Filters along axes one after the other, the constant beginning anew for each."""
    for axis, weights, before, mode in sorted(filters, key=lambda line: line.axis):
        w = np.asarray(weights, x.dtype)
        longer = extended(x, axis, mode, before, len(w) - 1 - before, cval)
        extent, total = x.shape[axis], np.zeros_like(x)
        for k, factor in enumerate(w):
            total += factor * longer[(slice(None),) * axis + (slice(k, k + extent),)]
        x = total
    return x


def extremum(
    x: Array, footprint: Array, modes: Sequence[str], cval: Any, origins: Sequence[int], pick: Any
) -> Array:
    """The least or the greatest (`pick`) of what a footprint shows, NaN if it shows one."""
    befores = [middle(k, o) for k, o in zip(footprint.shape, origins, strict=True)]
    seen = [s for place, s in windows(x, footprint.shape, befores, modes, cval) if footprint[place]]
    return np.asarray(pick.reduce(seen))


# ---------------------------------------------------------------- convolution of signals


def parts(n: Sequence[int], k: Sequence[int], mode: str) -> tuple[slice, ...]:
    """What a mode takes of the full result."""
    if mode == "full":
        return tuple(slice(0, a + b - 1) for a, b in zip(n, k, strict=True))
    if mode == "same":
        return tuple(slice((b - 1) // 2, (b - 1) // 2 + a) for a, b in zip(n, k, strict=True))
    return tuple(slice(min(a, b) - 1, max(a, b)) for a, b in zip(n, k, strict=True))


def full(x: Array, w: Array) -> Array:
    """y[i] = sum_k w[k] x[i - k], all of it; integers wrap around as NumPy's do."""
    y = np.zeros([a + b - 1 for a, b in zip(x.shape, w.shape, strict=True)], np.result_type(x, w))
    for place in np.ndindex(*w.shape):
        y[tuple(slice(p, p + n) for p, n in zip(place, x.shape, strict=True))] += w[place] * x
    return y


def convolved(x: Array, w: Array, mode: str) -> Array:
    """`full`, or the part of it that a mode takes."""
    return full(x, w)[parts(x.shape, w.shape, mode)]


def reversed_conjugate(w: Array) -> Array:
    """What correlation convolves with."""
    return np.conj(w[(slice(None, None, -1),) * w.ndim])


def bounded(x: Array, w: Array, boundary: str, fillvalue: Any) -> Array:
    """The full result where an image goes on beyond its edges."""
    mode = {"fill": "constant", "wrap": "wrap", "symm": "reflect"}[boundary]
    image = x
    for axis, k in enumerate(w.shape):
        image = extended(image, axis, mode, k - 1, k - 1, fillvalue)
    inner = tuple(slice(k - 1, k - 1 + n + k - 1) for n, k in zip(x.shape, w.shape, strict=True))
    return full(image, w)[inner]


# ---------------------------------------------------------------- bounds


def sums_bound(absolute: Array, taps: Sequence[int], dtype: Any, stored: Any) -> Array:
    """gamma(n) S of a sum of n products, or of the sums of one axis after the other, stored in another type.

    A weight is rounded to the type of the sums, once more for each axis; `absolute` is S = sum |w||x|.
    """
    n = max(prod(taps) + 1, sum(taps) + len(taps))
    bound = gamma(n, dtype) * absolute + n * eta(dtype)
    if np.dtype(stored) != np.dtype(dtype) and np.dtype(stored).kind == "f":
        bound = bound + gamma(1, stored) * (absolute + bound) + eta(stored)
    return np.asarray(bound)


def transform_bound(x: Array, w: Array, dtype: Any, blocks: int = 1) -> float:
    """How far a convolution by Fourier transforms may be from the definition, anywhere in the result.

    A pass of radix r <= 5 adds r products with roots of unity: an error of gamma(r + 3) times the sum of
    the absolute values, whose 2-norm is at most sqrt(2 r) times the result's. That is at most 11 u for each
    factor of 2 in the length. So a transform of length 2^L is off by 11 L u of its 2-norm (as in N. J.
    Higham, Accuracy and Stability of Numerical Algorithms, 2002, theorem 24.2), and with |X|_max <= |x|_1 the
    three of them by 11 L u (2 |x|_2 |w|_1 + |x|_1 |w|_2); the products in between by gamma(4) of |x|_2 |w|_1.
    A block's neighbour adds as much again along each axis.
    """
    length = prod(2 * (a + b) for a, b in zip(x.shape, w.shape, strict=True))  # padded to at most twice
    norms = [(np.abs(a).sum(), np.sqrt((np.abs(a) ** 2).sum())) for a in (x, w)]
    (x1, x2), (w1, w2) = norms
    u = float(np.finfo(dtype).eps) / 2
    once = 11 * log2(length) * u * (2 * x2 * w1 + x1 * w2) + gamma(4, dtype) * x2 * w1
    return float(blocks * (once + gamma(blocks, dtype) * x1 * w2))


def cut(values: Array, dtype: Any) -> Array:
    """To an integer type: towards zero, then to its range."""
    limits = np.iinfo(dtype)
    whole = np.trunc(values).astype(object)
    flat = [min(max(int(v), int(limits.min)), int(limits.max)) for v in whole.ravel()]
    return np.array(flat, dtype).reshape(values.shape)


def every_mode(axes: int) -> Iterator[tuple[str, ...]]:
    """Every mode along every axis."""
    return product(MODES, repeat=axes)
