"""What the pictures of the examples share: one look, and panels that show arrays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

INK, MUTED, RULE = "#1f2933", "#6b7785", "#d9dee4"
BLUE, ORANGE = "#1d4ed8", "#c2410c"
SIGNED = "RdBu_r"  # a colour map with white at 0


def new_figure(width: float, height: float, title: str, subtitle: str = "") -> Figure:
    """Return an empty figure, so many inches wide and high, with half an inch of title on top."""
    # Figure itself instead of pyplot: nothing global is touched and no window is ever wanted.
    figure = Figure(figsize=(width, height), facecolor="white", layout="constrained")
    figure.get_layout_engine().set(rect=(0, 0, 1, 1 - 0.6 / height), w_pad=0.06, h_pad=0.06)
    figure.text(0.15 / width, 1 - 0.12 / height, title, fontsize=13, weight="bold", color=INK, va="top")
    figure.text(0.15 / width, 1 - 0.37 / height, subtitle, fontsize=9, color=MUTED, va="top")
    return figure


def show(axes: Axes, array: Any, title: str = "", limit: float | None = None, numbers: str = "") -> None:
    """Show an array: signed numbers white at 0 if there is a limit to them, else from black to white.

    With a format in `numbers`, each is written into its cell.
    """
    colours = {"cmap": "gray"} if limit is None else {"cmap": SIGNED, "vmin": -limit, "vmax": limit}
    axes.imshow(array, interpolation="nearest", **colours)
    axes.set_title(title, fontsize=9, color=INK)
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_color(RULE)
    if numbers:
        for (row, column), value in np.ndenumerate(array):
            dark = limit is not None and abs(value) > 0.6 * limit
            text = format(value + 0.0, numbers)  # + 0.0 takes the sign of -0.0
            size = min(58 / max(array.shape), 11)
            axes.text(
                column, row, text, ha="center", va="center", fontsize=size, color="white" if dark else INK
            )


def save(figure: Figure, path: Path) -> None:
    """Write a figure as PNG."""
    figure.savefig(path, dpi=150)
