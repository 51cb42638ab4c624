"""Edges of a photograph, by kernels of 3x3.

    python examples/edges.py --photo mine.jpg

Without --photo it is a portrait that comes with Matplotlib. The photograph is smoothed first, since
derivatives make noise louder. Two Sobel kernels then say how fast it becomes brighter to the right and
downwards: the length of that vector says how strong an edge is, its angle where the edge faces. The
Laplacian, a second derivative, changes its sign at an edge.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import click
import numpy as np
from matplotlib.cbook import get_sample_data
from matplotlib.colors import hsv_to_rgb
from PIL import Image

import fastconv
from fastconv import filters
from figures import new_figure, save, show

Array = np.ndarray[Any, Any]


class Edges(NamedTuple):
    """A grey photograph between 0 and 1, and what is found in it, all of its shape."""

    photo: Array
    smooth: Array
    right: Array
    down: Array
    laplacian: Array

    @property
    def strength(self) -> Array:
        """Length of the gradient."""
        return np.hypot(self.right, self.down)

    @property
    def angle(self) -> Array:
        """Where the gradient points, -pi to pi, clockwise from the right."""
        return np.arctan2(self.down, self.right)

    def outline(self, share: float = 0.1) -> Array:
        """Return where edges are strongest, as that share of all pixels."""
        return self.strength >= np.quantile(self.strength, 1 - share)


def read(photo: Path | None) -> Array:
    """Read a photograph as grey between 0 and 1."""
    path = get_sample_data("grace_hopper.jpg", asfileobj=False) if photo is None else photo
    with Image.open(path) as image:
        return np.asarray(image.convert("L"), np.float32) / 255


def find_edges(photo: Array, sigma: float) -> Edges:
    """Smooth, then take three derivatives in one convolution of one channel to three."""
    gaussian = filters.kernel("gaussian", sigma=sigma)
    derivatives = np.stack([*filters.kernel("sobel") / 8, filters.kernel("laplace")])

    def convolve(image: Array, kernels: Array) -> Array:
        # The last pixels go on outside: with zeros there, the frame would be the strongest edge of all.
        reach = kernels.shape[-1] // 2
        wide = np.pad(image, reach, mode="edge")
        result: Array = fastconv.conv2d(wide[None], kernels[:, None].astype(image.dtype))
        return result

    smooth = convolve(photo, gaussian[None])[0]
    return Edges(photo, smooth, *convolve(smooth, derivatives))


def draw(edges: Edges, path: Path) -> None:
    """Draw what was found, six panels."""
    height, width = edges.photo.shape
    figure = new_figure(
        10.5, 0.6 + 7 * height / width + 0.5, "Edges of a photograph", "smoothed, then by kernels of 3x3"
    )
    panels = figure.subplots(2, 3).flat
    limit = float(np.quantile(np.abs(edges.right), 0.995))
    show(next(panels), edges.photo, "photograph")
    show(next(panels), edges.right, "brighter to the right (red)", limit)
    show(next(panels), edges.down, "brighter downwards (red)", limit)
    strength = np.clip(edges.strength / np.quantile(edges.strength, 0.995), 0, 1)
    hue = edges.angle / (2 * np.pi) % 1
    show(
        next(panels),
        hsv_to_rgb(np.stack([hue, np.full_like(hue, 0.85), strength], -1)),
        "direction as colour",
    )
    show(next(panels), edges.laplacian, "Laplacian", float(np.quantile(np.abs(edges.laplacian), 0.995)))
    show(next(panels), ~edges.outline(), "the strongest tenth")
    save(figure, path)


@click.command()
@click.option("--photo", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="PNG or JPEG.")
@click.option("--output", type=click.Path(path_type=Path), default=Path("edges"), show_default=True)
@click.option(
    "--sigma", type=click.FloatRange(0.3, 20), default=1.5, show_default=True, help="Of the smoothing."
)
@click.option("--short", is_flag=True, help="A quarter of the photograph's rows and columns.")
def main(photo: Path | None, output: Path, sigma: float, short: bool) -> None:
    """Find the edges of a photograph."""
    run(photo, output, sigma, short)


def run(photo: Path | None, output: Path, sigma: float, short: bool) -> Edges:
    """Find edges, and draw them."""
    output.mkdir(parents=True, exist_ok=True)
    pixels = read(photo)
    if short:
        pixels = fastconv.avg_pool2d(pixels[None], 4)[0]
    edges = find_edges(pixels, sigma)
    draw(edges, output / "edges.png")
    rows, columns = pixels.shape
    click.echo(f"{columns} x {rows} pixels, strongest edge {edges.strength.max():.3f} a pixel")
    click.echo(f"drawn in {output / 'edges.png'}")
    return edges


if __name__ == "__main__":
    main()
