"""Which algorithm is the fastest where, and whether ``auto`` chose it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from fastconv.bench.parts import ALGORITHMS
from fastconv.bench.plots.style import (
    LARGE,
    MUTED,
    NORMAL,
    PAPER,
    SMALL,
    WIDTH,
    algorithm_colours,
    clean,
    frame,
    times,
)
from fastconv.bench.report import Case, Report

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_CELL, _LEFT, _BELOW = 0.56, 0.85, 0.85  # inches: height of a cell, beside and below all


class _Cell(NamedTuple):
    channels: int
    extent: int
    fastest: str
    over_second: float
    chosen: str
    loss: float


def draw(report: Report) -> Figure | None:
    """Draw a map of the fastest algorithm over channels and extent.

    Parameters
    ----------
    report : Report
        What a run found.

    Returns
    -------
    Figure or None
        None if the run had no part ``algorithms``.
    """
    from matplotlib.patches import Patch

    cells = [cell for case in report.cases(ALGORITHMS) if (cell := _cell(case)) is not None]
    if not cells:
        return None
    channels = sorted({cell.channels for cell in cells})
    extents = sorted({cell.extent for cell in cells})
    colours = algorithm_colours(dict.fromkeys(cell.fastest for cell in cells))
    legend = [Patch(color=colour, label=name) for name, colour in colours.items()]
    height = _CELL * len(extents)
    page = frame(report, "The fastest algorithm of a 3x3 convolution", height + _BELOW, legend)
    axes = page.axes(_LEFT, WIDTH - 0.2, 0.02, height)
    for cell in cells:
        _draw(axes, cell, channels.index(cell.channels), extents.index(cell.extent), colours)
    clean(axes, grid="")
    axes.set_xlim(-0.5, len(channels) - 0.5)
    axes.set_ylim(len(extents) - 0.5, -0.5)
    axes.set_xticks(range(len(channels)), map(str, channels))
    axes.set_yticks(range(len(extents)), [f"{extent}x{extent}" for extent in extents])
    axes.set_xlabel("channels, in and out", fontsize=NORMAL, color=MUTED)
    axes.set_ylabel("pixels", fontsize=NORMAL, color=MUTED)
    page.caption(
        "how many times as fast as the second; outlined: auto chose another, which takes so much longer"
    )
    return page.figure


def _cell(case: Case) -> _Cell | None:
    channels, _, extent = case.name.partition("@")
    rows = {row.way: row for row in case.measured if row.ours}
    auto = rows.pop("auto", None)
    ranking = sorted(rows.values(), key=lambda row: row.seconds)
    if not (ranking and channels.isdecimal() and extent.isdecimal()):
        return None
    fastest = ranking[0]
    over_second = ranking[1].seconds / fastest.seconds if len(ranking) > 1 else 1.0
    chosen = auto.chosen if auto is not None and auto.chosen in rows else fastest.way
    loss = rows[chosen].seconds / fastest.seconds - 1
    return _Cell(int(channels), int(extent), fastest.way, over_second, chosen, loss)


def _draw(axes: Axes, cell: _Cell, x: int, y: int, colours: dict[str, str]) -> None:
    from matplotlib.patches import Rectangle

    other = cell.chosen != cell.fastest
    axes.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, fc=colours[cell.fastest], ec=PAPER, lw=2.5, zorder=2))
    axes.text(
        x,
        y - (0.14 if other else 0),
        times(cell.over_second),
        ha="center",
        va="center",
        fontsize=LARGE,
        color=PAPER,
        weight="bold",
        zorder=4,
    )
    if other:
        loss = f"{cell.loss:.0%}" if cell.loss >= 0.02 else f"{cell.loss:.1%}"
        inner = Rectangle((x - 0.44, y - 0.42), 0.88, 0.84, fill=False, ec=PAPER, lw=1.3, ls=(0, (3, 2)))
        inner.set_zorder(3)
        axes.add_patch(inner)
        note = f"{cell.chosen} +{loss}"
        axes.text(x, y + 0.2, note, ha="center", va="center", fontsize=SMALL, color=PAPER, zorder=4)
