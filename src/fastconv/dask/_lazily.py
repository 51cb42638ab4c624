"""Functions of fastconv on dask arrays."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Sequence
from functools import wraps
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, cast

import dask.array as da
import numpy as np
from dask.base import tokenize
from dask.highlevelgraph import HighLevelGraph, MaterializedLayer
from numpy.typing import ArrayLike

from .._arrays import Array
from .._parts import Operation, documented, operation
from ._graph import Chunks, Key, tasks

if TYPE_CHECKING:
    from distributed import Future

__all__ = ["lazily"]

P = ParamSpec("P")


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
    places = _places(x)
    name = f"{does.name}-{tokenize(x.name, does, places)}"  # for tasks of the same names have to be the same
    blocks = tasks(does, name, chunks, x.name, x.chunks, places)
    graph = HighLevelGraph.from_collections(name, blocks, dependencies=cast(Any, [x]))
    return da.Array(graph, name, chunks, meta=np.empty((0,) * len(chunks), does.dtype))


def _cut(output_of: Callable[[int], int], outputs: int, chunks: Sequence[int]) -> tuple[int, ...]:
    """Return the chunks of a result's axis: as those of the input, but for those that would be empty."""
    ends = [output_of(int(end)) for end in np.cumsum(chunks)]
    extents = tuple(int(n) for n in np.diff([0, *ends]) if n > 0)
    return extents or (outputs,)


def _places(x: da.Array) -> dict[Key, str]:
    """Return which worker of a cluster holds a chunk, of those that are computed."""
    layer, distributed = x.dask.layers.get(x.name), sys.modules.get("distributed")
    if distributed is None or not isinstance(layer, MaterializedLayer):
        return {}
    futures: dict[Key, Future[Any]] = {
        key[1:]: node
        for key, node in layer.items()
        if isinstance(key, tuple) and key[0] == x.name and isinstance(node, distributed.Future)
    }
    if not futures:
        return {}
    client = next(iter(futures.values())).client
    if client.asynchronous or client.status != "running":
        return {}
    holding = client.who_has(list(futures.values()))
    workers = {chunk: holding.get(future.key, ()) for chunk, future in futures.items()}
    return {chunk: by[0] for chunk, by in workers.items() if by}
