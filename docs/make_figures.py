"""Make the pictures of the README in docs/images, with the installed fastconv.

    fastconv bench --json bench.json && python docs/make_figures.py bench.json

``photo.png``: a photograph and what three filters make of it. ``speedup.png``: the bars of a benchmark's
result; left as it is if no result is given.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from fastconv import filters
from fastconv.bench import Report, photograph
from fastconv.bench.plot import plot

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
    figure = Figure(figsize=(len(panels) * inches, inches * height / width + title), facecolor="white")
    axes = figure.subplots(1, len(panels))
    figure.subplots_adjust(0, 0, 1, 1 - title / figure.get_figheight(), wspace=0.025)
    for axis, (name, pixels) in zip(axes, panels.items(), strict=True):
        axis.imshow(pixels, cmap="gray", vmin=0, vmax=255, interpolation="lanczos")
        axis.set_title(name, fontsize=10, color="#1f2933", pad=5)
        axis.set_axis_off()
    figure.savefig(path, dpi=100)


def main() -> None:
    """Make the pictures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("result", nargs="?", help="a file that `fastconv bench --json` wrote")
    result = parser.parse_args().result
    IMAGES.mkdir(parents=True, exist_ok=True)
    photo_strip(IMAGES / "photo.png")
    if result:
        plot(Report.read(result), IMAGES / "speedup.png")


if __name__ == "__main__":
    main()
