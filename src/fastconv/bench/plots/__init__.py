"""The pictures of a run: a module for each, whose `draw` makes a figure of a report, or None.

They need Matplotlib, which is imported when the first is drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fastconv.bench.plots import accuracy, algorithms, libraries, roofline, scaling, speedups
from fastconv.bench.report import Report

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["DPI", "FIGURES", "save"]

DPI = 200
FIGURES: dict[str, Callable[[Report], Figure | None]] = {
    "speedups": speedups.draw,
    "libraries": libraries.draw,
    "roofline": roofline.draw,
    "algorithms": algorithms.draw,
    "scaling": scaling.draw,
    "accuracy": accuracy.draw,
}
"""By name, in the order in which a reader wants them."""


def save(report: Report, folder: str | Path, formats: Sequence[str] = ("svg", "png")) -> list[Path]:
    """Write every figure for which a report has something, under its name.

    Parameters
    ----------
    report : Report
        What a run found.
    folder : str or Path
        Is made if it is not there.
    formats : sequence of str
        Of those that Matplotlib writes. The text of an SVG stays text.

    Returns
    -------
    list of Path
        What was written.
    """
    from matplotlib import rc_context

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, draw in FIGURES.items():
        figure = draw(report)
        for suffix in formats if figure is not None else ():
            assert figure is not None
            written.append(folder / f"{name}.{suffix}")
            with rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
                figure.savefig(written[-1], dpi=DPI)
    return written
