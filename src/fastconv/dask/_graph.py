"""The graph of an operation on a dask array: a task for each block of the result, others for borders."""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Iterator, Sequence
from itertools import chain, product
from typing import Any, TypeAlias

import dask
import numpy as np
from dask._task_spec import DataNode, Task, TaskRef

from .. import runtime
from .._arrays import Array
from .._parts import Mosaic, Operation, Region, size_of

__all__ = ["Chunks", "tasks", "threads_of_task"]

Chunks: TypeAlias = tuple[tuple[int, ...], ...]
Key: TypeAlias = tuple[Any, ...]
Piece: TypeAlias = tuple[int, Region, int | None]
"""What a block reads: in which of its sources it lies, what it is of the input, and where it begins there.

None: the source is a chunk, and all of that.
"""

_JOINED = 8  # of a chunk's bytes, that part of borders is joined: as little goes to workers that need less


def tasks(
    does: Operation, name: str, chunks: Chunks, source: str, source_chunks: Chunks, *, joined: bool
) -> dict[Any, Any]:
    """Return the tasks: one for each block of the result, and for each chunk one that cuts its borders out.

    A task that needs most of a chunk takes it whole. Of others it takes what was cut out: that alone travels
    between workers and stays in memory.

    If borders are joined, those of chunks that lie together become one array: blocks then depend on few, and
    workers send few messages, but wait for more chunks. That is for chunks that are in memory anyway.
    """
    starts, ends = _starts(source_chunks), _starts(chunks)
    needed = {
        block: list(_needed(does, _region(ends, block), starts))
        for block in product(*(range(len(each)) for each in chunks))
    }
    borders: dict[Key, dict[Region, None]] = {}  # in the order in which they are cut out
    for chunk, part in chain.from_iterable(needed.values()):
        if 2 * size_of(part) < size_of(_region(starts, chunk)):
            borders.setdefault(chunk, {})[part] = None

    shared = f"{name}-operation"
    graph: dict[Any, Any] = {shared: DataNode(shared, does)}
    places: dict[tuple[Key, Region], tuple[TaskRef, int]] = {}
    for group in _groups(borders, source_chunks) if joined else ([chunk] for chunk in borders):
        cut = []
        for chunk in group:
            key = (f"{name}-borders", *chunk)
            at = tuple(begin for begin, _ in _region(starts, chunk))
            graph[key] = Task(key, _cut_out, TaskRef((source, *chunk)), at, tuple(borders[chunk]))
            cut.append(TaskRef(key))
        whole = cut[0]
        if len(cut) > 1:
            key = (f"{name}-joined", *group[0])
            graph[key] = Task(key, _joined, *cut)
            whole = TaskRef(key)
        first = 0
        for place in ((chunk, part) for chunk in group for part in borders[chunk]):
            places[place] = whole, first
            first += size_of(place[1])

    for block, parts in needed.items():
        sources: dict[TaskRef, int] = {}
        pieces: list[Piece] = []
        for chunk, part in parts:
            ref, begins = places.get((chunk, part), (TaskRef((source, *chunk)), None))
            region = _region(starts, chunk) if begins is None else part
            pieces.append((sources.setdefault(ref, len(sources)), region, begins))
        key = (name, *block)
        region = _region(ends, block)
        graph[key] = Task(key, _computed, TaskRef(shared), region, tuple(pieces), *sources)
    return graph


def _groups(borders: dict[Key, dict[Region, None]], chunks: Chunks) -> Iterator[list[Key]]:
    """Put chunks together that lie together: as many as leave their borders much smaller than a chunk."""
    axes = sum(len(each) > 1 for each in chunks)
    of_chunk = max((sum(map(size_of, parts)) for parts in borders.values()), default=1)
    most = int(
        (np.prod([max(each) for each in chunks], dtype=float) / (_JOINED * of_chunk)) ** (1 / max(axes, 1))
    )
    # Groups of like extents along each axis.
    extents = [-(-len(each) // -(-len(each) // max(most, 1))) for each in chunks]
    groups: dict[Key, list[Key]] = {}
    for chunk in borders:
        groups.setdefault(tuple(i // n for i, n in zip(chunk, extents, strict=True)), []).append(chunk)
    yield from groups.values()


def _needed(does: Operation, region: Region, starts: Sequence[Sequence[int]]) -> Iterator[tuple[Key, Region]]:
    """Tell which part of which chunk a part of the result needs."""
    axes = []
    for part, start in zip(does.parts(region), starts, strict=True):
        found = []
        for begin, end in part.runs:
            first = int(np.searchsorted(start, begin, "right")) - 1
            last = int(np.searchsorted(start, end, "left"))
            found += [(i, (max(begin, start[i]), min(end, start[i + 1]))) for i in range(first, last)]
        axes.append([(i, run) for i, run in found if run[0] < run[1]])
    for each in product(*axes):
        yield tuple(i for i, _ in each), tuple(run for _, run in each)


def _starts(chunks: Chunks) -> list[list[int]]:
    """Return where the chunks of every axis begin, and where the last ends."""
    return [np.cumsum([0, *each]).tolist() for each in chunks]


def _region(starts: Sequence[Sequence[int]], block: Key) -> Region:
    return tuple((start[i], start[i + 1]) for start, i in zip(starts, block, strict=True))


def _cut_out(chunk: Array, at: tuple[int, ...], regions: Sequence[Region]) -> Array:
    """Return parts of a chunk that begins there, one behind the other: one array travels faster than many."""
    parts = [
        chunk[tuple(slice(b - a, e - a) for (b, e), a in zip(region, at, strict=True))] for region in regions
    ]
    return np.concatenate([part.ravel() for part in parts])


def _joined(*cut: Array) -> Array:
    return np.concatenate(cut)


def _computed(does: Operation, region: Region, pieces: Sequence[Piece], *sources: Array) -> Array:
    """Compute a block of the result."""
    arrays = []
    for which, whole, first in pieces:
        array = sources[which]
        if first is not None:
            array = array[first : first + size_of(whole)].reshape([end - begin for begin, end in whole])
        arrays.append((tuple(begin for begin, _ in whole), array))
    with runtime.threads(threads_of_task()):
        return does.compute(region, Mosaic(arrays))


def threads_of_task() -> int:
    """Return how many threads a task may use.

    Schedulers run as many tasks at a time as there are cores, one in each of their threads; only where tasks
    run one after another, in the program's own thread, are all cores a task's.
    """
    given: int | None = dask.config.get("fastconv.threads", None)
    if given is not None:
        return given
    alone = threading.current_thread() is threading.main_thread() and multiprocessing.parent_process() is None
    return runtime.get_num_threads() if alone else 1
