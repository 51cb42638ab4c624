"""Figures as part of a page: SVG whose colours are the page's."""

from __future__ import annotations

import io
import re
from html import escape
from typing import TYPE_CHECKING

from fastconv.bench.plots.style import EDGE, PALETTE, TITLE_HEIGHT

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_POINTS = 72  # in an inch, the units of Matplotlib's SVG


def inline_svg(figure: Figure, name: str, label: str) -> str:
    """Return a figure as an SVG element of a page that gives it a title itself.

    Its title and the margin at its left are cut off. Its colours are variables of the names in `PALETTE`,
    its letters of the variable ``--sans``, which the page's style sheet defines. Its ids begin with the name,
    as Matplotlib gives those of every figure alike.

    Parameters
    ----------
    figure : Figure
        Of `FIGURES`.
    name : str
        Other than those of the page's other figures.
    label : str
        What a reader is told who does not see it.
    """
    from matplotlib import rc_context

    file = io.StringIO()
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
        figure.savefig(file, format="svg", metadata=nothing)
    text = file.getvalue()
    text = text[text.index("<svg") :]  # without the prologue of a file
    text = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>|<!--.*?-->", "", text, flags=re.DOTALL)
    text = re.sub(r'\bid="', f'id="{name}-', text)
    text = re.sub(r'(href="|url\()#', rf"\1#{name}-", text)
    text = re.sub(r"('[^';\"]*', )+sans-serif", "var(--sans)", text)
    for variable, (light, _) in PALETTE.items():
        text = text.replace(light, f"var(--{variable})")
    width, height = figure.get_size_inches() * _POINTS
    left, top = EDGE * _POINTS, TITLE_HEIGHT * _POINTS
    box = f"{left:g} {top:g} {width - left:g} {height - top:g}"
    element = f'<svg role="img" aria-label="{escape(label)}" viewBox="{box}"'
    return re.sub(r"<svg[^>]*", element, text, count=1)
