"""Where each layer stands under the limits of the machine.

Williams, Waterman, Patterson 2009, "Roofline", https://doi.org/10.1145/1498765.1498785
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from fastconv import Problem
from fastconv.bench.data import computed_in
from fastconv.bench.limits import Limits
from fastconv.bench.parts import LAYERS
from fastconv.bench.plots.families import Family, family, is_winograd
from fastconv.bench.plots.style import (
    INK,
    MUTED,
    NORMAL,
    PAPER,
    SMALL,
    WIDTH,
    clean,
    frame,
    logarithmic,
    spread,
)
from fastconv.bench.report import Report

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

_HEIGHT, _LEFT, _RIGHT, _BELOW = 6.2, 0.75, 1.45, 0.85  # inches: of all, and beside and below the axes
_LABEL = 0.16  # inches between two labels of peaks


class _Point(NamedTuple):
    intensity: float
    gflops: float
    family: Family
    winograd: bool
    dtype: str


def draw(report: Report) -> Figure | None:
    """Draw fastconv's speed over operations for each byte moved, under bandwidths and peaks.

    Parameters
    ----------
    report : Report
        What a run found.

    Returns
    -------
    Figure or None
        None if fastconv was measured on no layer, or the limits were not with as many threads.
    """
    points = _points(report)
    threads = next((case.threads for case in report.cases(LAYERS)), report.machine.threads)
    limits = report.limits_with(threads)
    if not points or limits is None or report.machine.instruction_set not in limits.gflops:
        return None
    page = frame(report, "Under the roofs of the machine", _HEIGHT, _legend(points), threads)
    axes = page.axes(_LEFT, WIDTH - _RIGHT, 0.05, _HEIGHT - _BELOW)
    _set_limits(axes, points, limits, report.machine.instruction_set)
    _draw_roofs(axes, limits, report.machine.instruction_set, {point.dtype for point in points})
    for point in points:
        axes.plot(
            point.intensity,
            point.gflops,
            marker="D" if point.winograd else "o",
            ms=5.5 if point.winograd else 6.5,
            mfc=point.family.colour if point.dtype == "float32" else PAPER,
            mec=PAPER if point.dtype == "float32" else point.family.colour,
            mew=0.7 if point.dtype == "float32" else 1.6,
            ls="",
            zorder=4,
        )
    axes.set_xlabel("operations for each byte moved", fontsize=NORMAL, color=MUTED)
    axes.set_ylabel("GFLOP/s", fontsize=NORMAL, color=MUTED)
    page.caption(
        "operations by the definition: Winograd's algorithm does fewer, and may stand above the roof; "
        "bytes: arrays once"
    )
    return page.figure


def _points(report: Report) -> list[_Point]:
    found = []
    for case in report.cases(LAYERS):
        row, problem = case.default, Problem(case.problem)
        if row is not None and row.gflops > 0 and problem.flops > 0:
            winograd, dtype = is_winograd(row.chosen), computed_in(problem)
            found.append(_Point(problem.flops / problem.bytes, row.gflops, family(case), winograd, dtype))
    return found


def _set_limits(axes: Axes, points: list[_Point], limits: Limits, used: str) -> None:
    """Set limits within which all points are, all peaks, and where the highest roof bends."""
    intensities, speeds = [point.intensity for point in points], [point.gflops for point in points]
    peaks = [peak for by_type in limits.gflops.values() for peak in by_type.values()]
    bend = max(limits.gflops[used].values()) / max(limits.gbytes.values())
    axes.set_xlim(min(bend, *intensities) / 1.6, max(bend, *intensities) * 2)
    axes.set_ylim(min(peaks + speeds) / 1.6, max(peaks + speeds) * 1.6)
    logarithmic(axes, "x")
    logarithmic(axes, "y")
    clean(axes)


def _draw_roofs(axes: Axes, limits: Limits, used: str, dtypes: set[str]) -> None:
    top = max(limits.gflops[used].values())
    peaks = [(name, peak["float32"], "-", name == used) for name, peak in limits.gflops.items()]
    if "float64" in dtypes:
        peaks.append(("float64", limits.gflops[used]["float64"], "--", True))
    fastest = max(limits.gbytes.values())
    right = axes.get_xlim()[1]
    for _, peak, dashes, strong in peaks:
        shade, width = (INK, 1.6) if strong else (MUTED, 0.9)
        axes.plot([peak / fastest, right], [peak, peak], color=shade, lw=width, ls=dashes, zorder=3)
    _label_peaks(axes, [(name, peak, strong) for name, peak, _, strong in peaks])
    for level, bandwidth in limits.gbytes.items():
        _draw_bandwidth(axes, level, bandwidth, top)


def _label_peaks(axes: Axes, peaks: list[tuple[str, float, bool]]) -> None:
    low, high = (math.log(limit) for limit in axes.get_ylim())
    inches = axes.bbox.height / axes.figure.dpi
    places = spread([math.log(peak) for _, peak, _ in peaks], _LABEL * (high - low) / inches)
    for (name, peak, strong), place in zip(peaks, places, strict=True):
        axes.annotate(
            f"{name}  {peak:.0f}",
            (axes.get_xlim()[1], math.exp(place)),
            xytext=(5, 0),
            textcoords="offset points",
            va="center",
            fontsize=NORMAL,
            weight="bold" if strong else "normal",
            color=INK if strong else MUTED,
            annotation_clip=False,
        )


def _draw_bandwidth(axes: Axes, level: str, bandwidth: float, top: float) -> None:
    left, bottom = axes.get_xlim()[0], axes.get_ylim()[0]
    start = max(left, bottom / bandwidth)
    ridge = top / bandwidth
    if ridge <= start:
        return
    axes.plot([start, ridge], [start * bandwidth, top], color=MUTED, lw=1.2, zorder=2)
    axes.annotate(
        f"{level}  {bandwidth:.0f} GB/s",
        (start * 1.1, start * 1.1 * bandwidth),
        xytext=(-2, 3),
        textcoords="offset points",
        rotation=_slope(axes),
        rotation_mode="anchor",
        fontsize=SMALL,
        color=MUTED,
        zorder=5,
    )


def _slope(axes: Axes) -> float:
    """Return the degrees at which proportional things rise: a decade up for a decade to the right."""
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    return math.degrees(
        math.atan2(axes.bbox.height / math.log(top / bottom), axes.bbox.width / math.log(right / left))
    )


def _legend(points: list[_Point]) -> list[Line2D]:
    from matplotlib.lines import Line2D

    def entry(label: str, colour: str, marker: str = "o", filled: bool = True) -> Line2D:
        face = colour if filled else PAPER
        return Line2D([], [], ls="", marker=marker, mfc=face, mec=colour, mew=1.4, ms=6, label=label)

    entries = [entry(label, colour) for colour, label in dict.fromkeys(point.family for point in points)]
    if any(point.winograd for point in points):
        entries.append(entry("Winograd", MUTED, "D"))
    if any(point.dtype == "float64" for point in points):
        entries.append(entry("float64", MUTED, filled=False))
    return entries
