"""Arrays on disk as tiles see them: NumPy's memory maps, Zarr's, HDF5's, and whatever behaves alike."""

from __future__ import annotations

import mmap
import os
from collections.abc import Sequence
from itertools import product
from math import prod
from typing import Any

import numpy as np
from numpy.lib.array_utils import byte_bounds

from .._arrays import Array
from .._parts import Mosaic, Region, Run, Source

__all__ = ["StoredArray"]

# Bytes of a map: what the system shows around a page that is read, and after how many they are let go of.
_SHOWN_AROUND = 64 << 10
_MOST_SHOWN = 16 << 20


class StoredArray:
    """An array that is read and written in parts.

    Of Zarr, h5py and others no more is used than ``shape``, ``dtype``, ``chunks`` (or ``shards``) and what
    stands in brackets.
    """

    def __init__(self, array: Any, name: str) -> None:
        try:
            self.shape = tuple(int(extent) for extent in array.shape)
            self.dtype = np.dtype(array.dtype)
            array.__getitem__  # noqa: B018
        except (AttributeError, TypeError):
            raise TypeError(
                f"{name}={array!r:.200}: expected an array with shape, dtype and slices, such as"
                " numpy.memmap, a Zarr array or an HDF5 dataset"
            ) from None
        self._array = array
        self._mapped = _mapped(array)
        self._name = name
        self._shown = 0
        self.check()

    def check(self) -> None:
        """Fail if the file of a map was cut short: to read beyond its end would end the process."""
        if (mapped := self._mapped) is None:
            return
        mapping = mapped._mmap  # type: ignore[attr-defined]
        there, wanted = mapping.size(), _start(mapped) + len(mapping)  # of a file that was removed, too
        if there < wanted:
            file = mapped.filename or "the file"
            raise ValueError(f"{self._name}: {file} has {there} bytes, expected {wanted}: it was cut short")

    @property
    def chunks(self) -> tuple[int, ...]:
        """Extents of what is stored together, which two tiles must not share."""
        chunks = getattr(self._array, "shards", None) or getattr(self._array, "chunks", None)
        return tuple(chunks) if chunks else (1,) * len(self.shape)

    def read(self, runs: Sequence[Sequence[Run]]) -> Array:
        """Return what lies on the runs of every axis."""
        if self._mapped is not None:
            self._note_shown([sum(end - begin for begin, end in axis) for axis in runs])
        if all(len(axis) == 1 for axis in runs):
            return np.asarray(self._array[tuple(slice(*axis[0]) for axis in runs)])
        return self._pieces(runs).read(runs)

    def _note_shown(self, extents: Sequence[int]) -> None:
        """Let go of a map's pages once many are shown: those read, and others around lines that are parts."""
        self._shown += prod(extents) * self.dtype.itemsize
        if extents[-1:] != list(self.shape[-1:]):
            self._shown += prod(extents[:-1]) * _SHOWN_AROUND
        if self._shown > _MOST_SHOWN:
            self.release()

    def core(self, region: Region) -> tuple[Region, Array] | None:
        """Nothing is in memory."""
        return None

    def part(self, runs: Sequence[Sequence[Run]]) -> Source:
        """Return where these runs can be read, more than once if need be: chunks are decoded now."""
        if isinstance(self._array, np.ndarray):
            return self
        return self._pieces(runs)

    def _pieces(self, runs: Sequence[Sequence[Run]]) -> Mosaic:
        return Mosaic(
            [
                (tuple(b for b, _ in piece), np.asarray(self._array[tuple(slice(*run) for run in piece)]))
                for piece in product(*runs)
            ]
        )

    def check_elsewhere(self, name: str) -> None:
        """Fail if another process would be sent a copy of the elements, and not where they are."""
        if isinstance(self._array, np.ndarray):
            raise TypeError(
                f"{name} is {type(self._array).__name__}, expected an array that workers can open, such as"
                " fastconv.tiled.files.open_array returns"
            )

    def write(self, region: Region, values: Array) -> None:
        """Store the values of a part."""
        self._array[tuple(slice(*run) for run in region)] = values

    def is_same(self, other: StoredArray) -> bool:
        """Whether both show the same numbers."""
        a, b = self._array, other._array
        if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
            return np.may_share_memory(a, b) or _share_file(self, other)
        return a is b or (type(a) is type(b) and bool(a == b))

    def reserve(self) -> None:
        """Take the space on the disk: a full one is an error now, and would end the process later."""
        mapped = self._mapped
        if mapped is None or not hasattr(os, "posix_fallocate") or not os.path.exists(mapped.filename or ""):
            return
        with open(str(mapped.filename), "r+b") as stream:
            os.posix_fallocate(stream.fileno(), _start(mapped), len(mapped._mmap))  # type: ignore[attr-defined]

    def flush(self) -> None:
        """Put what was written where it stays."""
        for owner in (self._mapped, self._array, getattr(self._array, "file", None)):
            flush = getattr(owner, "flush", None)
            if callable(flush):
                flush()

    def release(self) -> None:
        """Let go of the pages of a mapped file that were read or written: they count as memory."""
        self._shown = 0
        # Not of a private copy, where what was written is nowhere else.
        if self._mapped is not None and self._mapped.mode != "c" and hasattr(mmap.mmap, "madvise"):
            self._mapped._mmap.madvise(mmap.MADV_DONTNEED)  # type: ignore[attr-defined]

    @property
    def marks(self) -> Any:
        """Attributes that are stored with the array, or None."""
        return getattr(self._array, "attrs", None)


def _mapped(array: Any) -> np.memmap[Any, Any] | None:
    """Return the map of a file that an array shows, if it does."""
    while isinstance(array, np.ndarray):
        if isinstance(array, np.memmap) and getattr(array, "_mmap", None) is not None:
            return array
        array = array.base
    return None


def _start(mapped: np.memmap[Any, Any]) -> int:
    """Return where in its file a map begins; a view has the offset of what it is a view of."""
    return mapped.offset - mapped.offset % mmap.ALLOCATIONGRANULARITY


def _share_file(a: StoredArray, b: StoredArray) -> bool:
    """Whether two arrays show a part of a file through maps of their own."""
    maps = [m for m in (a._mapped, b._mapped) if m is not None and m.filename is not None and m.mode != "c"]
    names = [str(m.filename) for m in maps]
    if len(maps) < 2 or not all(map(os.path.exists, names)) or not os.path.samefile(*names):
        return False
    ends = []
    for array, mapped in zip((a._array, b._array), maps, strict=True):
        first = np.frombuffer(mapped._mmap, np.uint8).ctypes.data  # type: ignore[attr-defined]
        ends.append([_start(mapped) + address - first for address in byte_bounds(array)])
    return max(ends[0][0], ends[1][0]) < min(ends[0][1], ends[1][1])
