"""What `ndimage` and `signal` share: axes, arrays as kernels take them, complex ones as real ones."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["Array", "add_by_parts", "axes_of", "plain"]

Array: TypeAlias = NDArray[Any]


def axes_of(axes: int | Iterable[int] | None, rank: int) -> tuple[int, ...]:
    """Return the axes that are asked for, each from 0 up to the rank."""
    if axes is None:
        return tuple(range(rank))
    try:
        wanted = [operator.index(axis) for axis in (axes if isinstance(axes, Iterable) else [axes])]
    except TypeError:
        raise TypeError(f"axes is {axes}, expected integers") from None
    for axis in wanted:
        if not -rank <= axis < rank:
            raise ValueError(f"axes is {axes}: axis {axis} is not one of an array with {rank} axes")
    found = tuple(axis % rank for axis in wanted)
    if len(set(found)) != len(found):
        raise ValueError(f"axes is {axes}, expected each axis once")
    return found


def plain(array: Array) -> Array:
    """Return the same values contiguous and native, booleans as 0 and 1: the array itself if it is that."""
    if array.dtype.kind == "b":
        return np.ascontiguousarray(array).view(np.uint8)
    if array.dtype.isnative and array.flags.c_contiguous and array.flags.aligned:
        return array
    return np.require(array, array.dtype.newbyteorder("="), ["C_CONTIGUOUS", "ALIGNED"])


def add_by_parts(
    sums: Callable[[Array, Array, float], Array], x: Array, w: Array, outside: complex, total: Array
) -> None:
    """Add the sums of complex arrays, from those of real ones: (a + ib)(c + id) = ac - bd + i(ad + bc).

    ``sums(x, w, outside)`` returns those of an input, of weights and of what the input is beyond its ends.
    """
    for part, i, edge in ((x.real, 1, outside.real), (x.imag, 1j, outside.imag)):
        for taps, j in ((w.real, 1), (w.imag, 1j)):
            if (np.iscomplexobj(x) or i == 1) and (np.iscomplexobj(w) or j == 1):
                term = sums(part, taps, edge)
                # not i * j * term: an infinity times the 0 of 1j is NaN
                if i * j == -1:
                    total.real -= term
                elif i * j == 1:
                    total.real += term
                else:
                    total.imag += term
