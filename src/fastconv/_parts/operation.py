"""A call on an array, to be computed in parts, wherever these lie."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, Protocol, TypeAlias

import numpy as np

from .._arrays import Array
from .._results import empty, resident
from .axes import Axis, AxisPart, Run

__all__ = ["Call", "Operation", "Region", "Source", "size_of", "within"]

Region: TypeAlias = tuple[Run, ...]
"""A part of an array: from where to where, along each axis."""

Call: TypeAlias = Callable[[Array, Sequence[AxisPart]], Array]
"""Computes what a part is cut from, given what that reads. It can be pickled."""

# Of a part, computed at once where that costs nothing: what it reads and its results then stay in the cache.
_BLOCK_BYTES = 1 << 20
_BESIDE_BYTES = 16 * _BLOCK_BYTES  # of all that is computed with, in whatever types


class Source(Protocol):
    """Where inputs are read."""

    def read(self, runs: Sequence[Sequence[Run]]) -> Array:
        """Return what lies on the runs of every axis, those of an axis one behind the other."""

    def core(self, region: Region) -> tuple[Region, Array] | None:
        """Return what there is of a region in one piece, if that is most of it."""


@dataclass(frozen=True)
class Operation:
    """A function of an array, with its other arguments: which part of the result needs which of the input.

    Parts have the bits of the whole, however it is divided. An operation can be pickled; what it
    precomputes, such as packed weights, stays behind.
    """

    name: str
    shape: tuple[int, ...]  # of the result
    dtype: np.dtype[Any]
    axes: tuple[Axis, ...]
    call: Call
    local: bool = False  # any array can be computed as one of its own, and most of it is right then

    def parts(self, region: Region) -> tuple[AxisPart, ...]:
        """Return what a part of the result is computed from."""
        return tuple(axis.part(begin, end) for axis, (begin, end) in zip(self.axes, region, strict=True))

    def compute(self, region: Region, source: Source) -> Array:
        """Compute a part of the result."""
        extents = [end - begin for begin, end in region]
        if 0 in extents:
            return empty(extents, self.dtype)
        result = self._from_core(region, source) if self.local else None
        return self._computed(region, source) if result is None else result

    def compute_by_blocks(self, region: Region, source: Source) -> Array:
        """Compute a part of the result, with little memory beside it where that is possible."""
        if not self.local:
            return self.compute(region, source)
        result = empty([end - begin for begin, end in region], self.dtype)
        for block in _blocks(region, self.axes, result.itemsize):
            result[within(block, region)] = self._computed(block, source)
        return result

    def bytes(self, region: Region, dtype: np.dtype[Any]) -> int:
        """Return what arrays take at most while a part is computed, of an input of that type."""
        inside = math.prod(part.size for part in self.parts(region))
        outside = resident(size_of(region) * self.dtype.itemsize)
        if self.local:
            return inside * dtype.itemsize + outside + _BESIDE_BYTES
        # What is read, contiguous, and padded or in the type of the sums; results, and more than are wanted.
        widest = max(dtype.itemsize, 8 if dtype.kind in "biu" else 4)
        return inside * (2 * dtype.itemsize + 2 * widest) + 3 * outside

    def _computed(self, region: Region, source: Source) -> Array:
        parts = self.parts(region)
        local = source.read([part.runs for part in parts])
        wanted = tuple(slice(p.first, p.first + e - b) for p, (b, e) in zip(parts, region, strict=True))
        return self.call(local, parts)[wanted]

    def _from_core(self, region: Region, source: Source) -> Array | None:
        """Compute most of a part from one piece as it is, which saves copying it, and the rest around it."""
        core = source.core(region)
        if core is None:
            return None
        held, values = core
        right = tuple(axis.right_in(begin, end) for axis, (begin, end) in zip(self.axes, held, strict=True))
        if any(begin >= end for begin, end in right):
            return None
        result = self.call(values, ())
        if held != region:
            part, result = result, empty([end - begin for begin, end in region], self.dtype)
            result[within(right, region)] = part[within(right, held)]
        for box in _around(right, region):
            result[within(box, region)] = self._computed(box, source)
        return result


def size_of(region: Region) -> int:
    """Return how many elements a region has."""
    return math.prod(max(end - begin, 0) for begin, end in region)


def within(inner: Region, outer: Region) -> tuple[slice, ...]:
    """Return where a region lies in an array that holds a larger one."""
    return tuple(slice(b - o, e - o) for (b, e), (o, _) in zip(inner, outer, strict=True))


def _around(inner: Region, outer: Region) -> Iterator[Region]:
    """Cut what lies in one region around another into regions."""
    for axis, ((begin, end), (first, last)) in enumerate(zip(inner, outer, strict=True)):
        for run in ((first, begin), (end, last)):
            if run[0] < run[1]:
                yield (*inner[:axis], run, *outer[axis + 1 :])


def _blocks(region: Region, axes: Sequence[Axis], itemsize: int) -> Iterator[Region]:
    """Cut a part into ones that stay in the cache, but not smaller than pays for what is read beside them."""
    cuts: list[list[Run]] = []
    budget = _BLOCK_BYTES // itemsize
    inner = size_of(region)
    for (begin, end), axis in zip(region, axes, strict=True):
        inner //= max(end - begin, 1)
        beside = axis.part(begin, end).size - (end - begin)
        step = min(max(budget // max(inner, 1), 4 * beside, axis.least), max(end - begin, 1))
        budget //= step
        # The last may overlap the one before it, so as not to be too short.
        starts = [max(min(at, end - axis.least), begin) for at in range(begin, end, step)]
        cuts.append([(at, min(at + step, end)) for at in starts] or [(begin, end)])
    return product(*cuts)
