"""Sliding and adaptive pooling against the definition."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fastconv
from fastconv import Problem

from . import bounds
from . import reference as ref
from .oracle import assert_within, oracle
from .problems import POOLS, arguments, arrays, call

# (extents, output sizes): dividing, not dividing, growing, keeping, one, none at all
ADAPTIVE: list[tuple[tuple[int, ...], Any]] = [
    ((12,), 4),
    ((13,), (5,)),
    ((3,), 7),
    ((8, 10), 2),
    ((7, 11), (3, 4)),
    ((7, 35), 1),
    ((5, 6), (None, 3)),
    ((5, 6), (2, None)),
    ((5, 6), None),
    ((2, 3), (5, 33)),
    ((1, 1), 1),
    ((4, 4), (0, 2)),
    ((4, 5, 6), 2),
    ((4, 5, 7), (3, None, 2)),
    ((2, 1, 3), (3, 2, 4)),
]


def images(extents: tuple[int, ...], layout: str, dtype: Any, channels: int = 19) -> Any:
    """Two images of small integers and halves, so that maxima tie."""
    shape = (2, channels, *extents) if layout == "NCHW" else (2, *extents, channels)
    return (np.random.default_rng(shape).integers(-3, 4, shape) / 2).astype(dtype)


@pytest.mark.parametrize("name", POOLS)
def test_definition(name: str, isa: str) -> None:
    """Values, and indices where they are asked for; one thread or two."""
    text = POOLS[name]
    for threads in (1, 2):
        with fastconv.threads(threads):
            oracle(text).check(call(Problem(text), arrays(text)), "pool", f"{isa} with threads={threads}")


@pytest.mark.parametrize("name", [name for name, text in POOLS.items() if text.startswith("max")])
def test_ties(name: str, isa: str) -> None:
    """Of several equal maxima the first one is the index."""
    text = POOLS[name]
    problem = Problem(text)
    x = np.round(arrays(text).input)
    keywords = {key: value for key, value in arguments(problem).items() if key != "return_indices"}
    expected, where = ref.max_pool(x, **keywords)
    values, indices = getattr(fastconv, problem.op)(x, return_indices=True, **keywords)
    np.testing.assert_array_equal(values, expected, strict=True)
    np.testing.assert_array_equal(indices, where, strict=True)


@pytest.mark.parametrize("name", POOLS)
def test_out(name: str) -> None:
    """`out` receives the values and is returned, beside the indices if they are asked for."""
    text = POOLS[name]
    problem = Problem(text)
    out = np.full(problem.output_shape, np.nan, problem.dtype)
    result, expected = call(problem, arrays(text), out=out), call(problem, arrays(text))
    if problem.return_indices:
        np.testing.assert_array_equal(result[1], expected[1], strict=True)
        result, expected = result[0], expected[0]
    assert result is out
    np.testing.assert_array_equal(out, expected, strict=True)


@pytest.mark.parametrize("name", [name for name, text in POOLS.items() if Problem(text).n == 1])
def test_unbatched(name: str) -> None:
    """An input without its batch axis gives the result without it."""
    text = POOLS[name]
    problem, data = Problem(text), arrays(text)
    actual = getattr(fastconv, problem.op)(data.input[0], **arguments(problem))
    expected = call(problem, data)
    if problem.return_indices:
        np.testing.assert_array_equal(actual[1], expected[1][0], strict=True)
        actual, expected = actual[0], expected[0]
    np.testing.assert_array_equal(actual, expected[0], strict=True)


@pytest.mark.parametrize(("extents", "size"), ADAPTIVE, ids=str)
@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_adaptive(extents: tuple[int, ...], size: Any, layout: str, dtype: Any, isa: str) -> None:
    """Outputs that do or do not divide the input, exceed it, keep it (None) or are none (0)."""
    x, rank = images(extents, layout, dtype), len(extents)
    wide = x.astype(bounds.oracle(dtype))
    mean = getattr(fastconv, f"adaptive_avg_pool{rank}d")(x, size, layout=layout)
    assert mean.dtype == dtype
    limit = bounds.adaptive_bound(wide, size, dtype, layout)
    assert_within(mean, ref.adaptive_avg_pool(wide, size, layout), limit, f"{isa}")
    expected, where = ref.adaptive_max_pool(x, size, layout)
    largest = getattr(fastconv, f"adaptive_max_pool{rank}d")
    values, indices = largest(x, size, return_indices=True, layout=layout)
    np.testing.assert_array_equal(values, expected, strict=True)
    np.testing.assert_array_equal(indices, where, strict=True)
    out = np.full(values.shape, np.nan, dtype)
    assert largest(x, size, layout=layout, out=out) is out
    np.testing.assert_array_equal(out, values, strict=True)
    unbatched = largest(x[0], size, layout=layout)
    np.testing.assert_array_equal(unbatched, values[0], strict=True)


def test_positional_order() -> None:
    """The order of torch.nn.functional, which differs between maximum and average."""
    x = np.random.default_rng(4).standard_normal((1, 2, 11, 12))
    values, indices = fastconv.max_pool2d(x, 3, 2, 1, 2, True, True)
    named = fastconv.max_pool2d(
        input=x, kernel_size=3, stride=2, padding=1, dilation=2, ceil_mode=True, return_indices=True
    )
    np.testing.assert_array_equal(values, named[0])
    np.testing.assert_array_equal(indices, named[1])
    mean = fastconv.avg_pool2d(
        input=x,
        kernel_size=3,
        stride=2,
        padding=1,
        ceil_mode=True,
        count_include_pad=False,
        divisor_override=5,
    )
    np.testing.assert_array_equal(fastconv.avg_pool2d(x, 3, 2, 1, True, False, 5), mean)
    np.testing.assert_array_equal(
        fastconv.avg_pool1d(x[0], 3, 2, 1, True, False),
        fastconv.avg_pool1d(
            input=x[0], kernel_size=3, stride=2, padding=1, ceil_mode=True, count_include_pad=False
        ),
    )


@pytest.mark.parametrize("pool", [fastconv.max_pool2d, fastconv.avg_pool2d], ids=["max", "avg"])
def test_stride_defaults_to_kernel(pool: Any) -> None:
    """Leaving the stride out tiles the image."""
    x = images((7, 8), "NCHW", np.float32)
    np.testing.assert_array_equal(pool(x, (2, 3)), pool(x, (2, 3), stride=(2, 3)), strict=True)
    np.testing.assert_array_equal(pool(x, (2, 3)), pool(x, (2, 3), None), strict=True)


def test_negative_divisor() -> None:
    """As in torch, any divisor but zero is allowed."""
    x = np.arange(16.0).reshape(1, 1, 4, 4)
    np.testing.assert_array_equal(fastconv.avg_pool2d(x, 4, divisor_override=-8), [[[[-15.0]]]])


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("channels", [1, 3, 16, 17, 33])
def test_all_minus_infinity(channels: int, layout: str, isa: str) -> None:
    """A window of nothing but -inf has that maximum, at its first pixel, and padding is never chosen."""
    x = np.full((1, channels, 6, 6) if layout == "NCHW" else (1, 6, 6, channels), -np.inf, np.float32)
    values, indices = fastconv.max_pool2d(x, 3, 2, 1, return_indices=True, layout=layout)
    expected, where = ref.max_pool(x, 3, 2, 1, layout=layout)
    np.testing.assert_array_equal(values, expected)
    np.testing.assert_array_equal(indices, where)


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("window", [3, 5, 11])
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_one_nan_anywhere(stride: int, window: int, layout: str, isa: str) -> None:
    """In one channel after another, another pixel is NaN: it is in its windows and in no others."""
    extents = (13, 19)
    x = images(extents, "NCHW", np.float32, channels=13 * 19)
    pixels = np.arange(13 * 19)
    x.reshape(2, pixels.size, pixels.size)[:, pixels, pixels] = np.nan
    x = x if layout == "NCHW" else np.ascontiguousarray(np.moveaxis(x, 1, -1))
    expected, where = ref.max_pool(x, window, stride, window // 2, layout=layout)
    values, indices = fastconv.max_pool2d(x, window, stride, window // 2, return_indices=True, layout=layout)
    np.testing.assert_array_equal(values, expected, strict=True)
    np.testing.assert_array_equal(indices, where, strict=True)
    plain = fastconv.max_pool2d(x, window, stride, window // 2, layout=layout)
    np.testing.assert_array_equal(plain, expected, strict=True)
    mean = fastconv.avg_pool2d(x, window, stride, window // 2, layout=layout)
    np.testing.assert_array_equal(np.isnan(mean), np.isnan(expected))


@pytest.mark.parametrize("window", [3, 9, 33])
def test_large_numbers_stay_in_their_windows(window: int, isa: str) -> None:
    """Sums are not differences of longer ones: a huge pixel changes no mean that does not see it."""
    x = np.random.default_rng(window).standard_normal((1, 1, 90, 91)).astype(np.float32)
    huge = x.copy()
    huge[0, 0, 44, 45], huge[0, 0, 5, 80] = 1e38, np.inf
    seen = fastconv.max_pool2d(huge, window, 1, window // 2) > 1e37
    means, expected = (fastconv.avg_pool2d(a, window, 1, window // 2) for a in (huge, x))
    np.testing.assert_array_equal(means[~seen], expected[~seen], strict=True)


@pytest.mark.parametrize(
    ("text", "most"),
    [
        ("max_pool2d n1 c64 ih112 iw112 kh3 kw3 s2 p1 nchw f32", 128 << 10),
        ("avg_pool2d n1 c1 ih2048 iw2048 kh101 kw101 s1 p50 nchw f32", 256 << 10),
        ("max_pool1d n1 c1 iw1000000 kw33 s1 nchw f32 indices", 128 << 10),
        ("avg_pool2d n1 c256 ih256 iw256 kh3 kw3 s1 nhwc f32", 128 << 10),
        ("avg_pool2d n1 c256 ih256 iw256 kh256 kw256 nhwc f32", 128 << 10),
    ],
)
def test_workspace_fits_the_cache(text: str, most: int, isa: str) -> None:
    """However large an image is."""
    assert fastconv.explain(Problem(text)).workspace_bytes <= most


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("kernel", [(1, 1), (2, 1), (3, 1)])
def test_images_of_one_column_and_one_channel(layout: str, kernel: tuple[int, int]) -> None:
    """Windows are whole rows; channels first or last, the next image lies behind such a one."""
    x = np.arange(20, dtype=np.float32).reshape((4, 1, 5, 1) if layout == "NCHW" else (4, 5, 1, 1))
    windows = np.lib.stride_tricks.sliding_window_view(x.reshape(4, 5), kernel[0], axis=1)
    actual = fastconv.max_pool2d(x, kernel, 1, layout=layout)
    np.testing.assert_array_equal(actual.reshape(4, -1), windows.max(-1))
    means = fastconv.avg_pool2d(x, kernel, 1, layout=layout)
    np.testing.assert_allclose(means.reshape(4, -1), windows.mean(-1), rtol=1e-6)
