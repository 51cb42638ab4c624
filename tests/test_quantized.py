"""Convolution of bytes: exact sums on every processor, requantised by a float32 product and one rounding."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fastconv
from fastconv.quantized import Conv, conv_integer, dequantize, qlinear_conv, quantize

from . import reference
from .guarded import guarded_copy
from .reference import Array

BYTES = (np.int8, np.uint8)


@pytest.fixture(params=["matrices", "vectors", "floats"], autouse=True)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every way to compute the sums: the processor's, where it has some, and the one for any other."""
    fastconv._fastconv.use_matrices(request.param == "matrices")
    if request.param == "floats":
        monkeypatch.setattr("fastconv._fastconv.has_dot", lambda: False)
    if request.param == "floats" or fastconv._fastconv.has_dot():
        yield
        fastconv._fastconv.use_matrices(True)
    else:
        fastconv._fastconv.use_matrices(True)
        pytest.skip("no dot products of bytes here")


def drawn(shape: tuple[int, ...], dtype: Any, seed: int) -> Array:
    limits = np.iinfo(dtype)
    x = np.random.default_rng(seed).integers(limits.min, limits.max, shape, dtype=dtype, endpoint=True)
    x.flat[: min(x.size, 3)] = [limits.min, limits.max, limits.min][: min(x.size, 3)]
    return x


def sums(x: Array, zx: int, w: Array, zw: Any, layout: str = "NCHW", **parameters: Any) -> Array:
    """The definition, in 64-bit integers."""
    shift = np.asarray(zw, np.int64)
    if shift.ndim and layout == "NCHW":
        shift = shift.reshape(-1, *[1] * (w.ndim - 1))
    return reference.conv(
        x.astype(np.int64) - zx, w.astype(np.int64) - shift, None, layout=layout, **parameters
    )


def along_channels(values: Array, y: Array, layout: str) -> Array:
    return values.reshape(-1, *[1] * (y.ndim - 2)) if layout == "NCHW" else values


@st.composite
def problems(draw: Any) -> dict[str, Any]:
    rank = draw(st.sampled_from([1, 2, 2, 3]))
    groups = draw(st.sampled_from([1, 1, 1, 2, 3]))
    each = lambda low, high: tuple(draw(st.integers(low, high)) for _ in range(rank))  # noqa: E731
    kernel, dilation, padding = each(1, 3), each(1, 2), each(0, 2)
    spans = [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]
    extents = tuple(draw(st.integers(s, s + (40 if rank < 3 else 6))) for s in spans)
    return {
        "layout": draw(st.sampled_from(["NCHW", "NHWC"])),
        "n": draw(st.integers(1, 3)),
        "ic": groups * draw(st.integers(1, 19)),
        "oc": groups * draw(st.integers(1, 50)),
        "groups": groups,
        "kernel": kernel,
        "dilation": dilation,
        "padding": padding,
        "stride": each(1, 3),
        "extents": extents,
        "types": draw(st.tuples(st.sampled_from(BYTES), st.sampled_from(BYTES))),
        "seed": draw(st.integers(0, 99)),
    }


def tensors(p: dict[str, Any]) -> tuple[Array, Array]:
    x = drawn((p["n"], p["ic"], *p["extents"]), p["types"][0], p["seed"])
    w = drawn((p["oc"], p["ic"] // p["groups"], *p["kernel"]), p["types"][1], p["seed"] + 1)
    if p["layout"] == "NHWC":
        x, w = np.moveaxis(x, 1, -1), np.moveaxis(w, (0, 1), (-1, -2))
    return np.ascontiguousarray(x), np.ascontiguousarray(w)


@given(problems())
def test_any(p: dict[str, Any]) -> None:
    """Random problems, zero points, biases and scales: sums exact, bytes as defined."""
    x, w = tensors(p)
    rng = np.random.default_rng(p["seed"])
    zx = int(drawn((5,), x.dtype, p["seed"])[-1])
    # as signed bytes the weights fit a word or they do not
    zw = drawn((p["oc"],), w.dtype, p["seed"])[::-1] if p["seed"] % 3 else np.array(0, w.dtype)
    geometry = {k: p[k] for k in ("stride", "padding", "dilation", "groups", "layout")}
    want = sums(x, zx, w, zw, **geometry)
    bias = rng.integers(-(10**6), 10**6, p["oc"]).astype(np.int32)
    conv = Conv(w, zw, bias, **geometry)
    want = want + along_channels(bias, want, p["layout"])
    actual = conv.sums(x, zx)
    np.testing.assert_array_equal(actual, want)
    assert actual.dtype == np.int32
    np.testing.assert_array_equal(conv_integer(x, w, zx, zw, **geometry), sums(x, zx, w, zw, **geometry))

    to = BYTES[p["seed"] % 2]
    limits = np.iinfo(to)
    scale = (rng.random(p["oc"]) * 300 / max(np.abs(want).max(initial=0), 1)).astype(np.float32)
    zero, low = int(rng.integers(limits.min, limits.max)), int(rng.integers(limits.min, 40))
    scaled = np.rint(want.astype(np.float32) * along_channels(scale, want, p["layout"]))
    expected = np.clip(scaled.astype(np.int64) + zero, low, limits.max)
    bytes_ = conv(x, scale, zx, zero, dtype=to, low=low)
    np.testing.assert_array_equal(bytes_, expected)
    assert bytes_.dtype == to


def test_ties_to_even() -> None:
    x = np.arange(-6, 7, dtype=np.int8).reshape(1, 1, 1, -1)
    halves = Conv(np.ones((1, 1, 1, 1), np.int8))(x, 0.5, dtype=np.int8)
    np.testing.assert_array_equal(halves.ravel(), [-3, -2, -2, -2, -1, 0, 0, 0, 1, 2, 2, 2, 3])


def test_saturates() -> None:
    x = np.full((1, 4, 1, 8), 255, np.uint8)
    w = np.full((2, 4, 1, 1), 127, np.int8)
    w[1] = -128
    bytes_ = Conv(w)(x, 1e30, dtype=np.int8)
    np.testing.assert_array_equal(bytes_[0, :, 0], [[127] * 8, [-128] * 8])


def test_overflow() -> None:
    """Sums beyond int32 raise where they would be returned, and are right where they are scaled."""
    x = np.full((1, 40000, 1, 2), 255, np.uint8)
    w = np.full((1, 40000, 1, 1), 255, np.uint8)
    with pytest.raises(OverflowError, match="2601000000"):
        conv_integer(x, w)
    np.testing.assert_array_equal(Conv(w)(x, np.float32(100 / 40000 / 255**2)).ravel(), [100, 100])
    high = np.full(1, 2**31 - 1, np.int32)
    one = np.ones((1, 1, 1, 1), np.uint8)
    assert Conv(one, 0, high).sums(np.zeros((1, 1, 1, 1), np.uint8)).item() == 2**31 - 1
    with pytest.raises(OverflowError):
        Conv(one, 0, high).sums(one)


@pytest.mark.parametrize("flush", ["start", "end"])
@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("padding", [0, 1])
@pytest.mark.parametrize("ic", [4, 5, 64, 67])
def test_guarded(ic: int, padding: int, layout: str, flush: str) -> None:
    """No byte outside the arrays is read; odd addresses do no harm."""
    shape, kernel = ((1, ic, 5, 19), (33, ic, 3, 3)) if layout == "NCHW" else ((1, 5, 19, ic), (3, 3, ic, 33))
    x, w = drawn(shape, np.uint8, 1), drawn(kernel, np.int8, 2)
    parameters: dict[str, Any] = {"padding": padding, "layout": layout}
    np.testing.assert_array_equal(
        conv_integer(guarded_copy(x, flush), guarded_copy(w, flush), **parameters),
        sums(x, 0, w, 0, **parameters),
    )


def test_other_arrays() -> None:
    """Strided, reversed, read-only, unbatched, empty, and many images."""
    x, w = drawn((40, 6, 9, 20), np.int8, 3), drawn((7, 6, 3, 3), np.int8, 4)
    want = sums(x[::-1, :, :, ::2], 3, w, 0)
    np.testing.assert_array_equal(conv_integer(x[::-1, :, :, ::2], w, 3), want)
    np.testing.assert_array_equal(conv_integer(x[0], w), sums(x[:1], 0, w, 0)[0])
    assert conv_integer(x[:0], w).shape == (0, 7, 7, 18)
    assert conv_integer(x[:, :0], w[:, :0]).shape == (40, 7, 7, 18)
    assert not conv_integer(x[:, :0], w[:, :0]).any()
    assert conv_integer(x, w[:0]).shape == (40, 0, 7, 18)


@pytest.mark.parametrize("threads", [1, 2, 3, 8])
def test_threads(threads: int) -> None:
    x, w = drawn((3, 32, 40, 41), np.uint8, 5), drawn((70, 32, 3, 3), np.int8, 6)
    fastconv.set_num_threads(threads)
    np.testing.assert_array_equal(conv_integer(x, w, 7, padding=1), sums(x, 7, w, 0, padding=1))


def test_many_images_at_a_time() -> None:
    """More of them than become words at once."""
    x, w = drawn((5, 70, 256, 256), np.uint8, 7), drawn((3, 70, 1, 1), np.int8, 8)
    want = np.einsum("nchw,oc->nohw", x.astype(np.int32), w[:, :, 0, 0].astype(np.int32))
    np.testing.assert_array_equal(conv_integer(x, w), want)


def test_qlinear_conv() -> None:
    """The whole way, beside the definition of ONNX, and beside the convolution of the numbers meant."""
    rng = np.random.default_rng(9)
    real_x, real_w = rng.normal(size=(2, 8, 12, 13)), rng.normal(size=(16, 8, 3, 3))
    sx, sw, sy = np.float32(0.03), (np.abs(real_w).max((1, 2, 3)) / 127).astype(np.float32), np.float32(0.2)
    x, w = quantize(real_x, sx, 128), quantize(real_w, sw.reshape(-1, 1, 1, 1), 0, np.int8)
    bias = rng.integers(-500, 500, 16).astype(np.int32)
    y = qlinear_conv(x, sx, 128, w, sw, 0, sy, 100, bias, padding=1, activation="relu")
    s = sums(x, 128, w, 0, padding=1) + bias.reshape(-1, 1, 1)
    factor = (sx * sw / sy).reshape(-1, 1, 1)
    np.testing.assert_array_equal(y, np.clip(np.rint(s.astype(np.float32) * factor) + 100, 100, 255))
    meant = fastconv.conv2d(
        dequantize(x, sx, 128),
        dequantize(w, sw.reshape(-1, 1, 1, 1)),
        (bias * sx * sw).astype(np.float32),
        padding=1,
        activation="relu",
    )
    assert np.abs(dequantize(y, sy, 100) - np.minimum(meant, 155 * sy)).max() <= 0.51 * sy


@pytest.mark.parametrize(
    ("activation", "low", "high"),
    [("relu", 10, 255), ("relu6", 10, 22), ((-1.0, 2.0), 8, 14), ((None, 1e9), 0, 255)],
)
def test_activations(activation: Any, low: int, high: int) -> None:
    x = np.arange(256, dtype=np.uint8).reshape(1, 1, 1, -1)
    y = qlinear_conv(x, 1.0, 128, np.ones((1, 1, 1, 1), np.int8), 1.0, 0, 0.5, 10, activation=activation)
    np.testing.assert_array_equal(y.ravel(), np.clip(2 * (np.arange(256) - 128) + 10, low, high))


def test_quantize() -> None:
    x = np.array([np.nan, np.inf, -np.inf, 0.25, 0.75, -0.25, 1e30])
    np.testing.assert_array_equal(quantize(x, 0.5, 7), [7, 255, 0, 7, 9, 7, 255])
    np.testing.assert_array_equal(quantize(x, 0.5, -1, np.int8), [-1, 127, -128, -1, 1, -1, 127])
    every = np.arange(256, dtype=np.uint8)
    np.testing.assert_array_equal(quantize(dequantize(every, 0.1, 77), 0.1, 77), every)


X, W = np.zeros((1, 4, 5, 5), np.uint8), np.zeros((2, 4, 3, 3), np.int8)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (
            lambda: conv_integer(X.astype(np.int16), W),
            TypeError,
            "input: dtype int16, expected int8 or uint8",
        ),
        (lambda: conv_integer(X, W.astype(float)), TypeError, "weight: dtype float64"),
        (lambda: conv_integer(X, W, 256), ValueError, "zero_point=256: expected a value of uint8"),
        (lambda: conv_integer(X, W, 0, 200), ValueError, "zero_point=200: expected values of int8"),
        (lambda: conv_integer(X, W, 0, [1, 2, 3]), ValueError, r"zero_point: shape \(3,\), expected"),
        (lambda: conv_integer(X, W, 1.5), TypeError, "zero_point=1.5: expected an integer"),
        (lambda: conv_integer(X, W, 0, 1.5), TypeError, "zero_point=1.5: expected integers"),
        (lambda: conv_integer(X[:, :3], W), ValueError, "input: shape"),
        (lambda: conv_integer(X, W[0, 0]), ValueError, "weight: shape"),
        (lambda: conv_integer(X, W, stride=0), ValueError, "stride=0"),
        (lambda: conv_integer(X, W, groups="a"), TypeError, "groups='a'"),
        (lambda: conv_integer(X, W, layout="WHCN"), ValueError, "layout"),
        (lambda: Conv(W, 0, np.zeros(2)), TypeError, "bias: dtype float64, expected int32"),
        (lambda: Conv(W, 0, np.zeros(3, np.int32)), ValueError, "bias: shape"),
        (lambda: Conv(W)(X, [1.0, 2.0, 3.0]), ValueError, "scale: shape"),
        (lambda: Conv(W)(X, np.nan), ValueError, "scale=nan"),
        (lambda: Conv(W)(X, 1.0, 0, -1), ValueError, "output_zero_point=-1"),
        (lambda: Conv(W)(X, 1.0, dtype=np.int32), TypeError, "dtype="),
        (lambda: qlinear_conv(X, 0.0, 0, W, 1.0, 0, 1.0, 0), ValueError, "input_scale=0.0"),
        (lambda: qlinear_conv(X, 1.0, 0, W, [1.0], 0, 1.0, 0), ValueError, "weight_scale: shape"),
        (
            lambda: qlinear_conv(X, 1.0, 0, W, 1.0, 0, 1.0, 0, activation="tanh"),
            ValueError,
            "activation='tanh'",
        ),
        (lambda: quantize(1.0, -1.0), ValueError, "scale=-1.0"),
        (lambda: dequantize(1.5, 1.0), TypeError, "x: dtype float64, expected integers"),
    ],
)
def test_bad_calls(call: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        call()
