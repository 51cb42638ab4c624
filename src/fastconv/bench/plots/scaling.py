"""What the time of an operation becomes as batches, images and threads grow."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from fastconv.bench.parts import BATCH, SIZE, THREADS
from fastconv.bench.plots.style import (
    INK,
    LARGE,
    MUTED,
    NORMAL,
    PAPER,
    RULE,
    TIMES,
    WIDTH,
    clean,
    colour,
    frame,
    library_colours,
    logarithmic,
    spread,
)
from fastconv.bench.report import OURS, Case, Report

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_HEIGHT, _LEFT, _RIGHT, _BELOW = 4.0, 0.6, 0.2, 0.85  # inches: of all, and beside and below the axes
_PROBLEMS = ("navy", "orange", "green", "purple", "cyan")


def draw(report: Report) -> Figure | None:
    """Draw a panel for each of the parts ``batch``, ``size`` and ``threads`` that the run has.

    Parameters
    ----------
    report : Report
        What a run found.

    Returns
    -------
    Figure or None
        None if it had none of these.
    """
    from matplotlib.lines import Line2D

    panels: list[Callable[[Axes], None]] = []
    libraries: dict[str, None] = {}
    for part, label in ((BATCH, "images at a time"), (SIZE, "pixels of a side, 64 channels")):
        cases = [case for case in report.cases(part) if case.measured and _number(case)]
        if cases:
            libraries |= dict.fromkeys(row.library for case in cases for row in case.measured)
            panels.append(partial(_draw_times, report=report, cases=cases, label=label))
    speedups = _speedups(report)
    if speedups:
        panels.append(partial(_draw_threads, speedups=speedups))
    if not panels:
        return None
    shades = library_colours(name for name in report.measured_libraries if name in libraries)
    legend = [Line2D([], [], color=shade, lw=2.2, label=name) for name, shade in shades.items()]
    page = frame(report, "As batches, images and threads grow", _HEIGHT, legend)
    width = WIDTH / len(panels)
    for number, panel in enumerate(panels):
        left = number * width
        panel(page.axes(left + _LEFT, left + width - _RIGHT, 0.35, _HEIGHT - _BELOW))
    page.caption("3x3 convolutions, every library's best way; both axes are logarithmic")
    return page.figure


def _draw_times(axes: Axes, report: Report, cases: Sequence[Case], label: str) -> None:
    found: dict[str, list[tuple[int, float]]] = {}
    for library, shade in library_colours(report.measured_libraries).items():
        rows = [(_number(case), case.best(library)) for case in cases]
        line = sorted((number, 1000 / row.gflops) for number, row in rows if row is not None)
        if line:
            found[library] = line
            ours = library == OURS
            axes.plot(
                *zip(*line, strict=True),
                color=shade,
                lw=2.6 if ours else 1.4,
                marker="o",
                ms=5 if ours else 3.5,
                mec=PAPER,
                mew=0.6,
                zorder=4 if ours else 3,
            )
    times = [time for line in found.values() for _, time in line]
    _set_limits(axes, sorted({_number(case) for case in cases}), min(times) / 1.3, max(times) * 1.3)
    axes.set_title("ns for 1000 operations", loc="left", fontsize=LARGE, weight="bold", color=INK, pad=8)
    axes.set_xlabel(label, fontsize=NORMAL, color=MUTED)


def _speedups(report: Report) -> dict[str, dict[int, float]]:
    """Return by problem and threads how many times as fast fastconv is as with one thread."""
    seconds: dict[str, dict[int, float]] = {}
    for case in report.cases(THREADS):
        row = case.best(OURS)
        if row is not None:
            seconds.setdefault(case.name, {})[case.threads] = row.seconds
    return {
        name: {threads: by_threads[1] / by_threads[threads] for threads in sorted(by_threads)}
        for name, by_threads in seconds.items()
        if len(by_threads) > 1 and 1 in by_threads
    }


def _draw_threads(axes: Axes, speedups: dict[str, dict[int, float]]) -> None:
    from matplotlib.ticker import FixedLocator

    counts = sorted({threads for line in speedups.values() for threads in line})
    axes.plot([1, counts[-1]], [1, counts[-1]], color=RULE, lw=6, solid_capstyle="round", zorder=2)
    for number, line in enumerate(speedups.values()):
        shade = colour(_PROBLEMS[number % len(_PROBLEMS)])
        axes.plot(
            [*line], [*line.values()], color=shade, lw=2, marker="o", ms=5, mec=PAPER, mew=0.6, zorder=3
        )
    lowest = min(value for line in speedups.values() for value in line.values())
    highest = max(counts[-1], *(value for line in speedups.values() for value in line.values()))
    _set_limits(axes, counts, min(0.9, lowest / 1.1), max(2.0, highest) * 1.15, TIMES, beside=0.75)
    axes.yaxis.set_major_locator(FixedLocator([*counts]))
    _label_lines(axes, speedups)
    axes.set_title("fastconv's speed-up", loc="left", fontsize=LARGE, weight="bold", color=INK, pad=8)
    axes.set_xlabel("threads; broad: as many times as threads", fontsize=NORMAL, color=MUTED)


def _label_lines(axes: Axes, speedups: dict[str, dict[int, float]]) -> None:
    """Name each line beside its end: they are problems, of which the figure's legend knows nothing."""
    low, high = (math.log(limit) for limit in axes.get_ylim())
    inches = axes.bbox.height / axes.figure.dpi
    ends = [math.log([*line.values()][-1]) for line in speedups.values()]
    places = spread(ends, 0.17 * (high - low) / inches)
    for number, ((name, line), place) in enumerate(zip(speedups.items(), places, strict=True)):
        axes.annotate(
            name,
            (max(line), math.exp(place)),
            xytext=(7, 0),
            textcoords="offset points",
            va="center",
            fontsize=NORMAL,
            color=colour(_PROBLEMS[number % len(_PROBLEMS)]),
        )


def _set_limits(
    axes: Axes, numbers: Sequence[int], low: float, high: float, suffix: str = "", beside: float = 0.0
) -> None:
    """Set logarithmic limits, with ticks at all numbers along x, and inches to spare beside the last."""
    from matplotlib.ticker import FixedLocator

    inches = axes.bbox.width / axes.figure.dpi
    span = math.log(max(2.0, numbers[-1] / numbers[0])) * inches / (inches - beside)
    axes.set_xlim(numbers[0] / 1.15, numbers[0] * 1.15 * math.exp(span))
    axes.set_ylim(low, high)
    logarithmic(axes, "x")
    logarithmic(axes, "y", suffix)
    axes.xaxis.set_major_locator(FixedLocator([*numbers]))
    clean(axes)


def _number(case: Case) -> int:
    """Return the number in a name such as ``batch 4`` or ``28 pixels``, 0 if it has none."""
    found = re.search(r"\d+", case.name)
    return int(found[0]) if found else 0
