"""A function of an array on disk, computed tile by tile."""

from __future__ import annotations

import hashlib
import inspect
import math
import os
import re
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import partial, wraps
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from .. import runtime
from .._arrays import Array
from .._parts import Operation, Region, Run, documented, operation
from ._journal import Journal
from ._stored import StoredArray

if TYPE_CHECKING:
    from distributed import Client

__all__ = ["Progress", "TiledArray", "Tiling", "by_tiles"]

P = ParamSpec("P")

Progress: TypeAlias = Callable[[int, int, float], None]
"""Called after each tile: how many are done, how many there are, and the seconds that are left."""

_CHUNKS_AT_WORK = 10  # by Zarr, unless it is told otherwise
_RECORD_EVERY = 2.0  # seconds: what is done is made to stay on the disk that often
_UNITS = {
    "": 1,
    "k": 10**3,
    "m": 10**6,
    "g": 10**9,
    "t": 10**12,
    "ki": 2**10,
    "mi": 2**20,
    "gi": 2**30,
    "ti": 2**40,
}
_UNFINISHED = "fastconv_unfinished"


@dataclass(frozen=True)
class Tiling:
    """How a result is cut into tiles.

    Attributes
    ----------
    tile : tuple of int
        Extents of a tile; those at the ends are smaller.
    counts : tuple of int
        How many there are along each axis.
    memory : int
        The most bytes that arrays take at a time: what a tile reads, what that is computed with, its result,
        chunks that are decoded and encoded.
    """

    tile: tuple[int, ...]
    counts: tuple[int, ...]
    memory: int

    def __str__(self) -> str:
        count, tile = math.prod(self.counts), " x ".join(map(str, self.tile))
        return f"{count} tile{'s' * (count != 1)} of {tile}, in at most {self.memory / 1e6:.0f} MB"


class TiledArray:
    """What a function makes of an array on disk: not computed before it is stored, or a part is asked for.

    Made by the functions of `fastconv.tiled`.

    Attributes
    ----------
    shape : tuple of int
        Of the result.
    dtype : numpy.dtype
        Its type.
    """

    def __init__(self, does: Operation, source: StoredArray) -> None:
        self._does = does
        self._source = source
        self.shape = does.shape
        self.dtype = does.dtype

    def __repr__(self) -> str:
        return f"TiledArray({self._does.name}, shape={self.shape}, dtype={self.dtype.name})"

    def __getitem__(self, key: Any) -> Array:
        """Compute a part in memory: slices of step 1, such as ``blurred[100:200, 300:400]``."""
        keys = key if isinstance(key, tuple) else (key,)
        if len(keys) > len(self.shape) or not all(isinstance(k, slice) and k.step in (None, 1) for k in keys):
            raise IndexError(f"index {key!r}: expected up to {len(self.shape)} slices of step 1")
        every = (*keys, *[slice(None)] * (len(self.shape) - len(keys)))
        region = tuple(k.indices(n)[:2] for k, n in zip(every, self.shape, strict=True))
        if any(end <= begin for begin, end in region):
            return np.empty([max(end - begin, 0) for begin, end in region], self.dtype)
        self._source.check()
        return self._computed(region)

    def tiling(self, memory: int | str = "512MB", chunks: Sequence[int] | None = None) -> Tiling:
        """Say how the result would be cut into tiles.

        Parameters
        ----------
        memory : int or str, optional
            Bytes, or a number with a unit, such as ``"1.5GiB"``: what arrays may take at a time. What Python
            and its libraries take comes on top; so does what glibc keeps of chunks that threads of Zarr's
            have decoded, unless the process was begun with ``MALLOC_TRIM_THRESHOLD_=65536``.
        chunks : sequence of int, optional
            Tiles are multiples of these: what the output stores together.

        Returns
        -------
        Tiling
            ``print`` it.

        Raises
        ------
        ValueError
            Not even the smallest tile fits.
        """
        limit = _bytes_of(memory)
        wanted = tuple(chunks or (1,) * len(self.shape))
        if len(wanted) != len(self.shape) or min(wanted, default=1) < 1:
            raise ValueError(f"chunks is {chunks}, expected {len(self.shape)} numbers of 1 or more")
        step = [min(c, max(n, 1)) for c, n in zip(wanted, self.shape, strict=True)]
        tile = [max(n, 1) for n in self.shape]
        for enough in (_worthwhile, lambda axis: 1):
            for i, axis in enumerate(self._does.axes):
                least = -(-min(enough(axis), tile[i]) // step[i]) * step[i]
                while tile[i] > least and self._bytes(tile, step) > limit and not axis.undivided:
                    tile[i] = max(-(-tile[i] // 2 // step[i]) * step[i], least)
        needed = self._bytes(tile, step)
        if needed > limit:
            extents = " x ".join(map(str, tile))
            raise ValueError(
                f"memory is {memory!r}, expected {needed} bytes or more: a tile of {extents} needs that"
            )
        counts = tuple(-(-n // t) for n, t in zip(self.shape, tile, strict=True))
        return Tiling(tuple(tile), counts, needed)

    def _bytes(self, tile: Sequence[int], chunks: Sequence[int]) -> int:
        """Return what the arrays of a tile take at most: one in the middle sees the most."""
        if 0 in self.shape:
            return 0
        region = []
        for n, t in zip(self.shape, tile, strict=True):
            begin = max((n - t) // 2, 0)
            region.append((begin, min(begin + t, n)))
        source = self._source
        read = [
            min((part.size + c - 2) // c + 1, -(-n // c))
            for part, c, n in zip(self._does.parts(tuple(region)), source.chunks, source.shape, strict=True)
        ]
        written = [-(-t // c) for t, c in zip(tile, chunks, strict=True)]
        return self._does.bytes(tuple(region), source.dtype) + max(
            math.prod(tile) * self.dtype.itemsize,  # the pages of a mapped file that it is written into
            _coded(read, source.chunks, source.dtype),
            _coded(written, chunks, self.dtype),
        )

    def store(
        self,
        output: Any,
        *,
        memory: int | str = "512MB",
        journal: str | os.PathLike[str] | None = None,
        progress: Progress | None = None,
        client: Client | None = None,
    ) -> None:
        """Compute the result tile by tile, into an array on disk.

        Parameters
        ----------
        output : array
            Of the result's shape and dtype: `numpy.memmap`, a Zarr array, an HDF5 dataset, or alike.
        memory : int or str, optional
            As in `tiling`.
        journal : path-like, optional
            A file that says which tiles are done. If it is there, the run goes on from it; when all is done
            it is removed, so that as long as it is there the result is not whole. Attributes of the output,
            if it has any, say so too: ``fastconv_unfinished``.
        progress : callable, optional
            Called after every tile with how many are done, how many there are, and the seconds left.
        client : distributed.Client, optional
            Tiles are computed by the workers of this cluster, as many at a time as they have threads, each in
            as much memory. Input and output must be arrays that workers can open where they are: those of
            `fastconv.tiled.files`, or of Zarr.

        Raises
        ------
        TypeError, ValueError
            An output of another shape or type, a journal of another run, or too little memory, before
            anything is written.
        OSError
            The disk is full, or fails.

        Notes
        -----
        A tile is noted in the journal once it is on the disk, so a run may be stopped at any moment, by
        Ctrl-C, by ``kill`` or by the power. One that goes on first computes a tile that is done again, and
        refuses an output that does not hold its bits.
        """
        self._source.check()
        to = StoredArray(output, "output")
        if to.shape != self.shape:
            raise ValueError(f"output has shape {to.shape}, expected {self.shape}")
        if to.dtype != self.dtype:
            raise TypeError(f"output has dtype {to.dtype}, expected {self.dtype}")
        if to.is_same(self._source):
            raise ValueError(
                "output is the input, or shares memory with it: tiles would read what others wrote"
            )
        if client is not None:
            self._source.check_elsewhere("input")
            to.check_elsewhere("output")
        tiling = self.tiling(memory, to.chunks)
        notes = None if journal is None else Journal(journal, self._run(tiling), math.prod(tiling.counts))
        done = set() if notes is None else notes.done
        if done:
            self._check(tiling, done, to)
        else:
            to.reserve()
        if to.marks is not None:
            to.marks[_UNFINISHED] = True
        self._store(to, tiling, notes, set(done), progress, client)
        if to.marks is not None:
            del to.marks[_UNFINISHED]
        if notes is not None:
            notes.remove()

    def _computed(self, region: Region) -> Array:
        source = self._source.part([part.runs for part in self._does.parts(region)])
        return self._does.compute_by_blocks(region, source)

    def _store(
        self,
        to: StoredArray,
        tiling: Tiling,
        notes: Journal | None,
        done: set[int],
        progress: Progress | None,
        client: Client | None,
    ) -> None:
        count, before = math.prod(tiling.counts), len(done)
        begun = recorded = time.monotonic()
        waiting: list[int] = []
        try:
            todo = [tile for tile in range(count) if tile not in done]
            with closing(self._each_stored(to, tiling, todo, client)) as stored:
                for tile in stored:
                    waiting.append(tile)
                    done.add(tile)
                    now = time.monotonic()
                    if now - recorded > _RECORD_EVERY:
                        _record(to, notes, waiting)
                        recorded = now
                    self._source.release()
                    to.release()
                    if progress is not None:
                        left = (now - begun) / (len(done) - before) * (count - len(done))
                        progress(len(done), count, left)
        except BaseException:  # of a run that was interrupted too, as far as what ended it lets
            with suppress(Exception):
                _record(to, notes, waiting)
            raise
        _record(to, notes, waiting)

    def _each_stored(
        self, to: StoredArray, tiling: Tiling, tiles: list[int], client: Client | None
    ) -> Generator[int, None, None]:
        """Compute tiles, here or elsewhere, and tell which is stored."""
        if client is not None:
            from ..dask._workers import each_stored

            regions = ((tile, self._region(tiling, tile)) for tile in tiles)
            yield from each_stored(client, partial(self._put, to, flush=True), regions)
            return
        for tile in tiles:
            self._put(to, self._region(tiling, tile))
            yield tile

    def _put(self, to: StoredArray, region: Region, *, flush: bool = False) -> None:
        to.write(region, self._computed(region))
        if flush:
            to.flush()

    def _region(self, tiling: Tiling, tile: int) -> Region:
        place = np.unravel_index(tile, tiling.counts)
        runs: list[Run] = []
        for i, t, n in zip(place, tiling.tile, self.shape, strict=True):
            runs.append((int(i) * t, min((int(i) + 1) * t, n)))
        return tuple(runs)

    def _check(self, tiling: Tiling, done: set[int], to: StoredArray) -> None:
        """Fail unless the output holds what is said to be done: one tile, or all that are nothing but zeros.

        Zeros are what a new output holds too.
        """
        for tile in sorted(done, reverse=True):
            region = self._region(tiling, tile)
            there = to.read([[run] for run in region]).astype(self.dtype).tobytes()
            if there != self._computed(region).tobytes():
                raise ValueError(
                    "output does not hold what the journal says is done, or input has changed:"
                    " remove the journal to begin anew"
                )
            if there.strip(b"\0"):
                return

    def _run(self, tiling: Tiling) -> dict[str, Any]:
        """Return what has to be the same for a run to go on."""
        return {
            "function": self._does.name,
            "arguments": _fingerprint(self._does.call),
            "instruction set": runtime.instruction_set(),
            "input": [list(self._source.shape), self._source.dtype.str],
            "output": [list(self.shape), self.dtype.str],
            "tile": list(tiling.tile),
        }


def by_tiles(
    function: Callable[Concatenate[ArrayLike, P], Array],
) -> Callable[Concatenate[Any, P], TiledArray]:
    """Return a function of fastconv for arrays on disk."""
    signature = inspect.signature(function)
    first = next(iter(signature.parameters))

    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> TiledArray:
        given = signature.bind(*args, **kwargs).arguments
        source = StoredArray(given.pop(first), first)
        return TiledArray(operation(function, source.shape, source.dtype, **given), source)

    call.__doc__ = documented(
        function,
        "array on disk",
        "`numpy.memmap`, a Zarr array, an HDF5 dataset, or whatever has a shape, a dtype and slices.",
        "Not computed yet: `TiledArray.store` computes it tile by tile, ``[...]`` a part. The bits are\n"
        "those of the same call on the whole array in memory.",
        "fastconv.tiled.TiledArray",
    )
    return call


def _fingerprint(value: Any) -> str:
    """Return what is the same for equal arguments, in whatever process and however they were written."""
    if isinstance(value, np.ndarray):
        text = f"{value.dtype.str}{value.shape}{hashlib.sha256(value.tobytes()).hexdigest()}"
    elif isinstance(value, dict):
        text = str([(key, _fingerprint(value[key])) for key in sorted(value)])
    elif isinstance(value, list | tuple):
        text = str([_fingerprint(one) for one in value])
    elif inspect.isroutine(value) or isinstance(value, type):
        text = f"{value.__module__}.{value.__qualname__}"
    elif hasattr(value, "__dict__"):
        text = _fingerprint(value.__getstate__())
    else:
        text = repr(value)
    return hashlib.sha256(text.encode()).hexdigest()


def _record(to: StoredArray, notes: Journal | None, tiles: list[int]) -> None:
    """Make tiles stay on the disk, then note that they do."""
    to.flush()
    if notes is not None and tiles:
        notes.add(tiles)
    tiles.clear()


def _coded(counts: Sequence[int], chunks: Sequence[int], dtype: np.dtype[Any]) -> int:
    """Return the bytes of so many chunks while they are decoded or encoded: as they are, and as stored."""
    return 2 * min(math.prod(counts), _CHUNKS_AT_WORK) * math.prod(chunks) * dtype.itemsize


def _worthwhile(axis: Any) -> int:
    """Return how long a tile should be for what it reads beside it not to matter."""
    beside = axis.part(axis.outputs // 2, axis.outputs // 2 + 1).size if axis.outputs else 1
    return int(max(8 * beside, 64))


def _bytes_of(memory: int | str) -> int:
    """Return a number of bytes, from one with a unit."""
    if isinstance(memory, str):
        found = re.fullmatch(r"\s*(\d+\.?\d*|\.\d+)\s*([kmgt]?i?)b?\s*", memory.lower())
        if found is None or found[2] == "i":
            raise ValueError(f"memory is {memory!r}, expected bytes, or such as '512MB' or '1.5GiB'")
        return int(float(found[1]) * _UNITS[found[2]])
    if isinstance(memory, bool) or not isinstance(memory, int | np.integer) or memory < 1:
        raise ValueError(f"memory is {memory!r}, expected a number of bytes, or such as '512MB'")
    return int(memory)
