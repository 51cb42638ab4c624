"""Whether the comparison of two runs finds a slowdown that was planted, and nothing where nothing was.

    python benchmarks/planted.py                    # beside NumPy, some minutes
    python benchmarks/planted.py --libraries numpy,torch,onnxruntime

Three runs: two alike, and one in which one algorithm waits for a tenth of its time after each call.
"""

from __future__ import annotations

import time
from typing import Any

import click
from rich.console import Console

from fastconv import Problem
from fastconv import bench as suite
from fastconv.bench.libraries.fastconv import Fastconv

PLANTED = "direct"
BY = 0.1


class Slower(Fastconv):
    """fastconv with one algorithm that is slower than it is."""

    def prepare(self, way: str, problem: Problem, arrays: Any, prepared: bool) -> suite.Prepared:
        """As fastconv does; then wait."""
        ready = super().prepare(way, problem, arrays, prepared)
        if way != PLANTED:
            return ready

        def call() -> Any:
            begin = time.perf_counter()
            y = ready.call()
            until = (now := time.perf_counter()) + BY * (now - begin)
            while time.perf_counter() < until:
                pass
            return y

        return ready._replace(call=call)


def tell(console: Console, what: str, found: suite.Comparison) -> None:
    """Print what changed."""
    rows = [change for change in found.changes if change.way == PLANTED]
    slower, faster = found.of("slower"), found.of("faster")
    right = sum(change.way == PLANTED for change in slower)
    console.print(
        f"{what}: {len(found.changes)} rows, {len(slower)} slower, {len(faster)} faster; "
        f"of {len(rows)} with {PLANTED} {right} are slower, of the others {len(slower) - right}"
    )
    for way in found.ways:
        bounds = f"{way.ratio:.3f} ({way.low:.3f} to {way.high:.3f})"
        console.print(f"  {way.verdict} {way.way} on all {way.rows}: {bounds} times as fast")
    for change in [*slower, *faster]:
        bounds = f"{change.ratio:.3f} ({change.low:.3f} to {change.high:.3f})"
        console.print(f"  {change.verdict} {change.name} {change.way}: {bounds} times as fast")


@click.command(help=(__doc__ or "").split("\n\n")[0])
@click.option("--only", default="lenet,r50.l1,r50.l3,mbv2.pw,signal,dilated", show_default=True)
@click.option("--libraries", default="numpy", show_default=True, help="Beside fastconv, separated by commas.")
@click.option("--processes", type=click.IntRange(2), default=suite.Settings().processes, show_default=True)
def main(only: str, libraries: str, processes: int) -> None:
    parts = [suite.layers(suite.select(only))]
    settings = suite.Settings(processes=processes)
    others, console = libraries.split(","), Console(highlight=False)
    runs = []
    for ours in ("fastconv", "fastconv", "planted:Slower"):
        with console.status(f"run {len(runs) + 1} of 3: {ours}"):
            runs.append(suite.run(parts, [ours, *others], settings))
    tell(console, "two equal runs", suite.compare(runs[0], runs[1]))
    tell(console, f"{PLANTED} slower by {BY:.0%}", suite.compare(runs[1], runs[2]))


if __name__ == "__main__":
    main()
