"""An X is found by what it is made of: two diagonals, and the place where they cross.

    python examples/cross.py

Three kernels of 3x3 are slid over a picture of 9x9 pixels, 1 where there is ink and -1 where there is none.
Where a kernel agrees with all nine pixels the result is 1. Rectified and reduced to the maxima of 2x2, the
three maps still say where each part is, in a third of the numbers.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import click
import numpy as np

import fastconv
from figures import new_figure, save, show

Array = np.ndarray[Any, Any]


def cross(size: int) -> Array:
    """Return an X within a margin of one pixel, of ink (1) on paper (-1)."""
    picture = -np.ones((size, size))
    inside = np.arange(1, size - 1)
    picture[inside, inside] = picture[inside, size - 1 - inside] = 1
    return picture


def detectors() -> dict[str, Array]:
    """Return the kernels: they are what they look for, over the number of pixels."""
    falling = 2 * np.eye(3) - 1
    rising = falling[:, ::-1]
    return {
        "falling diagonal": falling / 9,
        "crossing": np.maximum(falling, rising) / 9,
        "rising diagonal": rising / 9,
    }


class Result(NamedTuple):
    """The picture, and its three maps after each step."""

    picture: Array
    maps: Array
    rectified: Array
    pooled: Array


def detect(size: int = 9) -> Result:
    """Convolve, rectify and pool."""
    picture = cross(size)
    kernels = np.stack(list(detectors().values()))[:, None]
    maps = fastconv.conv2d(picture[None, None], kernels)
    rectified = fastconv.relu(maps)
    pooled = fastconv.max_pool2d(rectified, 2, ceil_mode=True)
    return Result(picture, maps[0], rectified[0], pooled[0])


def draw(result: Result, path: Path) -> None:
    """Draw the picture, the kernels and the maps, with their numbers."""
    figure = new_figure(
        11,
        8.3,
        "Finding the parts of an X",
        "red is 1, blue is -1, white is 0; what a kernel adds up is divided by its nine pixels",
    )
    grid = figure.add_gridspec(3, 5, width_ratios=[1.2, 0.6, 1, 1, 0.75])
    show(figure.add_subplot(grid[:, 0]), result.picture, "the picture", 1.4, ".0f")
    rows = zip(detectors().items(), result.maps, result.rectified, result.pooled, strict=True)
    for row, ((name, kernel), found, rectified, pooled) in enumerate(rows):
        show(figure.add_subplot(grid[row, 1]), kernel * 9, name, 1.4, ".0f")
        show(figure.add_subplot(grid[row, 2]), found, "convolved" if row == 0 else "", 1.4, ".2f")
        show(figure.add_subplot(grid[row, 3]), rectified, "rectified" if row == 0 else "", 1.4, ".2f")
        show(figure.add_subplot(grid[row, 4]), pooled, "maxima of 2x2" if row == 0 else "", 1.4, ".2f")
    save(figure, path)


@click.command()
@click.option("--output", type=click.Path(path_type=Path), default=Path("cross"), show_default=True)
@click.option("--size", type=click.IntRange(5), default=9, show_default=True, help="Rows and columns, odd.")
@click.option("--short", is_flag=True, help="A picture of 7x7 pixels.")
def main(output: Path, size: int, short: bool) -> None:
    """Find the parts of an X by three small kernels."""
    run(output, 7 if short else size)


def run(output: Path, size: int) -> Result:
    """Detect, and draw."""
    if size % 2 == 0:
        raise click.BadParameter(
            f"{size} is even, expected an odd number, so that there is a middle", param_hint="--size"
        )
    output.mkdir(parents=True, exist_ok=True)
    result = detect(size)
    draw(result, output / "cross.png")
    for name, found in zip(detectors(), result.maps, strict=True):
        places = ", ".join(f"({row + 1}, {column + 1})" for row, column in np.argwhere(found > 0.999))
        click.echo(f"{name}: at {places}")
    click.echo(f"drawn in {output / 'cross.png'}")
    return result


if __name__ == "__main__":
    main()
