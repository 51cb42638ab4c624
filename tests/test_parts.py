"""Parts of a result have the bits of the whole, and read no more than they need."""

from __future__ import annotations

import pickle
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from itertools import product
from math import prod
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fastconv
from fastconv import Problem, _fastconv, ndimage
from fastconv._parts import Mosaic, Operation, Region, Run, operation
from fastconv._parts.axes import Axis, AxisPart, FilteredAxis, WholeAxis, WindowedAxis

from .part_calls import (
    CONV_TYPES,
    EXAMPLES,
    FILTER_TYPES,
    FILTERS,
    MODES,
    NAMES,
    Call,
    Drawn,
    assert_same_bits,
    computing,
    convolutions,
    draw_array,
    filters,
    means,
    operation_of,
    part_of,
    pieces,
    pools,
    regions,
    whole_of,
)
from .problems import CONVOLUTIONS, POOLS, arguments, arrays, call
from .processes import answer
from .reference import Array
from .test_arrays import FORMS
from .variants import algorithms, instruction_set, variants

# Arrays with infinities are among those that are drawn, and NumPy adds some of them up.
pytestmark = pytest.mark.filterwarnings("ignore:(invalid value|overflow) encountered:RuntimeWarning")

campaign = settings.get_profile("campaign")


class Noted:
    """A source that notes what is read of it, all of which has to be there."""

    def __init__(self, x: Array) -> None:
        self.x = x
        self.runs: list[tuple[tuple[Run, ...], ...]] = []

    def read(self, runs: Sequence[Sequence[Run]]) -> Array:
        for axis, extent in zip(runs, self.x.shape, strict=True):
            assert all(0 <= begin < end <= extent for begin, end in axis), (runs, self.x.shape)
        self.runs.append(tuple(tuple(axis) for axis in runs))
        return read(self.x, runs)

    def core(self, region: Region) -> None:
        """No piece that could be computed as it is."""


def read(x: Array, runs: Sequence[Sequence[Run]]) -> Array:
    """The elements on the runs of every axis."""
    return x[np.ix_(*(np.concatenate([np.arange(*run) for run in axis]) for axis in runs))]


def all_of(x: Array) -> Mosaic:
    """An array in one piece."""
    return Mosaic([((0,) * x.ndim, x)])


# ---------------------------------------------------------------- any call


def check_call(call: Call) -> None:
    """Random parts, each from pieces of its own, against the call in memory."""
    x, given, whole = whole_of(call)
    with computing(call, 1):
        if isinstance(whole, Exception):
            with pytest.raises(type(whole)):
                operation_of(call, x, given)
            return
        does = operation_of(call, x, given)
        assert (does.shape, does.dtype) == (whole.shape, whole.dtype)
        if whole.size == 0:
            return
        rng = call.rng()
        for region in regions(rng, whole.shape, 3):
            part = does.compute(region, pieces(rng, x))
            assert_same_bits(part, part_of(whole, region), f"{region} of {call}")


@given(filters())
def test_filter(call: Call) -> None:
    """Any filter."""
    check_call(call)


@given(means())
def test_mean(call: Call) -> None:
    """Those whose sums depend on what else is computed with them."""
    check_call(call)


@given(convolutions())
def test_convolution(call: Call) -> None:
    """Any convolution."""
    check_call(call)


@given(pools())
def test_pool(call: Call) -> None:
    """Any pool."""
    check_call(call)


@pytest.mark.campaign
@pytest.mark.timeout(0)
@settings(campaign)
@given(filters({1: 3000, 2: 300, 3: 60}))
def test_filter_campaign(call: Call) -> None:
    """Any filter, at length, of larger arrays."""
    check_call(call)


@pytest.mark.campaign
@pytest.mark.timeout(0)
@settings(campaign)
@given(convolutions({1: 1500, 2: 150, 3: 25}))
def test_convolution_campaign(call: Call) -> None:
    """Any convolution, at length, of larger images."""
    check_call(call)


@pytest.mark.campaign
@pytest.mark.timeout(0)
@settings(campaign)
@given(pools({1: 3000, 2: 200, 3: 40}))
def test_pool_campaign(call: Call) -> None:
    """Any pool, at length, of larger images."""
    check_call(call)


def check_parts(does: Operation, x: Array, whole: Array, what: str, count: int = 3) -> None:
    """The whole in one part, and some parts."""
    assert (does.shape, does.dtype) == (whole.shape, whole.dtype), what
    rng = np.random.default_rng([whole.size, *what.encode()])
    every = tuple((0, extent) for extent in whole.shape)
    for region in (every, *regions(rng, whole.shape, count)):
        part = does.compute(region, pieces(rng, x))
        assert_same_bits(part, part_of(whole, region), f"{what}, {region}")


# ---------------------------------------------------------------- every type, every form

FILTER_ARGUMENTS = {name: how for name, (_, how) in EXAMPLES.items() if name in FILTERS}


@pytest.mark.parametrize("dtype", dict.fromkeys(FILTER_TYPES))
@pytest.mark.parametrize("name", FILTER_ARGUMENTS)
def test_types_of_filters(name: str, dtype: str) -> None:
    """Every filter of every type; complex numbers have no order, which is the same error."""
    function = getattr(ndimage, name)
    x = draw_array(np.random.default_rng(3), Drawn((41, 37), dtype, "spread"))
    if x.dtype.kind == "c" and name.startswith(("maximum", "minimum")):
        with pytest.raises(TypeError) as expected:
            function(x, **FILTER_ARGUMENTS[name])
        with pytest.raises(TypeError) as caught:
            operation(function, x.shape, x.dtype, **FILTER_ARGUMENTS[name])
        assert str(caught.value) == str(expected.value)
        return
    whole = function(x, **FILTER_ARGUMENTS[name])
    check_parts(operation(function, x.shape, x.dtype, **FILTER_ARGUMENTS[name]), x, whole, name)


@pytest.mark.parametrize("dtype", dict.fromkeys(CONV_TYPES))
@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_types_of_convolutions(layout: str, dtype: str) -> None:
    """Every type; of integers the largest there are."""
    rng = np.random.default_rng(3)
    small = dtype in ("int8", "uint8")  # whose sums are int32
    shapes = [(2, 3, 17, 22), (8, 3, 3, 3)] if layout == "NCHW" else [(2, 17, 22, 3), (3, 3, 3, 8)]
    x, w = (draw_array(rng, Drawn(shape, dtype, "normal" if small else "spread")) for shape in shapes)
    bias = draw_array(rng, Drawn((8,), "int32" if small else dtype))
    how: dict[str, Any] = {"weight": w, "bias": bias, "padding": 1, "stride": (1, 2), "layout": layout}
    whole = fastconv.conv2d(x, **how)
    check_parts(operation(fastconv.conv2d, x.shape, x.dtype, **how), x, whole, f"{dtype} {layout}")


@pytest.mark.parametrize("form", FORMS)
def test_forms(form: str) -> None:
    """However input and weights lie in memory."""
    rng = np.random.default_rng(4)
    x, w = rng.standard_normal((2, 3, 19, 23)), rng.standard_normal((4, 3, 3, 3))
    shown, kernel = np.asarray(FORMS[form](x)), FORMS[form](w)
    whole = fastconv.conv2d(shown, kernel, padding=1)
    does = operation(fastconv.conv2d, shown.shape, shown.dtype, kernel, padding=1)
    part = does.compute(((1, 2), (0, 4), (3, 9), (0, 23)), all_of(shown))
    assert_same_bits(part, whole[1:2, :, 3:9], form)
    image = np.asarray(FORMS[form](x[0, 0]))
    blurred = operation(ndimage.gaussian_filter, image.shape, image.dtype, 1.5)
    part = blurred.compute(((2, 9), (5, 23)), all_of(image))
    assert_same_bits(part, ndimage.gaussian_filter(image, 1.5)[2:9, 5:23], form)


@pytest.mark.parametrize("special", [np.nan, np.inf])
@pytest.mark.parametrize("padding_mode", ["zeros", "reflect"])
@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("algorithm", ["auto", "direct", "im2col", "winograd4"])
def test_weights_that_are_not_finite(special: float, padding_mode: str, layout: str, algorithm: str) -> None:
    """Padding must not meet them, which may change how the whole is summed."""
    rng = np.random.default_rng(5)
    x, w = rng.standard_normal((2, 5, 26, 31)), rng.standard_normal((9, 5, 3, 3))
    w[4, 2, 1, 0] = special  # of nine channels eight are finite, and their bits tell the order of the sums
    if layout == "NHWC":
        x, w = np.moveaxis(x, 1, -1).copy(), np.moveaxis(w, (0, 1), (-1, -2)).copy()
    how: dict[str, Any] = {"padding": 1, "padding_mode": padding_mode, "layout": layout}
    how["algorithm"] = algorithm
    for isa in fastconv.instruction_sets():
        with instruction_set(isa):
            whole = fastconv.conv2d(x, w, **how)
            assert np.isfinite(whole).mean() > 0.8
            does = operation(fastconv.conv2d, x.shape, x.dtype, w, **how)
            check_parts(does, x, whole, f"{special} {padding_mode} {layout} {algorithm} on {isa}", 8)


@pytest.mark.parametrize("name", ["minimum_filter1d", "maximum_filter1d"])
def test_unsigned_numbers_beyond_the_signed_ones(name: str) -> None:
    """They are compared as signed ones; what lies beyond the ends is the same with and without them."""
    x = np.full(100, 9, np.uint64)
    x[90] = 2**63 + 5
    how: dict[str, Any] = {"size": 3, "mode": "constant", "cval": 3}
    function = getattr(ndimage, name)
    check_parts(operation(function, x.shape, x.dtype, **how), x, function(x, **how), name, 10)


@pytest.mark.parametrize("name", [*CONVOLUTIONS, *POOLS])
def test_named_problem(name: str) -> None:
    """The problems of the other tests: tiles, vectors and windows one more and one less than whole ones."""
    text = (CONVOLUTIONS | POOLS)[name]
    problem = Problem(text)
    if problem.return_indices:
        problem = Problem(text.replace(" indices", ""))
    data, how = arrays(text), arguments(problem)
    if data.weight is not None:
        how |= {"weight": data.weight, "bias": data.bias}
    function = getattr(fastconv, problem.op)
    whole = function(data.input, **how)
    does = operation(function, data.input.shape, data.input.dtype, **how)
    assert (does.shape, does.dtype) == (whole.shape, whole.dtype)
    if whole.size:
        check_parts(does, data.input, whole, name)


# ---------------------------------------------------------------- algorithms by name

# Each in both orientations and with every order of its sums, which the test below makes sure of.
NAMED = {
    "direct": "conv2d n2 ic7 ih19 iw26 oc11 kh3 kw3 s1 p0 nchw f32 bias",
    "direct-padded": "conv2d n2 ic7 ih19 iw26 oc11 kh3 kw3 s1 p1 nchw f32 bias",
    "direct-padded-nhwc": "conv2d n2 ic7 ih19 iw26 oc40 kh3 kw3 s1 p1 nhwc f32 bias relu",
    "direct-stride": "conv2d n1 ic5 ih33 iw38 oc70 kh3 kw3 s2 p1 nchw f32 bias",
    "direct-dilated": "conv2d n1 ic3 ih33 iw38 oc9 kh3 kw2 s1 p2 dh2 dw3 nhwc f64",
    "wide": "conv2d n1 ic33 ih9 iw140 oc17 kh3 kw3 s1 p1 nchw f32",
    "winograd": "conv2d n2 ic20 ih27 iw34 oc18 kh3 kw3 s1 p1 nchw f32 bias",
    "winograd-nhwc": "conv2d n2 ic20 ih27 iw34 oc18 kh3 kw3 s1 ph2:0 pw0:1 nhwc f64",
    "winograd-lanes": "conv2d n2 ic3 ih21 iw150 oc5 kh3 kw3 s1 p1 nchw f32 bias relu",
    "winograd-dilated": "conv2d n1 ic5 ih33 iw38 oc6 kh3 kw3 s1 p2 d2 nchw f32",
    "winograd-2x2": "conv2d n1 ic16 ih27 iw33 oc18 kh2 kw2 s1 ph1:0 pw0:1 nchw f32",
    "winograd-deep": "conv2d n1 ic130 ih14 iw15 oc17 kh3 kw3 s1 p1 nhwc f32",
    "depthwise": "conv2d n2 ic13 ih29 iw40 oc13 kh3 kw3 s1 p1 g13 nchw f32 bias",
    "depthwise-nhwc": "conv2d n2 ic33 ih19 iw20 oc33 kh3 kw3 s1 p1 g33 nhwc f32 bias",
    "depthwise-narrow": "conv2d n1 ic20 ih24 iw5 oc20 kh7 kw7 s1 p3 g20 nchw f32",
    "depthwise-stride": "conv2d n1 ic16 ih31 iw66 oc16 kh5 kw5 s2 p2 g16 nchw f64",
    "depthwise-multiplier": "conv2d n1 ic7 ih18 iw37 oc14 kh3 kw3 s1 p0 g7 nchw f64",
    "pointwise": "conv2d n2 ic31 ih15 iw17 oc33 kh1 kw1 s1 p0 nchw f32 bias",
    "pointwise-nhwc": "conv2d n2 ic31 ih15 iw17 oc33 kh1 kw1 s1 p0 nhwc f64 silu",
    "one-row": "conv1d n2 ic9 iw190 oc12 kw5 s1 p2 nchw f32 bias",
    "slices": "conv3d n1 ic4 id9 ih10 iw19 oc6 kd3 kh3 kw3 s1 p1 nchw f32",
    "groups": "conv2d n1 ic12 ih19 iw31 oc8 kh3 kw3 s1 p1 g2 nhwc f32",
}


@pytest.mark.parametrize("name", NAMED)
def test_algorithm_by_name(name: str) -> None:
    """Every algorithm that can, on every instruction set, by one thread and by two."""
    text = NAMED[name]
    problem, data = Problem(text), arrays(text)
    x, function = data.input, getattr(fastconv, problem.op)
    how = arguments(problem) | {"weight": data.weight, "bias": data.bias}
    for algorithm, what in variants(problem, (1, 2)):
        whole = call(problem, data, algorithm=algorithm)
        does = operation(function, x.shape, x.dtype, **how, algorithm=algorithm)
        check_parts(does, x, whole, what)
    for isa in fastconv.instruction_sets():
        with instruction_set(isa), fastconv.threads(1):
            whole = call(problem, data)
            does = operation(function, x.shape, x.dtype, **how)
            with fastconv.threads(2):
                check_parts(does, x, whole, f"auto on {isa}")


def test_every_order_of_sums() -> None:
    """The problems above are computed in every way that parts have to be told."""
    seen = set()
    for text in NAMED.values():
        problem = Problem(text)
        for algorithm in algorithms(problem):
            seen.add(_fastconv.method(problem, algorithm)[0])
    orders = {f"depthwise/{order}" for order in ("columns+pixels", "taps+pixels", "taps")}
    orders |= {f"winograd4/{order}" for order in ("columns", "taps+pixels", "taps")}
    orders |= {f"direct/{order}" for order in ("taps", "columns")}
    assert orders <= seen
    assert {name.partition("/")[0] for name in seen} >= {"im2col", "winograd2", "winograd4", "pointwise"}


def test_tiles_that_are_left_to_direct() -> None:
    """One large pixel makes Winograd's algorithm leave its tile to another: the same tiles in every part."""
    rng = np.random.default_rng(6)
    x, w = rng.standard_normal((1, 16, 40, 44)), rng.standard_normal((16, 16, 3, 3))
    for at in rng.integers(0, x.size, 9):
        x.flat[at] *= 1e6
    for algorithm in ("winograd2", "winograd4"):
        whole = fastconv.conv2d(x, w, padding=1, algorithm=algorithm)
        does = operation(fastconv.conv2d, x.shape, x.dtype, w, padding=1, algorithm=algorithm)
        check_parts(does, x, whole, algorithm, 20)


# ---------------------------------------------------------------- what is known before anything is computed

HUGE: dict[str, tuple[tuple[int, ...], dict[str, Any], tuple[int, ...]]] = {
    **{name: ((2**40, 2**41), how, (2**40, 2**41)) for name, how in FILTER_ARGUMENTS.items()},
    "conv2d": (
        (2**12, 3, 2**19, 2**18),
        {"weight": np.ones((8, 3, 5, 5), np.float32), "stride": 2, "padding": 2},
        (2**12, 8, 2**18, 2**17),
    ),
    "max_pool3d": ((5, 2**17, 2**17, 2**17), {"kernel_size": 2, "layout": "NCDHW"}, (5, *[2**16] * 3)),
    "avg_pool2d": ((9, 2**19, 2**19), {"kernel_size": 3, "stride": 1, "padding": "same"}, (9, 2**19, 2**19)),
}


@pytest.mark.parametrize("name", HUGE)
def test_known_of_any_size(name: str) -> None:
    """Shape and type of what no memory holds, and which part of it needs what."""
    shape, how, outputs = HUGE[name]
    function = getattr(ndimage if name in FILTER_ARGUMENTS else fastconv, name)
    does = operation(function, shape, np.dtype(np.float32), **how)
    assert (does.name, does.shape, does.dtype) == (name, outputs, np.float32)
    middle = tuple((extent // 2, extent // 2 + 1) for extent in outputs)
    assert all(part.size < 300 for part in does.parts(middle))


@pytest.mark.parametrize("name", ["max_pool1d", "avg_pool1d", "lp_pool1d", "conv1d"])
def test_known_of_a_long_axis(name: str) -> None:
    """What is known takes no memory for each output: a process with 2 GB of addresses tells it of 2**33."""
    answer(
        f"""
        import resource
        import numpy as np
        import fastconv
        from fastconv._parts import operation

        resource.setrlimit(resource.RLIMIT_AS, (2 * 10**9, 2 * 10**9))
        w = np.ones((1, 1, 3), np.float32)
        arguments = {{"conv1d": (w,), "lp_pool1d": (2.0, 3, 1)}}.get("{name}", (3, 1))
        does = operation(fastconv.{name}, (1, 1, 2**33), np.dtype(np.float32), *arguments)
        assert does.shape == (1, 1, 2**33 - 2)
        """,
        OMP_NUM_THREADS="1",
    )


def test_nothing_is_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    """An operation runs no kernel on more than one element."""
    seen: list[int] = []
    for kernel in ("filter", "filter_axes"):
        real = getattr(_fastconv, kernel)

        def noting(op: str, x: Array, *rest: Any, real: Callable[..., Any] = real) -> Any:
            seen.append(x.size)
            return real(op, x, *rest)

        monkeypatch.setattr(_fastconv, kernel, noting)
    for name, how in FILTER_ARGUMENTS.items():
        operation(getattr(ndimage, name), (100, 100), np.dtype(np.float64), **how)
    assert seen
    assert set(seen) == {1}


@pytest.mark.parametrize(
    ("name", "how", "message"),
    [
        ("gaussian_filter", {"sigma": -1}, "sigma is -1"),
        ("gaussian_filter", {"sigma": [1, 2, 3]}, "sigma"),
        ("correlate", {"weights": [1.0, 2.0]}, "weights"),
        ("correlate", {"weights": [[1.0]], "mode": "reflected"}, "mode is 'reflected'"),
        ("uniform_filter", {"size": 0}, "size"),
        ("uniform_filter1d", {"size": 3, "axis": 2}, "axis 2 is not one"),
        ("maximum_filter", {"size": 3, "origin": 2}, "origin is 2"),
        ("minimum_filter", {}, "size and footprint are None"),
        ("gaussian_filter", {"sigma": 1, "output": np.zeros((9, 8))}, "output is an array"),
        ("conv2d", {"weight": np.zeros((4, 3, 3, 3), np.float32), "stride": 0}, "stride=0"),
        ("conv2d", {"weight": np.zeros((4, 2, 3, 3), np.float32)}, "weight|input"),
        ("conv2d", {"weight": np.zeros((4, 3, 3, 3))}, "weight"),
        ("conv2d", {"weight": np.zeros((4, 3, 3, 3), np.float32), "algorithm": "fast"}, "algorithm='fast'"),
        ("conv2d", {"weight": np.zeros((4, 3, 3, 3), np.float32), "out": np.zeros(3)}, "out is an array"),
        ("max_pool2d", {"kernel_size": 90}, "kernel_size"),
        ("max_pool2d", {"kernel_size": 2, "return_indices": True}, "return_indices is True"),
        ("avg_pool2d", {"kernel_size": 2, "out": np.zeros(3)}, "out is an array"),
        ("lp_pool2d", {"norm_type": -1.0, "kernel_size": 2}, "norm_type"),
    ],
)
def test_refused(name: str, how: dict[str, Any], message: str) -> None:
    """What the function refuses, and what cannot be computed in parts, before anything is read."""
    function = getattr(ndimage if name in FILTER_ARGUMENTS else fastconv, name)
    shape = (9, 8) if name in FILTER_ARGUMENTS else (2, 3, 9, 8)
    with pytest.raises((TypeError, ValueError), match=message):
        operation(function, shape, np.dtype(np.float32), **how)


@pytest.mark.parametrize("batch", [(), (0,), (1,), (5,)])
def test_errors_tell_the_shape(batch: tuple[int, ...]) -> None:
    """Of the input that was given, as the function does."""
    shape, w = (*batch, 3, 4, 8), np.zeros((4, 3, 5, 5), np.float32)
    with pytest.raises(ValueError, match=r"weight|input") as expected:
        fastconv.conv2d(np.zeros(shape, np.float32), w)
    with pytest.raises(ValueError, match=r"weight|input") as caught:
        operation(fastconv.conv2d, shape, np.dtype(np.float32), w)
    assert str(caught.value) == str(expected.value)


# ---------------------------------------------------------------- pickles


def test_pickle_without_packed_weights() -> None:
    """An operation travels with the weights as they were given, once, and computes the same there."""
    rng = np.random.default_rng(7)
    x = rng.standard_normal((1, 64, 40, 40)).astype(np.float32)
    w = rng.standard_normal((64, 64, 3, 3)).astype(np.float32)
    does = operation(fastconv.conv2d, x.shape, x.dtype, w, padding=1)
    before = pickle.dumps(does)
    region = ((0, 1), (0, 64), (5, 30), (5, 30))  # inside, where weights are packed
    computed = does.compute(region, all_of(x))
    after = pickle.dumps(does)
    assert len(before) == len(after) < w.nbytes + 4096
    other = pickle.loads(after)
    assert (other.shape, other.dtype, other.axes) == (does.shape, does.dtype, does.axes)
    for again in (other, pickle.loads(pickle.dumps(other))):
        assert_same_bits(again.compute(region, all_of(x)), computed, "a copy")


@given(st.one_of(filters(), convolutions(), pools()))
@settings(max_examples=60)
def test_pickle(call: Call) -> None:
    """Any operation, before and after it has computed."""
    x, given, whole = whole_of(call)
    if isinstance(whole, Exception) or whole.size == 0:
        return
    size = sum(value.nbytes for value in given.values() if isinstance(value, np.ndarray))
    with computing(call, 1):
        does = operation_of(call, x, given)
        for _ in range(2):
            pickled = pickle.dumps(does)
            assert len(pickled) < size + 4096
            (region,) = regions(call.rng(), whole.shape, 1)
            part = pickle.loads(pickled).compute(region, all_of(x))
            assert_same_bits(part, part_of(whole, region), call)
            does.compute(region, all_of(x))


def test_an_operation_keeps_no_input() -> None:
    """It is made for a shape and a type, and serves any array of them."""
    rng = np.random.default_rng(8)
    w = rng.standard_normal((4, 3, 3, 3))
    does = operation(fastconv.conv2d, (1, 3, 12, 12), np.dtype(np.float64), w)
    for _ in range(3):
        x = rng.standard_normal((1, 3, 12, 12))
        part = does.compute(((0, 1), (0, 4), (2, 7), (0, 10)), all_of(x))
        assert_same_bits(part, fastconv.conv2d(x, w)[:, :, 2:7], "another input")


# ---------------------------------------------------------------- what is read


def inside(begin: int, end: int, stride: int, before: int, extent: int) -> Run:
    """The inputs that outputs see, from the definition."""
    return begin * stride - before, (end - 1) * stride - before + extent


@pytest.mark.parametrize("stride", [1, 2, 3, 5])
@pytest.mark.parametrize("dilation", [1, 2])
@pytest.mark.parametrize("kernel", [1, 3, 4])
@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_windows_read_what_they_see(stride: int, dilation: int, kernel: int, layout: str) -> None:
    """Inside an image: a convolution by direct, and maxima, which read their own channels alone."""
    last = layout == "NHWC"
    images = (2, 60, 70, 3) if last else (2, 3, 60, 70)
    weight = (kernel, kernel, 3, 4) if last else (4, 3, kernel, kernel)
    padding = kernel // 2
    how: dict[str, Any] = {"stride": stride, "padding": padding, "dilation": dilation, "layout": layout}
    convolution = operation(
        fastconv.conv2d, images, np.dtype(np.float32), np.ones(weight, np.float32), algorithm="direct", **how
    )
    maxima = operation(fastconv.max_pool2d, images, np.dtype(np.float32), kernel, **how)
    spatial = ((4, 7), (5, 6))
    seen = tuple(inside(*run, stride, padding, (kernel - 1) * dilation + 1) for run in spatial)
    for does, channels, of_input in ((convolution, (1, 3), (0, 3)), (maxima, (1, 2), (1, 2))):
        region = ((1, 2), *spatial, channels) if last else ((1, 2), channels, *spatial)
        expected = ((1, 2), *seen, of_input) if last else ((1, 2), of_input, *seen)
        source = Noted(np.zeros(images, np.float32))
        does.compute(region, source)
        assert source.runs == [tuple((run,) for run in expected)]


@pytest.mark.parametrize(
    ("name", "how", "before", "after"),
    [
        ("correlate", {"weights": np.ones((5, 4))}, (2, 2), (2, 1)),
        ("correlate", {"weights": np.ones((5, 4)), "origin": [1, -1]}, (3, 1), (1, 2)),
        ("convolve", {"weights": np.ones((5, 4))}, (2, 1), (2, 2)),
        ("correlate1d", {"weights": np.ones(7), "axis": 0}, (3, 0), (3, 0)),
        ("gaussian_filter", {"sigma": [1.0, 2.0], "mode": "nearest"}, (4, 8), (4, 8)),
        ("gaussian_filter", {"sigma": 1.0, "radius": [0, 3], "mode": "wrap"}, (0, 3), (0, 3)),
        ("gaussian_filter", {"sigma": 1.0, "axes": 1, "mode": "constant"}, (0, 4), (0, 4)),
        ("gaussian_filter1d", {"sigma": 1.0, "truncate": 2.0, "axis": 0}, (2, 0), (2, 0)),
        ("gaussian_laplace", {"sigma": 1.0}, (4, 4), (4, 4)),
        ("gaussian_gradient_magnitude", {"sigma": [0, 1.0]}, (0, 4), (0, 4)),
        ("laplace", {}, (1, 1), (1, 1)),
        ("sobel", {}, (1, 1), (1, 1)),
        ("prewitt", {"axis": 0, "mode": "constant", "cval": 2.0}, (1, 1), (1, 1)),
        ("maximum_filter", {"size": [3, 6]}, (1, 3), (1, 2)),
        ("minimum_filter", {"footprint": [[1, 0, 1]]}, (0, 1), (0, 1)),
        ("minimum_filter1d", {"size": 9, "origin": 2}, (0, 6), (0, 2)),
    ],
)
def test_filters_read_what_they_see(
    name: str, how: dict[str, Any], before: tuple[int, int], after: tuple[int, int]
) -> None:
    """Inside an image no element more than the windows of the part."""
    x = np.zeros((90, 80), np.float32)
    source = Noted(x)
    region = ((40, 45), (30, 31))
    operation(getattr(ndimage, name), x.shape, x.dtype, **how).compute(region, source)
    expected = tuple(
        ((begin - b, end + a),) for (begin, end), b, a in zip(region, before, after, strict=True)
    )
    assert source.runs == [expected]


@pytest.mark.parametrize("mode", MODES)
def test_ends_read_what_they_show(mode: str) -> None:
    """A part at an end reads its windows and what the end shows of them, of the other end if it wraps."""
    x = np.zeros(100, np.float32)
    source = Noted(x)
    does = operation(ndimage.correlate1d, x.shape, x.dtype, np.ones(9), mode=mode)
    does.compute(((1, 3),), source)
    does.compute(((97, 100),), source)
    if mode == "wrap":
        assert source.runs == [(((97, 100), (0, 7)),), (((93, 100), (0, 4)),)]
    else:
        assert source.runs == [(((0, 7),),), (((93, 100),),)]


def test_means_read_a_little_more() -> None:
    """Whose sums are of rows together: up to eight more, and at least some side by side."""
    x = np.zeros((400, 400), np.float32)
    source = Noted(x)
    operation(ndimage.uniform_filter, x.shape, x.dtype, 5).compute(((203, 204), (101, 102)), source)
    ((rows, columns),) = source.runs
    for ((begin, end),), (first, last), more in ((rows, (201, 206), 8), (columns, (99, 104), 40)):
        assert begin <= first
        assert end >= last
        assert end - begin <= last - first + more


def test_winograd_reads_whole_tiles() -> None:
    """A part in the middle of tiles reads up to these, counted from the first output on."""
    x = np.zeros((1, 8, 60, 60), np.float32)
    source = Noted(x)
    w = np.ones((8, 8, 3, 3), np.float32)
    does = operation(fastconv.conv2d, x.shape, x.dtype, w, padding=1, algorithm="winograd4")
    does.compute(((0, 1), (0, 8), (13, 14), (22, 27)), source)
    assert source.runs == [(((0, 1),), ((0, 8),), ((11, 17),), ((19, 29),))]


def within(read: Sequence[Sequence[Run]], said: Sequence[Sequence[Run]]) -> bool:
    """Whether every element that is read is one of those."""
    return all(set(elements(a)) <= set(elements(b)) for a, b in zip(read, said, strict=True))


@given(st.one_of(filters(), convolutions(), pools()))
@settings(max_examples=150)
def test_read_is_said_before(call: Call) -> None:
    """What is read lies within the input and is what `parts` says; memory is planned for it."""
    x, given, whole = whole_of(call)
    if isinstance(whole, Exception) or whole.size == 0:
        return
    does = operation_of(call, x, given)
    (region,) = regions(call.rng(), whole.shape, 1)
    source = Noted(x)
    does.compute(region, source)
    said = tuple(tuple(part.runs) for part in does.parts(region))
    if len(source.runs) == 1:
        assert source.runs == [said]
    assert all(within(one, said) for one in source.runs)
    count = prod(len(elements(runs)) for runs in said)
    assert does.bytes(region, x.dtype) >= count * x.itemsize + part_of(whole, region).nbytes


@given(filters({1: 400, 2: 60, 3: 20}))
@settings(max_examples=150)
def test_blocks(call: Call) -> None:
    """A filter by blocks, with little memory: the same bits, from what is read for the part."""
    x, given, whole = whole_of(call)
    with pytest.MonkeyPatch.context() as patch, computing(call, 1):
        patch.setattr(sys.modules[Operation.__module__], "_BLOCK_BYTES", 256)
        does = operation_of(call, x, given)
        for region in regions(call.rng(), whole.shape, 2):
            source = Noted(x)
            part = does.compute_by_blocks(region, source)
            assert_same_bits(part, part_of(whole, region), f"{region} of {call}")
            said = [part.runs for part in does.parts(region)]
            assert all(within(one, said) for one in source.runs)


def test_blocks_stay_in_a_cache() -> None:
    """They have about a megabyte, with what is read beside them."""
    x = np.zeros((3000, 2000), np.float32)
    source = Noted(x)
    does = operation(ndimage.gaussian_filter, x.shape, x.dtype, 2.0)
    does.compute_by_blocks(((0, 3000), (0, 2000)), source)
    sizes = [prod(len(elements(axis)) for axis in one) * x.itemsize for one in source.runs]
    assert len(sizes) >= 20
    assert max(sizes) < 2 * 2**20
    assert sum(sizes) < 1.5 * x.nbytes


@given(st.one_of(filters({1: 400, 2: 60, 3: 20}), means()), st.booleans())
def test_most_of_a_part_from_one_piece(call: Call, exactly: bool) -> None:
    """Where one piece has most of a part, or all of it, that is computed as it is; the bits are the same."""
    x, given, whole = whole_of(call)
    rng = call.rng()
    with computing(call, 1):
        does = operation_of(call, x, given)
        for region in regions(rng, whole.shape, 2):
            held = region
            if not exactly:  # a little less at some ends, a little more at others
                moved = [(b + int(rng.integers(-3, 4)), e + int(rng.integers(-3, 4))) for b, e in region]
                held = tuple((max(b, 0), min(e, n)) for (b, e), n in zip(moved, whole.shape, strict=True))
            if any(begin >= end for begin, end in held):
                continue
            piece = part_of(x, held)
            source = Mosaic([(tuple(begin for begin, _ in held), piece), ((0,) * x.ndim, x)])
            part = does.compute(region, source)
            assert_same_bits(part, part_of(whole, region), f"{region} from {held} of {call}")


def test_a_chunk_is_not_copied() -> None:
    """Inside a chunk a filter sees it as it is; only what lies near its ends is put together first."""
    x = np.random.default_rng(10).standard_normal((100, 100)).astype(np.float32)

    class Pieces(Mosaic):
        read_elements = 0

        def read(self, runs: Sequence[Sequence[Run]]) -> Array:
            self.read_elements += prod(len(elements(axis)) for axis in runs)
            return super().read(runs)

    chunks = [((i, j), x[i : i + 50, j : j + 50]) for i in (0, 50) for j in (0, 50)]
    source = Pieces(chunks)
    part = operation(ndimage.gaussian_filter, x.shape, x.dtype, 1.0).compute(((50, 100), (0, 50)), source)
    assert_same_bits(part, ndimage.gaussian_filter(x, 1.0)[50:, :50], "a chunk")
    assert 0 < source.read_elements < 50 * 50


# ---------------------------------------------------------------- axes, one by one

OUTSIDE = -1  # what padding shows if it shows no element


@cache
def shown(extent: int, before: int, after: int, mode: str) -> tuple[int, ...]:
    """The numbers of the elements of an axis and of what is seen beyond its ends."""
    return tuple(place(i, extent, mode) for i in range(-before, extent + after))


def place(i: int, n: int, mode: str) -> int:
    """Which element is seen at a place, from the definition of the mode."""
    if 0 <= i < n:
        return i
    if mode == "constant":
        return OUTSIDE
    if mode == "nearest":
        return 0 if i < 0 else n - 1
    if mode == "wrap":
        return i % n
    if mode == "reflect":  # d c b a | a b c d | d c b a
        i %= 2 * n
        return min(i, 2 * n - 1 - i)
    period = max(2 * n - 2, 1)  # d c b | a b c d | c b a
    return min(i % period, period - i % period)


def elements(runs: Sequence[Run]) -> list[int]:
    """The numbers of the elements that are read."""
    return [place for run in runs for place in range(*run)]


def all_parts(outputs: int) -> Iterator[Run]:
    return ((begin, end) for begin in range(outputs) for end in range(begin + 1, outputs + 1))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("extent", range(1, 13))
def test_filtered_axis(extent: int, mode: str) -> None:
    """What is read, filtered as an array of its own, shows every output of a part what the whole shows it."""
    sides = [(0, 0), (1, 1), (0, 2), (3, 1), (2, 2), (5, 5), (0, 7), (9, 4), (13, 14), (30, 0)]
    for (before, after), unit, least in product(sides, (1, 3, 8), (1, 2, 5)):
        axis = FilteredAxis(extent, before, after, mode == "wrap", unit, min(least, extent))
        whole = list(shown(extent, before, after, mode))
        windows = [whole[o : o + before + after + 1] for o in range(extent)]
        for begin, end in all_parts(extent):
            part = axis.part(begin, end)
            what = (axis, begin, end, part)
            local = [*elements(part.runs), OUTSIDE]
            assert 0 <= min(local[:-1]) <= max(local) < extent, what
            count = len(local) - 1
            assert count >= min(least, extent), what
            around = [local[i] for i in shown(count, before, after, mode)]
            first, width = part.first, before + after + 1
            seen = [around[i : i + width] for i in range(first, first + end - begin)]
            assert seen == windows[begin:end], what
            if count < extent:
                # The first that is computed is one of those whose numbers are multiples of the unit.
                assert (begin - part.first) % unit == 0 or begin - part.first == 0, what


# The modes of padding by the names that filters have for them.
PADDED = {
    "zeros": "constant",
    "replicate": "nearest",
    "reflect": "mirror",
    "symmetric": "reflect",
    "circular": "wrap",
}


def ceil_outputs(extent: int, span: int, stride: int, before: int, after: int) -> int:
    """As many windows as begin in the input or the padding before it, the last perhaps beyond the end."""
    outputs = -(-(extent + before + after - span) // stride) + 1
    return outputs - ((outputs - 1) * stride >= extent + before)


def check_windowed(axis: WindowedAxis, mode: str, ceil: bool) -> None:
    """Every part, as the windows over what it reads and its padding show it."""
    size, span, stride = axis.size, axis.extent, axis.stride
    beyond = span + stride  # of windows that end behind the padding
    whole = [*shown(size, axis.before, axis.after, PADDED[mode]), *[OUTSIDE] * beyond]
    windows = [whole[o * stride : o * stride + span] for o in range(axis.outputs)]
    for begin, end in all_parts(axis.outputs):
        part = axis.part(begin, end)
        what = (axis, mode, begin, end, part)
        local = [*elements(part.runs), OUTSIDE]
        assert 0 <= min(local[:-1]) <= max(local) < size, what
        count = len(local) - 1
        before, after = axis.before if part.before else 0, axis.after if part.after else 0
        # As a function sees it that pads an array of its own.
        outputs = (count + before + after - span) // stride + 1
        if ceil:
            outputs = ceil_outputs(count, span, stride, before, after)
        assert count + before + after >= span, what  # or the function would refuse it
        assert part.first >= 0, what
        assert part.first + end - begin <= outputs, what
        assert outputs >= min(axis.least, axis.outputs), what
        around = [local[i] for i in shown(count, before, after, PADDED[mode])] + [OUTSIDE] * beyond
        first = part.first
        seen = [around[i * stride : i * stride + span] for i in range(first, first + end - begin)]
        assert seen == windows[begin:end], what
        assert (begin - part.first) % axis.unit == 0 or begin == part.first, what


@pytest.mark.parametrize("mode", PADDED)
@pytest.mark.parametrize("size", range(1, 13))
def test_windowed_axis(size: int, mode: str) -> None:
    """So do windows that move by steps, over padding that shows zeros or the input."""
    paddings = [(0, 0), (1, 1), (0, 2), (3, 0), (2, 4), (5, 1)]
    for (before, after), span, stride, unit, least in product(
        paddings, (1, 2, 3, 5, 8), (1, 2, 3, 7), (1, 2, 4), (1, 2)
    ):
        if span > size + before + after or (mode == "reflect" and max(before, after) >= size):
            continue
        if mode in ("symmetric", "circular") and max(before, after) > size:
            continue
        outputs = (size + before + after - span) // stride + 1
        wraps, mirrors = mode == "circular", mode in ("reflect", "symmetric")
        check_windowed(
            WindowedAxis(size, outputs, span, stride, before, after, wraps, mirrors, unit, least), mode, False
        )


@pytest.mark.parametrize("size", range(1, 13))
def test_windowed_axis_beyond_its_end(size: int) -> None:
    """A pool with ceil_mode has windows that end behind the padding."""
    for (before, after), span, stride, unit, least in product(
        [(0, 0), (1, 1), (0, 2), (2, 1)], (1, 2, 3, 5, 8), (1, 2, 3, 7), (1, 4), (1, 2)
    ):
        if span > size + before + after or max(before, after) > span // 2:
            continue
        outputs = ceil_outputs(size, span, stride, before, after)
        check_windowed(
            WindowedAxis(size, outputs, span, stride, before, after, unit=unit, least=least), "zeros", True
        )


def test_whole_axis() -> None:
    """Channels that are mixed: all of them for each."""
    axis: Axis = WholeAxis(7, 4)
    assert axis.undivided
    assert axis.part(1, 3) == AxisPart(((0, 7),), 1)
    assert [axis.output_of(i) for i in (1, 6, 7)] == [0, 0, 4]


@pytest.mark.parametrize(
    "axis",
    [
        FilteredAxis(20, 3, 2),
        WindowedAxis(20, 20, 3, 1, 1, 1),
        WindowedAxis(20, 9, 3, 2, 0, 0),
        WindowedAxis(20, 3, 2, 9, 0, 0),
        WindowedAxis(5, 13, 3, 1, 5, 5),
        WindowedAxis(20, 1, 20, 1, 0, 0),
    ],
    ids=repr,
)
def test_cut_where_the_input_is_cut(axis: FilteredAxis | WindowedAxis) -> None:
    """The place at which a result is cut grows with that of the input's cut, up to the end of both."""
    size = axis.outputs if isinstance(axis, FilteredAxis) else axis.size
    places = [axis.output_of(position) for position in range(size + 1)]
    assert places == sorted(places)
    assert places[-1] == axis.outputs
    assert places[0] >= 0
    if isinstance(axis, WindowedAxis):
        for position in range(1, size):
            # An output goes with the chunk where its window would begin without padding.
            assert places[position] == sum(o * axis.stride < position for o in range(axis.outputs))


# ---------------------------------------------------------------- pieces


@given(st.lists(st.integers(1, 9), min_size=1, max_size=3), st.integers(0, 2**32 - 1))
@settings(max_examples=100)
def test_mosaic(shape: list[int], seed: int) -> None:
    """Runs of pieces are those of the array, several of an axis one behind the other."""
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 1000, shape)
    whole = pieces(rng, x)
    runs = []
    for extent in shape:
        some = []
        for _ in range(rng.integers(1, 4)):
            begin = int(rng.integers(0, extent))
            some.append((begin, int(rng.integers(begin + 1, extent + 1))))
        runs.append(some)
    assert_same_bits(np.ascontiguousarray(whole.read(runs)), np.ascontiguousarray(read(x, runs)), runs)


def test_mosaic_of_one_piece_is_a_view() -> None:
    """What lies in one piece is not copied."""
    x = np.arange(60).reshape(6, 10)
    source = Mosaic([((0, 0), x[:, :4]), ((0, 4), x[:, 4:])])
    assert np.shares_memory(source.read([[(1, 5)], [(5, 9)]]), x)
    assert not np.shares_memory(source.read([[(1, 5)], [(3, 9)]]), x)
    assert not np.shares_memory(source.read([[(1, 5), (0, 1)], [(5, 9)]]), x)


def test_names() -> None:
    """The functions that are computed in parts are all filters, convolutions and pools of fixed windows."""
    fixed = [name for name in fastconv.__all__ if re.fullmatch(r"(conv|(max|avg|lp)_pool)[123]d", name)]
    assert sorted(NAMES) == sorted(EXAMPLES) == sorted([*ndimage.__all__, *fixed])
