"""Unfold and fold, which are each other's gradient."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fastconv

from . import bounds
from . import reference as ref
from . import reference_gradients as definition
from .guarded import guarded, guarded_copy
from .oracle import assert_within
from .reference import Array
from .test_properties import disguise
from .variants import everywhere

LAYOUTS = ["NCHW", "NHWC"]
WINDOWS: list[tuple[tuple[int, int], int, dict[str, Any]]] = [
    ((1, 1), 1, {"kernel_size": 1}),
    ((7, 35), 3, {"kernel_size": 3}),
    ((9, 33), 2, {"kernel_size": 3, "padding": 1}),
    ((9, 40), 17, {"kernel_size": (3, 2), "padding": 1, "stride": 2}),
    ((8, 21), 1, {"kernel_size": (2, 5), "stride": (3, 1), "dilation": (2, 3), "padding": (1, 4)}),
    ((12, 40), 5, {"kernel_size": 4, "stride": 4}),
    ((12, 41), 3, {"kernel_size": 2, "stride": 5}),
    ((5, 6), 16, {"kernel_size": (5, 6)}),
    ((3, 4), 2, {"kernel_size": 3, "padding": 5}),
    ((6, 7), 2, {"kernel_size": 3, "padding": ((0, 2), (1, 0)), "dilation": 2}),
    ((6, 7), 4, {"kernel_size": (3, 4), "padding": "same", "stride": 2}),
    ((1, 100), 3, {"kernel_size": (1, 9), "padding": (0, 4), "stride": (1, 3)}),
]


def normal(shape: Any, dtype: Any, seed: int = 0) -> Array:
    """Normal numbers."""
    return np.random.default_rng([seed, *shape]).standard_normal(shape).astype(dtype)


def check(x: Array, size: tuple[int, int], how: dict[str, Any], form: int, seed: int) -> None:
    """Unfold is exact; sums of fold have as many terms as windows see a pixel."""
    expected = definition.unfold(x, **how)
    for actual, isa in everywhere(lambda: fastconv.unfold(disguise(x, form), **how)):
        np.testing.assert_array_equal(actual, expected, strict=True, err_msg=isa)
    columns = normal(expected.shape, x.dtype, seed)
    wide = columns.astype(bounds.oracle(x.dtype))
    total = definition.fold(wide, size, **how)
    terms = definition.fold(np.ones_like(wide), size, **how)
    limit = bounds.gamma(terms, x.dtype) * definition.fold(np.abs(wide), size, **how)
    for actual, isa in everywhere(lambda: fastconv.fold(disguise(columns, form), size, **how)):
        assert actual.dtype == x.dtype
        assert_within(actual, total, limit, isa)


@pytest.mark.parametrize(("size", "channels", "how"), WINDOWS, ids=str)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_definition(
    size: tuple[int, int], channels: int, how: dict[str, Any], layout: str, dtype: Any
) -> None:
    """Windows inside and outside, strided and dilated, larger than the image and smaller than the stride."""
    x = normal((2, channels, *size) if layout == "NCHW" else (2, *size, channels), dtype)
    check(x, size, how | {"layout": layout}, 0, 1)
    y = fastconv.unfold(x, **how, layout=layout)
    np.testing.assert_array_equal(fastconv.unfold(x[0], **how, layout=layout), y[0], strict=True)
    back = fastconv.fold(y, size, **how, layout=layout)
    np.testing.assert_array_equal(fastconv.fold(y[0], size, **how, layout=layout), back[0], strict=True)


@st.composite
def problems(draw: st.DrawFn) -> tuple[tuple[int, int], dict[str, Any]]:
    """Extents and windows of which one fits at least."""
    axes = []
    for _ in range(2):
        k, d, s = draw(st.integers(1, 5)), draw(st.integers(1, 3)), draw(st.integers(1, 4))
        pad = draw(st.integers(0, 4)), draw(st.integers(0, 4))
        axes.append((max(draw(st.integers(1, 36)), ref.span(k, d) - sum(pad), 1), k, d, pad, s))
    size, kernel, dilation, padding, stride = zip(*axes, strict=True)
    how = {"kernel_size": kernel, "dilation": dilation, "padding": padding, "stride": stride}
    return size, how | {"layout": draw(st.sampled_from(LAYOUTS))}


@given(
    problems(),
    st.integers(0, 2),
    st.sampled_from([0, 1, 2, 3, 16, 17, 33]),
    st.integers(0, 99),
    st.integers(0, 4),
)
def test_any(
    problem: tuple[tuple[int, int], dict[str, Any]], n: int, channels: int, seed: int, form: int
) -> None:
    """Any windows, arrays in any form, none at all among them."""
    size, how = problem
    dtype = [np.float32, np.float64][seed % 2]
    x = normal((n, channels, *size) if how["layout"] == "NCHW" else (n, *size, channels), dtype, seed)
    check(x, size, how, form, seed)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_same_bits(layout: str) -> None:
    """Images large enough for several threads."""
    x = normal((1, 3, 200, 201) if layout == "NCHW" else (1, 200, 201, 3), np.float32)
    how: dict[str, Any] = {"kernel_size": 5, "padding": 2, "layout": layout}
    columns = fastconv.unfold(x, **how)
    for actual, isa in everywhere(lambda: fastconv.unfold(x, **how), (1, 2, 3, 8)):
        np.testing.assert_array_equal(actual, columns, strict=True, err_msg=isa)
    image = fastconv.fold(columns, (200, 201), **how)
    for actual, isa in everywhere(lambda: fastconv.fold(columns, (200, 201), **how), (1, 2, 3, 8)):
        np.testing.assert_array_equal(actual, image, strict=True, err_msg=isa)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_convolution_is_a_product(layout: str) -> None:
    """With the weights as they lie."""
    how: dict[str, Any] = {"stride": 2, "padding": 1, "dilation": 2}
    if layout == "NCHW":
        x, w = normal((2, 3, 9, 10), np.float64), normal((4, 3, 3, 2), np.float64)
        y = w.reshape(4, -1) @ fastconv.unfold(x, (3, 2), **how)
    else:
        x, w = normal((2, 9, 10, 3), np.float64), normal((3, 2, 3, 4), np.float64)
        y = fastconv.unfold(x, (3, 2), **how, layout=layout) @ w.reshape(-1, 4)
    expected = fastconv.conv2d(x, w, **how, layout=layout)
    limit = 2 * bounds.conv_bound(
        x.astype(np.longdouble), w.astype(np.longdouble), None, np.float64, layout, **how
    )
    assert_within(y.reshape(expected.shape), expected.astype(np.longdouble), limit, layout)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_each_others_gradient(layout: str) -> None:
    """Differences of sum(g * f(x)) along every element, exact for integers."""
    rng = np.random.default_rng(0)
    how: dict[str, Any] = {
        "kernel_size": (3, 2),
        "padding": 1,
        "stride": (2, 1),
        "dilation": (1, 2),
        "layout": layout,
    }
    shape = (1, 2, 4, 5) if layout == "NCHW" else (1, 4, 5, 2)
    x = rng.integers(-9, 10, shape).astype(np.float64)
    g = rng.integers(-9, 10, fastconv.unfold(x, **how).shape).astype(np.float64)
    slope, back = np.zeros_like(x), np.zeros_like(g)
    for at in np.ndindex(*x.shape):
        step = np.zeros_like(x)
        step[at] = 1
        slope[at] = (g * (fastconv.unfold(x + step, **how) - fastconv.unfold(x - step, **how))).sum() / 2
    np.testing.assert_array_equal(fastconv.fold(g, (4, 5), **how), slope)
    for at in np.ndindex(*g.shape):
        step = np.zeros_like(g)
        step[at] = 1
        change = fastconv.fold(g + step, (4, 5), **how) - fastconv.fold(g - step, (4, 5), **how)
        back[at] = (x * change).sum() / 2
    np.testing.assert_array_equal(fastconv.unfold(x, **how), back)


def test_torch() -> None:
    """torch's order of columns, result and gradient."""
    torch = pytest.importorskip("torch")
    x = torch.randn((2, 3, 9, 8), dtype=torch.float64, generator=torch.manual_seed(0), requires_grad=True)
    how: dict[str, Any] = {"kernel_size": (3, 2), "dilation": (2, 1), "padding": (1, 0), "stride": (1, 2)}
    columns = torch.nn.functional.unfold(x, **how)
    np.testing.assert_array_equal(
        fastconv.unfold(x.detach().numpy(), **how), columns.detach().numpy(), strict=True
    )
    g = torch.randn(columns.shape, dtype=torch.float64)
    columns.backward(g)
    image = fastconv.fold(g.numpy(), (9, 8), **how)
    limit = 2 * bounds.gamma(6, np.float64) * definition.fold(np.abs(g.numpy()), (9, 8), **how)
    assert_within(image, x.grad.numpy().astype(np.longdouble), limit, "gradient of unfold")
    assert_within(
        image, torch.nn.functional.fold(g, (9, 8), **how).numpy().astype(np.longdouble), limit, "fold"
    )


@pytest.mark.parametrize("flush", ["start", "end"])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_memory(dtype: Any, layout: str, flush: str, isa: str) -> None:
    """Nothing outside the arrays is touched, and everything inside is written."""
    for size, channels, how in WINDOWS:
        x = normal((1, channels, *size) if layout == "NCHW" else (1, *size, channels), dtype)
        columns = definition.unfold(x, **how, layout=layout)
        out = guarded(columns.shape, dtype, flush)
        out.fill(np.nan)
        assert fastconv.unfold(guarded_copy(x, flush), **how, layout=layout, out=out) is out
        np.testing.assert_array_equal(out, columns)
        image = guarded(x.shape, dtype, flush)
        image.fill(np.nan)
        fastconv.fold(guarded_copy(columns, flush), size, **how, layout=layout, out=image)
        np.testing.assert_array_equal(image, fastconv.fold(columns, size, **how, layout=layout))


X, COLUMNS = np.ones((1, 2, 5, 6), np.float32), np.ones((1, 8, 20), np.float32)


@pytest.mark.parametrize(
    ("call", "error", "name"),
    [
        (lambda: fastconv.unfold(X[0, 0], 2), ValueError, "input"),
        (lambda: fastconv.unfold(X.astype(np.int32), 2), TypeError, "input"),
        (lambda: fastconv.unfold(X, 7), ValueError, "kernel_size"),
        (lambda: fastconv.unfold(X, 0), ValueError, "kernel_size"),
        (lambda: fastconv.unfold(X, (1, 2, 3)), ValueError, "kernel_size"),
        (lambda: fastconv.unfold(X, 2, 0), ValueError, "dilation"),
        (lambda: fastconv.unfold(X, 2, 1, -1), ValueError, "padding"),
        (lambda: fastconv.unfold(X, 2, 1, 2**61), ValueError, "padding|kernel_size|input"),
        (lambda: fastconv.unfold(X, 2**31, 1, 2**31), ValueError, "padding|kernel_size"),
        (lambda: fastconv.unfold(X, 2, 1, 0, 0), ValueError, "stride"),
        (lambda: fastconv.unfold(X, 2, layout="NCDHW"), ValueError, "layout"),
        (lambda: fastconv.unfold(X, 2, out=X), ValueError, "out"),
        (lambda: fastconv.fold(COLUMNS, (5, 6), 3), ValueError, "input"),
        (lambda: fastconv.fold(COLUMNS, (5, 7), 2), ValueError, "input"),
        (lambda: fastconv.fold(COLUMNS[0, 0], (5, 6), 2), ValueError, "input"),
        (lambda: fastconv.fold(COLUMNS.astype(bool), (5, 6), 2), TypeError, "input"),
        (lambda: fastconv.fold(COLUMNS, (5, -6), 2), ValueError, "output_size"),
        (lambda: fastconv.fold(COLUMNS, (5, 6, 7), 2), ValueError, "output_size"),
        (lambda: fastconv.fold(COLUMNS, "56", 2), TypeError, "output_size"),
        (lambda: fastconv.fold(COLUMNS, (1, 1), 2), ValueError, "kernel_size"),
        (lambda: fastconv.fold(COLUMNS, 2**62, 2), ValueError, "input|output_size"),
    ],
)  # fmt: skip
def test_refused(call: Any, error: type[Exception], name: str) -> None:
    """The message names the argument."""
    with pytest.raises(error, match=rf"\b({name})\b"):
        call()
