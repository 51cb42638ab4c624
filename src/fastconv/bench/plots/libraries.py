"""Every library's best way on each layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from fastconv.bench.parts import LAYERS
from fastconv.bench.plots.families import by_family, family, is_pooling, two_columns
from fastconv.bench.plots.style import (
    INK,
    LARGE,
    PAPER,
    WIDTH,
    clean,
    frame,
    library_colours,
)
from fastconv.bench.report import Case, Report, Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_NAMES, _RIGHT = 1.45, 0.2  # inches left of the bars and right of them
_BAR, _GAP = 0.062, 0.09  # inches of a bar; between two layers
_TITLE, _AXIS, _BELOW = 0.3, 0.34, 0.35  # inches of a panel's title, of its axis, of the caption


class _Panel(NamedTuple):
    title: str
    unit: str
    cases: Sequence[Case]


def draw(report: Report) -> Figure | None:
    """Draw a group of bars for each layer, a panel for each family; pooling in bytes, not in operations.

    Parameters
    ----------
    report : Report
        What a run found.

    Returns
    -------
    Figure or None
        None if no layer was measured.
    """
    from matplotlib.patches import Patch

    cases = [case for case in report.cases(LAYERS) if case.measured]
    if not cases:
        return None
    colours = library_colours(report.measured_libraries)
    slot = _BAR * len(colours) + _GAP
    columns = _columns(cases)
    tallest = max(sum(_height(panel, slot) for panel in column) for column in columns)
    legend = [Patch(color=colour, label=library) for library, colour in colours.items()]
    page = frame(report, "The best way of every library", tallest + _BELOW, legend)
    width = WIDTH / len(columns)
    for number, column in enumerate(columns):
        left, top = number * width, 0.0
        for panel in column:
            bottom = top + _height(panel, slot)
            axes = page.axes(left + _NAMES, left + width - _RIGHT, top + _TITLE, bottom - _AXIS)
            _draw(axes, panel, colours)
            top = bottom
    several = sum(map(len, columns)) > 1
    page.caption("longer is faster" + "; every panel has an axis of its own" * several)
    return page.figure


def _columns(cases: Sequence[Case]) -> list[list[_Panel]]:
    convolutions = [case for case in cases if not is_pooling(case)]
    pools = [case for case in cases if is_pooling(case)]
    panels = [_Panel(family(block[0]).label, "GFLOP/s", block) for block in by_family(convolutions)]
    panels += [_Panel("pooling", "GB/s", pools)] if pools else []
    if len(cases) <= 2:
        return [panels]
    columns = two_columns([[(panel, case) for case in panel.cases] for panel in panels])
    return [
        [block[0][0]._replace(cases=[case for _, case in block]) for block in column] for column in columns
    ]


def _height(panel: _Panel, slot: float) -> float:
    return _TITLE + slot * len(panel.cases) + _AXIS


def _draw(axes: Axes, panel: _Panel, colours: dict[str, str]) -> None:
    count = len(colours)
    slot = _BAR * count + _GAP
    values = {
        (place, number): _speed(row, panel)
        for place, case in enumerate(panel.cases)
        for number, library in enumerate(colours)
        if (row := case.best(library)) is not None
    }
    shades = [*colours.values()]
    axes.barh(
        [place * slot + number * _BAR for place, number in values],
        [*values.values()],
        height=_BAR,
        align="edge",
        color=[shades[number] for _, number in values],
        edgecolor=PAPER,
        lw=0.25,
        zorder=2,
    )
    clean(axes, grid="x")
    axes.set_xlim(0, 1.05 * max(values.values()))
    axes.set_ylim(slot * len(panel.cases) - _GAP / 2, -_GAP / 2)
    middles = [place * slot + _BAR * count / 2 for place in range(len(panel.cases))]
    axes.set_yticks(middles, [case.name for case in panel.cases])
    axes.axvline(0, color=INK, lw=1, zorder=3)
    axes.set_title(
        f"{panel.title}, {panel.unit}", loc="left", fontsize=LARGE, weight="bold", color=INK, pad=5
    )


def _speed(row: Row, panel: _Panel) -> float:
    return row.gbytes if panel.unit == "GB/s" else row.gflops
