"""How padding and stride change the output of a convolution.

    python examples/padding_and_stride.py

A disc of 16x16 pixels is smoothed by the mean of 5x5. Without padding the output loses two pixels on each
side; with zeros around the input it keeps its size but fades at the edge; with more it grows. A stride leaves
out windows: of 2 every second one, of 3 two of three.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import click
import numpy as np
from matplotlib.patches import Rectangle

import fastconv
from figures import BLUE, INK, ORANGE, new_figure, save, show

Array = np.ndarray[Any, Any]

PADDINGS = (0, 1, 2, 4)
STRIDES = (1, 2, 3)


class Case(NamedTuple):
    """One setting and its result."""

    padding: int
    stride: int
    output: Array


def disc(size: int) -> Array:
    """Return a bright disc on a ground that is not black, with a darker middle."""
    y, x = (axis - (size - 1) / 2 for axis in np.ogrid[:size, :size])
    radius = np.hypot(x, y) / (size / 2)
    return np.where(radius < 0.3, 0.55, np.where(radius < 0.75, 1.0, 0.35))


def compute(size: int, kernel: int) -> list[Case]:
    """Convolve with every padding and stride."""
    picture = disc(size)[None]
    mean = np.full((1, 1, kernel, kernel), 1 / kernel**2)
    return [
        Case(padding, stride, fastconv.conv2d(picture, mean, padding=padding, stride=stride)[0])
        for padding in PADDINGS
        for stride in STRIDES
    ]


def draw(cases: list[Case], size: int, kernel: int, path: Path) -> None:
    """Draw the windows on the padded input, and below each other the outputs, all pixels equally large."""
    figure = new_figure(
        10.5,
        11.4,
        "Padding and stride",
        f"mean of {kernel}x{kernel} pixels; output = (input + 2 padding - {kernel}) // stride + 1",
    )
    panels = figure.subplots(len(PADDINGS), 1 + len(STRIDES))
    extent = size + 2 * max(PADDINGS)
    for row, padding in zip(panels, PADDINGS, strict=True):
        axes = row[0]
        show(axes, np.pad(disc(size), padding))
        frame = Rectangle((padding - 0.5,) * 2, size, size, fill=False, ec=BLUE, lw=1.2)
        axes.add_patch(frame)
        for place in (0, 1):  # the first windows of a stride of 3
            axes.add_patch(Rectangle((3 * place - 0.5, -0.5), kernel, kernel, fill=False, ec=ORANGE, lw=1.4))
        _same_scale(axes, size + 2 * padding, extent, f"input {size}x{size}, padding {padding}")
    for (row, column), case in zip(np.ndindex(len(PADDINGS), len(STRIDES)), cases, strict=True):
        axes = panels[row, column + 1]
        count = len(case.output)
        show(axes, case.output)
        _same_scale(axes, count, extent, f"stride {case.stride}: {count}x{count}")
    save(figure, path)


def _same_scale(axes: Any, count: int, extent: int, title: str) -> None:
    """Centre so many pixels in a panel for `extent` of them, in the same colours as all others."""
    margin = (extent - count) / 2
    axes.images[0].set_clim(0, 1)
    axes.text((count - 1) / 2, -1, title, ha="center", va="bottom", fontsize=9, color=INK)
    axes.set_xlim(-0.5 - margin, count - 0.5 + margin)
    axes.set_ylim(count - 0.5 + margin, -0.5 - margin)
    axes.spines[:].set_visible(False)


@click.command()
@click.option(
    "--output", type=click.Path(path_type=Path), default=Path("padding_and_stride"), show_default=True
)
@click.option("--size", type=click.IntRange(8, 64), default=16, show_default=True, help="Of the picture.")
@click.option("--kernel", type=click.IntRange(1, 7), default=5, show_default=True, help="Of the mean.")
@click.option("--short", is_flag=True, help="A picture of 8x8 pixels.")
def main(output: Path, size: int, kernel: int, short: bool) -> None:
    """Show how padding and stride change the output of a convolution."""
    run(output, 8 if short else size, kernel)


def run(output: Path, size: int, kernel: int) -> list[Case]:
    """Convolve, and draw."""
    output.mkdir(parents=True, exist_ok=True)
    cases = compute(size, kernel)
    draw(cases, size, kernel, output / "padding_and_stride.png")
    for case in cases:
        rows, columns = case.output.shape
        click.echo(
            f"padding {case.padding}, stride {case.stride}: {rows}x{columns}, corner {case.output[0, 0]:.3f}"
        )
    click.echo(f"drawn in {output / 'padding_and_stride.png'}")
    return cases


if __name__ == "__main__":
    main()
