"""Code written for SciPy and scikit-image, unchanged, computed by fastconv.

    python examples/drop_in_scipy.py

The steps below know nothing of fastconv. Each runs as it is and within ``fastconv.installed("scipy")``; the
table shows both times, how far the results are apart, and how many calls of SciPy's functions were computed
by fastconv. Without scikit-image only SciPy's steps run.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import click
import numpy as np
from rich.console import Console
from rich.table import Table
from scipy import ndimage, signal

import fastconv
from edges import read

Array = np.ndarray[Any, Any]
Step = Callable[[Array], Any]

# How far results may be apart, in parts of the largest number. They are sums of float64 in another order:
# SciPy takes means by a running sum, which has seen all of a line, some 600 roundings of 1e-16 each, and
# steps go on with differences and squares.
BOUND = 1e-12
BOUNDS = {
    # Divides by means of squares, plus 1e-4 at least.
    "structural_similarity": 1e-9,
    # A share of the pixels: where two numbers are all but equal, a rounding decides which is the larger.
    "canny": 1e-3,
}

SCIPY: dict[str, Step] = {
    "Gaussian, sigma 2": lambda photo: ndimage.gaussian_filter(photo, 2),
    "Gradient of Gaussian": lambda photo: ndimage.gaussian_gradient_magnitude(photo, 1.5),
    "Sobel": lambda photo: np.hypot(ndimage.sobel(photo, 0), ndimage.sobel(photo, 1)),
    "Mean of 15 x 15": lambda photo: ndimage.uniform_filter(photo, 15),
    "Maximum of 9 x 9": lambda photo: ndimage.maximum_filter(photo, 9),
    "Kernel of 7 x 7": lambda photo: ndimage.correlate(
        photo, np.cos(np.add.outer(np.arange(7), np.arange(7)))
    ),
    "signal.convolve2d, 9 x 9": lambda photo: signal.convolve2d(photo, np.ones((9, 9)) / 81, mode="same"),
}


def scikit_image() -> dict[str, Step]:
    """Return what to do by scikit-image; empty if it is not installed."""
    try:
        from skimage import feature, filters, metrics
    except ImportError:
        return {}
    return {
        "gaussian": lambda photo: filters.gaussian(photo, 2),
        "unsharp_mask": lambda photo: filters.unsharp_mask(photo, radius=3),
        "difference_of_gaussians": lambda photo: filters.difference_of_gaussians(photo, 1, 4),
        "sobel": lambda photo: filters.sobel(photo),
        "farid": lambda photo: filters.farid(photo),
        "corner_harris": lambda photo: feature.corner_harris(photo),
        "canny": lambda photo: feature.canny(photo, sigma=2),
        "structural_similarity": lambda photo: metrics.structural_similarity(
            photo, photo[::-1], data_range=1, full=True
        )[1],
    }


class Outcome(NamedTuple):
    """Of one step: seconds, largest difference, and calls."""

    name: str
    before: float
    after: float
    difference: float
    routed: int
    handed_back: int


def timed(step: Step, photo: Array, rounds: int) -> tuple[Array, float]:
    """Return a result and the shortest time of several rounds."""
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        result = step(photo)
        times.append(time.perf_counter() - start)
    return result, min(times)


def compare(name: str, step: Step, photo: Array, rounds: int) -> Outcome:
    """Run a step routed and as it is."""
    # Routed first: scikit-image loads its modules at their first use, and some of those take functions of
    # SciPy by their names, which are routed only if they are taken while routing is on.
    with fastconv.installed("scipy") as counts:
        step(photo)
        counts.reset()
        step(photo)
        routed, handed_back = counts.routed, counts.handed_back
        ours, after = timed(step, photo, rounds)
    theirs, before = timed(step, photo, rounds)
    if theirs.dtype == bool:
        difference = np.mean(ours != theirs)
    else:
        difference = np.abs(ours - theirs).max() / np.abs(theirs).max()
    return Outcome(name, before, after, float(difference), routed, handed_back)


def table(title: str, outcomes: list[Outcome]) -> Table:
    """Lay out what was found."""
    found = Table(title=title, title_justify="left")
    found.add_column("step", no_wrap=True)
    for column in ("SciPy, ms", "routed, ms", "speed-up", "apart", "routed", "handed back"):
        found.add_column(column, justify="right")
    for name, before, after, difference, routed, handed_back in outcomes:
        found.add_row(
            name,
            f"{1e3 * before:.2f}",
            f"{1e3 * after:.2f}",
            f"{before / after:.1f}",
            f"{difference:.0e}",
            str(routed),
            str(handed_back),
        )
    return found


@click.command()
@click.option("--photo", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="PNG or JPEG.")
@click.option("--short", is_flag=True, help="A quarter of the photograph's rows and columns, once.")
def main(photo: Path | None, short: bool) -> None:
    """Run steps of SciPy and scikit-image, as they are and routed."""
    run(photo, short)


def run(photo: Path | None, short: bool) -> list[Outcome]:
    """Run all steps and print the tables."""
    pixels = read(photo).astype(np.float64)
    if short:
        pixels = np.ascontiguousarray(pixels[::4, ::4])
    console = Console(width=100)
    outcomes = []
    for title, steps in (("SciPy", SCIPY), ("scikit-image", scikit_image())):
        if not steps:
            console.print("scikit-image is not installed: pip install scikit-image")
            continue
        part = [compare(name, step, pixels, 1 if short else 7) for name, step in steps.items()]
        console.print(table(f"{title}, {pixels.shape[1]} x {pixels.shape[0]} float64", part))
        outcomes += part
    for outcome in outcomes:
        bound = BOUNDS.get(outcome.name, BOUND)
        if outcome.difference > bound:
            raise click.ClickException(f"{outcome.name}: {outcome.difference:.1e} apart, expected {bound}")
    return outcomes


if __name__ == "__main__":
    main()
