"""The picture of a run: how many times faster than NumPy, problem by problem."""

from __future__ import annotations

import math
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from fastconv.bench.report import Report, Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INK, MUTED, RULE = "#1f2933", "#6b7785", "#d9dee4"
_FAMILIES = {
    "photo": ("#c2410c", "photograph"),
    "r50": ("#1d4ed8", "ResNet-50"),
    "vgg": ("#0e7490", "VGG-16"),
    "mbv2": ("#15803d", "MobileNetV2"),
    "lenet": ("#7e22ce", "LeNet-5"),
    "pool": ("#ca8a04", "pooling"),
}
_OTHER = ("#64748b", "other convolutions")
_TIMES = "\N{MULTIPLICATION SIGN}"
_ONE_COLUMN = 24  # more rows than this stand in two columns


def plot(report: Report, path: str | Path) -> None:
    """Draw the speed-up over the fastest NumPy baseline as bars, on a logarithmic axis.

    A bar begins at 1, as fast as NumPy: to the right is faster, to the left slower. The thin line across
    its end spans what the median may be, at 95 % confidence.

    Parameters
    ----------
    report : Report
        What `run` returned.
    path : str or Path
        Where to write; the suffix chooses PNG, SVG or PDF.
    """
    # Figure itself instead of pyplot: nothing global is touched and no window is ever wanted.
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    rows = [row for row in report.defaults if row.speedup > 0]
    if not rows:
        raise ValueError("nothing was measured, so there is nothing to plot")
    columns = _columns(rows)
    tallest = max(_places(column)[-1] for column in columns) + 1
    height = 1.75 + 0.235 * tallest
    inch = 1 / height
    figure = Figure(figsize=(7.2 * len(columns), height), facecolor="white")
    panels = figure.subplots(1, len(columns), squeeze=False)[0]
    left = 1.45 / figure.get_figwidth()
    figure.subplots_adjust(left=left, right=0.985, top=1 - 1.1 * inch, bottom=0.6 * inch, wspace=0.3)

    slowest, fastest = min(row.speedup for row in rows), max(row.speedup for row in rows)
    limits = (0.93 if slowest >= 1 else slowest * 0.75, max(2.0, fastest * 1.5))
    for axes, column in zip(panels, columns, strict=True):
        _draw(axes, column, limits, tallest)

    machine = report.machine
    threads = f"{machine.threads} thread" + "s" * (machine.threads > 1)
    facts = (machine.processor, machine.instruction_set, threads, f"NumPy {machine.numpy}", machine.date[:10])
    edge = 0.2 / figure.get_figwidth()
    figure.text(edge, 1 - 0.16 * inch, "fastconv over NumPy", fontsize=15, weight="bold", color=INK, va="top")
    figure.text(edge, 1 - 0.47 * inch, " · ".join(facts), fontsize=9, color=MUTED, va="top")
    figure.legend(
        handles=[Patch(color=colour, label=label) for colour, label in dict.fromkeys(map(_family, rows))],
        loc="upper left",
        bbox_to_anchor=(edge, 1 - 0.7 * inch),
        borderaxespad=0,
        borderpad=0.2,
        ncols=7,
        frameon=False,
        fontsize=9,
        labelcolor=INK,
        handlelength=0.9,
        handleheight=0.9,
        handletextpad=0.5,
        columnspacing=1.1,
    )
    caption = f"times faster than the fastest NumPy baseline (1{_TIMES}: as fast)"
    figure.text(0.5, 0.12 * inch, caption, fontsize=9, color=MUTED, ha="center")
    figure.savefig(path, dpi=160)


def _draw(axes: Axes, rows: list[Row], limits: tuple[float, float], tallest: float) -> None:
    from matplotlib.ticker import FuncFormatter, NullLocator

    places = _places(rows)
    axes.barh(
        places,
        [row.speedup - 1 for row in rows],
        left=1,
        height=0.74,
        color=[_family(row)[0] for row in rows],
        zorder=2,
    )
    for place, row in zip(places, rows, strict=True):
        axes.plot([row.speedup_low, row.speedup_high], [place, place], color=INK, alpha=0.5, lw=1, zorder=3)
        axes.annotate(
            f"{row.speedup:.2g}{_TIMES}" if row.speedup < 0.95 else f"{row.speedup:.1f}{_TIMES}",
            (max(row.speedup_high, row.speedup, 1), place),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            fontsize=8.5,
            color=INK,
        )
    axes.axvline(1, color=INK, lw=1, zorder=4)
    axes.set_xscale("log")
    axes.set_xlim(limits)
    axes.set_ylim(tallest - 0.4, -0.7)
    axes.set_yticks(places, [row.name for row in rows])
    axes.set_xticks(_ticks(*limits))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}{_TIMES}"))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.tick_params(length=0, labelcolor=INK, labelsize=8.5)
    axes.grid(axis="x", color=RULE, lw=0.8, zorder=0)
    axes.spines[:].set_visible(False)


def _family(row: Row) -> tuple[str, str]:
    return _FAMILIES.get(row.name.split(".")[0], _OTHER)


def _columns(rows: list[Row]) -> list[list[Row]]:
    """Split many rows into two columns, between two families, as evenly as that allows."""
    if len(rows) <= _ONE_COLUMN:
        return [rows]
    starts = [i for i in range(1, len(rows)) if _family(rows[i]) != _family(rows[i - 1])]
    middle = min(starts, key=lambda start: abs(start - len(rows) / 2), default=len(rows) // 2)
    return [rows[:middle], rows[middle:]]


def _places(rows: list[Row]) -> list[float]:
    """Return where each bar stands, with a gap between families."""
    places, place = [], 0.0
    for _, family in groupby(rows, _family):
        for _ in family:
            places.append(place)
            place += 1
        place += 0.5
    return places


def _ticks(low: float, high: float) -> list[float]:
    """Return the powers of ten between two numbers, and 2 and 5 times these unless that is too many."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    digits = (1, 2, 5) if high / low < 1000 else (1,)
    ticks = (digit * 10.0**power for power in powers for digit in digits)
    return [tick for tick in ticks if low <= tick <= high]
