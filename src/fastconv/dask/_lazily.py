"""Functions of fastconv on dask arrays: a graph with a task for each block of the result."""

from __future__ import annotations

import inspect
import multiprocessing
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import wraps
from itertools import product
from typing import Any, Concatenate, ParamSpec, TypeAlias, cast

import dask
import dask.array as da
import numpy as np
from dask._task_spec import DataNode, Task, TaskRef
from dask.base import tokenize
from dask.highlevelgraph import HighLevelGraph
from numpy.typing import ArrayLike

from .. import runtime
from .._arrays import Array
from .._parts import Mosaic, Operation, Region, documented, operation, size_of

__all__ = ["lazily"]

P = ParamSpec("P")
Key: TypeAlias = tuple[Any, ...]
Chunks: TypeAlias = tuple[tuple[int, ...], ...]


def lazily(
    function: Callable[Concatenate[ArrayLike, P], Array],
) -> Callable[Concatenate[da.Array, P], da.Array]:
    """Return a function of fastconv for dask arrays."""
    signature = inspect.signature(function)
    first = next(iter(signature.parameters))

    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> da.Array:
        given = signature.bind(*args, **kwargs).arguments
        x = _checked(given.pop(first), given)
        does = operation(function, x.shape, x.dtype, **given)
        x = x.rechunk({axis: -1 for axis, one in enumerate(does.axes) if one.undivided})
        return _applied(does, x)

    call.__doc__ = documented(
        function,
        "dask.array.Array",
        "Of known chunks. What the kernel sees of neighbouring chunks is taken from them, and no more; axes\n"
        "of which every result needs all, such as a convolution's channels, are made one chunk.",
        "Lazy; its chunks follow those of the input. The bits are those of the same call on the whole array\n"
        "in memory, whatever the chunks and the scheduler.",
    )
    return call


def _checked(input: Any, others: dict[str, Any]) -> da.Array:
    if not isinstance(input, da.Array):
        raise TypeError(f"input={input!r:.200}: expected a dask array, as dask.array.from_array makes")
    if any(np.isnan(extent) for extent in input.shape):
        raise ValueError(
            f"input has chunks {input.chunks}, expected known ones: input.compute_chunk_sizes() computes them"
        )
    if not isinstance(input._meta, np.ndarray):
        raise TypeError(f"input has chunks of {type(input._meta)}, expected NumPy arrays")
    for name, value in others.items():
        if isinstance(value, da.Array):
            raise TypeError(f"{name} is a dask array, expected one in memory")
    return input


def _applied(does: Operation, x: da.Array) -> da.Array:
    """Return the result of an operation."""
    chunks: Chunks = tuple(
        _cut(axis.output_of, axis.outputs, each) for axis, each in zip(does.axes, x.chunks, strict=True)
    )
    name = f"{does.name}-{tokenize(x.name, does)}"
    graph = HighLevelGraph.from_collections(name, _tasks(does, x, chunks, name), dependencies=cast(Any, [x]))
    return da.Array(graph, name, chunks, meta=np.empty((0,) * len(chunks), does.dtype))


def _cut(output_of: Callable[[int], int], outputs: int, chunks: Sequence[int]) -> tuple[int, ...]:
    """Return the chunks of a result's axis: as those of the input, but for those that would be empty."""
    ends = [output_of(int(end)) for end in np.cumsum(chunks)]
    extents = tuple(int(n) for n in np.diff([0, *ends]) if n > 0)
    return extents or (outputs,)


def _tasks(does: Operation, x: da.Array, chunks: Chunks, name: str) -> dict[Any, Any]:
    """Return the tasks: one for each block of the result, and for each chunk one that cuts its borders out.

    A task that needs most of a chunk takes it whole. Of others it takes what was cut out: that alone travels
    between workers and stays in memory.
    """
    shared = f"{name}-operation"
    tasks: dict[Any, Any] = {shared: DataNode(shared, does)}
    starts, ends = _starts(x.chunks), _starts(chunks)
    borders: dict[Key, list[Region]] = {}
    for block in product(*(range(len(each)) for each in chunks)):
        region = _region(ends, block)
        places: list[tuple[int, ...]] = []
        sources: list[tuple[TaskRef, int | None]] = []
        for chunk, wanted in _needed(does, region, starts):
            whole = _region(starts, chunk)
            if 2 * size_of(wanted) >= size_of(whole):
                places.append(tuple(begin for begin, _ in whole))
                sources.append((TaskRef((x.name, *chunk)), None))
                continue
            cut = tuple((b - at, e - at) for (b, e), (at, _) in zip(wanted, whole, strict=True))
            of_chunk = borders.setdefault(chunk, [])
            if cut not in of_chunk:
                of_chunk.append(cut)
            places.append(tuple(begin for begin, _ in wanted))
            sources.append((TaskRef((f"{name}-borders", *chunk)), of_chunk.index(cut)))
        key = (name, *block)
        which = tuple(index for _, index in sources)
        arrays = (ref for ref, _ in sources)
        tasks[key] = Task(key, _computed, TaskRef(shared), region, tuple(places), which, *arrays)
    for chunk, regions in borders.items():
        key = (f"{name}-borders", *chunk)
        tasks[key] = Task(key, _cut_out, TaskRef((x.name, *chunk)), tuple(regions))
    return tasks


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


def _cut_out(chunk: Array, regions: Sequence[Region]) -> list[Array]:
    """Return parts of a chunk, as copies: a view would keep all of it in memory."""
    return [chunk[tuple(slice(*run) for run in region)].copy() for region in regions]


def _computed(
    does: Operation,
    region: Region,
    places: Sequence[tuple[int, ...]],
    which: Sequence[int | None],
    *sources: Any,
) -> Array:
    """Compute a block of the result."""
    pieces = [source if i is None else source[i] for source, i in zip(sources, which, strict=True)]
    with runtime.threads(threads_of_task()):
        return does.compute(region, Mosaic(list(zip(places, pieces, strict=True))))


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
