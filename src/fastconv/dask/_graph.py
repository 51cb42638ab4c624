"""The graph of an operation on a dask array: a task for each block of the result, others for borders."""

from __future__ import annotations

import multiprocessing
import threading
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from itertools import chain, pairwise, product
from typing import Any, TypeAlias

import dask
import numpy as np
from dask._task_spec import DataNode, Task, TaskRef

from .. import runtime
from .._arrays import Array
from .._parts import Mosaic, Operation, Region, Run, size_of, within

__all__ = ["Chunks", "Key", "tasks", "threads_of_task"]

Chunks: TypeAlias = tuple[tuple[int, ...], ...]
Key: TypeAlias = tuple[Any, ...]
Piece: TypeAlias = tuple[int, Region, int | None]
"""What a block reads: in which of its sources it lies, what it is of the input, and where it begins there.

None: the source is that chunk, whole.
"""

# Of a chunk, the most that borders have which travel together: workers that need less of them get all.
_SHARE = 8


def tasks(
    does: Operation, name: str, chunks: Chunks, source: str, source_chunks: Chunks, places: dict[Key, str]
) -> dict[Any, Any]:
    """Return the tasks: one for each block of the result, and others that cut the borders of chunks out.

    A task that needs most of a chunk takes it whole. Of others it takes what was cut out: that alone travels
    between workers and stays in memory.

    Neighbours that `places` says to lie at the same place have one task for their borders: tasks and messages
    take longer than what they do. To wait for chunks that are still to be computed, and hold them, would take
    memory, so any other has one of its own.
    """
    starts, ends = _starts(source_chunks), _starts(chunks)
    along = [
        [_needed(axis.part(*run).runs, start) for run in pairwise(end)]
        for axis, start, end in zip(does.axes, starts, ends, strict=True)
    ]
    needed = {
        block: [_crossed(runs) for runs in product(*(axis[i] for axis, i in zip(along, block, strict=True)))]
        for block in product(*(range(len(each)) for each in chunks))
    }
    borders: dict[Key, dict[Region, None]] = {}  # in the order in which they are cut out
    for chunk, part in chain.from_iterable(needed.values()):
        if 2 * size_of(part) < size_of(_region(starts, chunk)):
            borders.setdefault(chunk, {})[part] = None

    shared = f"{name}-operation"
    graph: dict[Any, Any] = {shared: DataNode(shared, does)}
    cut: dict[tuple[Key, Region], tuple[TaskRef, int]] = {}  # by which task, and where it is in its result
    for group in _groups(borders, source_chunks, places):
        key = (f"{name}-borders", *group[0])
        parts = []
        first = 0
        for chunk in group:
            at = _region(starts, chunk)
            for part in borders[chunk]:
                cut[chunk, part] = TaskRef(key), first
                first += size_of(part)
            parts.append([within(part, at) for part in borders[chunk]])
        graph[key] = Task(key, _cut_out, parts, *(TaskRef((source, *chunk)) for chunk in group))

    for block, of_block in needed.items():
        sources: dict[TaskRef, int] = {}
        pieces: list[Piece] = []
        for chunk, part in of_block:
            ref, begins = cut.get((chunk, part), (TaskRef((source, *chunk)), None))
            region = _region(starts, chunk) if begins is None else part
            pieces.append((sources.setdefault(ref, len(sources)), region, begins))
        key = (name, *block)
        region = _region(ends, block)
        graph[key] = Task(key, _computed, TaskRef(shared), region, tuple(pieces), *sources)
    return graph


def _groups(
    borders: dict[Key, dict[Region, None]], chunks: Chunks, places: dict[Key, str]
) -> Iterable[list[Key]]:
    """Put neighbours at the same place together: as many as have borders much smaller than a chunk."""
    axes = sum(len(each) > 1 for each in chunks)
    of_chunk = max((sum(map(size_of, parts)) for parts in borders.values()), default=1)
    elements = np.prod([max(each) for each in chunks], dtype=float)
    most = int((elements / (_SHARE * of_chunk)) ** (1 / max(axes, 1)))
    # Groups of like extents along each axis.
    extents = [-(-len(each) // -(-len(each) // max(most, 1))) for each in chunks]
    groups: dict[Any, list[Key]] = {}
    for chunk in borders:
        place = places.get(chunk)
        group = tuple(i // n for i, n in zip(chunk, extents, strict=True))
        groups.setdefault(chunk if place is None else (place, group), []).append(chunk)
    return groups.values()


def _needed(runs: Sequence[Run], starts: Sequence[int]) -> list[tuple[int, Run]]:
    """Return which chunks of an axis have parts of these runs, and which."""
    found = []
    for begin, end in runs:
        first, last = bisect_right(starts, begin) - 1, bisect_left(starts, end)
        found += [(i, (max(begin, starts[i]), min(end, starts[i + 1]))) for i in range(first, last)]
    return [(i, run) for i, run in found if run[0] < run[1]]


def _crossed(runs: Sequence[tuple[int, Run]]) -> tuple[Key, Region]:
    """Return the chunk that is the one of all axes, and its part."""
    return tuple(i for i, _ in runs), tuple(run for _, run in runs)


def _starts(chunks: Chunks) -> list[list[int]]:
    """Return where the chunks of every axis begin, and where the last ends."""
    return [np.cumsum([0, *each]).tolist() for each in chunks]


def _region(starts: Sequence[Sequence[int]], block: Key) -> Region:
    return tuple((start[i], start[i + 1]) for start, i in zip(starts, block, strict=True))


def _cut_out(parts: Sequence[Sequence[tuple[slice, ...]]], *chunks: Array) -> Array:
    """Return parts of chunks, one behind the other: one array travels faster than many."""
    return np.concatenate(
        [chunk[part].ravel() for chunk, of_chunk in zip(chunks, parts, strict=True) for part in of_chunk]
    )


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
