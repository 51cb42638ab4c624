"""Convolution of float32, bfloat16 and bytes: what a narrower type is worth on this processor.

    python benchmarks/narrow_types.py --json types.json

The layers of ResNet-50 and VGG-16, prepared once, floats stored into arrays of the caller's. In a round each
type is called in turn: float32 with any algorithm and without Winograd's, bfloat16 with any, unsigned bytes
by signed ones to int32 and to bytes. A time is the median over the rounds, a ratio the median of those within
the rounds. Results are compared with float64 before they are timed: of floats the largest error is shown,
sums of bytes have to be equal.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
import ml_dtypes
import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

import fastconv
from fastconv import Problem, quantized
from fastconv._typing import Layout
from fastconv.bench import describe_machine
from gradients import LAYERS

Call = Callable[[], Any]
SAMPLE = 0.02  # seconds that a sample takes at least
TYPES = ("float32", "float32 strict", "bfloat16", "bytes to int32", "bytes to bytes")


def calls(p: Problem, layout: Layout) -> tuple[dict[str, Call], float]:
    """A call for each type, and the error of bfloat16, as a share of the largest result."""
    rng = np.random.default_rng(0)
    x, w = rng.integers(0, 256, p.input_shape, np.uint8), rng.integers(-127, 128, p.weight_shape, np.int8)
    how: dict[str, Any] = {"stride": p.stride, "padding": p.padding, "layout": layout}
    exact = fastconv.conv2d(x.astype(float), w.astype(float), algorithm="strict", **how)

    bytes_ = quantized.Conv(w, **how)
    if not np.array_equal(bytes_.sums(x), exact):
        raise click.ClickException(f"sums of bytes are wrong: {p}")
    found: dict[str, Call] = {}
    for name, kind, algorithm in (
        ("float32", np.float32, "auto"),
        ("float32 strict", np.float32, "strict"),
        ("bfloat16", ml_dtypes.bfloat16, "auto"),
    ):
        conv = fastconv.Conv2d(w.astype(kind), algorithm=algorithm, **how)
        input, out = x.astype(kind), np.empty(exact.shape, kind)
        found[name] = lambda conv=conv, input=input, out=out: conv(input, out=out)  # type: ignore[misc]
    rounded = fastconv.conv2d(
        x.astype(ml_dtypes.bfloat16).astype(float), w.astype(ml_dtypes.bfloat16).astype(float), **how
    )
    error = np.abs(found["bfloat16"]().astype(float) - rounded).max() / np.abs(rounded).max()
    if not error < 2.0**-8:
        raise click.ClickException(f"bfloat16 is wrong by {error:.2g}: {p}")
    found["bytes to int32"] = lambda: bytes_.sums(x)
    found["bytes to bytes"] = lambda: bytes_(x, 1e-3)
    return found, error


def sample(call: Call) -> float:
    """Seconds of a call, over some of them."""
    begin, count = time.perf_counter(), 0
    while (elapsed := time.perf_counter() - begin) < SAMPLE:
        call()
        count += 1
    return elapsed / count


@click.command(help=(__doc__ or "").split("\n\n")[0])
@click.option("--layers", default="", metavar="TEXT,...", help="Only layers with one of these in their name.")
@click.option("--layout", type=click.Choice(["NCHW", "NHWC"]), default="NCHW", show_default=True)
@click.option("--batch", type=click.IntRange(1), default=1, show_default=True, help="Images.")
@click.option("--threads", type=click.IntRange(1), default=fastconv.get_num_threads)
@click.option("--rounds", type=click.IntRange(1), default=9, show_default=True)
@click.option(
    "--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), help="Write everything here."
)
def main(layers: str, layout: Layout, batch: int, threads: int, rounds: int, json_file: Path | None) -> None:
    chosen = [
        name
        for name in LAYERS
        if not name.startswith("up.") and any(text in name for text in layers.split(","))
    ]
    if not chosen:
        raise click.BadParameter(f"{layers!r}: expected parts of {', '.join(LAYERS)}", param_hint="--layers")
    fastconv.set_num_threads(threads)
    machine, console = describe_machine(), Console(width=None if sys.stdout.isatty() else 130)
    console.print(f"{machine.processor}, {machine.instruction_set}, threads: {threads}, load {machine.load}")
    table = Table(title=f"{layout}, batch {batch}: milliseconds, and how many times as fast as float32")
    for heading in ("layer", *TYPES, "bfloat16", "int32", "bytes", "error of bfloat16"):
        table.add_column(heading, justify="left" if heading == "layer" else "right")
    rows: list[dict[str, Any]] = []
    for layer in track(chosen, "layers", console=Console(stderr=True)):
        p = Problem(f"conv2d n{batch} {LAYERS[layer]} {layout.lower()} f32")
        found, error = calls(p, layout)
        samples: dict[str, list[float]] = {name: [] for name in found}
        for call in found.values():
            call()
        for _ in range(rounds):
            for name, call in found.items():
                samples[name].append(sample(call))
        seconds = {name: statistics.median(times) for name, times in samples.items()}
        ratios = {
            name: statistics.median(a / b for a, b in zip(samples["float32"], samples[name], strict=True))
            for name in TYPES[2:]
        }
        rows.append({"layer": layer, "problem": str(p), "seconds": seconds, "ratios": ratios, "error": error})
        table.add_row(
            layer,
            *(f"{1e3 * seconds[name]:.3f}" for name in TYPES),
            *(f"{ratio:.2f}" for ratio in ratios.values()),
            f"{error:.1e}",
        )
    console.print(table)
    for name in TYPES[2:]:
        every = [row["ratios"][name] for row in rows]
        console.print(
            f"{name}: {statistics.geometric_mean(every):.2f} in the geometric mean, least {min(every):.2f}"
        )
    if json_file:
        json_file.write_text(json.dumps({"machine": asdict(machine), "rows": rows}, indent=1))


if __name__ == "__main__":
    main()
