"""How the time of a pixel grows with the window: it should not.

    python benchmarks/windows.py --plot windows.png

Square windows of 3 to 101 pixels a side, at stride 1 over one image, results stored by ``out=``, every window
once a round. To show another operation, add it to `OPERATIONS`.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

import fastconv
from fastconv.bench import Machine, describe_machine
from fastconv.bench.plots.style import INK, MUTED, RULE

WINDOWS = (3, 5, 7, 9, 11, 15, 17, 25, 33, 41, 51, 65, 75, 85, 101)


@dataclass(frozen=True)
class Series:
    """One operation over several windows: ``call(image, window, out)``."""

    name: str
    call: Callable[[Any, int, Any], object]
    colour: str
    costs: tuple[float, ...] = ()  # nanoseconds of a pixel, by window

    @property
    def spread(self) -> float:
        """The highest cost over the lowest."""
        return max(self.costs) / min(self.costs)


def pooled(pool: Callable[..., object]) -> Callable[[Any, int, Any], object]:
    """A pooling of an image with as much padding as keeps its size."""
    return lambda x, window, out: pool(x[None, None], window, 1, window // 2, out=out[None, None])


def filtered(box: Callable[..., object]) -> Callable[[Any, int, Any], object]:
    """A filter of an image by a box."""
    return lambda x, window, out: box(x, window, output=out)


OPERATIONS = [
    Series("maximum pooling", pooled(fastconv.max_pool2d), "#1d4ed8"),
    Series("average pooling", pooled(fastconv.avg_pool2d), "#c2410c"),
    Series("maximum filter", filtered(fastconv.ndimage.maximum_filter), "#60a5fa"),
    Series("box filter", filtered(fastconv.ndimage.uniform_filter), "#fb923c"),
]


def measure(line: Series, image: Any, rounds: int) -> Series:
    """Fill in the median cost of a pixel for every window."""
    out = np.zeros_like(image)
    seconds: dict[int, list[float]] = {window: [] for window in WINDOWS}
    for _ in range(rounds):
        for window in WINDOWS:
            line.call(image, window, out)  # wakes the threads
            begin = time.perf_counter()
            line.call(image, window, out)
            seconds[window].append(time.perf_counter() - begin)
    return replace(
        line, costs=tuple(1e9 * statistics.median(seconds[window]) / image.size for window in WINDOWS)
    )


def plot(lines: list[Series], side: int, machine: Machine, path: Path) -> None:
    figure = Figure(figsize=(7.2, 4.4), facecolor="white")
    axes = figure.subplots()
    figure.subplots_adjust(left=0.1, right=0.975, top=0.83, bottom=0.12)
    for line in lines:
        axes.plot(WINDOWS, line.costs, color=line.colour, marker="o", ms=4, lw=1.5, label=line.name, zorder=2)
    axes.set_ylim(bottom=0, top=1.2 * max(max(line.costs) for line in lines))
    axes.set_xlabel("pixels of a window's side", fontsize=9, color=MUTED)
    axes.set_ylabel("ns for a pixel", fontsize=9, color=MUTED)
    axes.tick_params(which="both", length=0, labelcolor=INK, labelsize=8.5)
    axes.grid(color=RULE, lw=0.8, zorder=0)
    axes.spines[:].set_visible(False)
    axes.legend(frameon=False, fontsize=9, labelcolor=INK)

    threads = f"{machine.threads} thread" + "s" * (machine.threads > 1)
    facts = (
        f"{side} x {side}, float32",
        machine.processor,
        machine.instruction_set,
        threads,
        machine.date[:10],
    )
    figure.text(0.028, 0.96, "Time of a pixel", fontsize=15, weight="bold", color=INK, va="top")
    figure.text(0.028, 0.885, " · ".join(facts), fontsize=9, color=MUTED, va="top")
    figure.savefig(path, dpi=160)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw it here: PNG, SVG or PDF")
    parser.add_argument("--side", type=int, default=2048, help="of the image")
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    machine = describe_machine()
    print(f"{machine.processor}, {machine.instruction_set}, threads: {machine.threads}")
    image = np.random.default_rng(0).random((options.side, options.side), dtype=np.float32)
    lines = [measure(line, image, options.rounds) for line in OPERATIONS]
    for line in lines:
        print(f"\n{line.name}\n{'window':>6}{'ns/pixel':>10}")
        for window, cost in zip(WINDOWS, line.costs, strict=True):
            print(f"{window:>6}{cost:>10.3f}")
        print(f"the worst costs {line.spread:.2f} times the best")
    if options.plot:
        plot(lines, options.side, machine, options.plot)


if __name__ == "__main__":
    main()
