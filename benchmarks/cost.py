"""How the time of one operation grows with the work: it should not.

    python benchmarks/cost.py --plot cost.png

A layer of 64 to 64 channels on batches of 1 to 64, and square images of 32 to 4096 pixels a side with few
channels, all with 3x3 kernels, weights packed and results stored by ``out=``. What grows beyond caches shows
here, and what a call costs before it computes. The largest image needs 1.5 GB, which --largest can spare.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import fastconv
from fastconv import Problem
from fastconv.bench import Machine, Settings, describe_machine, in_turn, kernel_call, make_arrays
from fastconv.bench.plot import INK, MUTED, RULE

BATCHES = tuple(2**i for i in range(7))
SIDES = tuple(2**i for i in range(5, 13))


@dataclass(frozen=True)
class Series:
    """One problem in several sizes; `seconds` as far as they were measured."""

    name: str
    sizes: tuple[int, ...]
    problem: Callable[[int], Problem]
    colour: str
    seconds: tuple[float, ...] = ()

    @property
    def cost(self) -> list[float]:
        """Nanoseconds for a thousand operations, by size."""
        return [
            1e12 * seconds / self.problem(size).flops
            for size, seconds in zip(self.sizes, self.seconds, strict=True)
        ]

    @property
    def spread(self) -> float:
        """The highest cost over the lowest, without the first size, where the call itself counts."""
        return max(self.cost[1:]) / min(self.cost[1:])


def layer(batch: int) -> Problem:
    return Problem(f"conv2d n{batch} ic64 ih28 iw28 oc64 kh3 kw3 s1 p1 nchw f32")


def image(channels: int, kernels: int) -> Callable[[int], Problem]:
    return lambda side: Problem(
        f"conv2d n1 ic{channels} ih{side} iw{side} oc{kernels} kh3 kw3 s1 p1 nchw f32"
    )


def series(largest: int) -> list[Series]:
    sides = tuple(side for side in SIDES if side <= largest)
    return [
        Series("batch of 64 to 64 channels, 28x28", BATCHES, layer, "#1d4ed8"),
        Series("image, 1 to 8 channels", sides, image(1, 8), "#c2410c"),
        Series("image, 3 to 16 channels", sides, image(3, 16), "#15803d"),
    ]


def measure(problem: Problem, settings: Settings) -> float:
    """Return the median seconds of a call that stores into an array of ours."""
    out = np.empty(problem.output_shape, problem.dtype)
    call = kernel_call(problem, make_arrays("random", problem), out=out)
    return statistics.median(in_turn([call], settings)[0])


def show(line: Series) -> None:
    print(f"\n{line.name}\n{'size':>6}  {'algorithm':<10}{'ms':>10}{'GFLOP/s':>9}{'ns/1000':>9}")
    for size, seconds, cost in zip(line.sizes, line.seconds, line.cost, strict=True):
        algorithm = fastconv.explain(line.problem(size)).algorithm
        print(f"{size:>6}  {algorithm:<10}{seconds * 1e3:>10.4g}{1000 / cost:>9.1f}{cost:>9.3f}")
    print(f"past the first, the worst costs {line.spread:.2f} times the best")


def plot(lines: list[Series], machine: Machine, path: Path) -> None:
    figure = Figure(figsize=(7.2, 4.4), facecolor="white")
    axes = figure.subplots()
    figure.subplots_adjust(left=0.1, right=0.975, top=0.83, bottom=0.12)
    for line in lines:
        work = [line.problem(size).flops for size in line.sizes]
        axes.plot(work, line.cost, color=line.colour, marker="o", ms=4, lw=1.5, label=line.name, zorder=2)
    axes.set_xscale("log")
    axes.set_ylim(bottom=0, top=1.1 * max(max(line.cost) for line in lines))
    axes.set_xlabel("operations", fontsize=9, color=MUTED)
    axes.set_ylabel("ns for 1000 operations", fontsize=9, color=MUTED)
    axes.tick_params(which="both", length=0, labelcolor=INK, labelsize=8.5)
    axes.grid(color=RULE, lw=0.8, zorder=0)
    axes.spines[:].set_visible(False)
    axes.legend(frameon=False, fontsize=9, labelcolor=INK)

    threads = f"{machine.threads} thread" + "s" * (machine.threads > 1)
    facts = (machine.processor, machine.instruction_set, threads, machine.date[:10])
    figure.text(0.028, 0.96, "Time of an operation", fontsize=15, weight="bold", color=INK, va="top")
    figure.text(0.028, 0.885, " · ".join(facts), fontsize=9, color=MUTED, va="top")
    figure.savefig(path, dpi=160)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw it here: PNG, SVG or PDF")
    parser.add_argument("--largest", type=int, choices=SIDES[1:], default=SIDES[-1], help="side of an image")
    options = parser.parse_args()
    machine, settings, lines = describe_machine(), Settings(), []
    print(f"{machine.processor}, {machine.instruction_set}, threads: {machine.threads}")
    for line in series(options.largest):
        lines.append(
            replace(line, seconds=tuple(measure(line.problem(size), settings) for size in line.sizes))
        )
        show(lines[-1])
    if options.plot:
        plot(lines, machine, options.plot)


if __name__ == "__main__":
    main()
