"""Borders around arrays and their gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fastconv
from fastconv import grad

from . import bounds
from . import reference_gradients as definition
from .guarded import guarded, guarded_copy
from .oracle import assert_within
from .reference import Array
from .test_properties import disguise
from .variants import everywhere

LAYOUTS = ["NCHW", "NHWC"]
MODES = list(definition.MODES)


def normal(shape: Any, dtype: Any, seed: int = 0) -> Array:
    """Normal numbers."""
    return np.random.default_rng([seed, *shape]).standard_normal(shape).astype(dtype)


def check(x: Array, padding: Any, mode: str, layout: str, form: int = 0) -> None:
    """The border is exact; a pixel's gradient is a sum of as many terms as show it."""
    rank = len(padding)
    pad, slope = (getattr(module, f"pad{rank}d") for module in (fastconv, grad))
    expected = definition.pad(x, padding, mode, layout)
    for actual, isa in everywhere(lambda: pad(disguise(x, form), padding, mode, layout=layout)):
        np.testing.assert_array_equal(actual, expected, strict=True, err_msg=isa)
    g = normal(expected.shape, x.dtype, 1)
    wide = g.astype(bounds.oracle(x.dtype))

    def of(values: Array) -> Array:
        return definition.pad_gradient(values, x.shape, padding, mode, layout)

    limit = bounds.gamma(of(np.ones_like(wide)), x.dtype) * of(np.abs(wide))
    for actual, isa in everywhere(lambda: slope(disguise(g, form), x.shape, padding, mode, layout=layout)):
        assert actual.dtype == x.dtype
        assert_within(actual, of(wide), limit, isa)


@st.composite
def borders(draw: st.DrawFn) -> tuple[tuple[int, ...], list[tuple[int, int]], str]:
    """Extents and a border that fits them."""
    mode = draw(st.sampled_from(MODES))
    rank = draw(st.sampled_from([1, 2, 2, 3]))
    size = tuple(draw(st.integers(1, 36 if rank < 3 else 7)) for _ in range(rank))
    most = {"reflect": -1, "circular": 0}
    widths = [st.integers(0, i + most[mode] if mode in most else 2 * i + 3) for i in size]
    return size, [(draw(width), draw(width)) for width in widths], mode


@given(
    borders(),
    st.sampled_from([1, 2, 3, 16, 17]),
    st.sampled_from(LAYOUTS),
    st.booleans(),
    st.integers(0, 4),
)
def test_any(border: Any, channels: int, layout: str, double: bool, form: int) -> None:
    """Any border that NumPy can make, too, arrays in any form."""
    size, padding, mode = border
    shape = (2, channels, *size) if layout == "NCHW" else (2, *size, channels)
    check(normal(shape, np.float64 if double else np.float32), padding, mode, layout, form)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_same_bits(mode: str, layout: str) -> None:
    """Images large enough for several threads."""
    x = normal((1, 3, 400, 401) if layout == "NCHW" else (1, 400, 401, 3), np.float32)
    for _ in everywhere(
        lambda: grad.pad2d(x, definition_size(x, layout), 9, mode, layout=layout), (1, 2, 3, 8)
    ):
        pass
    expected = fastconv.pad2d(x, 9, mode, layout=layout)
    for actual, _ in everywhere(lambda: fastconv.pad2d(x, 9, mode, layout=layout), (1, 2, 3, 8)):
        np.testing.assert_array_equal(actual, expected)


def definition_size(x: Array, layout: str) -> tuple[int, ...]:
    """The shape of what was padded by 9."""
    spatial = (2, 3) if layout == "NCHW" else (1, 2)
    return tuple(extent - 18 if axis in spatial else extent for axis, extent in enumerate(x.shape))


@pytest.mark.parametrize("mode", MODES)
def test_numerical(mode: str) -> None:
    """Differences of sum(g * f(x)), exact for integers."""
    rng = np.random.default_rng(0)
    x = rng.integers(-9, 10, (2, 4, 3)).astype(np.float64)
    g = rng.integers(-9, 10, fastconv.pad2d(x, ((1, 2), (2, 0)), mode).shape).astype(np.float64)
    slope = np.zeros_like(x)
    for at in np.ndindex(*x.shape):
        step = np.zeros_like(x)
        step[at] = 1
        change = [fastconv.pad2d(x + s * step, ((1, 2), (2, 0)), mode) for s in (1, -1)]
        slope[at] = (g * (change[0] - change[1])).sum() / 2
    np.testing.assert_array_equal(grad.pad2d(g, x.shape, ((1, 2), (2, 0)), mode), slope)


@pytest.mark.parametrize("mode", ["reflect", "replicate", "circular"])
def test_torch(mode: str) -> None:
    """torch's borders and their gradients."""
    torch = pytest.importorskip("torch")
    x = torch.randn((2, 3, 6, 7), dtype=torch.float64, generator=torch.manual_seed(0), requires_grad=True)
    y = torch.nn.functional.pad(x, (1, 3, 2, 0), mode)
    padding = ((2, 0), (1, 3))
    np.testing.assert_array_equal(fastconv.pad2d(x.detach().numpy(), padding, mode), y.detach().numpy())
    g = torch.randn(y.shape, dtype=torch.float64)
    y.backward(g)
    slope = grad.pad2d(g.numpy(), x.shape, padding, mode)
    total = definition.pad_gradient(np.abs(g.numpy()), x.shape, list(padding), mode)
    limit = 2 * bounds.gamma(16, np.float64) * total
    assert_within(slope, x.grad.numpy().astype(np.longdouble), limit, mode)


@pytest.mark.parametrize("flush", ["start", "end"])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("mode", MODES)
def test_memory(mode: str, layout: str, flush: str, isa: str) -> None:
    """Nothing outside the arrays is touched, and everything inside is written."""
    for n in (2, 15, 16, 17, 33):
        x = normal((1, 3, 4, n) if layout == "NCHW" else (1, 4, n, 3), np.float32)
        expected = fastconv.pad2d(x, 1, mode, layout=layout)
        out = guarded(expected.shape, x.dtype, flush)
        out.fill(np.nan)
        assert fastconv.pad2d(guarded_copy(x, flush), 1, mode, layout=layout, out=out) is out
        np.testing.assert_array_equal(out, expected)
        back = guarded(x.shape, x.dtype, flush)
        back.fill(np.nan)
        grad.pad2d(guarded_copy(out, flush), x.shape, 1, mode, layout=layout, out=back)
        np.testing.assert_array_equal(back, grad.pad2d(expected, x.shape, 1, mode, layout=layout))


X = np.ones((1, 2, 3, 4), np.float32)


@pytest.mark.parametrize(
    ("call", "error", "name"),
    [
        (lambda: fastconv.pad2d(X, 1, "mirror"), ValueError, "mode"),
        (lambda: fastconv.pad2d(X, 1, None), TypeError, "mode"),
        (lambda: fastconv.pad2d(X, "same"), ValueError, "padding"),
        (lambda: fastconv.pad2d(X, -1), ValueError, "padding"),
        (lambda: fastconv.pad2d(X, 2**62), ValueError, "padding"),
        (lambda: fastconv.pad2d(X, 3, "reflect"), ValueError, "padding"),
        (lambda: fastconv.pad2d(X, ((0, 0), (4, 0)), "reflect"), ValueError, "padding"),
        (lambda: fastconv.pad2d(X, 4, "circular"), ValueError, "padding"),
        (lambda: fastconv.pad2d(X[..., :0], 1, "replicate"), ValueError, "padding"),
        (lambda: fastconv.pad2d(X[..., :0], 1, "symmetric"), ValueError, "padding"),
        (lambda: fastconv.pad2d(X.astype(int), 1), TypeError, "input"),
        (lambda: fastconv.pad2d(X[0, 0], 1), ValueError, "input"),
        (lambda: fastconv.pad2d(X, 1, out=X), ValueError, "out"),
        (lambda: grad.pad2d(X, X.shape, 1), ValueError, "grad_output"),
        (lambda: grad.pad2d(X, (1, 2, 1, 2), 1, "reflect"), ValueError, "padding"),
        (lambda: grad.pad2d(X, (1, 2), 1), ValueError, "input_size"),
    ],
)  # fmt: skip
def test_refused(call: Any, error: type[Exception], name: str) -> None:
    """The message names the argument."""
    with pytest.raises(error, match=rf"\b{name}\b"):
        call()
