"""Winograd's algorithm where it could go wrong: spoilt pixels, uneven magnitudes, the ends of the range.

It mixes the pixels of a tile, so that an infinite or large one would reach outputs that do not see it. Such
tiles are left to the direct kernel; what is asked here of all others is the direct kernel's own bound.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import fastconv
from fastconv import Problem

from . import bounds
from . import reference as ref
from .oracle import Oracle, assert_within
from .problems import CONVOLUTIONS, Arrays, arguments, arrays, call
from .reference import Array
from .test_special import spoilt
from .variants import THREADS, algorithms, instruction_set

WINOGRAD = [("winograd2", 3), ("winograd4", 3), ("winograd4", 2)]  # and the taps of the kernel
DTYPES = [np.float32, np.float64]
NAMED = [
    (name, algorithm)
    for name, text in CONVOLUTIONS.items()
    for algorithm in ("winograd2", "winograd4")
    if algorithm in algorithms(Problem(text))
]

LEAST_CHANNELS = {3: 2, 2: 16}  # of kernels with so many taps

every_size = pytest.mark.parametrize(("algorithm", "taps"), WINOGRAD)
every_kernel = pytest.mark.parametrize("taps", [3, 2])
every_problem = pytest.mark.parametrize(("name", "algorithm"), NAMED)


def given(x: Array, layout: str) -> Array:
    """Channels first to the layout."""
    return np.ascontiguousarray(ref.channels_back(x, layout))


def weight_given(w: Array, layout: str) -> Array:
    """The weight of that layout."""
    return np.ascontiguousarray(w if layout == "NCHW" else np.moveaxis(w, (0, 1), (-1, -2)))


def variants(x: Array, w: Array, b: Array | None = None, **parameters: Any) -> Iterator[tuple[Array, str]]:
    """Every result, and what it is of: all sizes and layouts on every instruction set; channels first."""
    for layout in ("NCHW", "NHWC"):
        data = given(x, layout), weight_given(w, layout), b
        for isa in fastconv.instruction_sets():
            with instruction_set(isa):
                for algorithm in (name for name, taps in WINOGRAD if taps == w.shape[-1]):
                    y = fastconv.conv2d(*data, layout=layout, algorithm=algorithm, **parameters)
                    yield ref.channels_first(y, layout), f"{algorithm} {layout} on {isa}"


def check(x: Array, w: Array, what: str = "", b: Array | None = None, **parameters: Any) -> None:
    """Fail unless all of them are within the direct kernel's bound."""
    wide = [None if a is None else a.astype(bounds.oracle(x.dtype)) for a in (x, w, b)]
    expected = ref.conv(*wide, **parameters)
    limit = bounds.conv_bound(*wide, x.dtype, **parameters)
    for y, how in variants(x, w, b, **parameters):
        assert_within(y, expected, limit, f"{how}, {what}")


# ---------------------------------------------------------------- one pixel at every position


# Extents, padding, dilation; the last tiles have all their outputs, 1, 2 or 3 of them.
IMAGES = {
    "24x24": ((24, 24), 1, 1),
    "9x10": ((9, 10), 1, 1),
    "11x13-unpadded": ((11, 13), 0, 1),
    "7x4-padded-2": ((7, 4), 2, 1),
    "12x11-dilated-2": ((12, 11), 2, 2),
    "10x14-dilated-3": ((10, 14), 3, 3),
}
CHANNELS = {"lanes of channels": 32, "lanes of tiles": 3}


class OnePixel:
    """An image, and what becomes of its convolution when one channel of one pixel changes."""

    def __init__(self, image: str, dtype: Any, channels: int, taps: int) -> None:
        extents, padding, dilation = IMAGES[image]
        channels = max(channels, LEAST_CHANNELS[taps])
        self.parameters = {"padding": padding, "dilation": dilation}
        self.dtype, self.kind = dtype, bounds.oracle(dtype)
        rng = np.random.default_rng(extents)
        self.x = rng.standard_normal((1, channels, *extents)).astype(dtype)
        self.w = rng.standard_normal((3, channels, taps, taps)).astype(dtype)
        self.w[0, :, 1, -1] = 0  # an infinity that meets it is a NaN
        self.channel = channels * 19 // 32
        x, w = self.x.astype(self.kind), self.w.astype(self.kind)
        self.sums = ref.conv(x, w, **self.parameters)
        self.limit = bounds.conv_bound(x, w, None, dtype, **self.parameters)

    def slices(self, size: int = 96) -> Iterator[Array]:
        """Positions [k, 2], as many as make a batch."""
        positions = np.argwhere(np.ones(self.x.shape[2:], bool))
        for begin in range(0, len(positions), size):
            yield positions[begin : begin + size]

    def batch(self, positions: Array, value: Any) -> tuple[Array, Array, Array]:
        """Images with the value at one position each, the expected results and their bounds."""
        which = np.arange(len(positions)), self.channel, positions[:, 0], positions[:, 1]
        x = np.repeat(self.x, len(positions), axis=0)
        x[which] = value
        alone = np.zeros((len(positions), 1, *self.x.shape[2:]), self.kind)
        alone[which[0], 0, which[2], which[3]] = 1
        taps = ref.conv(alone, self.w[:, [self.channel]].astype(self.kind), **self.parameters)
        seen = ref.conv(alone, np.ones((1, 1, *self.w.shape[2:]), self.kind), **self.parameters) > 0
        before = self.x[0, which[1], which[2], which[3]].astype(self.kind)[:, None, None, None]
        with np.errstate(invalid="ignore"):
            change = np.where(seen, taps * (self.kind(value) - before), 0)
        k = bounds.gamma(self.w[0].size + 1, self.dtype)
        limit = self.limit + k * np.abs(change) if np.isfinite(value) else self.limit
        return x, self.sums + change, np.broadcast_to(limit, taps.shape)


@pytest.mark.parametrize("image", IMAGES)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("channels", CHANNELS.values(), ids=CHANNELS)
@every_kernel
def test_one_pixel(taps: int, channels: int, dtype: Any, image: str) -> None:
    """Wherever it is, a pixel that is infinite, NaN or huge spoils what it spoils by definition, no more."""
    one = OnePixel(image, dtype, channels, taps)
    for positions in one.slices():
        for value in (np.inf, -np.inf, np.nan, 1e30 if dtype == np.float32 else 1e200):
            x, expected, limit = one.batch(positions, value)
            kinds, finite = spoilt(expected), np.isfinite(expected)
            for y, how in variants(x, one.w, **one.parameters):
                what = f"{how}, {value} from {positions[0]} on"
                np.testing.assert_array_equal(spoilt(y), kinds, err_msg=what)
                assert_within(y[finite], expected[finite], limit[finite], what)


@pytest.mark.parametrize("image", ["9x10", "12x11-dilated-2"])
@pytest.mark.parametrize("factor", [4, 16, 100, 1e4, 1e9])
@pytest.mark.parametrize("channels", [32, 8])
@every_kernel
def test_one_brighter_pixel(taps: int, channels: int, factor: float, image: str) -> None:
    """Whether a tile just passes as even or just fails, its outputs are as good.

    With fewer channels the direct kernel's bound, which grows with their number, is closer than Winograd's
    errors.
    """
    one = OnePixel(image, np.float32, channels, taps)
    for h, w in np.ndindex(*one.x.shape[2:]):
        x = one.x.copy()
        x[:, :, h, w] *= factor
        check(x, one.w, f"{factor} at {h}, {w}", **one.parameters)


# ---------------------------------------------------------------- uneven images

# Bright where true, and dark elsewhere; [h, w] of an image of 22 x 27.
ROWS, COLUMNS = np.indices((22, 27))
PATTERNS = {
    "half": COLUMNS < 13,
    "lower": ROWS > 10,
    "corner": (ROWS < 3) & (COLUMNS < 2),
    "region": (ROWS > 4) & (ROWS < 12) & (COLUMNS > 9) & (COLUMNS < 20),
    "row": ROWS == 7,
    "column": COLUMNS == 21,
    "last-column": COLUMNS == 26,
    "diagonal": ROWS == COLUMNS,
    "checkerboard": (ROWS + COLUMNS) % 2 == 0,
    "pixels": (ROWS % 5 == 2) & (COLUMNS % 7 == 3),
}


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("dilation", [1, 2])
@every_kernel
def test_brightness_beside_darkness(taps: int, pattern: str, dtype: Any, dilation: int) -> None:
    """An output in the dark has the accuracy of the dark, though a neighbour is a million times brighter."""
    rng = np.random.default_rng(5)
    channels = max(9, LEAST_CHANNELS[taps])
    x = rng.standard_normal((1, channels, *ROWS.shape))
    w, b = (
        rng.standard_normal((5, channels, taps, taps)).astype(dtype),
        (rng.standard_normal(5) * 1e-6).astype(dtype),
    )
    for padding in range(5):
        for dark in (1e-6, 0) if padding == 1 else (1e-6,):
            scaled = np.where(PATTERNS[pattern], x, x * dark).astype(dtype)
            check(scaled, w, f"padding={padding}, dark={dark}", b, padding=padding, dilation=dilation)


@every_kernel
def test_bright_channel(taps: int) -> None:
    """A channel that is bright everywhere, but weighs nothing, disturbs no output."""
    rng = np.random.default_rng(6)
    x, w = rng.standard_normal((1, 18, 14, 15)), rng.standard_normal((7, 18, taps, taps))
    x[:, 4] *= 1e9
    w[:, 4] = 0
    for dtype in DTYPES:
        check(x.astype(dtype), w.astype(dtype), padding=1)


@every_size
@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_zeros(algorithm: str, taps: int, layout: str, dtype: Any, isa: str) -> None:
    """An image of zeros gives the bias, and so do the outputs that see only padding or zeros of others."""
    b = np.arange(1, 6, dtype=dtype)
    channels = max(6, LEAST_CHANNELS[taps])
    w = np.random.default_rng(7).standard_normal((5, channels, taps, taps)).astype(dtype)
    x = np.zeros((2, channels, 11, 13), dtype)
    for second in (0, 1, np.inf):
        x[1, 3, 5, 8] = second
        for padding in range(5):
            for d in (1, 2):
                how = {"padding": padding, "dilation": d, "layout": layout, "algorithm": algorithm}
                y = fastconv.conv2d(given(x, layout), weight_given(w, layout), b, **how)
                y = ref.channels_first(y, layout)
                one = (x[:, [3]] != 0).astype(np.int64)
                ones = np.ones((1, 1, taps, taps), np.int64)
                dark = ref.conv(one, ones, padding=padding, dilation=d) == 0
                expected = np.where(dark, b[:, None, None], y)
                np.testing.assert_array_equal(y, expected, err_msg=f"{second} {how}")


# ---------------------------------------------------------------- the ends of the range


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("power", [1, 0.99, 0.95, 0.9, 0.7, 0.5, 0.3, 0.1, 0.01])
@every_kernel
def test_no_sum_overflows(taps: int, dtype: Any, power: float) -> None:
    """Where no sum of products overflows, nor does a transform of large pixels or of large weights."""
    most = np.finfo(dtype).max
    pixels = most ** dtype(power) if power < 1 else most
    weights = most / 100 / pixels
    rng = np.random.default_rng(8)
    channels = max(9, LEAST_CHANNELS[taps])
    for low in (-1, 0.1):  # the second are all of one sign, so that nothing cancels
        x = (rng.uniform(low, 1, (1, channels, 11, 14)) * pixels).astype(dtype)
        w = (rng.uniform(low, 1, (4, channels, taps, taps)) * weights).astype(dtype)
        check(x, w, f"from {low}", padding=1)


@pytest.mark.parametrize("dtype", DTYPES)
@every_kernel
def test_largest_weights(taps: int, dtype: Any) -> None:
    """The sum of a kernel's weights may overflow where the result does not."""
    most = np.finfo(dtype).max
    channels = LEAST_CHANNELS[taps]
    x = np.random.default_rng(9).uniform(0.5, 1, (1, channels, 9, 9)).astype(dtype) * dtype(1e-7)
    for share in (0.25, 0.4, 0.5, 0.75, 1):
        w = np.full((3, channels, taps, taps), most * dtype(share), dtype)
        check(x, w, f"share {share}", padding=1)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("small", ["pixels", "weights"])
@every_kernel
def test_subnormal_factors(taps: int, dtype: Any, small: str) -> None:
    """Products that are not small keep their accuracy though one of their factors is subnormal."""
    rng = np.random.default_rng(10)
    tiny = float(np.finfo(dtype).smallest_normal)
    channels = max(9, LEAST_CHANNELS[taps])
    x, w = rng.standard_normal((1, channels, 11, 14)), rng.standard_normal((4, channels, taps, taps))
    for share in (1e3, 1, 1e-2, 1e-4):
        scales = (tiny * share, 1 / tiny / 1e6) if small == "pixels" else (1 / tiny / 1e6, tiny * share)
        check((x * scales[0]).astype(dtype), (w * scales[1]).astype(dtype), f"share {share}", padding=1)


# ---------------------------------------------------------------- bits


def speckled(text: str, images: int) -> Arrays:
    """A batch of different images: the first even, the others with ever more pixels that stand out."""
    problem, data = Problem(text), arrays(text)
    rng = np.random.default_rng(11)
    x = rng.standard_normal((images, *problem.input_shape[1:]))
    for i in range(1, images):
        places = rng.random(x[i].shape) < i / x[i].size
        x[i][places] *= 1e7
    return Arrays(x.astype(problem.dtype), data.weight, data.bias)


@every_problem
def test_image_alone(algorithm: str, name: str, isa: str) -> None:
    """An image has the same bits alone and in a batch, computed by any number of threads."""
    problem = Problem(CONVOLUTIONS[name])
    data = speckled(CONVOLUTIONS[name], 7)
    convolve = getattr(fastconv, problem.op)
    how = arguments(problem) | {"algorithm": algorithm}
    with fastconv.threads(1):
        alone = [convolve(x[None], data.weight, data.bias, **how) for x in data.input]
    expected = np.concatenate(alone)
    for n in THREADS:
        with fastconv.threads(n):
            for images in (slice(0, 1), slice(0, 2), slice(2, 5), slice(None)):
                actual = convolve(data.input[images], data.weight, data.bias, **how)
                np.testing.assert_array_equal(
                    actual, expected[images], strict=True, err_msg=f"{images}, {n} threads on {isa}"
                )


@every_size
@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_group_alone(algorithm: str, taps: int, layout: str, isa: str) -> None:
    """A group has the same bits alone, whatever is in the pixels of the others."""
    rng = np.random.default_rng(13)
    c = max(9, LEAST_CHANNELS[taps])
    x, w = rng.standard_normal((2, 3 * c, 9, 11)), rng.standard_normal((15, c, taps, taps))
    x[0, 4, 3, 3], x[1, c + 3, 5, 8] = np.inf, 1e9
    x, w = x.astype(np.float32), w.astype(np.float32)
    how = {"padding": 1, "layout": layout, "algorithm": algorithm}
    whole = fastconv.conv2d(given(x, layout), weight_given(w, layout), groups=3, **how)
    alone = [
        fastconv.conv2d(
            given(x[:, c * g : c * g + c], layout), weight_given(w[5 * g : 5 * g + 5], layout), **how
        )
        for g in range(3)
    ]
    np.testing.assert_array_equal(whole, np.concatenate(alone, axis=1 if layout == "NCHW" else -1))


@every_size
def test_verdict_does_not_depend_on_neighbours(algorithm: str, taps: int) -> None:
    """A tile as uneven as may be is treated alike in a block of even tiles and among worse ones."""
    rng = np.random.default_rng(12)
    channels = LEAST_CHANNELS[taps]
    w = rng.standard_normal((5, channels, taps, taps)).astype(np.float32)
    worse = np.array([1e6, 1], np.float32)
    for ratio in np.repeat([2, 4, 8, 16, 32], 30):
        dark = np.float32(1 + rng.random())
        image = np.array([ratio * dark, dark], np.float32)
        x = np.repeat(np.stack([image, worse])[:, None, None], channels, axis=1)
        alone = fastconv.conv2d(x[:1], w, padding=1, algorithm=algorithm)
        both = fastconv.conv2d(x, w, padding=1, algorithm=algorithm)
        np.testing.assert_array_equal(alone, both[:1], err_msg=f"{dark!r}")


@every_problem
def test_speckled_images(algorithm: str, name: str, isa: str) -> None:
    """Even and uneven tiles side by side, on every shape, are within the algorithm's bound."""
    text = CONVOLUTIONS[name]
    problem = Problem(text)
    if problem.n == 0:
        return
    data = speckled(text, problem.n + 1)
    data = Arrays(data.input[1:], data.weight, data.bias)
    Oracle(problem, data).check(call(problem, data, algorithm=algorithm), algorithm, f"{algorithm} on {isa}")


@every_size
@pytest.mark.parametrize("extent", [(122, 122), (56, 56), (9, 200)])
def test_many_threads(algorithm: str, taps: int, extent: tuple[int, int]) -> None:
    """Blocks shorter than a row of tiles, some of which lie in two rows."""
    rng = np.random.default_rng(13)
    x = rng.standard_normal((1, 64, *extent)).astype(np.float32)
    conv = fastconv.Conv2d(rng.standard_normal((64, 64, taps, taps)).astype(np.float32), algorithm=algorithm)
    with fastconv.threads(1):
        expected = conv(x)
    for threads in (5, 16, 37, 64):
        with fastconv.threads(threads):
            np.testing.assert_array_equal(conv(x), expected, err_msg=f"threads={threads}")
