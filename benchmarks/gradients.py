"""Convolutions backwards beside torch: gradients of input and weights, and transposed convolutions.

    python benchmarks/gradients.py --batch 1,8 --json gradients.json

The layers of ResNet-50 and VGG-16, and two transposed ones that enlarge images. fastconv and torch have a
process each. In a round each of them is called in turn, torch with contiguous arrays and with channels last:
what disturbs the machine meets all alike. A time is the median over the rounds, a ratio the median of
the ratios within the rounds, of the better of torch's two. Every result is compared with float64 before it is
timed. torch returns new arrays; fastconv does so too, and beside that stores into an array of the caller's.
"""

from __future__ import annotations

import json
import math
import multiprocessing
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from importlib.util import find_spec
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import click
import numpy as np
from rich.console import Console
from rich.table import Table

import fastconv
from fastconv import Problem, grad
from fastconv.bench import describe_machine
from fastconv.bench.machine import fair_environment
from fastconv.bench.verify import TOLERANCE

Call = Callable[[], Any]
Variants = dict[str, Call]

LAYERS = {
    "r50.conv1": "ic3 ih224 iw224 oc64 kh7 kw7 s2 p3",
    "r50.l1.1x1a": "ic64 ih56 iw56 oc64 kh1 kw1 s1 p0",
    "r50.l1.3x3": "ic64 ih56 iw56 oc64 kh3 kw3 s1 p1",
    "r50.l1.1x1b": "ic64 ih56 iw56 oc256 kh1 kw1 s1 p0",
    "r50.l2.3x3s2": "ic128 ih56 iw56 oc128 kh3 kw3 s2 p1",
    "r50.l2.3x3": "ic128 ih28 iw28 oc128 kh3 kw3 s1 p1",
    "r50.l2.1x1": "ic512 ih28 iw28 oc128 kh1 kw1 s1 p0",
    "r50.l3.3x3": "ic256 ih14 iw14 oc256 kh3 kw3 s1 p1",
    "r50.l3.1x1": "ic256 ih14 iw14 oc1024 kh1 kw1 s1 p0",
    "r50.l4.3x3": "ic512 ih7 iw7 oc512 kh3 kw3 s1 p1",
    "r50.l4.1x1": "ic2048 ih7 iw7 oc512 kh1 kw1 s1 p0",
    "vgg.conv1_1": "ic3 ih224 iw224 oc64 kh3 kw3 s1 p1",
    "vgg.conv1_2": "ic64 ih224 iw224 oc64 kh3 kw3 s1 p1",
    "vgg.conv3_2": "ic256 ih56 iw56 oc256 kh3 kw3 s1 p1",
    "vgg.conv4_2": "ic512 ih28 iw28 oc512 kh3 kw3 s1 p1",
    # The convolution that is transposed: from 128 channels of 64x64 to 256 of 32x32.
    "up.4x4s2": "ic128 ih64 iw64 oc256 kh4 kw4 s2 p1",
    "up.2x2s2": "ic128 ih64 iw64 oc256 kh2 kw2 s2 p0",
}
LIBRARIES = ("torch", "fastconv")
SETTLING = 0.06  # seconds in which the threads of the library before fall asleep
SAMPLE = 0.02  # seconds that a sample takes at least


def operations(layer: str) -> tuple[str, ...]:
    return ("transposed",) if layer.startswith("up.") else ("forward", "input", "weight")


def problem_of(layer: str, batch: int) -> Problem:
    return Problem(f"conv2d n{batch} {LAYERS[layer]} nchw f32")


def exact(operation: str, p: Problem, x: Any, w: Any, dy: Any) -> Any:
    """The operation in float64, one tap of the kernel after another."""
    (n, ic, *extents), (oh, ow), (sh, sw) = p.input_shape, p.output_size, p.stride
    x, w, dy = (np.asarray(a, np.float64) for a in (x, w, dy))
    x, dy = np.pad(x, [(0, 0), (0, 0), *p.padding]), dy.reshape(n, p.oc, oh * ow)
    y, dx, dw = np.zeros_like(dy), np.zeros_like(x), np.zeros_like(w)
    for i, j in np.ndindex(*p.kernel_size):
        seen = (..., slice(i, i + (oh - 1) * sh + 1, sh), slice(j, j + (ow - 1) * sw + 1, sw))
        pixels = x[seen].reshape(n, ic, oh * ow)
        if operation == "forward":
            y += w[:, :, i, j] @ pixels
        elif operation == "weight":
            dw[:, :, i, j] = np.matmul(dy, pixels.swapaxes(1, 2)).sum(0)
        else:
            dx[seen] += (w[:, :, i, j].T @ dy).reshape(n, ic, oh, ow)
    if operation == "forward":
        return y.reshape(n, p.oc, oh, ow)
    (top, _), (left, _) = p.padding
    return dw if operation == "weight" else dx[..., top : top + extents[0], left : left + extents[1]]


def fastconv_variants(operation: str, p: Problem, x: Any, w: Any, dy: Any) -> Variants:
    how = {"stride": p.stride, "padding": p.padding}
    calls: dict[str, Callable[..., Any]] = {
        "forward": partial(fastconv.conv2d, x, w, **how),
        "input": partial(grad.conv2d_input, p.input_shape, w, dy, **how),
        "weight": partial(grad.conv2d_weight, x, w.shape, dy, **how),
        "transposed": partial(fastconv.conv_transpose2d, dy, w, **how),
    }
    call = calls[operation]
    return {"new array": call, "out=": partial(call, out=call())}


def torch_variants(operation: str, p: Problem, x: Any, w: Any, dy: Any) -> Variants:
    import torch

    padding = [before for before, _ in p.padding]
    rest = (None, [*p.stride], padding, [1, 1], False, [0, 0], 1)

    def call(x: Any, w: Any, dy: Any) -> Any:
        if operation == "forward":
            return torch.nn.functional.conv2d(x, w, None, p.stride, padding)
        if operation == "transposed":
            return torch.nn.functional.conv_transpose2d(dy, w, None, p.stride, padding)
        mask = [operation == "input", operation == "weight", False]
        return torch.ops.aten.convolution_backward(dy, x, w, *rest, mask)[mask.index(True)]

    def in_format(memory_format: Any) -> Call:
        tensors = [torch.from_numpy(a).contiguous(memory_format=memory_format) for a in (x, w, dy)]
        return partial(torch.inference_mode()(call), *tensors)

    return {
        "contiguous": in_format(torch.contiguous_format),
        "channels last": in_format(torch.channels_last),
    }


def seconds(call: Call) -> float:
    """The median call of as many as take a sample's time, after one that wakes the threads."""
    call()
    times: list[float] = []
    while len(times) < 3 or (sum(times) < SAMPLE and len(times) < 50):
        begin = time.perf_counter()
        call()
        times.append(time.perf_counter() - begin)
    return statistics.median(times)


def serve(library: str, threads: int, requests: Connection) -> None:
    """The process of a library: ("prepare", operation, problem, folder) or ("time", variant)."""
    if library == "torch":
        import torch

        torch.set_num_threads(threads)
    fastconv.set_num_threads(threads)
    make = {"torch": torch_variants, "fastconv": fastconv_variants}[library]
    variants: Variants = {}
    while request := requests.recv():
        if request[0] == "time":
            requests.send(seconds(variants[request[1]]))
            continue
        _, operation, text, folder = request
        variants = make(
            operation, Problem(text), *(np.load(folder / f"{name}.npy") for name in ("x", "w", "dy"))
        )
        expected = np.load(folder / "expected.npy")
        differences = {
            name: float(np.abs(np.asarray(call()) - expected).max()) for name, call in variants.items()
        }
        requests.send({name: difference / np.abs(expected).max() for name, difference in differences.items()})


@contextmanager
def processes(threads: int) -> Iterator[dict[str, Connection]]:
    """A process for each library."""
    os.environ |= fair_environment(threads)
    context = multiprocessing.get_context("spawn")
    connections, children = {}, []
    for library in LIBRARIES:
        connections[library], there = context.Pipe()
        children.append(context.Process(target=serve, args=(library, threads, there), daemon=True))
        children[-1].start()
    try:
        yield connections
    finally:
        for child in children:
            child.terminate()


@dataclass(frozen=True)
class Row:
    """One operation of one layer: medians by library and variant, and how many times faster fastconv was."""

    layer: str
    operation: str
    problem: str
    seconds: dict[str, dict[str, float]]
    ratios: dict[str, float]  # by fastconv's variant

    @property
    def best(self) -> str:
        """The faster of torch's variants."""
        return min(self.seconds["torch"], key=self.seconds["torch"].__getitem__)


def measure(layer: str, operation: str, p: Problem, rounds: int, connections: dict[str, Connection]) -> Row:
    """Verify, then time in turn; ends with a message if a result is wrong."""
    rng = np.random.default_rng(0)
    scales = {"x": 1.0, "w": 1 / math.sqrt(p.ic * math.prod(p.kernel_size)), "dy": 1.0}
    shapes = {"x": p.input_shape, "w": p.weight_shape, "dy": p.output_shape}
    arrays = {
        name: np.float32(scales[name]) * rng.standard_normal(shape, np.float32)
        for name, shape in shapes.items()
    }
    keys: list[tuple[str, str]] = []
    with tempfile.TemporaryDirectory() as folder:
        for name, array in (arrays | {"expected": exact(operation, p, **arrays)}).items():
            np.save(Path(folder) / f"{name}.npy", array)
        for library, connection in connections.items():
            connection.send(("prepare", operation, str(p), Path(folder)))
            for variant, difference in connection.recv().items():
                keys.append((library, variant))
                if not difference <= TOLERANCE[p.dtype]:
                    sys.exit(
                        f"{layer} {operation}: {library} ({variant}) differs from float64 by {difference:.1e}"
                    )
    samples: dict[tuple[str, str], list[float]] = {key: [] for key in keys}
    for _ in range(rounds):
        for library, variant in keys:
            time.sleep(SETTLING)
            connections[library].send(("time", variant))
            samples[library, variant].append(connections[library].recv())
    medians = {
        library: {key[1]: statistics.median(samples[key]) for key in keys if key[0] == library}
        for library in LIBRARIES
    }
    row = Row(layer, operation, str(p), medians, {})
    theirs = samples["torch", row.best]
    for variant in medians["fastconv"]:
        ours = samples["fastconv", variant]
        row.ratios[variant] = statistics.median(t / o for t, o in zip(theirs, ours, strict=True))
    return row


def show(console: Console, batch: int, rows: list[Row]) -> None:
    table = Table(
        title=f"batch {batch}: milliseconds, and how many times as fast as torch", title_justify="left"
    )
    for heading in ("layer", "operation", "fastconv", "out=", "torch", "best torch", "ratio", "out="):
        table.add_column(
            heading, justify="left" if heading in ("layer", "operation", "best torch") else "right"
        )
    for row in rows:
        ours, theirs = row.seconds["fastconv"], row.seconds["torch"][row.best]
        times = [f"{1e3 * value:.3f}" for value in (*ours.values(), theirs)]
        table.add_row(row.layer, row.operation, *times, row.best, *(f"{r:.2f}" for r in row.ratios.values()))
    console.print(table)
    for operation in dict.fromkeys(row.operation for row in rows):
        chosen = [list(row.ratios.values()) for row in rows if row.operation == operation]
        new, out = (statistics.geometric_mean(ratios[i] for ratios in chosen) for i in (0, 1))
        least = min(ratios[0] for ratios in chosen)
        console.print(
            f"{operation}: {new:.2f} in the geometric mean ({out:.2f} with out=), least {least:.2f}"
        )


def numbers(context: click.Context, parameter: click.Parameter, value: str) -> list[int]:
    try:
        found = [int(item) for item in value.split(",")]
    except ValueError:
        found = [0]
    if min(found) < 1:
        raise click.BadParameter(f"{value!r}: expected positive integers, such as 1,8")
    return found


@click.command(help=(__doc__ or "").split("\n\n")[0])
@click.option("--layers", default="", metavar="TEXT,...", help="Only layers with one of these in their name.")
@click.option("--batch", "batches", default="1,8", callback=numbers, show_default=True, help="Images.")
@click.option("--threads", type=click.IntRange(1), default=fastconv.get_num_threads, help="Of each library.")
@click.option("--rounds", type=click.IntRange(1), default=7, show_default=True)
@click.option(
    "--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), help="Write everything here."
)
def main(layers: str, batches: list[int], threads: int, rounds: int, json_file: Path | None) -> None:
    if not find_spec("torch"):
        raise click.ClickException("this compares with torch, which is not installed: pip install torch")
    chosen = [name for name in LAYERS if any(text in name for text in layers.split(","))]
    if not chosen:
        raise click.BadParameter(f"{layers!r}: expected parts of {', '.join(LAYERS)}", param_hint="--layers")
    fastconv.set_num_threads(threads)
    machine, console, found = describe_machine(), Console(width=None if sys.stdout.isatty() else 110), []
    console.print(f"{machine.processor}, {machine.instruction_set}, threads: {threads}, load {machine.load}")
    with processes(threads) as connections:
        for batch in batches:
            rows = [
                measure(layer, operation, problem_of(layer, batch), rounds, connections)
                for layer in chosen
                for operation in operations(layer)
            ]
            show(console, batch, rows)
            found += rows
    if json_file:
        document = {"machine": asdict(machine), "rows": [asdict(row) for row in found]}
        json_file.write_text(json.dumps(document, indent=1))


if __name__ == "__main__":
    main()
