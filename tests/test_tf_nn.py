"""`fastconv.tf_nn` against TensorFlow's formulas, written out in loops over outputs and filter elements."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import fastconv
from fastconv import tf_nn

from . import bounds
from .oracle import assert_within
from .reference import Array
from .test_errors import check_message

# ---------------------------------------------------------------- the definition, channels last


@dataclass(frozen=True)
class Axis:
    """One spatial axis: how many outputs, and how much padding before and after."""

    extent: int
    kernel: int
    stride: int
    dilation: int
    padding: Any  # "SAME", "VALID" or a pair

    @property
    def reach(self) -> int:
        """TensorFlow's effective filter size."""
        return self.kernel + (self.kernel - 1) * (self.dilation - 1)

    @property
    def pads(self) -> tuple[int, int]:
        """What TensorFlow's documentation says of "SAME", by the remainder of the extent by the stride."""
        if self.padding == "SAME":
            remainder = self.extent % self.stride
            total = max(self.reach - (remainder or self.stride), 0)
            return total // 2, total - total // 2
        return (0, 0) if self.padding == "VALID" else self.padding

    @property
    def outputs(self) -> int:
        if self.padding == "SAME":
            return -(-self.extent // self.stride)
        return -(-(self.extent + sum(self.pads) - self.reach + 1) // self.stride)

    def seen(self, output: int) -> list[tuple[int, int]]:
        """Filter elements and the positions of the input that they meet; padding is left out."""
        first = output * self.stride - self.pads[0]
        places = [(k, first + k * self.dilation) for k in range(self.kernel)]
        return [(k, at) for k, at in places if 0 <= at < self.extent]


Axes = tuple[Axis, ...]
Places = list[tuple[tuple[int, ...], tuple[int, ...]]]


def windows(axes: Axes) -> Iterator[tuple[tuple[int, ...], Places]]:
    """Each output, and the (filter element, position) that it sees."""
    for output in product(*[range(axis.outputs) for axis in axes]):
        along = [axis.seen(o) for axis, o in zip(axes, output, strict=True)]
        yield (
            output,
            [(tuple(k for k, _ in pairs), tuple(at for _, at in pairs)) for pairs in product(*along)],
        )


def convolution(x: Array, filters: Array, axes: Axes) -> Array:
    """y[n, i, o] = sum over p, c of filters[p, c, o] * x[n, i * s + p * d - before, g * C + c]."""
    seen, oc = filters.shape[-2:]
    groups = x.shape[-1] // seen
    y = np.zeros((len(x), *[axis.outputs for axis in axes], oc))
    for output, places in windows(axes):
        for tap, at in places:
            for g in range(groups):
                own = slice(g * oc // groups, (g + 1) * oc // groups)
                y[(slice(None), *output, own)] += (
                    x[(slice(None), *at, slice(g * seen, (g + 1) * seen))] @ filters[(*tap, slice(None), own)]
                )
    return y


def depthwise(x: Array, filters: Array, axes: Axes) -> Array:
    """y[n, i, j, c * M + m] = sum over p of filters[p, c, m] * x[n, i * s + p * d - before, c]."""
    multiplier = filters.shape[-1]
    y = np.zeros((len(x), *[axis.outputs for axis in axes], x.shape[-1] * multiplier))
    for output, places in windows(axes):
        for tap, at in places:
            for c, m in product(range(x.shape[-1]), range(multiplier)):
                y[(slice(None), *output, c * multiplier + m)] += (
                    x[(slice(None), *at, c)] * filters[(*tap, c, m)]
                )
    return y


def transposed(x: Array, filters: Array, axes: Axes) -> Array:
    """Every pixel adds its filters where the convolution with those axes would have seen."""
    y = np.zeros((len(x), *[axis.extent for axis in axes], filters.shape[-2]))
    for output, places in windows(axes):
        for tap, at in places:
            y[(slice(None), *at)] += x[(slice(None), *output)] @ filters[tap].T
    return y


def pooled(reduction: Any, x: Array, axes: Axes) -> Array:
    """The maximum or the mean of what lies in the image."""
    y = np.zeros((len(x), *[axis.outputs for axis in axes], x.shape[-1]), x.dtype)
    for output, places in windows(axes):
        y[(slice(None), *output)] = reduction([x[(slice(None), *at)] for _, at in places], axis=0)
    return y


# ---------------------------------------------------------------- drawn problems

FORMATS = {1: ("NWC", "NCW"), 2: ("NHWC", "NCHW"), 3: ("NDHWC", "NCDHW")}


@dataclass(frozen=True)
class Problem:
    """How a call says it, and what is meant."""

    axes: Axes
    last: bool
    arguments: dict[str, Any]
    channels: int
    outputs: int
    seed: int

    def integers(self, *shape: int) -> Array:
        """Small enough that every sum is exact in any type."""
        rng = np.random.default_rng([self.seed, *shape])
        return rng.integers(-4, 5, shape)

    def image(self, batch: int = 2) -> Array:
        return self.integers(batch, *[axis.extent for axis in self.axes], self.channels)

    @property
    def kernel(self) -> tuple[int, ...]:
        return tuple(axis.kernel for axis in self.axes)

    @property
    def pads(self) -> Any:
        return tuple(axis.pads for axis in self.axes)

    def to(self, x: Array) -> Array:
        """Channels last to the format of the call."""
        return x if self.last else np.moveaxis(x, -1, 1)

    def back(self, y: Array) -> Array:
        return y if self.last else np.moveaxis(y, 1, -1)


@st.composite
def problems(
    draw: st.DrawFn, rank: int = 2, pool: bool = False, explicit: bool = True, depthwise: bool = False
) -> Problem:
    """Small images, every form in which strides and dilations may be written, every padding."""
    last = draw(st.booleans())
    small, extent = st.integers(1, 3), st.integers(1, 9 if rank < 3 else 5)
    rule = draw(st.sampled_from(["SAME", "VALID", "pairs"] if explicit else ["SAME", "VALID"]))

    def numbers(values: st.SearchStrategy[int]) -> tuple[tuple[int, ...], Any]:
        """One for each axis, and how to write it."""
        same, many = draw(st.booleans()), tuple(draw(values) for _ in range(rank))
        many = many[:1] * rank if same else many
        forms: list[Any] = [many, list(many), np.array(many)]
        forms += [[1, *many, 1] if last else (1, 1, *many)]
        forms += [many[0], np.int64(many[0]), many[:1]] if same else []
        return many, draw(st.sampled_from(forms))

    stride, strides = numbers(small)
    dilation, dilations = ((1,) * rank, None) if pool else numbers(small)
    if depthwise and max(dilation) > 1:
        stride, strides = (1,) * rank, 1
    kernel, ksize = numbers(st.integers(1, 4))
    axes = []
    for k, s, d in zip(kernel, stride, dilation, strict=True):
        below = st.integers(0, k - 1 if pool else 3)
        pair = (draw(below), draw(below)) if rule == "pairs" else rule
        axes.append(Axis(draw(extent), k, s, d, pair))
    assume(all(axis.outputs > 0 for axis in axes))
    pairs = [axis.padding for axis in axes]
    nested = [(0, 0), *pairs, (0, 0)] if last else [[0, 0], [0, 0], *map(list, pairs)]
    arguments = {
        "strides": strides,
        "padding": nested if rule == "pairs" else rule,
        "data_format": FORMATS[rank][0 if last else 1],
    }
    if last and draw(st.booleans()):
        del arguments["data_format"]
    arguments |= {"ksize": ksize} if pool else {"dilations": dilations}
    channels, outputs = draw(small), draw(small)
    return Problem(tuple(axes), last, arguments, channels, outputs, draw(st.integers(0, 99)))


EXAMPLES = settings(max_examples=150)


@EXAMPLES
@given(problem=problems(), groups=st.integers(1, 2))
def test_conv2d(problem: Problem, groups: int) -> None:
    """Integers exactly; floats with the bits of `fastconv.conv2d`, which has a test of its bound."""
    channels, oc = problem.channels * groups, problem.outputs * groups
    x = problem.integers(2, *[axis.extent for axis in problem.axes], channels)
    w = problem.integers(*problem.kernel, problem.channels, oc)
    y = tf_nn.conv2d(problem.to(x), w, **problem.arguments)
    np.testing.assert_array_equal(problem.back(y), convolution(x, w, problem.axes))

    stride, dilation = ([getattr(axis, name) for axis in problem.axes] for name in ("stride", "dilation"))
    f, v = problem.to(x).astype(np.float32), w.astype(np.float32)
    how: Any = {"padding": problem.pads, "groups": groups, "layout": "NHWC" if problem.last else "NCHW"}
    same = v if problem.last else np.moveaxis(v, (3, 2), (0, 1))
    expected = fastconv.conv2d(f, same, None, stride, dilation=dilation, **how)
    np.testing.assert_array_equal(tf_nn.conv2d(f, v, **problem.arguments), expected, strict=True)


@pytest.mark.parametrize("rank", [1, 3])
def test_conv1d_and_conv3d(rank: int) -> None:
    """The same along one axis and three."""

    @settings(max_examples=60)
    @given(problem=problems(rank))
    def check(problem: Problem) -> None:
        x, w = problem.image(), problem.integers(*problem.kernel, problem.channels, problem.outputs)
        arguments = dict(problem.arguments)
        if rank == 1:
            arguments["stride"] = arguments.pop("strides")
        y = (tf_nn.conv1d if rank == 1 else tf_nn.conv3d)(problem.to(x), w, **arguments)
        np.testing.assert_array_equal(problem.back(y), convolution(x, w, problem.axes))

    check()


@EXAMPLES
@given(problem=problems(depthwise=True))
def test_depthwise_conv2d(problem: Problem) -> None:
    """Output channel c * M + m is that of filter m of channel c."""
    x, w = problem.image(), problem.integers(*problem.kernel, problem.channels, problem.outputs)
    y = tf_nn.depthwise_conv2d(problem.to(x), w, **problem.arguments)
    np.testing.assert_array_equal(problem.back(y), depthwise(x, w, problem.axes))


@EXAMPLES
@given(problem=problems(depthwise=True), mixed=st.integers(1, 4))
def test_separable_conv2d(problem: Problem, mixed: int) -> None:
    """Channels on their own, then a matrix product of every pixel."""
    x, w = problem.image(), problem.integers(*problem.kernel, problem.channels, problem.outputs)
    mix = problem.integers(1, 1, problem.channels * problem.outputs, mixed)
    y = tf_nn.separable_conv2d(problem.to(x), w, mix, **problem.arguments)
    np.testing.assert_array_equal(problem.back(y), depthwise(x, w, problem.axes) @ mix[0, 0])


@EXAMPLES
@given(problem=problems())
def test_conv2d_transpose(problem: Problem) -> None:
    """The transpose of the convolution, at every extent that the convolution takes to the input's."""
    x = problem.integers(2, *[axis.outputs for axis in problem.axes], problem.channels)
    w = problem.integers(*problem.kernel, problem.outputs, problem.channels)
    expected = transposed(x, w, problem.axes)
    shape = problem.to(expected).shape
    y = tf_nn.conv2d_transpose(problem.to(x), w, shape, **problem.arguments)
    np.testing.assert_array_equal(problem.back(y), expected)
    # <conv2d(a), x> = <a, conv2d_transpose(x)>
    a = problem.integers(*expected.shape)
    forward = tf_nn.conv2d(problem.to(a), w, **problem.arguments)
    assert np.vdot(forward, problem.to(x)) == np.vdot(a, expected)


@pytest.mark.parametrize("outputs", [1, 2])
def test_every_pixel_becomes_four(outputs: int) -> None:
    """Kernels of 2x2 side by side, as decoders have them."""
    x, w = np.arange(12.0).reshape(1, 3, 4, 1), np.array([[1.0, 10], [100, 1000]])[:, :, None, None]
    y = tf_nn.conv2d_transpose(x, w.repeat(outputs, 2), (1, 6, 8, outputs), 2)
    for o in range(outputs):
        np.testing.assert_array_equal(y[0, :, :, o], np.kron(x[0, :, :, 0], w[:, :, 0, 0]))


@EXAMPLES
@given(problem=problems(pool=True), dtype=st.sampled_from(["float32", "float64", "int8", "int32"]))
def test_max_pool2d(problem: Problem, dtype: str) -> None:
    """Padding never wins, up to one less than the window on every side."""
    x = problem.image() - 100  # zeros would win
    y = tf_nn.max_pool2d(problem.to(x).astype(dtype), **problem.arguments)
    assert y.dtype == dtype
    np.testing.assert_array_equal(problem.back(y), pooled(np.max, x, problem.axes))


@EXAMPLES
@given(problem=problems(pool=True, explicit=False), dtype=st.sampled_from([np.float32, np.float64]))
def test_avg_pool2d(problem: Problem, dtype: Any) -> None:
    """Sums are exact, what is left is a rounded divisor and a product."""
    x = problem.image().astype(bounds.oracle(dtype))
    y = tf_nn.avg_pool2d(problem.to(x).astype(dtype), **problem.arguments)
    bound = bounds.gamma(2, dtype) * pooled(np.mean, np.abs(x), problem.axes)
    assert y.dtype == dtype
    assert_within(problem.back(y), pooled(np.mean, x, problem.axes), bound, str(problem))


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_pools_of_any_rank(rank: int) -> None:
    """The input says how many axes are spatial."""

    @settings(max_examples=40)
    @given(problem=problems(rank, pool=True, explicit=False))
    def check(problem: Problem) -> None:
        x = problem.image()
        y = tf_nn.max_pool(problem.to(x).astype(np.float32), **problem.arguments)
        np.testing.assert_array_equal(problem.back(y), pooled(np.max, x, problem.axes))
        wide = x.astype(np.float64)
        mean = tf_nn.avg_pool(problem.to(x).astype(np.float32), **problem.arguments)
        bound = bounds.gamma(2, np.float32) * pooled(np.mean, np.abs(wide), problem.axes)
        assert_within(problem.back(mean), pooled(np.mean, wide, problem.axes), bound, str(problem))

    check()


LAYERS = {
    "3x3": (3, 3, 17, 24, 1, "SAME"),
    "5x3": (5, 3, 7, 9, 2, "SAME"),
    "3x3-valid": (3, 3, 3, 16, 1, "VALID"),
}


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("data_format", FORMATS[2])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rounding(name: str, data_format: str, dtype: Any) -> None:
    """Larger layers in floats stay within the bound of the algorithm that is taken, Winograd's included."""
    kh, kw, ic, oc, stride, padding = LAYERS[name]
    rng = np.random.default_rng(3)
    x = rng.standard_normal((2, 30, 27, ic)).astype(dtype)
    w = rng.standard_normal((kh, kw, ic, oc)).astype(dtype)
    axes = tuple(Axis(i, k, stride, 1, padding) for i, k in zip(x.shape[1:3], (kh, kw), strict=True))
    kind = bounds.oracle(dtype)
    a, v = x.astype(kind), w.astype(kind)
    expected = in_wide(a, v, axes)
    if data_format == "NCHW":
        x = np.ascontiguousarray(np.moveaxis(x, -1, 1))
    y = tf_nn.conv2d(x, w, stride, padding, data_format)
    y = y if data_format == "NHWC" else np.moveaxis(y, 1, -1)
    # in the layout of the call, whose bound of Winograd's algorithm is not that of the other
    if data_format == "NCHW":
        a, v = np.moveaxis(a, -1, 1), np.moveaxis(v, (3, 2), (0, 1))
    pads, layout = tuple(axis.pads for axis in axes), data_format
    bound = bounds.conv_bound(a, v, None, dtype, layout, stride=stride, padding=pads)
    if (kh, kw, stride) == (3, 3, 1):
        how: Any = {"layout": layout, "padding": pads, "dilation": (1, 1), "groups": 1}
        limits = [bounds.winograd_bound(m, a, v, None, dtype, **how) for m in (2, 4)]
        bound = np.maximum.reduce([bound, *limits])
    bound = bound if data_format == "NHWC" else np.moveaxis(bound, 1, -1)
    assert_within(y, expected, bound, name)


def in_wide(x: Array, w: Array, axes: Axes) -> Array:
    """The convolution in the type of the arrays, all filters and images at once."""
    y = np.zeros((len(x), *[axis.outputs for axis in axes], w.shape[-1]), x.dtype)
    for output, places in windows(axes):
        y[(slice(None), *output)] = sum(x[(slice(None), *at)] @ w[tap] for tap, at in places)
    return y


# ---------------------------------------------------------------- the example of the texts

CROSS = np.full((10, 10), -1.0)
CROSS[(np.eye(10) + np.eye(10)[::-1]) > 0] = 1
DIAGONAL = 2 * np.eye(3) - 1

VALID = [
    [9, -1, 1, 3, 3, 5, -1, 1],
    [-1, 9, -1, 1, 5, -1, 1, -1],
    [1, -1, 9, 1, -3, 1, -1, 5],
    [3, 1, 1, 5, -3, -3, 5, 3],
    [3, 5, -3, -3, 5, 1, 1, 3],
    [5, -1, 1, -3, 1, 9, -1, 1],
    [-1, 1, -1, 5, 1, -1, 9, -1],
    [1, -1, 5, 3, 3, 1, -1, 9],
]
SAME = [
    [4, -2, 0, 2, 2, 2, 2, 4, -2, 2],
    [-2, 9, -1, 1, 3, 3, 5, -1, 1, -2],
    [0, -1, 9, -1, 1, 5, -1, 1, -1, 4],
    [2, 1, -1, 9, 1, -3, 1, -1, 5, 2],
    [2, 3, 1, 1, 5, -3, -3, 5, 3, 2],
    [2, 3, 5, -3, -3, 5, 1, 1, 3, 2],
    [2, 5, -1, 1, -3, 1, 9, -1, 1, 2],
    [4, -1, 1, -1, 5, 1, -1, 9, -1, 0],
    [-2, 1, -1, 5, 3, 3, 1, -1, 9, -2],
    [2, -2, 4, 2, 2, 2, 2, 0, -2, 4],
]
# With a stride of 2 nothing is padded before and one row and column after: windows are those of VALID, and
# one more of either.
SAME_BY_TWO = [[9, 1, 3, -1, -2], [1, 9, -3, -1, 2], [3, -3, 5, 1, 2], [-1, -1, 1, 9, 0], [-2, 2, 2, 0, 4]]
VALID_BY_TWO = [[9, 1, 3, -1], [1, 9, -3, -1], [3, -3, 5, 1], [-1, -1, 1, 9]]


@pytest.mark.parametrize(
    ("padding", "stride", "expected"),
    [("VALID", 1, VALID), ("SAME", 1, SAME), ("SAME", 2, SAME_BY_TWO), ("VALID", 2, VALID_BY_TWO)],
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int32])
def test_cross(padding: Any, stride: int, expected: Any, dtype: Any) -> None:
    """An X of 10x10 under a diagonal: 8x8 and 10x10, or 4x4 and 5x5, to the digits that texts print."""
    x, w = CROSS.astype(dtype), DIAGONAL.astype(dtype)[:, :, None, None]
    y = tf_nn.conv2d(x[None, :, :, None], w, [1, stride, stride, 1], padding)
    np.testing.assert_array_equal(np.round(y[0, :, :, 0], 3), expected)
    y = tf_nn.conv2d(x[None, None], w, [1, 1, stride, stride], padding, "NCHW")
    np.testing.assert_array_equal(np.round(y[0, 0], 3), expected)


def test_cross_pooled() -> None:
    """Maxima of 2x2 with a stride of 2: 8x8 to 4x4 either way, and 5x5 to 3x3 or 2x2."""
    y = np.array(VALID, np.float32)[None, :, :, None]
    quarter = [[9, 3, 5, 1], [3, 9, 1, 5], [5, 1, 9, 3], [1, 5, 3, 9]]
    for padding in ("SAME", "VALID"):
        np.testing.assert_array_equal(tf_nn.max_pool2d(y, 2, 2, padding)[0, :, :, 0], quarter)
    y = np.array(SAME_BY_TWO, np.float32)[None, :, :, None]
    np.testing.assert_array_equal(
        tf_nn.max_pool2d(y, 2, 2, "SAME")[0, :, :, 0], [[9, 3, 2], [3, 9, 2], [2, 2, 4]]
    )
    np.testing.assert_array_equal(tf_nn.max_pool2d(y, 2, 2, "VALID")[0, :, :, 0], [[9, 3], [3, 9]])
    means = [[5, -0.5, 0], [-0.5, 4, 1], [0, 1, 4]]
    np.testing.assert_array_equal(tf_nn.avg_pool2d(y, 2, 2, "SAME")[0, :, :, 0], means)


# ---------------------------------------------------------------- what else it takes


@pytest.mark.parametrize("data_format", FORMATS[2])
def test_batch_of_several_axes(data_format: Any) -> None:
    """All axes before the image are batch axes."""
    x = np.random.default_rng(0).integers(-9, 9, (2, 3, 4, 6, 6, 6))
    w = np.ones((3, 3, 6, 5), int)
    y = tf_nn.conv2d(x, w, 1, "VALID", data_format)
    assert y.shape == ((2, 3, 4, 4, 4, 5) if data_format == "NHWC" else (2, 3, 4, 5, 4, 4))
    np.testing.assert_array_equal(y[1, 2], tf_nn.conv2d(x[1, 2], w, 1, "VALID", data_format))


def test_no_images() -> None:
    """A batch of none gives none."""
    nothing, w = np.zeros((0, 5, 5, 2), np.float32), np.zeros((3, 3, 2, 2), np.float32)
    assert tf_nn.conv2d(nothing, w, 1, "SAME").shape == (0, 5, 5, 2)
    assert tf_nn.depthwise_conv2d(nothing, w, 1, "SAME").shape == (0, 5, 5, 4)
    assert tf_nn.conv2d_transpose(nothing, w, [0, 10, 10, 2], 2).shape == (0, 10, 10, 2)
    assert tf_nn.max_pool2d(nothing, 2, 2, "SAME").shape == (0, 3, 3, 2)


def test_parameters_are_those_of_tensorflow() -> None:
    """By position in this order, `name` last and ignored."""
    order = {
        tf_nn.conv1d: "input filters stride padding data_format dilations name",
        tf_nn.conv2d: "input filters strides padding data_format dilations name",
        tf_nn.conv3d: "input filters strides padding data_format dilations name",
        tf_nn.depthwise_conv2d: "input filter strides padding data_format dilations name",
        tf_nn.separable_conv2d: "input depthwise_filter pointwise_filter strides padding data_format "
        "dilations name",
        tf_nn.conv2d_transpose: "input filters output_shape strides padding data_format dilations name",
        tf_nn.max_pool: "input ksize strides padding data_format name",
        tf_nn.max_pool2d: "input ksize strides padding data_format name",
        tf_nn.avg_pool: "input ksize strides padding data_format name",
        tf_nn.avg_pool2d: "input ksize strides padding data_format name",
    }
    assert {function.__name__ for function in order} == set(tf_nn.__all__)
    for function, names in order.items():
        assert list(inspect.signature(function).parameters) == names.split()
    x, w = np.ones((1, 3, 3, 1)), np.ones((3, 3, 1, 1))
    assert tf_nn.conv2d(x, w, 1, "VALID", name="layer") == 9


# ---------------------------------------------------------------- what it refuses


def zeros(*shape: int, dtype: Any = np.float32) -> Array:
    return np.zeros(shape, dtype)


CALLS: dict[str, dict[str, Any]] = {
    "conv1d": {"input": zeros(1, 8, 4), "filters": zeros(3, 4, 2), "stride": 1, "padding": "SAME"},
    "conv2d": {"input": zeros(1, 8, 8, 4), "filters": zeros(3, 3, 4, 2), "strides": 1, "padding": "SAME"},
    "conv3d": {
        "input": zeros(1, 8, 8, 8, 4),
        "filters": zeros(3, 3, 3, 4, 2),
        "strides": 1,
        "padding": "SAME",
    },
    "depthwise_conv2d": {
        "input": zeros(1, 8, 8, 4),
        "filter": zeros(3, 3, 4, 2),
        "strides": 1,
        "padding": "SAME",
    },
    "separable_conv2d": {
        "input": zeros(1, 8, 8, 4),
        "depthwise_filter": zeros(3, 3, 4, 2),
        "pointwise_filter": zeros(1, 1, 8, 5),
        "strides": 1,
        "padding": "SAME",
    },
    "conv2d_transpose": {
        "input": zeros(1, 4, 4, 2),
        "filters": zeros(3, 3, 4, 2),
        "output_shape": (1, 8, 8, 4),
        "strides": 2,
    },
    "max_pool": {"input": zeros(1, 8, 8, 4), "ksize": 2, "strides": 2, "padding": "SAME"},
    "max_pool2d": {"input": zeros(1, 8, 8, 4), "ksize": 2, "strides": 2, "padding": "SAME"},
    "avg_pool": {"input": zeros(1, 8, 8, 4), "ksize": 2, "strides": 2, "padding": "SAME"},
    "avg_pool2d": {"input": zeros(1, 8, 8, 4), "ksize": 2, "strides": 2, "padding": "SAME"},
}
Row = tuple[str, dict[str, Any], type[Exception], str, str]


def rows() -> Iterator[Row]:
    """A function, what is changed in its call, the error, and what its message names and quotes."""
    for function, call in CALLS.items():
        rank = 2 if function not in ("conv1d", "conv3d") else int(function[4])
        counts = {"stride", "strides", "ksize", "dilations"} & set(call) | (
            set() if "pool" in function else {"dilations"}
        )
        for name in sorted(counts):
            for value in (
                0,
                -1,
                2**31,
                10**30,
                (),
                (1,) * (rank + 3),
                (1,) * (rank + 1) + (0,),
                [2] * (rank + 2),
            ):
                yield function, {name: value}, ValueError, name, str(value)
            for value in ((1,) * (rank + 1) + (2,), [2] + [1] * (rank + 1)):
                yield function, {name: value}, ValueError, name, str(value)
            for value in (1.5, "2", (1, 0.5)[: min(rank, 2)] if rank > 1 else (0.5,), 1j):
                yield function, {name: value}, TypeError, name, str(value)
            if name != "dilations":
                yield function, {name: None}, TypeError, name, "None"
        for value in ("same", "valid", "FULL", "EXPLICIT", "", "SAME_LOWER"):
            yield function, {"padding": value}, ValueError, "padding", repr(value)
        wrong = TypeError if not function.startswith("avg") else ValueError
        for value in (1, None, [1, 1, 1, 1], [[0, 0.5]] * 4):
            yield function, {"padding": value}, wrong, "padding", str(value)
        for value in (
            [],
            [[0, 0]] * (rank + 1),
            [[0]] * (rank + 2),
            [[0, 0, 0]] * (rank + 2),
            [[0, 0], [-1, 0]] + [[0, 0]] * rank,
            [[1, 0]] + [[0, 0]] * (rank + 1),
            [[0, 0]] * (rank + 1) + [[0, 1]],
            [[0, 0], [2**31, 0]] + [[0, 0]] * rank,
        ):
            yield function, {"padding": value}, ValueError, "padding", str(value)
        for value in ("NC", "nhwc", "HWCN", "NCHW_VECT_C", 3):
            yield function, {"data_format": value}, ValueError, "data_format", str(value)
        for dtype in ("bool", "object", "datetime64[s]", "longdouble"):
            same = {name: a.astype(dtype) for name, a in call.items() if isinstance(a, np.ndarray)}
            yield function, same, TypeError, "input", str(np.dtype(dtype))
        for name in [name for name, a in call.items() if isinstance(a, np.ndarray)]:
            other = call[name].astype(np.float64)
            if name != "input":
                yield function, {name: other}, TypeError, name, "float64"
                yield (
                    function,
                    {name: call[name][..., None]},
                    ValueError,
                    name,
                    str(call[name][..., None].shape),
                )
                yield function, {name: call[name][0]}, ValueError, name, str(call[name][0].shape)
            yield function, {name: zeros()}, ValueError, name, "()"
            yield function, {name: zeros(2)}, ValueError, name, "(2,)"
        for value in ("image", None):
            yield function, {"input": value}, ValueError, "input", "()"
    for pool in ("max_pool", "avg_pool"):
        yield pool, {"input": zeros(1, 2, 2, 2, 2, 2)}, ValueError, "input", "(1, 2, 2, 2, 2, 2)"
        yield pool, {"input": zeros(1, 2)}, ValueError, "input", "(1, 2)"
        yield f"{pool}2d", {"input": zeros(1, 8, 4)}, ValueError, "input", "(1, 8, 4)"
        yield f"{pool}2d", {"ksize": 9, "padding": "VALID"}, ValueError, "ksize", "9"
        yield f"{pool}2d", {"input": zeros(1, 0, 8, 4)}, ValueError, "input", "(1, 0, 8, 4)"
        yield pool, {"data_format": "NDHWC"}, ValueError, "data_format", "NDHWC"
    for pair in ([2, 0], [0, 2]):
        padding = [[0, 0], pair, [0, 0], [0, 0]]
        yield "max_pool2d", {"padding": padding}, ValueError, "padding", str(padding)
    yield "avg_pool2d", {"padding": [[0, 0]] * 4}, ValueError, "padding", str([[0, 0]] * 4)
    yield "max_pool2d", {"input": zeros(1, 8, 8, 4, dtype=np.int64)}, TypeError, "input", "int64"
    yield "avg_pool2d", {"input": zeros(1, 8, 8, 4, dtype=np.int32)}, TypeError, "input", "int32"

    yield "conv2d", {"input": zeros(8, 8, 4)}, ValueError, "input", "(8, 8, 4)"
    yield "conv2d", {"filters": zeros(9, 3, 4, 2), "padding": "VALID"}, ValueError, "filters", "(9, 3)"
    yield "conv2d", {"dilations": 4, "padding": "VALID"}, ValueError, "dilations", "(4, 4)"
    yield "conv2d", {"input": zeros(1, 8, 0, 4)}, ValueError, "input", "(1, 8, 0, 4)"
    for shape in ((0, 3, 4, 2), (3, 3, 3, 2), (3, 3, 0, 2), (3, 3, 8, 2), (3, 3, 2, 3)):
        yield "conv2d", {"filters": zeros(*shape)}, ValueError, "filters", str(shape if shape[0] else (0, 3))
    first = {"data_format": "NCHW", "input": zeros(1, 6, 8, 4)}
    yield "conv2d", first, ValueError, "filters", "(3, 3, 4, 2)"
    for shape in ((3, 3, 3, 2), (3, 3, 1, 8), (3, 3, 0, 1)):
        yield "depthwise_conv2d", {"filter": zeros(*shape)}, ValueError, "filter", str(shape)
        yield (
            "separable_conv2d",
            {"depthwise_filter": zeros(*shape)},
            ValueError,
            "depthwise_filter",
            str(shape),
        )
    for function in ("depthwise_conv2d", "separable_conv2d"):
        both = {"dilations": (1, 2), "strides": [1, 1, 2, 1]}
        yield function, both, ValueError, "dilations", "(1, 2)"
        yield function, both, ValueError, "strides", "[1, 1, 2, 1]"
        yield function, {"data_format": "NCHW"}, ValueError, ".*filter", "(3, 3, 4, 2)"
    for shape in ((1, 1, 7, 5), (1, 3, 8, 5), (3, 1, 8, 5)):
        yield (
            "separable_conv2d",
            {"pointwise_filter": zeros(*shape)},
            ValueError,
            "pointwise_filter",
            str(shape),
        )
    shapes: list[Any] = [(1, 8, 8), (8, 8), 8, (1, 8, 8, 4, 1), (1, 9, 8, 4), (1, 8, 6, 4), (2, 8, 8, 4)]
    for value in [*shapes, (1, 8, 8, 3), (1, -8, 8, 4), (1, 0, 8, 4)]:
        yield "conv2d_transpose", {"output_shape": value}, ValueError, "output_shape", str(value)
    for value in (1.5, "8", (1, 8, 8.0, 4), None):
        yield "conv2d_transpose", {"output_shape": value}, TypeError, "output_shape", str(value)
    for shape in ((3, 3, 4, 3), (3, 3, 2, 4)):
        yield "conv2d_transpose", {"filters": zeros(*shape)}, ValueError, "filters", str(shape)


ROWS = list(rows())


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row[0]}-{row[3]}-{row[4]}"[:80])
def test_refused(row: Row) -> None:
    """The message names the argument as TensorFlow calls it, and its value."""
    function, change, error, name, value = row
    with pytest.raises(error) as caught:
        getattr(tf_nn, function)(**CALLS[function] | change)
    assert type(caught.value) is error
    check_message(str(caught.value), name, value.strip("'"))


def test_calls_are_valid_before_they_are_spoilt() -> None:
    """Without the change no error."""
    for function, call in CALLS.items():
        getattr(tf_nn, function)(**call)
