"""Make docs/images/photo.png with the installed fastconv: a photograph and what three filters make of it.

python docs/make_photo.py
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from fastconv import filters
from fastconv.bench import photograph
from fastconv.bench.plots.style import INK, PAPER

IMAGES = Path(__file__).resolve().parent / "images"


def photo_strip(path: Path) -> None:
    """Draw the photograph and its filtered versions side by side."""
    photo = photograph()[:512, 24:488]  # the figure, without the frame of the print
    grey = photo @ np.array([0.299, 0.587, 0.114])  # luma of ITU-R BT.601
    panels = {
        "the photograph": photo,
        "sobel, inverted": filters.to_pixels(255 - filters.filter_image(grey, "sobel")),
        "gaussian, sigma 4": filters.to_pixels(filters.filter_image(photo, filters.gaussian(sigma=4))),
        "sharpen": filters.to_pixels(filters.filter_image(photo, "sharpen")),
    }
    height, width = photo.shape[:2]
    inches = 2.5
    title = 0.3
    figure = Figure(figsize=(len(panels) * inches, inches * height / width + title), facecolor=PAPER)
    axes = figure.subplots(1, len(panels))
    figure.subplots_adjust(0, 0, 1, 1 - title / figure.get_figheight(), wspace=0.025)
    for axis, (name, pixels) in zip(axes, panels.items(), strict=True):
        axis.imshow(pixels, cmap="gray", vmin=0, vmax=255, interpolation="lanczos")
        axis.set_title(name, fontsize=10, color=INK, pad=5)
        axis.set_axis_off()
    figure.savefig(path, dpi=100)


if __name__ == "__main__":
    IMAGES.mkdir(parents=True, exist_ok=True)
    photo_strip(IMAGES / "photo.png")
