"""What speed costs in accuracy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from fastconv import Problem
from fastconv.bench.parts import LAYERS
from fastconv.bench.plots.families import is_pooling, is_winograd
from fastconv.bench.plots.style import (
    INK,
    MUTED,
    NORMAL,
    PAPER,
    TIMES,
    WIDTH,
    clean,
    frame,
    library_colours,
    logarithmic,
)
from fastconv.bench.report import OURS, Report

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

_HEIGHT, _LEFT, _RIGHT, _BELOW = 5.2, 0.75, 0.25, 0.85  # inches: of all, and beside and below the axes
_ROUNDING = {"float64": 2.0**-52, "float32": 2.0**-23, "float16": 2.0**-10, "bfloat16": 2.0**-7}
_KINDS = {"Winograd": "D", "Fourier": "^", "other ways": "o"}


class _Point(NamedTuple):
    library: str
    kind: str
    speed: float
    error: float


def draw(report: Report) -> Figure | None:
    """Draw a point for each way of each library on each convolution: its error over its speed.

    Parameters
    ----------
    report : Report
        What a run found.

    Returns
    -------
    Figure or None
        None if no way has both beside fastconv's default.
    """
    points = _points(report)
    if not points:
        return None
    libraries = [name for name in report.measured_libraries if name in {point.library for point in points}]
    colours = library_colours(report.measured_libraries)
    kinds = [kind for kind in _KINDS if any(point.kind == kind for point in points)]
    legend = [_entry(library, colours[library], "o") for library in libraries]
    legend += [_entry(kind, MUTED, _KINDS[kind]) for kind in kinds if len(kinds) > 1]
    page = frame(report, "Accuracy and speed", _HEIGHT, legend)
    axes = page.axes(_LEFT, WIDTH - _RIGHT, 0.05, _HEIGHT - _BELOW)
    _set_limits(axes, points)
    # fastconv last, on top of the others.
    for point in sorted(points, key=lambda point: point.library == OURS):
        ours = point.library == OURS
        axes.plot(
            point.speed,
            point.error,
            marker=_KINDS[point.kind],
            ms=5.5 if ours else 5,
            mfc=colours[point.library],
            mec=PAPER,
            mew=0.5,
            alpha=0.9 if ours else 0.75,
            ls="",
            zorder=4 if ours else 3,
        )
    axes.set_xlabel("times as fast as fastconv's default on the same layer", fontsize=NORMAL, color=MUTED)
    axes.set_ylabel("largest error, in roundings of the type", fontsize=NORMAL, color=MUTED)
    page.caption("to the right is faster, below is more accurate; a point for each way on each convolution")
    return page.figure


def _points(report: Report) -> list[_Point]:
    found = []
    for case in report.cases(LAYERS):
        rounding = _ROUNDING.get(Problem(case.problem).dtype, 0.0)
        for row in case.measured if rounding and not is_pooling(case) else []:
            if row.ratio > 0 and row.difference >= 0:
                kind = _kind(f"{row.way} {row.chosen}")
                found.append(_Point(row.library, kind, 1 / row.ratio, row.difference / rounding))
    # An exact result has no place on a logarithmic axis: it stands at its lower end.
    least = min((point.error for point in found if point.error > 0), default=1.0) / 2
    return [point._replace(error=max(point.error, least)) for point in found]


def _kind(way: str) -> str:
    if is_winograd(way):
        return "Winograd"
    return "Fourier" if "fft" in way or "fourier" in way else "other ways"


def _set_limits(axes: Axes, points: Sequence[_Point]) -> None:
    speeds, errors = [point.speed for point in points], [point.error for point in points]
    axes.set_xlim(min(0.5, *speeds) / 1.25, max(2.0, *speeds) * 1.25)
    axes.set_ylim(min(errors) / 1.4, max(errors) * 1.4)
    logarithmic(axes, "x", TIMES)
    logarithmic(axes, "y")
    clean(axes)
    axes.axvline(1, color=INK, lw=1, zorder=2)


def _entry(label: str, colour: str, marker: str) -> Line2D:
    from matplotlib.lines import Line2D

    return Line2D([], [], ls="", marker=marker, color=colour, ms=6, label=label)
