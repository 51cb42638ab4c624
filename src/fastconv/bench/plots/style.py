"""What all figures share: colours, sizes, and the frame with title, facts and legend."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fastconv.bench.report import Report

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PALETTE: dict[str, tuple[str, str]] = {
    "paper": ("#ffffff", "#14181d"),
    "ink": ("#1f2933", "#e6eaef"),
    "muted": ("#5f6b79", "#9ba7b4"),
    "rule": ("#d9dee4", "#2d353f"),
    "navy": ("#1e40af", "#8fb0ff"),
    "blue": ("#1d4ed8", "#7ba1fb"),
    "cyan": ("#0e7490", "#4fc0da"),
    "teal": ("#2a9d8f", "#5acfc0"),
    "green": ("#15803d", "#5bc985"),
    "leaf": ("#55a868", "#86d49a"),
    "olive": ("#8a9a2b", "#bccb68"),
    "amber": ("#ca8a04", "#e5b94a"),
    "sand": ("#b89a74", "#d3b892"),
    "orange": ("#c2410c", "#f0895a"),
    "coral": ("#e4603a", "#ff9472"),
    "pink": ("#d0659d", "#ee9ac6"),
    "violet": ("#9469c9", "#bd9aec"),
    "purple": ("#7e22ce", "#c290f5"),
    "brown": ("#8c5a3c", "#c99a7c"),
    "steel": ("#3d6b8c", "#86b4d6"),
    "slate": ("#64748b", "#95a5ba"),
    "silver": ("#9aa5b1", "#75818e"),
}
"""Every colour of a figure by name, on white and on black; no two are the same on white.

Figures are drawn in those for white. A page that has both replaces each by a variable of its name.
"""

_LIGHT = {name: pair[0] for name, pair in PALETTE.items()}
PAPER, INK, MUTED, RULE = (_LIGHT[name] for name in ("paper", "ink", "muted", "rule"))

TIMES = "\N{MULTIPLICATION SIGN}"
WIDTH = 10.0
"""Inches: of every figure, so that letters are of one size wherever all are scaled to one width."""
TITLE_HEIGHT = 0.68
"""Inches at the top that title and facts take; a page with a title of its own cuts them off."""
EDGE = 0.15
"""Inches left of the title."""
SMALL, NORMAL, LARGE, HUGE = 7.0, 8.5, 9.5, 15.0

_LEGEND_LINE = 0.195
_LIBRARIES = {
    "fastconv": "navy",
    "numpy": "silver",
    "scipy": "sand",
    "opencv": "leaf",
    "torch": "coral",
    "onnxruntime": "violet",
    "openvino": "teal",
    "ncnn": "amber",
    "numba": "pink",
    "cython": "olive",
}
_SPARE = ("brown", "steel", "slate", "purple")
_ALGORITHMS = {
    "winograd4": "blue",
    "winograd2": "cyan",
    "im2col": "slate",
    "direct": "brown",
    "pointwise": "green",
    "depthwise": "orange",
    "dot": "purple",
}


def colour(name: str) -> str:
    """Return a colour of `PALETTE` as figures are drawn."""
    return _LIGHT[name]


def library_colours(libraries: Iterable[str]) -> dict[str, str]:
    """Return a colour for each library: always the same for those that the suite knows."""
    return _colours(libraries, _LIBRARIES)


def algorithm_colours(algorithms: Iterable[str]) -> dict[str, str]:
    """Return a colour for each of fastconv's algorithms, dark enough for white letters upon it."""
    return _colours(algorithms, _ALGORITHMS)


def _colours(names: Iterable[str], known: dict[str, str]) -> dict[str, str]:
    found: dict[str, str] = {}
    others = 0
    for name in names:
        if name in known:
            found[name] = colour(known[name])
        else:
            found[name] = colour(_SPARE[others % len(_SPARE)])
            others += 1
    return found


def times(value: float) -> str:
    """Write how many times, with two decimals where the first says too little."""
    decimals = 2 if value < 1.1 else 1 if value < 100 else 0
    return f"{value:.{decimals}f}{TIMES}"


def ticks(low: float, high: float) -> list[float]:
    """Return the powers of ten between two numbers, and 2 and 5 times these unless that is too many."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    digits = (1, 2, 5) if high / low < 1000 else (1,)
    found = (digit * 10.0**power for power in powers for digit in digits)
    return [tick for tick in found if low <= tick <= high]


def clean(axes: Axes, grid: str = "both") -> None:
    """Leave of the axes their labels and pale lines along one direction or both."""
    axes.tick_params(which="both", length=0, labelcolor=INK, labelsize=NORMAL)
    axes.grid(visible=False)
    for axis in (axes.xaxis, axes.yaxis):
        if grid in ("both", axis.axis_name):
            axis.grid(color=RULE, lw=0.8, zorder=0)
    axes.set_axisbelow(True)
    axes.spines[:].set_visible(False)


def logarithmic(axes: Axes, which: str, suffix: str = "") -> None:
    """Make an axis whose limits are set logarithmic, with plain numbers at few places."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    low, high = axes.get_xlim() if which == "x" else axes.get_ylim()
    axes.set(**{f"{which}scale": "log"})
    axes.set(**{f"{which}lim": (low, high)})
    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_major_locator(FixedLocator(ticks(min(low, high), max(low, high))))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}{suffix}"))
    axis.set_minor_locator(NullLocator())


def spread(values: Sequence[float], gap: float) -> list[float]:
    """Return places for labels, as near their values as a least gap between them allows.

    Examples
    --------
    >>> from fastconv.bench.plots.style import spread
    >>> spread([1.0, 1.5, 9.0], gap=1.0)
    [0.75, 1.75, 9.0]
    """
    order = sorted(range(len(values)), key=lambda i: values[i])
    groups: list[tuple[float, list[int]]] = []  # the middle of labels that touch each other, and which
    for i in order:
        middle, members = values[i], [i]
        while groups and middle - groups[-1][0] < gap * (len(members) + len(groups[-1][1])) / 2:
            members = groups.pop()[1] + members
            middle = sum(values[member] for member in members) / len(members)
        groups.append((middle, members))
    places = [0.0] * len(values)
    for middle, members in groups:
        for position, member in enumerate(members):
            places[member] = middle + gap * (position - (len(members) - 1) / 2)
    return places


@dataclass(frozen=True)
class Frame:
    """A figure with title and legend, and the part below these for axes; all in inches.

    Attributes
    ----------
    figure : matplotlib.figure.Figure
        The whole.
    header : float
        Height of title, facts and legend.
    """

    figure: Figure
    header: float

    def axes(self, left: float, right: float, top: float, bottom: float) -> Axes:
        """Add axes: distances from the left edge, and downwards from the header."""
        width, height = self.figure.get_size_inches()
        lower = height - self.header - bottom
        box = (left / width, lower / height, (right - left) / width, (bottom - top) / height)
        return self.figure.add_axes(box)

    def caption(self, text: str) -> None:
        """Write a line at the bottom: what the figure's marks mean."""
        place = (0.5, 0.12 / self.figure.get_figheight())
        self.figure.text(*place, text, fontsize=NORMAL, color=MUTED, ha="center")


def frame(
    report: Report, title: str, height: float, legend: Sequence[Artist] = (), threads: int = 0
) -> Frame:
    """Begin a figure.

    Parameters
    ----------
    report : Report
        Its facts stand under the title.
    title : str
        A few words.
    height : float
        Inches below the header.
    legend : sequence of Artist
        Handles with labels, in as many lines as they need.
    threads : int
        If the figure is of another number than the run.
    """
    # Figure itself instead of pyplot: nothing global is touched and no window is ever wanted.
    from matplotlib.figure import Figure

    lines = _legend_lines(legend)
    header = TITLE_HEIGHT + _LEGEND_LINE * lines + 0.1 * (lines > 0)
    total = header + height
    figure = Figure(figsize=(WIDTH, total), facecolor=PAPER)
    left = EDGE / WIDTH
    figure.text(left, 1 - 0.14 / total, title, fontsize=HUGE, weight="bold", color=INK, va="top")
    figure.text(left, 1 - 0.44 / total, _facts(report, threads), fontsize=LARGE, color=MUTED, va="top")
    if lines:
        figure.legend(
            handles=list(legend),
            loc="upper left",
            bbox_to_anchor=(left, 1 - TITLE_HEIGHT / total),
            borderaxespad=0,
            borderpad=0,
            ncols=math.ceil(len(legend) / lines),
            frameon=False,
            fontsize=LARGE,
            labelcolor=INK,
            handlelength=1.1,
            handleheight=0.9,
            handletextpad=0.5,
            labelspacing=0.4,
            columnspacing=1.3,
        )
    return Frame(figure, header)


def _legend_lines(legend: Sequence[Artist]) -> int:
    """Return how few lines the entries fit into, in columns that are filled one after the other."""
    widths = [0.085 * len(str(artist.get_label())) + 0.42 for artist in legend]
    for lines in range(1, len(widths)):
        columns = np.array_split(widths, math.ceil(len(widths) / lines))
        if sum(max(column) for column in columns) <= WIDTH - 2 * EDGE:
            return lines
    return len(widths)


def _facts(report: Report, threads: int) -> str:
    machine = report.machine
    count = threads or machine.threads
    facts = [
        machine.processor,
        machine.instruction_set,
        f"{count} thread" + "s" * (count > 1),
        f"fastconv {machine.fastconv}",
        machine.date[:10],
        *(["caches cold"] if report.settings.cold else []),
        *([] if report.settings.prepared else ["nothing prepared"]),
        *([] if report.complete else ["interrupted"]),
    ]
    return " · ".join(facts)
