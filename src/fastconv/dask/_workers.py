"""Tiles of an array on disk, computed and stored by the workers of a cluster."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Iterable

from distributed import CancelledError, Client, Future, as_completed, wait

from .. import runtime
from .._parts import Region
from ._graph import threads_of_task

__all__ = ["each_stored"]

_AHEAD = 2  # tasks for each thread of the cluster: one that runs, one that waits for it


def each_stored(
    client: Client, store: Callable[[Region], None], tiles: Iterable[tuple[int, Region]]
) -> Generator[int, None, None]:
    """Have workers store tiles, and tell which is done as soon as one is.

    Only so many are given away that no worker is idle: what is stopped then stops soon, and is not left while
    any worker still writes.
    """
    waiting = iter(tiles)
    running: dict[Future[None], int] = {}
    finished = as_completed(loop=client.loop)

    def give_away() -> None:
        wanted = _AHEAD * max(sum(client.nthreads().values()), 1)
        while len(running) < wanted:
            tile, region = next(waiting, (None, ()))
            if tile is None:
                return
            future = client.submit(_stored, store, region, pure=False)
            running[future] = tile
            finished.add(future)

    try:
        give_away()
        for future in finished:
            tile = running.pop(future)
            future.result()
            give_away()
            yield tile
    finally:
        with contextlib.suppress(CancelledError):
            if running:
                wait(list(running))


def _stored(store: Callable[[Region], None], region: Region) -> None:
    with runtime.threads(threads_of_task()):
        store(region)
