"""How many times as fast fastconv is as the fastest other library, layer by layer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from fastconv.bench.parts import LAYERS
from fastconv.bench.plots.families import by_family, family, two_columns
from fastconv.bench.plots.style import (
    INK,
    MUTED,
    NORMAL,
    PAPER,
    SMALL,
    TIMES,
    WIDTH,
    clean,
    frame,
    logarithmic,
    times,
)
from fastconv.bench.report import OURS, Case, Report, Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_ONE_COLUMN = 24  # more rows than this stand in two columns
_ROW, _GAP = 0.215, 0.5  # inches of a row; rows between two families
_ABOVE, _BELOW = 0.02, 0.58  # inches above the first and below the last row
_NAMES, _RIGHT = 1.45, 0.1  # inches left of the bars and right of them
_MOST = 4 / 3  # times a bar: so far an interval is drawn
_BEHIND: dict[str, Any] = {"fc": PAPER, "ec": "none", "pad": 0.8}  # hides the grid behind letters


class _Bar(NamedTuple):
    case: Case
    rival: Row


def draw(report: Report) -> Figure | None:
    """Draw a bar for each layer on a logarithmic axis that begins at 1, as fast as the rival.

    To the right fastconv is faster, to the left slower. The thin line across a bar's end spans what the
    median may be, at 95 % confidence.

    Parameters
    ----------
    report : Report
        What a run found.

    Returns
    -------
    Figure or None
        None if no layer was measured with fastconv and another library.
    """
    from matplotlib.patches import Patch

    rivals = ((case, case.best()) for case in report.cases(LAYERS))
    bars = {id(case): _Bar(case, row) for case, row in rivals if row is not None and row.ratio > 0}
    if not bars:
        return None
    blocks = by_family([bar.case for bar in bars.values()])
    columns = [[*blocks]] if len(bars) <= _ONE_COLUMN else two_columns(blocks)
    tallest = max(_places(column)[-1] for column in columns) + 1
    others = [library for library in report.measured_libraries if library != OURS]
    legend = dict.fromkeys(family(bar.case) for bar in bars.values())
    page = frame(
        report,
        "fastconv beside " + (others[0] if len(others) == 1 else "the fastest other library"),
        _ABOVE + tallest * _ROW + _BELOW,
        [Patch(color=colour, label=label) for colour, label in legend],
    )
    width = WIDTH / len(columns)
    labels = {key: ("" if len(others) == 1 else bar.rival.library) for key, bar in bars.items()}
    limits = _limits([*bars.values()], [*labels.values()], width - _NAMES - _RIGHT)
    for number, column in enumerate(columns):
        left = number * width
        axes = page.axes(left + _NAMES, left + width - _RIGHT, _ABOVE, _ABOVE + tallest * _ROW)
        axes.set_xlim(limits)
        axes.set_ylim(tallest - 0.4, -0.6)
        keys = [id(case) for block in column for case in block]
        _draw(axes, [bars[key] for key in keys], [labels[key] for key in keys], _places(column))
    lines = "thin lines: 95 % confidence, cut a third beyond the bar"
    page.caption(f"times as fast as {_rival(others)} (1{TIMES}: as fast); {lines}")
    return page.figure


def _draw(axes: Axes, bars: Sequence[_Bar], labels: Sequence[str], places: Sequence[float]) -> None:
    logarithmic(axes, "x", TIMES)
    clean(axes, grid="x")
    axes.barh(
        places,
        [bar.rival.ratio - 1 for bar in bars],
        left=1,
        height=0.74,
        color=[family(bar.case).colour for bar in bars],
        zorder=2,
    )
    for place, (_, row), label in zip(places, bars, labels, strict=True):
        axes.plot(_interval(row), [place, place], color=INK, alpha=0.55, lw=1, zorder=3)
        value = axes.annotate(
            times(row.ratio),
            (_end(row), place),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            fontsize=NORMAL,
            color=INK,
            bbox=_BEHIND,
            zorder=2.5,
        )
        if label:
            axes.annotate(
                label,
                (1, 0.5),
                xycoords=value,
                xytext=(4, -0.3),
                textcoords="offset points",
                va="center",
                fontsize=SMALL,
                color=MUTED,
                bbox=_BEHIND,
                zorder=2.5,
            )
    axes.axvline(1, color=INK, lw=1, zorder=4)
    axes.set_yticks(places, [bar.case.name for bar in bars])


def _interval(row: Row) -> tuple[float, float]:
    """Return the ends of a bar's thin line: of its interval, but no more than a third of the bar beyond it.

    One call in which the machine did something else can draw an interval across the whole picture.
    """
    return max(row.ratio_low, row.ratio / _MOST), min(row.ratio_high, row.ratio * _MOST)


def _end(row: Row) -> float:
    """Return where a bar's label begins: beside the bar and its interval, never left of 1."""
    ends = (1.0, row.ratio, _interval(row)[1])
    return max(end for end in ends if math.isfinite(end))


def _limits(bars: Sequence[_Bar], labels: Sequence[str], width: float) -> tuple[float, float]:
    """Return limits between which bars have their labels beside them, on axes of so many inches."""
    slowest = min(value for _, row in bars for value in (row.ratio, _interval(row)[0]) if value > 0)
    low = 0.95 if slowest >= 1 else slowest * 0.85
    needed = [math.log(2 / low)]
    for bar, label in zip(bars, labels, strict=True):
        text = 0.2 + 0.5 + 0.062 * len(label)
        needed.append(math.log(_end(bar.rival) / low) * width / (width - text))
    return low, low * math.exp(max(needed))


def _places(blocks: Sequence[Sequence[Case]]) -> list[float]:
    """Return where each bar stands, with a gap between families."""
    places, place = [], 0.0
    for block in blocks:
        for _ in block:
            places.append(place)
            place += 1
        place += _GAP
    return places


def _rival(others: Sequence[str]) -> str:
    return others[0] if len(others) == 1 else "the fastest way of any other library, named beside the value"
