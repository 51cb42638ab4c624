"""The filters of `fastconv.ndimage`, in parts."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from .._arrays import Array
from ..ndimage._correlate import windows_of
from .axes import Axis, AxisPart, FilteredAxis, WholeAxis
from .operation import Operation

__all__ = ["filter_operation"]

# Means are sums of sums: of so many rows together, and along lines where fewer elements lie side by side.
_ROWS_TOGETHER = 8
_SIDE_BY_SIDE = 32


@dataclass(frozen=True)
class _Filter:
    """A function of an array that returns one of its shape."""

    function: Callable[..., Array]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]

    def __call__(self, local: Array, parts: Sequence[AxisPart]) -> Array:
        return self.function(local, *self.args, **self.kwargs)


def filter_operation(
    function: Callable[..., Array], shape: tuple[int, ...], dtype: np.dtype[Any], *args: Any, **kwargs: Any
) -> Operation:
    """Return what `function`, which filters an array, does to one of that shape and dtype.

    On the way from the input to a result it filters along each axis once.
    """
    given = inspect.signature(function).bind(None, *args, **kwargs).arguments
    if isinstance(given.get("output"), np.ndarray):
        raise TypeError("output is an array, expected a dtype or None: the result is computed in parts")
    # On one element: arguments are checked, the result's type is known, and what the kernels see.
    windows, result = windows_of(partial(function, np.zeros((1,) * len(shape), dtype), *args, **kwargs))
    means = any(window.op == "mean" for window in windows)
    least = [1] * len(shape)
    if means:
        together = _SIDE_BY_SIDE
        for axis in reversed(range(len(shape))):
            least[axis] = max(min(shape[axis], together), 1)
            together = -(-together // least[axis])
    axes: list[Axis] = []
    for axis, extent in enumerate(shape):
        seen = [window for window in windows if window.axis == axis]
        wraps = {window.wraps for window in seen}
        # Derivatives may see its ends in different ways. Of means fewer rows are taken together at its end,
        # but not where it begins again.
        if len(wraps) > 1 or (True in wraps and means and extent % _ROWS_TOGETHER):
            axes.append(WholeAxis(extent, extent))
            continue
        axes.append(
            FilteredAxis(
                extent,
                max([window.before for window in seen], default=0),
                max([window.after for window in seen], default=0),
                True in wraps,
                _ROWS_TOGETHER if means else 1,
                least[axis],
            )
        )
    return Operation(
        function.__name__, shape, result.dtype, tuple(axes), _Filter(function, args, kwargs), local=True
    )
