"""Images larger than memory: the memory they take, the same bits from a cluster, and the speed there.

    python benchmarks/large_images.py memory            # 6.4 GB on disk, filtered within 1 GB
    python benchmarks/large_images.py cluster           # two clusters, workers killed, Ctrl-C
    python benchmarks/large_images.py speed             # beside dask-image, and beside one call in memory
    python benchmarks/large_images.py memory --size 4000    # --size gives a short form of each

`memory` needs Linux; `cluster` and `speed` need the extra `dask`, and `speed` dask-image for its last lines.
"""

from __future__ import annotations

import json
import math
import os
import resource
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from itertools import product
from pathlib import Path
from typing import Any

import click
import numpy as np
from rich.console import Console
from rich.table import Table

import fastconv
from fastconv import ndimage, tiled
from fastconv.bench import describe_machine

# Of full rank: neither a product of a row and a column nor a sum of few.
WEIGHTS = np.random.default_rng(1).standard_normal((5, 5))
MARGIN = 16  # pixels to either side of a border that are compared: twice what any of the filters reaches
PIECE = 3001  # pixels along a border that are compared at a time: they begin elsewhere than tiles do
MB = 10**6
LEGEND = """\
MB said: what a tile takes, as tiling() says; at first: the process before it begins; VmHWM: at most,
pages of files included; MB/s of input; compared: pixels around borders between tiles and at the ends of the
image, with calls in memory: all have the same bits."""


@dataclass(frozen=True)
class Filter:
    """A function of `fastconv.ndimage` and its arguments, and how far an output sees."""

    name: str
    function: str
    arguments: tuple[Any, ...]
    reach: int

    def plain(self, image: Any) -> Any:
        return getattr(ndimage, self.function)(image, *self.arguments)

    def of(self, module: Any, image: Any) -> Any:
        """By `fastconv.tiled` or `fastconv.dask`."""
        return getattr(module, self.function)(image, *self.arguments)


FILTERS = {
    "gaussian": Filter("Gaussian", "gaussian_filter", (2.0,), 8),
    "correlate": Filter("5 x 5", "correlate", (WEIGHTS,), 2),
}


def noise(place: tuple[int, ...], shape: tuple[int, ...]) -> Any:
    """Pixels that are the same whenever they are asked for, and like nothing beside them."""
    return np.random.default_rng(place).random(shape, dtype=np.float32)


def say_machine(console: Console) -> None:
    machine = describe_machine()
    threads = f"threads: {machine.threads}, load {machine.load}"
    console.print(f"{machine.processor}, {machine.instruction_set}, {threads}")


def console() -> Console:
    return Console(width=None if sys.stdout.isatty() else 130, highlight=False)


@contextmanager
def folder_for(folder: Path | None, needed: int = 0) -> Iterator[Path]:
    """A folder that is gone afterwards, on a disk that has so many bytes left."""
    with tempfile.TemporaryDirectory(prefix="fastconv-", dir=folder) as name:
        left = shutil.disk_usage(name).free
        if left < needed:
            raise click.ClickException(
                f"{name} has {left / MB:.0f} MB left, expected {needed / MB:.0f}: give another --folder"
            )
        yield Path(name)


@click.group(help=(__doc__ or "").split("\n\n")[0])
def main() -> None:
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))  # what is open is closed


# ---------------------------------------------------------------- memory


def write_image(path: Path, size: int, rows: int = 256) -> None:
    """Write an image band by band, and let the system forget it: it will be read from the disk."""
    with path.open("wb") as file:
        header = {"descr": "<f4", "fortran_order": False, "shape": (size, size)}
        np.lib.format.write_array_header_1_0(file, header)
        for begin in range(0, size, rows):
            file.write(noise((begin,), (min(rows, size - begin), size)).data)
        file.flush()
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def new_output(kind: str, path: Path, size: int, chunk: int) -> Any:
    if kind == "npy":
        return np.lib.format.open_memmap(path, "w+", np.float32, (size, size))
    import zarr

    # Noise does not compress.
    return zarr.create_array(path, shape=(size, size), chunks=(chunk, chunk), dtype="f4", compressors=None)


def existing_output(kind: str, path: Path) -> Any:
    if kind == "npy":
        return np.load(path, mmap_mode="r")
    import zarr

    return zarr.open_array(path, mode="r")


@contextmanager
def control_group(limit: int) -> Iterator[Path | None]:
    """A control group (version 2) whose processes get so much memory, pages of files included; None without.

    It is made in the nearest group above this process where that is allowed.
    """
    group = None
    for parent in delegated_groups():
        group = parent / f"fastconv-{os.getpid()}"
        try:
            group.mkdir()
        except OSError:
            group = None
            continue
        try:
            (group / "memory.max").write_text(str(limit))
            if (group / "memory.swap.max").exists():
                (group / "memory.swap.max").write_text("0")
            break
        except OSError:
            group.rmdir()
            group = None
    try:
        yield group
    finally:
        if group is not None:
            group.rmdir()


def delegated_groups() -> Iterator[Path]:
    """Control groups above this process that share memory out and that it may move processes in."""
    mounts = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    root = next((Path(mount[1]) for mount in mounts if mount[2] == "cgroup2"), None)
    groups = Path("/proc/self/cgroup").read_text().splitlines()
    own = next((line[3:].lstrip("/") for line in groups if line.startswith("0::")), None)
    if root is None or own is None:
        return
    for group in (root / own, *(root / own).parents):
        if not group.is_relative_to(root):
            return
        shares = group / "cgroup.subtree_control"
        writable = os.access(group, os.W_OK) and os.access(group / "cgroup.procs", os.W_OK)
        if writable and shares.exists() and "memory" in shares.read_text().split():
            yield group


def confine(limit: int, group: Path | None) -> None:
    """Limit this process, which is about to begin."""
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    if group is not None:
        (group / "cgroup.procs").write_text("0")


def most_memory() -> int:
    """Bytes that this process had in memory at most, pages of files included."""
    status = Path("/proc/self/status").read_text()
    return 1024 * int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1])


@main.command(hidden=True)
@click.argument("which", type=click.Choice(list(FILTERS)))
@click.argument("kind")
@click.argument("source", type=click.Path(path_type=Path))
@click.argument("target", type=click.Path(path_type=Path))
@click.argument("memory")
@click.argument("chunk", type=int)
def apply(which: str, kind: str, source: Path, target: Path, memory: str, chunk: int) -> None:
    """What runs confined: filter a file, print what that took."""
    image = np.load(source, mmap_mode="r")
    output = new_output(kind, target, len(image), chunk)
    before = most_memory()
    begin = time.perf_counter()
    filtered = FILTERS[which].of(tiled, image)
    filtered.store(output, memory=memory)
    seconds = time.perf_counter() - begin
    print(json.dumps({"seconds": seconds, "before": before, "peak": most_memory()}))


def run_confined(arguments: list[str], limit: int) -> dict[str, Any]:
    with control_group(limit) as group:
        done = subprocess.run(
            [sys.executable, __file__, "apply", *arguments],
            stdout=subprocess.PIPE,
            text=True,
            # What chunks took is returned; else each of Zarr's threads keeps some.
            env={**os.environ, "MALLOC_TRIM_THRESHOLD_": "65536"},
            preexec_fn=partial(confine, limit, group),
        )
    if done.returncode:
        raise click.ClickException(f"the confined process ended with {done.returncode}")
    return json.loads(done.stdout.splitlines()[-1]) | {"group": group is not None}


def window(region: tuple[tuple[int, int], ...]) -> tuple[slice, ...]:
    return tuple(slice(*run) for run in region)


def compare(does: Filter, image: Any, result: Any, region: tuple[tuple[int, int], ...]) -> int:
    """Compare a part of a result, bit for bit, with a call on a window of the image; count its pixels."""
    stored = np.asarray(result[window(region)])
    seen = tuple(
        (max(begin - does.reach, 0), min(end + does.reach, n))
        for (begin, end), n in zip(region, image.shape, strict=True)
    )
    strip = np.array(image[window(seen)])
    (row, _), (column, _) = region
    for at in range(0, stored.shape[1], PIECE):
        wanted = slice(at, min(at + PIECE, stored.shape[1]))
        low = max(column + wanted.start - does.reach, 0)
        high = min(column + wanted.stop + does.reach, image.shape[1])
        plain = does.plain(strip[:, low - seen[1][0] : high - seen[1][0]])
        top, left = row - seen[0][0], column + wanted.start - low
        expected = plain[top : top + stored.shape[0], left : left + wanted.stop - wanted.start]
        there = stored[:, wanted]
        if there.tobytes() != expected.tobytes():
            down, right = np.argwhere(there != expected)[0]
            place = int(row + down), int(column + wanted.start + right)
            raise click.ClickException(f"{does.name}: the pixel at {place} differs")
    return stored.size


def check_borders(does: Filter, image: Any, result: Any, tiling: Any) -> tuple[int, int, int]:
    """Compare what lies around every border between tiles, and at the ends of the image.

    Returns the numbers of borders, of corners, and of pixels that were compared.
    """
    pixels, cuts = 0, []
    for axis, (tile, n) in enumerate(zip(tiling.tile, image.shape, strict=True)):
        inner = list(range(tile, n, tile))
        cuts.append(inner)
        for cut in (0, *inner, n):
            run = (max(cut - MARGIN, 0), min(cut + MARGIN, n))
            whole = (0, image.shape[1 - axis])
            pixels += compare(does, image, result, (run, whole) if axis == 0 else (whole, run))
    for corner in product(*cuts):
        region = tuple(
            (max(c - MARGIN, 0), min(c + MARGIN, n)) for c, n in zip(corner, image.shape, strict=True)
        )
        pixels += compare(does, image, result, region)
    across = [len(inner) for inner in cuts]
    borders = across[0] * tiling.counts[1] + across[1] * tiling.counts[0]
    return borders, math.prod(across), pixels


@main.command()
@click.option("--size", type=click.IntRange(256), default=40_000, show_default=True, help="Pixels of a side.")
@click.option("--memory", help="For a tile's arrays: 512MB, less for small images, so that they have tiles.")
@click.option("--limit", type=click.IntRange(100), default=1000, show_default=True, help="MB of the process.")
@click.option("--outputs", default="npy,zarr", show_default=True, help="Files to write, separated by commas.")
@click.option("--folder", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Of the files.")
def memory(size: int, memory: str | None, limit: int, outputs: str, folder: Path | None) -> None:
    """An image of a file into another, in a process that is denied more memory."""
    out, chunk = console(), max(size // 20, 64)
    memory = memory or f"{17 + 495 * (size / 40_000) ** 2:.0f}MB"
    kinds = [kind for kind in outputs.split(",") if kind != "zarr" or find_spec("zarr")]
    if not set(kinds) <= {"npy", "zarr"}:
        raise click.BadParameter(f"{outputs!r}: expected npy, zarr, or both", param_hint="--outputs")
    say_machine(out)
    table = Table(title="", title_justify="left")
    for heading in ("filter", "file", "tiles"):
        table.add_column(heading, no_wrap=True)
    for heading in ("MB said", "at first", "VmHWM", "s", "MB/s", "borders", "corners", "compared"):
        table.add_column(heading, justify="right", no_wrap=True)
    grouped = False
    with folder_for(folder, 2 * 4 * size**2 + 100 * MB) as place, out.status("") as status:
        source = place / "image.npy"
        status.update(f"writing {4 * size**2 / MB:.0f} MB")
        write_image(source, size)
        image = np.load(source, mmap_mode="r")
        for (which, does), kind in product(FILTERS.items(), kinds):
            status.update(f"{does.name} into .{kind}")
            target = place / f"result.{kind}"
            found = run_confined([which, kind, str(source), str(target), memory, str(chunk)], limit * MB)
            grouped = found["group"]
            status.update(f"{does.name} into .{kind}: comparing")
            result = existing_output(kind, target)
            tiling = does.of(tiled, image).tiling(memory, (chunk, chunk) if kind == "zarr" else None)
            borders, corners, pixels = check_borders(does, image, result, tiling)
            table.add_row(
                does.name,
                f".{kind}",
                f"{math.prod(tiling.counts)} of {' x '.join(map(str, tiling.tile))}",
                *(f"{n / MB:.0f}" for n in (tiling.memory, found["before"], found["peak"])),
                f"{found['seconds']:.1f}",
                f"{4 * size**2 / MB / found['seconds']:.0f}",
                *(str(borders), str(corners), f"{pixels / 1e6:.1f} M"),
            )
            del result
            shutil.rmtree(target) if target.is_dir() else target.unlink()
    used = f"RLIMIT_DATA of {limit} MB" + (", memory.max too, pages of files included" if grouped else "")
    table.title = f"{size} x {size}, float32, {4 * size**2 / MB:.0f} MB, --memory {memory}; limit: {used}"
    out.print(table)
    out.print(LEGEND)


# ---------------------------------------------------------------- cluster


def block_of_noise(delay: float, block_info: Any = None) -> Any:
    """Pixels of a chunk, after a time such as it takes to read them."""
    time.sleep(delay)
    info = block_info[None]
    return noise(tuple(info["chunk-location"]), info["chunk-shape"])


def noisy(size: int, chunk: int, delay: float = 0) -> Any:
    """An image of chunks that are made where they are wanted."""
    import dask.array as da

    chunks = da.core.normalize_chunks(chunk, (size, size), dtype=np.float32)
    meta = np.empty((0, 0), np.float32)
    return da.map_blocks(block_of_noise, delay, chunks=chunks, dtype=np.float32, meta=meta)


@contextmanager
def local_cluster(workers: int) -> Iterator[Any]:
    """Workers of one thread, started from Python."""
    from dask.distributed import Client, LocalCluster

    cluster = LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=":0")
    with cluster, Client(cluster) as client:
        yield client


@contextmanager
def commanded_cluster(workers: int) -> Iterator[Any]:
    """The same from the command line: a scheduler, and workers that are told where it is."""
    from dask.distributed import Client

    with folder_for(None) as place, ExitStack() as stack:
        where = str(place / "scheduler.json")
        there = ["--scheduler-file", where, "--no-dashboard"]
        # They end by themselves, too, should this process be killed.
        scheduler = ["scheduler", *there, "--host", "127.0.0.1", "--port", "0", "--idle-timeout", "10m"]
        worker = [
            "worker",
            *there,
            "--nthreads",
            "1",
            "--local-directory",
            str(place),
            "--death-timeout",
            "60",
        ]
        stack.enter_context(running(scheduler, place / "scheduler.log"))
        for i in range(workers):
            stack.enter_context(running(worker, place / f"worker{i}.log"))
        client = stack.enter_context(Client(scheduler_file=where, timeout=60))
        client.wait_for_workers(workers, timeout=60)
        yield client


@contextmanager
def running(arguments: list[str], log: Path) -> Iterator[None]:
    """A `dask` command that ends with the block, and whatever it began."""
    with log.open("w") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "dask", *arguments], stdout=file, stderr=file, start_new_session=True
        )
    try:
        yield
    finally:
        process.terminate()
        try:
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=15)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


CLUSTERS: dict[str, Callable[[int], Any]] = {"LocalCluster": local_cluster, "dask worker": commanded_cluster}


def cases(size: int, chunk: int) -> Iterator[tuple[str, Any, Callable[[], Any]]]:
    """Names, lazy results, and the same in memory."""
    import dask.array as da

    import fastconv.dask

    image = noisy(size, chunk)
    for does in FILTERS.values():
        yield does.name, does.of(fastconv.dask, image), partial(in_memory, does.plain, image)
    # Three channels, eight kernels, every other pixel.
    weight = np.random.default_rng(2).standard_normal((8, 3, 3, 3), dtype=np.float32)
    colours = da.stack([image, image[::-1], image.T])[..., : size // 2, : size // 2]
    options = {"stride": 2, "padding": 1, "activation": "relu"}
    convolved = fastconv.dask.conv2d(colours, weight, **options)
    yield "conv2d, stride 2", convolved, partial(in_memory, fastconv.conv2d, colours, weight, **options)


def in_memory(function: Callable[..., Any], image: Any, *args: Any, **kwargs: Any) -> Any:
    """A call on all of a dask array, computed in this process."""
    return function(image.compute(scheduler="threads"), *args, **kwargs)


def assert_same(name: str, found: Any, expected: Any) -> None:
    if found.shape != expected.shape or found.tobytes() != expected.tobytes():
        raise click.ClickException(f"{name}: the bits are not those of the call in memory")


def pids(client: Any) -> dict[str, int]:
    """The processes of the workers, by their addresses."""
    return client.run(os.getpid)


def killed(client: Any, size: int, chunk: int) -> str:
    """Kill the worker that holds most of what is done while the rest is computed."""
    import dask
    from dask.distributed import futures_of

    import fastconv.dask

    workers, before = len(pids(client)), set(pids(client).values())
    does = FILTERS["correlate"]
    (result,) = dask.persist(does.of(fastconv.dask, noisy(size, chunk, delay=0.1)))
    blocks = futures_of(result)
    while (done := sum(block.done() for block in blocks)) < len(blocks) // 4:
        time.sleep(0.01)
    held = client.has_what()
    victim = max(held, key=lambda address: len(held[address]))
    os.kill(pids(client)[victim], signal.SIGKILL)
    if done == len(blocks):
        raise click.ClickException("the work was done before a worker was killed: give a larger --size")
    found = result.compute()
    assert_same("after a kill", found, in_memory(does.plain, noisy(size, chunk)))
    client.wait_for_workers(workers, timeout=60)
    new = set(pids(client).values()) - before
    if len(new) != 1:
        raise click.ClickException(f"{len(new)} workers are new, expected the one that was killed")
    return f"a worker was killed after {done} of {len(blocks)} blocks and began anew, the same bits"


@main.command(hidden=True)
@click.argument("kind", type=click.Choice(list(CLUSTERS)))
def busy(kind: str) -> None:
    """Compute for long; say when that has begun."""
    import fastconv.dask

    with CLUSTERS[kind](2) as client:
        result = fastconv.dask.correlate(noisy(4096, 64, delay=0.5), WEIGHTS).sum()
        future = client.compute(result)
        while not any(client.processing().values()):
            time.sleep(0.01)
        print("busy", flush=True)
        future.result()


def interrupted(kind: str) -> str:
    """Press Ctrl-C in the midst of a computation: nothing may be left of it."""
    import psutil

    process = subprocess.Popen(
        [sys.executable, __file__, "busy", kind],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        process_group=0,
    )
    children: list[Any] = []
    try:
        if process.stdout is None or process.stdout.readline() != "busy\n":
            raise click.ClickException(f"{kind}: did not begin")
        children = psutil.Process(process.pid).children(recursive=True)
        begin = time.perf_counter()
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does
        try:
            process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            raise click.ClickException(f"{kind}: still runs a minute after Ctrl-C") from None
        _, alive = psutil.wait_procs(children, timeout=10)
        if alive:
            raise click.ClickException(f"{kind}: {len(alive)} processes are left after Ctrl-C")
        seconds = time.perf_counter() - begin
    finally:
        for each in (process, *children):
            with suppress(psutil.NoSuchProcess):
                each.kill()
        process.wait()
    return f"Ctrl-C: after {seconds:.1f} s none of {1 + len(children)} processes is left"


@main.command()
@click.option("--size", type=click.IntRange(512), default=8192, show_default=True, help="Pixels of a side.")
@click.option("--chunk", type=click.IntRange(64), help="Of a chunk; an eighth of the image's.")
def cluster(size: int, chunk: int | None) -> None:
    """Two workers: the same bits as in memory, also when one is killed; nothing is left after Ctrl-C."""
    import dask

    out, chunk = console(), chunk or max(size // 8, 64)
    # What dask says of workers that are killed is expected here.
    os.environ["DASK_LOGGING__DISTRIBUTED"] = "critical"
    dask.config.refresh()
    say_machine(out)
    out.print(f"{size} x {size}, float32, chunks of {chunk} x {chunk}, 2 workers of 1 thread")
    for kind, started in CLUSTERS.items():
        with started(2) as client:
            out.print(f"{kind}:")
            for name, lazy, plain in cases(size, chunk):
                begin = time.perf_counter()
                found = lazy.compute()
                seconds = time.perf_counter() - begin
                assert_same(f"{kind}: {name}", found, plain())
                count = math.prod(lazy.numblocks)
                out.print(f"  {name}: {count} blocks, {seconds:.1f} s, the same bits as in memory")
            out.print(f"  {killed(client, size, chunk)}")
        out.print(f"  {interrupted(kind)}")


# ---------------------------------------------------------------- speed


@dataclass
class Way:
    """A way to compute the filter; its result, and what is waited for, are dropped when the call returns."""

    name: str
    call: Callable[[], object]
    seconds: list[float]


def persisted(lazy: Callable[[], Any], **scheduler: Any) -> None:
    """Compute a result and leave it where it is."""
    result = lazy().persist(**scheduler)
    if not scheduler:
        from dask.distributed import wait

        wait(result)


def take_memory(bytes: int) -> None:
    """Take memory and free it, so that the next call, of whatever process, finds some that was just in use.

    What was free for seconds is the host's on many virtual machines, and takes ten times as long to get.
    """
    np.ones(bytes, np.uint8)


def in_turn(ways: list[Way], rounds: int, bytes: int, status: Any) -> None:
    for round_ in range(rounds + 1):
        for way in ways:
            status.update(f"round {round_} of {rounds}: {way.name}")
            time.sleep(0.3)  # what was computed before is dropped, its threads fall asleep
            take_memory(bytes)
            begin = time.perf_counter()
            way.call()
            if round_:  # the first warms up
                way.seconds.append(time.perf_counter() - begin)


def tell(out: Console, title: str, ways: list[Way], pixels: int) -> None:
    table = Table(title=title, title_justify="left")
    for heading in ("", "s", "from", "to", "Mpixel/s", "time / fastconv.dask's"):
        table.add_column(heading, justify="right" if heading else "left")
    for way in ways:
        median = statistics.median(way.seconds)
        ratios = [t / ours for t, ours in zip(way.seconds, ways[0].seconds, strict=True)]
        seconds = (f"{t:.2f}" for t in (median, min(way.seconds), max(way.seconds)))
        rate = f"{pixels / median / 1e6:.0f}"
        table.add_row(way.name, *seconds, rate, f"{statistics.median(ratios):.2f}")
    out.print(table)


def difference(found: Any, expected: Any) -> float:
    """The largest difference in parts of the largest value, by bands: neither needs a copy."""
    bands = [slice(at, at + 256) for at in range(0, len(expected), 256)]
    most = max(float(np.abs(found[band] - expected[band]).max()) for band in bands)
    return most / max(float(np.abs(expected[band]).max()) for band in bands)


@main.command()
@click.option("--size", type=click.IntRange(512), default=16_384, show_default=True, help="Pixels of a side.")
@click.option("--chunk", type=click.IntRange(64), help="Of a chunk; 2048, or an eighth.")
@click.option("--rounds", type=click.IntRange(1), default=7, show_default=True)
@click.option("--workers", type=click.IntRange(1), default=fastconv.get_num_threads, help="Default: cores.")
def speed(size: int, chunk: int | None, rounds: int, workers: int) -> None:
    """A 5 x 5 filter by fastconv.dask, by dask-image, and by one call in memory."""
    import fastconv.dask

    out, chunk, does = console(), chunk or min(2048, max(size // 8, 64)), FILTERS["correlate"]
    others: list[tuple[str, Any]] = []
    if find_spec("dask_image"):
        from dask_image import ndfilters

        others = [("dask-image, SciPy", ndfilters)]
    say_machine(out)
    out.print(f"5 x 5 on {size} x {size}, float32, chunks of {chunk} x {chunk}; {rounds} rounds in turn")
    if not others:
        out.print("dask-image is not installed: pip install dask-image")
    fastconv.set_num_threads(workers)
    image = noisy(size, chunk)
    array = image.compute(scheduler="threads")
    expected, into = does.plain(array), np.zeros_like(array)
    plain = [
        Way(f"fastconv.ndimage, {workers} threads", lambda: does.plain(array), []),
        Way("the same, output= given", lambda: ndimage.correlate(array, WEIGHTS, output=into), []),
    ]
    modules = [("fastconv.dask", fastconv.dask), *others]

    def ways(held: Any, **scheduler: Any) -> list[Way]:
        return [
            Way(name, partial(persisted, partial(does.of, module, held), **scheduler), [])
            for name, module in modules
        ]

    with out.status("") as status:
        with local_cluster(workers) as client:
            held = image.persist()
            client.gather(client.compute(held.sum()))
            assert_same("fastconv.dask", does.of(fastconv.dask, held).compute(), expected)
            for name, module in others:
                most = difference(does.of(module, held).compute(), expected)
                out.print(f"{name}: differs by at most {most:.1e} of the largest value")
            chosen = ways(held) + plain
            in_turn(chosen, rounds, 2 * array.nbytes, status)
            title = f"LocalCluster, {workers} workers of 1 thread: the image and the result stay in them"
            tell(out, title, chosen, size**2)
            del held, chosen
        import dask

        with dask.config.set(scheduler="threads", num_workers=workers):
            held = image.persist()
            assert_same("threads", does.of(fastconv.dask, held).compute(), expected)
            chosen = ways(held, scheduler="threads") + plain
            for way in plain:
                way.seconds.clear()
            in_turn(chosen, rounds, 2 * array.nbytes, status)
            tell(out, f"dask's threads, {workers} of them", chosen, size**2)


if __name__ == "__main__":
    main()
