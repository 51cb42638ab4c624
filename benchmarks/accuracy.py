"""How far results in float32 are from the exact ones, and what Winograd's choices do about it.

    python benchmarks/accuracy.py --plot docs/images/accuracy.png

First fastconv itself: direct, winograd2 and winograd4 against float64, with 3 to 1024 input channels, beside
the bounds that are proven. Then a simulation of F(4x4, 3x3) with other points and other lengths of a sum,
which explains the choice of both. Last the guard: what a bright pixel does to its neighbours and to the
time. docs/winograd.md explains the tables.
"""

from __future__ import annotations

import argparse
import math
import statistics
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

import fastconv
from fastconv.bench import describe_machine, in_turn
from fastconv.bench.plots.style import INK, MUTED, RULE

Array, Points = NDArray[Any], tuple[float, ...]
CHANNELS = (3, 8, 16, 32, 64, 128, 256, 512, 1024)
SIDE, OUTPUTS, RESTART = 28, 32, 64
A, B = 2 / 3, 3 / 2
COLOURS = {"direct": "#1d4ed8", "winograd2": "#15803d", "winograd4": "#c2410c"}
POINTS = {"winograd2": (0, 1, -1), "winograd4": (0, A, -A, B, -B)}
LIMITS = {"normal": None, "uniform -1 to 1": -1, "uniform 0 to 1": 0}  # of the inputs


def gamma(n: int) -> float:
    """The relative error of n roundings to float32."""
    return n * 2**-24 / (1 - n * 2**-24)


def weights(rng: np.random.Generator, outputs: int, channels: int) -> Array:
    return (rng.standard_normal((outputs, channels, 3, 3)) / math.sqrt(9 * channels)).astype(np.float32)


def conv(x: Array, w: Array, algorithm: str = "direct") -> Array:
    return fastconv.conv2d(x, w, padding=1, algorithm=algorithm)


def by_definition(x: Array, w: Array) -> Array:
    windows = sliding_window_view(x, (3, 3), axis=(2, 3))
    return np.asarray(np.einsum("nchwij,ocij->nohw", windows, w, optimize=True))


def norm(error: Array, y: Array) -> float:
    return float(np.linalg.norm(error) / np.linalg.norm(y))


def transforms(points: Points, scale_of: Points = ()) -> tuple[Array, Array, Array]:
    """Return A', B' and G of F(m, 3) for m + 1 points and infinity, by Toom and Cook.

    A point p of G is divided by the derivative of the product of all x - q there. `scale_of` are the points
    whose derivatives G has instead, as at the edges, where B' makes up for it.
    """
    m = len(points) - 1
    a, b, g = np.zeros((m, m + 2)), np.zeros((m + 2, m + 2)), np.zeros((m + 2, 3))
    for i, p in enumerate(points):
        others = [q for q in points if q != p]
        wanted, own = (math.prod(p - q for q in qs if q != p) for qs in (scale_of or points, others))
        a[:, i] = [p**k for k in range(m)]
        b[i, :-1] = np.polynomial.polynomial.polyfromroots(others) * wanted / own
        g[i] = [p**k / wanted for k in range(3)]
    a[-1, -1] = g[-1, -1] = 1
    b[-1] = np.polynomial.polynomial.polyfromroots(points)
    b[abs(b) < 1e-12] = 0  # what is left of b*b - b*b
    return a, b, g


def bound(x: Array, w: Array, algorithm: str) -> Array:
    """gamma(n) S for direct, gamma(n) T for Winograd, whose sides 2 and 4 divide the image here."""
    if algorithm == "direct":
        return gamma(w[0].size) * conv(abs(x), abs(w))
    a, b, g = (abs(matrix) for matrix in transforms(POINTS[algorithm]))
    m, channels = len(a), x.shape[1]
    roundings = min(channels, RESTART + math.ceil(channels / RESTART) - 1)
    for matrix in (a, b, g):  # a row of k terms with rounded coefficients takes k + 1, twice
        roundings += 2 * (np.count_nonzero(matrix, axis=1).max() + 1)
    tiles = sliding_window_view(np.pad(abs(x[0]), [(0, 0), (1, 1), (1, 1)]), (m + 2, m + 2), axis=(1, 2))
    v, u = b @ tiles[:, ::m, ::m] @ b.T, g @ abs(w) @ g.T
    sums = np.einsum("ocij,chwij->ohwij", u, v, optimize=True)
    y = (a @ sums @ a.T).transpose(0, 1, 3, 2, 4)
    return gamma(roundings) * y.reshape(1, len(w), *x.shape[2:])


def measure() -> dict[str, list[float]]:
    """Print the errors against float64; return the relative L2 errors of normal inputs by algorithm."""
    lines: dict[str, list[float]] = {name: [] for name in COLOURS}
    for name, low in LIMITS.items():
        print(f"\n{name} inputs: L2 error, largest error, median and largest of error / bound")
        print(f"{'c':>5}" + "".join(f"   {algorithm:<35}" for algorithm in COLOURS))
        for channels in CHANNELS:
            rng = np.random.default_rng(channels)
            shape = (1, channels, SIDE, SIDE)
            x = rng.standard_normal(shape) if low is None else rng.uniform(low, 1, shape)
            x, w = x.astype(np.float32), weights(rng, OUTPUTS, channels)
            y = conv(np.float64(x), np.float64(w))
            if name == "normal" and channels == 64:
                padded = np.pad(np.float64(x), [(0, 0), (0, 0), (1, 1), (1, 1)])
                assert norm(y - by_definition(padded, np.float64(w)), y) < 1e-14
            text = f"{channels:>5}"
            for algorithm in COLOURS:
                error = conv(x, w, algorithm) - y
                share = abs(error) / bound(np.float64(x), np.float64(w), algorithm)
                assert share.max() < 1
                text += f"   {norm(error, y):<9.2e}{abs(error).max() / abs(y).max():<9.2e}"
                text += f"{np.median(share):<9.1e}{share.max():<8.1e}"
                if name == "normal":
                    lines[algorithm].append(norm(error, y))
            print(text)
    return lines


def fma(p: Array, q: Array, r: Array) -> Array:
    """p * q + r in float32: the product is exact in float64."""
    return (np.float64(p) * q + r).astype(np.float32)


def two_sided(matrix: Array, x: Array) -> Array:
    """matrix x matrix' of float32 tiles, each sum a chain of multiply-adds."""
    matrix = matrix.astype(np.float32)
    for _ in range(2):
        rows = np.zeros((*x.shape[:-2], len(matrix), x.shape[-1]), np.float32)
        for i, j in np.argwhere(matrix):
            rows[..., i, :] = fma(x[..., j, :], matrix[i, j], rows[..., i, :])
        x = rows.swapaxes(-1, -2)
    return x


def simulate(channels: int, points: Points, restart: int = RESTART, edge: Points = ()) -> float:
    """Relative L2 error of Winograd's algorithm over four draws; of corner tiles if given points `edge`."""
    a, b, g = transforms(edge or points, scale_of=points)
    side, errors = len(b), []
    for seed in range(4):
        rng = np.random.default_rng((channels, seed))
        d = rng.standard_normal((64, channels, side, side)).astype(np.float32)
        w = weights(rng, 16, channels)
        u, v = (g @ w @ g.T).astype(np.float32), two_sided(b, d)
        total = np.zeros((len(d), len(w), side, side), np.float32)
        for block in np.array_split(np.arange(channels), math.ceil(channels / restart)):
            part = np.zeros_like(total)
            for c in block:
                part = fma(u[None, :, c], v[:, None, c], part)
            total += part
        y = by_definition(np.float64(d), w)
        errors.append(norm(two_sided(a, total) - y, y))
    return math.hypot(*errors) / 2


def pairs(*values: float) -> Points:
    return (0, *(sign * p for p in values for sign in (1, -1)))


def compare_choices() -> None:
    sets = {
        "0, +-1 (F(2x2))": POINTS["winograd2"],
        "0, +-1, +-2": pairs(1, 2),
        "0, +-1, 1/2, -2": (0, 1, -1, 0.5, -2),
        "0, +-1/2, +-2": pairs(0.5, 2),
        "0, +-3/5, +-5/3": pairs(3 / 5, 5 / 3),
        "0, +-5/8, +-3/2": pairs(5 / 8, 3 / 2),
        "0, +-2/3, +-3/2": pairs(A, B),
        "0, +-sqrt(1/2), +-sqrt(2)": pairs(math.sqrt(1 / 2), math.sqrt(2)),
        "0, +-3/4, +-4/3": pairs(3 / 4, 4 / 3),
        "0, +-1/2, +-1, +-2 (F(6x6))": pairs(0.5, 1, 2),
    }
    print(f"\nL2 error by points, simulated\n{'':<30}{'c = 64':>9}{'c = 512':>10}")
    for name, points in sets.items():
        print(f"{name:<30}{simulate(64, points):>9.2e}{simulate(512, points):>10.2e}")
    print(f"\nL2 error by length of a sum, simulated\n{'c':>10}{32:>10}{64:>10}{128:>10}{'never':>10}")
    for channels in (64, 128, 256, 512, 1024):
        errors = (simulate(channels, pairs(A, B), restart) for restart in (32, 64, 128, channels))
        print(f"{channels:>10}" + "".join(f"{error:>10.2e}" for error in errors))
    print(f"\nL2 error of tiles with two outputs a side, simulated\n{'':<30}{'c = 64':>9}{'c = 512':>10}")
    for name, p in {"2/3": A, "3/2": B}.items():
        few, many = (simulate(c, pairs(A, B), edge=pairs(p)) for c in (64, 512))
        print(f"{'0, +-' + name:<30}{few:>9.2e}{many:>10.2e}")


def bright_pixels(channels: int = 64) -> None:
    """Every fourth pixel of every fourth row is brighter: errors of outputs that do not see one."""
    print("\nT / (largest pixel * sum of the largest weights), at most")
    for name, points in POINTS.items():
        a, b, g = (abs(matrix) for matrix in transforms(points))
        print(f"{name:<11}{(a @ (b.sum(axis=1) * g.sum(axis=1))).max() ** 2:.0f}")
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (1, channels, SIDE, SIDE)).astype(np.float32)
    x[:, 0] = 1  # all pixels are equally bright
    w = weights(rng, OUTPUTS, channels)
    at = np.arange(SIDE)
    unseen = (at[:, None] % 4 == 2) | (at % 4 == 2)  # but in a tile with one; the image's border is left out
    unseen[[*range(4), *range(-4, 0)]] = unseen[:, [*range(4), *range(-4, 0)]] = False
    print(f"\nL2 error beside pixels brighter by a factor, c = {channels}")
    print(f"{'factor':>8}" + "".join(f"{name:>11}" for name in COLOURS))
    for factor in (1, 2, 8, 32, 33, 1e6, math.inf):
        bright = x.copy()
        bright[..., ::4, ::4] *= np.float32(factor)
        y = conv(np.float64(bright), np.float64(w))
        results = [conv(bright, w, name) for name in COLOURS]
        assert all(np.array_equal(np.isfinite(result), np.isfinite(y)) for result in results)
        errors = (norm((result - y)[..., unseen], y[..., unseen]) for result in results)
        print(f"{factor:>8g}" + "".join(f"{error:>11.2e}" for error in errors))


def time_guard(channels: int = 64) -> None:
    rng = np.random.default_rng(0)
    alike = rng.choice([-1, 1], (1, channels, SIDE, SIDE)).astype(np.float32)
    images = {"alike": alike, **{name: alike.copy() for name in ("one zero", "one infinite", "all tiles")}}
    images["one zero"][..., 14, 14] = 0
    images["one infinite"][..., 14, 14] = math.inf
    images["all tiles"][..., ::4, ::4] = math.inf
    w = weights(rng, channels, channels)
    layers = [fastconv.Conv2d(w, padding=1, algorithm=name) for name in COLOURS]
    fastconv.set_num_threads(1)
    calls = [partial(layer, image) for image in images.values() for layer in layers]
    times = [1e3 * statistics.median(samples) for samples in in_turn(calls, rounds=61, seconds=6)]
    print(f"\nms, {channels} to {channels} channels, one thread")
    print(f"{'pixels':<14}" + "".join(f"{name:>11}" for name in COLOURS))
    for name, row in zip(images, np.reshape(times, (-1, len(layers))), strict=True):
        print(f"{name:<14}" + "".join(f"{ms:>11.3f}" for ms in row))


def plot(lines: dict[str, list[float]], path: Path) -> None:
    figure = Figure(figsize=(7.2, 4.4), facecolor="white")
    axes = figure.subplots()
    figure.subplots_adjust(left=0.1, right=0.975, top=0.88, bottom=0.12)
    for name, errors in lines.items():
        axes.plot(CHANNELS, errors, color=COLOURS[name], marker="o", ms=4, lw=1.5, label=name, zorder=2)
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_xticks(CHANNELS, [str(c) for c in CHANNELS])
    axes.set_xlabel("input channels, 28x28, 3x3, normal inputs and weights", fontsize=9, color=MUTED)
    axes.set_ylabel("relative L2 error", fontsize=9, color=MUTED)
    axes.tick_params(which="both", length=0, labelcolor=INK, labelsize=8.5)
    axes.grid(which="both", color=RULE, lw=0.8, zorder=0)
    axes.spines[:].set_visible(False)
    axes.legend(frameon=False, fontsize=9, labelcolor=INK)
    title = "Error in float32, against float64"
    figure.text(0.028, 0.96, title, fontsize=15, weight="bold", color=INK, va="top")
    figure.savefig(path, dpi=160)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the errors here: PNG, SVG or PDF")
    options = parser.parse_args()
    machine = describe_machine()
    print(f"{machine.processor}, {machine.instruction_set}")
    lines = measure()
    compare_choices()
    bright_pixels()
    time_guard()
    if options.plot:
        plot(lines, options.plot)


if __name__ == "__main__":
    main()
