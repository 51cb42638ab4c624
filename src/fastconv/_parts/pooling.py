"""Pools of fixed windows, in parts."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import _fastconv
from .._arrays import Array
from ..lp_pool import lp_pool1d, lp_pool2d, lp_pool3d
from ..pool import avg_pool1d, avg_pool2d, avg_pool3d, max_pool1d, max_pool2d, max_pool3d
from .axes import AxisPart
from .operation import Operation
from .windows import Pair, Windows, arguments_of, described

__all__ = ["POOLS", "pool_operation"]

POOLS: dict[Callable[..., Any], int] = {
    max_pool1d: 1, max_pool2d: 2, max_pool3d: 3,
    avg_pool1d: 1, avg_pool2d: 2, avg_pool3d: 3,
    lp_pool1d: 1, lp_pool2d: 2, lp_pool3d: 3,
}  # fmt: skip

# Taller windows slide over rows (csrc/pool_plan.cpp): their sums are made of those of blocks as high as they.
_FEW_ROWS = 4


@dataclass(frozen=True)
class _Pool:
    """A pool of parts."""

    function: Callable[..., Array]
    windows: Windows
    arguments: dict[str, Any]

    def __call__(self, local: Array, parts: Sequence[AxisPart]) -> Array:
        padding = self.windows.padding_of(parts)
        # "same" with dilation may be more padding than a number may ask for.
        if any(2 * p > k for pair, k in zip(padding, self.windows.kernel, strict=True) for p in pair):
            local, padding = self._bordered(local, padding), ((0, 0),) * self.windows.rank
        return self.function(local, **self.arguments, padding=padding)

    def _bordered(self, local: Array, padding: Sequence[Pair]) -> Array:
        """Return an image with a border of what is never a maximum."""
        first = self.windows.first(local.ndim)
        border = [(0, 0)] * local.ndim
        border[first : first + len(padding)] = padding
        integers = local.dtype.kind in "iu"
        return np.pad(local, border, constant_values=np.iinfo(local.dtype).min if integers else -np.inf)


def pool_operation(
    function: Callable[..., Array], shape: tuple[int, ...], dtype: np.dtype[Any], *args: Any, **kwargs: Any
) -> Operation:
    """Return what a pool does to an array of that shape and dtype."""
    rank = POOLS[function]
    given = arguments_of(function, *args, **kwargs)
    if given.get("return_indices"):
        raise ValueError("return_indices is True, expected False: the result is computed in parts")
    outputs = _fastconv.pool_output_shape(
        rank,
        shape,
        given["kernel_size"],
        given["stride"],
        given["padding"],
        given.get("dilation", 1),
        given["ceil_mode"],
        given["layout"],
    )
    windows = _windows(rank, shape[len(shape) - rank - 1 :], given)
    # On no images, as small as a window: the other arguments are checked, the result's type is known.
    small = [0, *shape[len(shape) - rank - 1 :]]
    first = windows.first(len(small))
    small[first : first + rank] = windows.extents
    empty = function(np.empty(small, dtype), **given)
    exact = function in (max_pool1d, max_pool2d, max_pool3d) or dtype.kind in "biu"
    unit = [1] * rank
    if not exact and rank > 1 and windows.kernel[-2] > _FEW_ROWS:
        unit[-2] = windows.kernel[-2] // math.gcd(windows.kernel[-2], windows.stride[-2])
    axes = windows.axes(shape, outputs, unit, 1 if exact else 2)
    del given["padding"]
    return Operation(function.__name__, outputs, empty.dtype, axes, _Pool(function, windows, given))


def _windows(rank: int, image: tuple[int, ...], given: dict[str, Any]) -> Windows:
    """Return the windows, padded as those of a convolution are."""
    layout = given["layout"]
    last = layout.endswith("C")
    sides = np.broadcast_to(given["kernel_size"], rank)
    kernel = tuple(int(k) for k in sides)
    size = image[:-1] if last else image[1:]
    problem = described(
        rank,
        (*kernel, 1, 1) if last else (1, 1, *kernel),
        (1, *size, 1) if last else (1, 1, *size),
        np.float32,
        stride=given["kernel_size"] if given["stride"] is None else given["stride"],
        padding=given["padding"],
        dilation=given.get("dilation", 1),
        layout=layout,
    )
    return Windows(rank, layout, kernel, problem.stride, problem.dilation, problem.padding)
