"""Arrays on disk, filtered tile by tile: what is said before and meanwhile, and what is left of a run."""

import ctypes
import errno
import math
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

import click
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from fastconv import filters, tiled
from fastconv.tiled._tiles import by_tiles
from fastconv.tiled.files import FileArray, create_array, kind_of, needing, open_array, zarr_root

if TYPE_CHECKING:
    from distributed import Client

__all__ = ["Filtering", "filter_array", "kind_of"]

_INTERRUPTED = 130
_MOST_COLOURS = 4
_CONNECT_SECONDS = 10
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h

_filter_pixels = by_tiles(filters.filter_pixels)


@dataclass(frozen=True)
class Filtering:
    """What is done to an image."""

    kernel: NDArray[np.float64]
    scale: float
    offset: float
    axes: tuple[int, int] | None  # of rows and columns, if they were given

    def axes_of(self, shape: tuple[int, ...]) -> tuple[int, int]:
        """Return the axes of rows and columns."""
        if self.axes is not None:
            return self.axes
        return (0, 1) if len(shape) == 3 and shape[2] <= _MOST_COLOURS else (-2, -1)

    def of(self, image: FileArray) -> tiled.TiledArray:
        """Return the result, which is not computed yet."""
        if len(image.shape) < 2 or 0 in image.shape:
            raise ValueError(f"{image.name} has shape {image.shape}, expected rows and columns")
        try:
            return _filter_pixels(image, self.kernel, self.scale, self.offset, self.axes_of(image.shape))
        except TypeError as error:  # an array of another type
            raise ValueError(f"{image.name}: {error}") from error


def filter_array(source: Path, output: Path, does: Filtering, memory: str, scheduler: str | None) -> int:
    """Filter an array into a file; return the exit code."""
    _return_memory()
    try:
        image = open_array(source)
        result = does.of(image)
        with _cluster(scheduler) as client, _Unfinished(output) as unfinished:
            array = unfinished.open(result, image, does.axes_of(image.shape))
            click.echo(f"{output}: {' x '.join(map(str, result.shape))}, {result.dtype}")
            tiling = result.tiling(memory, array.chunks)
            click.echo(f"{tiling}{_where(client)}")
            if unfinished.goes_on:
                click.echo(f"going on with {unfinished.partial}")
            with _progress(math.prod(tiling.counts)) as tell:

                def progress(done: int, count: int, left: float) -> None:
                    unfinished.has_tiles = True
                    tell(done, count, left)

                journal = unfinished.journal
                result.store(array, memory=memory, journal=journal, progress=progress, client=client)
            unfinished.finish()
    except ImportError as missing:
        raise click.ClickException(str(missing)) from missing
    except KeyboardInterrupt:
        return _INTERRUPTED
    return 0


def _return_memory() -> None:
    """Have glibc return what is freed: else each of Zarr's threads keeps memory of the chunks it decoded."""
    with suppress(AttributeError, OSError, TypeError):  # on systems of another kind
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_MMAP_THRESHOLD, 2 << 20)
        mallopt(_M_TRIM_THRESHOLD, 32 << 20)


class _Unfinished:
    """The file that a result is written into until it is whole, and its journal: both beside the output."""

    def __init__(self, output: Path) -> None:
        self.output = output
        self.partial = output.with_name(output.name + ".partial")
        self.journal = output.with_name(output.name + ".journal")
        self.goes_on = False
        self.has_tiles = False
        self._is_new = False

    def open(self, result: tiled.TiledArray, image: FileArray, axes: tuple[int, int]) -> FileArray:
        """Return the array to store into: one that an earlier run left, or a new one."""
        _check_replaceable(self.output)
        kind = kind_of(self.output)
        self.goes_on = self.partial.exists() and self.journal.exists()
        if self.goes_on:
            array = open_array(self.partial, kind=kind, writable=True)
            if (array.shape, array.dtype) != (result.shape, result.dtype):
                raise ValueError(f"{self.partial} is of another run: remove it to begin anew")
            return array
        self._discard()
        self._is_new = True
        return create_array(self.partial, result.shape, result.dtype, kind=kind, like=image, axes=axes)

    def finish(self) -> None:
        """Put what is whole in the output's place."""
        self._is_new = False  # whatever happens now
        if not self.output.is_dir():
            os.replace(self.partial, self.output)
            return
        # No folder takes the place of another in one step.
        old = self.output.with_name(self.output.name + ".replaced")
        os.rename(self.output, old)
        os.rename(self.partial, self.output)
        shutil.rmtree(old)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            return
        interrupted = isinstance(error, KeyboardInterrupt)
        if not self.journal.exists():
            if self._is_new:
                self._discard()
            if interrupted:
                click.echo("interrupted before anything was done", err=True)
        elif self.has_tiles or interrupted:
            why = "interrupted: " if interrupted else ""
            click.echo(f"{why}what is done is kept in {self.partial}, the same command goes on", err=True)

    def _discard(self) -> None:
        self.journal.unlink(missing_ok=True)
        if self.partial.is_dir():
            shutil.rmtree(self.partial)
        else:
            self.partial.unlink(missing_ok=True)


def _check_replaceable(output: Path) -> None:
    """Refuse an output that is in no folder, or would replace what is not of its kind."""
    root = zarr_root(output) if kind_of(output) == "zarr" else None
    if not (root or output).absolute().parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(output))
    if root is None:
        if output.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(output))
    elif output.exists():
        try:
            open_array(output)
        except ValueError as error:
            raise ValueError(f"{output} is not replaced: {error}") from error


@contextmanager
def _cluster(address: str | None) -> "Iterator[Client | None]":
    if address is None:
        yield None
        return
    with needing("--scheduler", "dask"):
        from distributed import Client

        import fastconv.dask  # noqa: F401
    with Client(address, timeout=_CONNECT_SECONDS) as client:
        if not client.nthreads():
            click.echo(f"waiting for a worker of {address}", err=True)
            client.wait_for_workers(1)
        try:
            yield client
        except (ValueError, OSError, ImportError):
            raise
        except Exception as error:  # whatever ended a worker
            raise click.ClickException(f"the cluster failed: {' '.join(str(error).split())}") from error


def _where(client: "Client | None") -> str:
    if client is None:
        return ""
    threads = client.nthreads().values()
    return f" in each of {sum(threads)} threads of {len(threads)} workers"


@contextmanager
def _progress(count: int) -> Iterator[tiled.Progress]:
    """Show a bar while tiles are stored, on the error stream."""
    columns = (
        TextColumn("tiles"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left {task.fields[left]}"),
    )
    console = Console(stderr=True)
    # A pipe would be sent an empty line.
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as display:
        task = display.add_task("", total=count, left="?")

        def tell(done: int, count: int, left: float) -> None:
            display.update(task, completed=done, left=timedelta(seconds=round(left)))

        yield tell
