"""A run as one page: figures, limits and all rows, in a file that needs nothing else."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fastconv.bench.parts import LAYERS
from fastconv.bench.plots import FIGURES
from fastconv.bench.plots.style import PALETTE, TIMES
from fastconv.bench.report import Report, Row
from fastconv.bench.summary import doubts, standings

_NONE = "\N{EN DASH}"  # of what was not measured

TEMPLATE = Path(__file__).with_name("report.html")

# What a figure is titled on the page, and how to read it.
_TEXTS = {
    "speedups": (
        "How much faster, layer by layer",
        "A bar begins at 1, as fast as the fastest way of any other library, whose name stands beside the "
        "value. To the right fastconv is faster, to the left slower. The thin line spans what the median may "
        "be, at 95 % confidence; it ends a third beyond the bar at the latest, the table has all of it.",
    ),
    "libraries": (
        "Every library",
        "The best way of each library in operations of the definition a second, so that an algorithm that "
        "multiplies less is not thought slower; pooling in bytes moved. Longer is faster.",
    ),
    "roofline": (
        "Against the limits of the machine",
        "A layer cannot stand above the slanted line of the memory that holds its arrays, nor above the "
        "level line of the instruction set: except by Winograd's algorithm, which multiplies less than the "
        "definition. Rings are float64, which has a peak of its own.",
    ),
    "algorithms": (
        "The fastest algorithm",
        "For 3x3 convolutions by number of channels and size of the image: the colour is the fastest "
        "algorithm, the number how many times as fast it is as the second. A dashed frame marks where "
        "fastconv chose another by itself, and how much longer that one takes.",
    ),
    "scaling": (
        "As batches, images and threads grow",
        "What a thousand operations cost, lower being faster; and how many times as fast fastconv is as with "
        "one thread, where the broad line has a speed in proportion to the threads.",
    ),
    "accuracy": (
        "Accuracy and speed",
        "Each point is one way of a library on one convolution: further right is faster, further down more "
        "accurate. Errors are the largest difference from the float64 result, over its largest magnitude, in "
        "roundings of the type.",
    ),
}


def write_html(report: Report, path: str | Path) -> None:
    """Write a run as a page that asks for no other file, and is light or dark as the reader's system is.

    Needs Matplotlib and Jinja2.

    Parameters
    ----------
    report : Report
        What a run found.
    path : str or Path
        Where to write.
    """
    import jinja2

    from fastconv.bench.plots.inline import inline_svg

    figures = []
    for name, draw in FIGURES.items():
        figure = draw(report)
        if figure is not None:
            title, text = _TEXTS[name]
            svg = inline_svg(figure, name, title)
            figures.append({"name": name, "title": title, "text": text, "svg": svg})
    measured = report.measured_libraries
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(_FILTERS)
    page = environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        report=report,
        cases=report.cases(LAYERS),
        figures=figures,
        limits=_limits_table(report),
        standings=standings(report),
        warnings=doubts(report),
        missing={name: why for name, why in report.libraries.items() if name not in measured},
        palette=PALETTE,
    )
    Path(path).write_text(page, encoding="utf-8")


def _limits_table(report: Report) -> dict[str, dict[str, list[str]]]:
    """Return the cells of the table of limits, a column for each number of threads, by group and by name."""
    groups: dict[str, dict[str, list[str]]] = {}
    for limits in report.limits:
        for name, peaks in limits.gflops.items():
            for dtype, peak in peaks.items():
                group = groups.setdefault(f"{dtype}, GFLOP/s", {})
                group.setdefault(name, []).append(digits(peak))
    for limits in report.limits:
        for level, rate in limits.gbytes.items():
            cell = digits(rate)
            if level in limits.capacities:
                cell += f" from {_size(limits.capacities[level])}"
            groups.setdefault("loads and stores, GB/s", {}).setdefault(level, []).append(cell)
    return groups


def duration(seconds: float) -> str:
    """Write a time with three digits in the unit that suits it.

    Examples
    --------
    >>> from fastconv.bench.html import duration
    >>> duration(0.00123), duration(75.0)
    ('1.23 ms', '75.0 s')
    """
    for factor, unit in ((1.0, "s"), (1e3, "ms")):
        if seconds * factor >= 1:
            return f"{digits(seconds * factor)} {unit}"
    return f"{digits(seconds * 1e6)} µs"


def digits(value: float) -> str:
    """Write a number with three digits, or all that are before the point; a dash if there is none."""
    if not math.isfinite(value):
        return _NONE
    decimals = 2 if abs(value) < 10 else 1 if abs(value) < 100 else 0
    return f"{value:.{decimals}f}"


def _size(size: int) -> str:
    for factor, unit in ((1 << 20, "MiB"), (1 << 10, "KiB")):
        if size >= factor:
            return f"{size / factor:g} {unit}"
    return f"{size} bytes"


def _ratio(row: Row) -> str:
    return f"{digits(row.ratio)}{TIMES}" if row.ratio > 0 else _NONE


def _interval(row: Row) -> str:
    known = math.isfinite(row.ratio_low) and math.isfinite(row.ratio_high) and not row.is_default
    return f"{digits(row.ratio_low)} {_NONE} {digits(row.ratio_high)}" if known else ""


def _difference(value: float) -> str:
    return f"{value:.1e}" if math.isfinite(value) else _NONE


def _percent(value: float) -> str:
    return f"{value:.0%}" if math.isfinite(value) else _NONE


_FILTERS: dict[str, Callable[..., Any]] = {
    "difference": _difference,
    "digits": digits,
    "duration": duration,
    "interval": _interval,
    "percent": _percent,
    "ratio": _ratio,
    "size": _size,
}
