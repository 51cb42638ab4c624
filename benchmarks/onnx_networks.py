"""Whole networks in ONNX's format beside ONNX Runtime, with all its optimisations: time and memory.

    python benchmarks/onnx_networks.py --only resnet50,squeezenet --json networks.json

The networks are those whose graphs ONNX's own package carries, with random weights, one image at a time. Each
library loads a network in a process of its own; in a round they are called in turn, some times in succession
after a call that wakes threads and processor. A time is the median over those calls and over the rounds, a
ratio the median of the ratios within the rounds. Results are compared before anything is timed. Memory is the
most that a process ever had, Linux only.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import click
import numpy as np
import onnx
from rich.console import Console
from rich.table import Table

import fastconv
from fastconv.bench import describe_machine
from fastconv.bench.machine import fair_environment

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.onnx_networks import NAMES, randomized

LIBRARIES = ("onnxruntime", "fastconv")
SUCCESSIVE = 5  # calls of a round
SETTLING = 0.06  # seconds in which the threads of the library before fall asleep
MOST_DIFFERENCE = 1e-4  # of the largest output: both sum in float32, some dozens of layers after each other


def most_memory() -> float:
    """MiB that this process had at most; what getrusage says begins with the parent's."""
    status = Path("/proc/self/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) / 1024


def session_of(library: str, path: Path, threads: int) -> Any:
    """What runs the network: a dict of arrays to a list of them."""
    if library == "fastconv":
        import fastconv.onnx

        session = fastconv.onnx.load(path)
        return lambda feeds: [*session.run(feeds).values()]
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3  # errors
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    runtime = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return lambda feeds: runtime.run(None, feeds)


def serve(library: str, path: Path, threads: int, requests: Connection) -> None:
    """The process of a library: feeds are run, None is timed on the feeds before, False ends."""
    fastconv.set_num_threads(threads)
    run, feeds = session_of(library, path, threads), {}
    while (request := requests.recv()) is not False:
        if request is not None:
            feeds = request
            requests.send(run(feeds))
            continue
        run(feeds)
        times = []
        for _ in range(SUCCESSIVE):
            begin = time.perf_counter()
            run(feeds)
            times.append(time.perf_counter() - begin)
        requests.send((statistics.median(times), most_memory()))


@contextmanager
def processes(path: Path, threads: int) -> Iterator[dict[str, Connection]]:
    """A process for each library, which has loaded the network."""
    context = multiprocessing.get_context("spawn")
    connections, children = {}, []
    for library in LIBRARIES:
        connections[library], there = context.Pipe()
        children.append(context.Process(target=serve, args=(library, path, threads, there), daemon=True))
        children[-1].start()
    try:
        yield connections
    finally:
        for child in children:
            child.terminate()
            child.join()


def measure(name: str, threads: int, rounds: int, folder: Path) -> dict[str, Any]:
    """Median seconds and most MiB of each library, and how many times as fast fastconv was."""
    model, path = randomized(name), folder / f"{name}.onnx"
    constants = {tensor.name for tensor in model.graph.initializer}
    feeds = {
        given.name: np.random.default_rng(0)
        .standard_normal([d.dim_value or 1 for d in given.type.tensor_type.shape.dim])
        .astype(np.float32)
        for given in model.graph.input
        if given.name not in constants
    }
    onnx.save(model, path)
    times: dict[str, list[float]] = {library: [] for library in LIBRARIES}
    memory = dict.fromkeys(LIBRARIES, 0.0)
    with processes(path, threads) as connections:
        results = {}
        for library, connection in connections.items():
            connection.send(feeds)
            results[library] = connection.recv()[0]
        theirs, ours = (results[library] for library in LIBRARIES)
        difference = float(np.abs(ours - theirs).max() / np.abs(theirs).max())
        if not difference <= MOST_DIFFERENCE:
            sys.exit(f"{name}: the results differ by {difference:.1e} of the largest")
        for _ in range(rounds):
            for library, connection in connections.items():
                time.sleep(SETTLING)
                connection.send(None)
                seconds, memory[library] = connection.recv()
                times[library].append(seconds)
    path.unlink()
    ratios = [t / o for t, o in zip(times["onnxruntime"], times["fastconv"], strict=True)]
    return {
        "network": name,
        "seconds": {library: statistics.median(found) for library, found in times.items()},
        "ratio": statistics.median(ratios),
        "mebibytes": memory,
        "difference": difference,
    }


@click.command(help=(__doc__ or "").split("\n\n")[0])
@click.option("--only", default="", metavar="TEXT,...", help="Only networks with one of these in their name.")
@click.option("--threads", type=click.IntRange(1), default=fastconv.get_num_threads, help="Of each library.")
@click.option("--rounds", type=click.IntRange(1), default=15, show_default=True)
@click.option(
    "--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), help="Write everything here."
)
def main(only: str, threads: int, rounds: int, json_file: Path | None) -> None:
    os.environ |= fair_environment(threads)
    chosen = [name for name in NAMES if any(text in name for text in only.split(","))]
    if not chosen:
        raise click.BadParameter(f"{only!r}: expected parts of {', '.join(NAMES)}", param_hint="--only")
    machine, console = describe_machine(), Console(width=None if sys.stdout.isatty() else 110)
    console.print(f"{machine.processor}, {machine.instruction_set}, threads: {threads}, load {machine.load}")
    table = Table(title="milliseconds, and how many times as fast as ONNX Runtime", title_justify="left")
    for heading in ("network", "onnxruntime", "fastconv", "ratio", "MiB onnxruntime", "MiB fastconv"):
        table.add_column(heading, justify="left" if heading == "network" else "right")
    rows = []
    with tempfile.TemporaryDirectory() as folder, console.status("") as status:
        for name in chosen:
            status.update(name)
            rows.append(row := measure(name, threads, rounds, Path(folder)))
            times = [f"{1e3 * row['seconds'][library]:.2f}" for library in LIBRARIES]
            memory = [f"{row['mebibytes'][library]:.0f}" for library in LIBRARIES]
            table.add_row(name, *times, f"{row['ratio']:.2f}", *memory)
    console.print(table)
    console.print(f"geometric mean {statistics.geometric_mean(row['ratio'] for row in rows):.2f}")
    if json_file:
        json_file.write_text(json.dumps({"threads": threads, "rows": rows}, indent=1))


if __name__ == "__main__":
    main()
