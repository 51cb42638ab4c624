"""Inputs that are in memory, whole or in pieces."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, product

import numpy as np

from .._arrays import Array
from .axes import Run
from .operation import Region, size_of

__all__ = ["Mosaic"]


class Mosaic:
    """Pieces of an array that lie side by side, each with the place of its first element."""

    def __init__(self, pieces: Sequence[tuple[tuple[int, ...], Array]]) -> None:
        self._pieces = pieces

    def read(self, runs: Sequence[Sequence[Run]]) -> Array:
        """Return what lies on the runs of every axis; where that is in one piece, a view of it."""
        if all(len(axis) == 1 for axis in runs):
            wanted = tuple(axis[0] for axis in runs)
            for at, piece in self._pieces:
                if all(a <= b and e <= a + n for a, n, (b, e) in zip(at, piece.shape, wanted, strict=True)):
                    return piece[_slices(wanted, at)]
        result = np.empty([sum([e - b for b, e in axis]) for axis in runs], self._pieces[0][1].dtype)
        starts = [list(accumulate((e - b for b, e in axis), initial=0)) for axis in runs]
        for at, piece in self._pieces:
            shown: list[list[tuple[slice, slice]]] = []
            for axis, start, a, n in zip(runs, starts, at, piece.shape, strict=True):
                shown.append(_shown(axis, start, a, n))
                if not shown[-1]:  # most pieces lie elsewhere
                    break
            else:
                for each in product(*shown):
                    result[tuple(to for to, _ in each)] = piece[tuple(from_ for _, from_ in each)]
        return result

    def core(self, region: Region) -> tuple[Region, Array] | None:
        """Return what there is of a region in one piece, if that is most of it."""
        for at, piece in self._pieces:
            held = tuple(
                (max(b, a), min(e, a + n)) for a, n, (b, e) in zip(at, piece.shape, region, strict=True)
            )
            if 2 * size_of(held) >= size_of(region):
                return held, piece[_slices(held, at)]
        return None


def _shown(runs: Sequence[Run], starts: Sequence[int], at: int, extent: int) -> list[tuple[slice, slice]]:
    """Return where the runs of an axis take from a piece: to where, from where."""
    found = []
    for (begin, end), start in zip(runs, starts, strict=False):
        low, high = max(begin, at), min(end, at + extent)
        if low < high:
            found.append((slice(start + low - begin, start + high - begin), slice(low - at, high - at)))
    return found


def _slices(region: Sequence[Run], at: Sequence[int]) -> tuple[slice, ...]:
    return tuple(slice(begin - a, end - a) for (begin, end), a in zip(region, at, strict=True))
