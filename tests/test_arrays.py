"""Arrays of every kind as inputs, with the bits of the plain call; and which arrays `out` may be."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest

import fastconv
from fastconv import Problem, ndimage, signal

from .problems import CONVOLUTIONS, POOLS, arguments, arrays, call
from .reference import Array

# ---------------------------------------------------------------- inputs


def unaligned(x: Array) -> Array:
    """The same numbers one byte off."""
    memory = np.zeros(x.nbytes + 1, np.uint8)[1:]
    copy = memory.view(x.dtype).reshape(x.shape)
    copy[...] = x
    return copy


def in_records(x: Array) -> Array:
    """One field of packed records: strides that are no multiple of the item."""
    records = np.zeros(x.shape, [("mark", np.uint8), ("value", x.dtype), ("rest", np.uint16)])
    records["value"] = x
    return records["value"]


def every_second(x: Array) -> Array:
    """Every second element of an array twice as large along every axis; the others are NaN."""
    larger = np.full([2 * extent for extent in x.shape], np.nan, x.dtype)
    view = larger[(slice(None, None, 2),) * x.ndim]
    view[...] = x
    return view


def margin(x: Array) -> Array:
    """The middle of a larger array; the rest is NaN."""
    larger = np.full([extent + 5 for extent in x.shape], np.nan, x.dtype)
    view = larger[tuple(slice(2, 2 + extent) for extent in x.shape)]
    view[...] = x
    return view


def read_only(x: Array) -> Array:
    """Not writable."""
    copy = x.copy()
    copy.flags.writeable = False
    return copy


class Exporter:
    """No array, but it can make one."""

    def __init__(self, x: Array) -> None:
        self.x = x

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return self.x


class Subclass(np.ndarray[Any, Any]):
    """An array that is a little more."""


FORMS: dict[str, Callable[[Array], Any]] = {
    "fortran": np.asfortranarray,
    "transposed": lambda x: np.ascontiguousarray(x.T).T,
    "channels-moved": lambda x: np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 0, -1)), -1, 0),
    "reversed": lambda x: x[(slice(None, None, -1),) * x.ndim].copy()[(slice(None, None, -1),) * x.ndim],
    "reversed-last": lambda x: x[..., ::-1].copy()[..., ::-1],
    "every-second": every_second,
    "margin": margin,
    "byte-swapped": lambda x: x.astype(x.dtype.newbyteorder()),
    "byte-swapped-fortran": lambda x: np.asfortranarray(x.astype(x.dtype.newbyteorder())),
    "unaligned": unaligned,
    "in-records": in_records,
    "read-only": read_only,
    "exporter": Exporter,
    "subclass": lambda x: x.view(Subclass),
}

OPERATORS: dict[str, tuple[Callable[..., Any], tuple[tuple[int, ...], ...], dict[str, Any]]] = {
    "conv2d": (fastconv.conv2d, ((2, 6, 7, 9), (8, 3, 3, 3), (8,)), {"groups": 2, "padding": 1}),
    "conv2d-nhwc": (fastconv.conv2d, ((2, 7, 9, 6), (3, 3, 6, 8), (8,)), {"padding": 1, "layout": "NHWC"}),
    "conv2d-1x1": (fastconv.conv2d, ((2, 6, 7, 9), (8, 6, 1, 1), (8,)), {}),
    "conv2d-depthwise": (fastconv.conv2d, ((2, 6, 7, 9), (6, 1, 3, 3), (6,)), {"groups": 6, "padding": 1}),
    "conv1d": (fastconv.conv1d, ((2, 3, 40), (4, 3, 5), (4,)), {"stride": 2}),
    "conv3d-nhwc": (fastconv.conv3d, ((1, 4, 5, 6, 3), (2, 3, 2, 3, 5), (5,)), {"layout": "NHWC"}),
    "max_pool2d": (fastconv.max_pool2d, ((2, 3, 8, 9),), {"kernel_size": 3, "stride": 2, "padding": 1}),
    "avg_pool2d-nhwc": (fastconv.avg_pool2d, ((2, 8, 9, 3),), {"kernel_size": 2, "layout": "NHWC"}),
    "max_pool3d": (fastconv.max_pool3d, ((1, 2, 4, 5, 6),), {"kernel_size": 2}),
    "adaptive_avg_pool2d": (fastconv.adaptive_avg_pool2d, ((2, 3, 7, 8),), {"output_size": 3}),
    "adaptive_max_pool1d": (fastconv.adaptive_max_pool1d, ((2, 3, 17),), {"output_size": 5}),
    "linear": (fastconv.linear, ((2, 5, 7), (4, 7), (4,)), {}),
    "relu": (fastconv.relu, ((3, 4, 5),), {}),
    "tanh": (fastconv.tanh, ((3, 4, 5),), {}),
    "softmax": (fastconv.softmax, ((3, 4, 5),), {"axis": 1}),
    "conv_transpose2d": (
        fastconv.conv_transpose2d,
        ((2, 6, 4, 5), (6, 4, 3, 3), (8,)),
        {"groups": 2, "stride": 2, "padding": 1},
    ),
    "grad.conv2d_input": (
        partial(fastconv.grad.conv2d_input, (2, 6, 7, 9)),
        ((8, 3, 3, 3), (2, 8, 7, 9)),
        {"groups": 2, "padding": 1},
    ),
    "grad.conv2d_weight-nhwc": (
        lambda x, dy, **how: fastconv.grad.conv2d_weight(x, (3, 3, 6, 8), dy, **how),
        ((2, 7, 9, 6), (2, 7, 9, 8)),
        {"padding": 1, "layout": "NHWC"},
    ),
    "grad.conv_transpose2d_input": (
        fastconv.grad.conv_transpose2d_input,
        ((6, 4, 3, 3), (2, 8, 7, 9)),
        {"groups": 2, "stride": 2, "padding": 1},
    ),
    "grad.conv_transpose2d_weight": (
        lambda x, dy, **how: fastconv.grad.conv_transpose2d_weight(x, (6, 4, 3, 3), dy, **how),
        ((2, 6, 4, 5), (2, 8, 7, 9)),
        {"groups": 2, "stride": 2, "padding": 1},
    ),
}


def data(name: str, dtype: Any = np.float32) -> tuple[Callable[..., Any], list[Array], dict[str, Any]]:
    """Function, positional arrays and keywords of one operator."""
    function, shapes, kwargs = OPERATORS[name]
    rng = np.random.default_rng(8)
    return function, [rng.standard_normal(shape).astype(dtype) for shape in shapes], kwargs


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", OPERATORS)
def test_form(name: str, form: str, dtype: Any) -> None:
    """Each array alone, then all together, in another form: the same numbers, so the same bits."""
    function, plain, kwargs = data(name, dtype)
    expected = function(*plain, **kwargs)
    for changed in [*range(len(plain)), None]:
        inputs = [FORMS[form](x) if changed in (i, None) else x for i, x in enumerate(plain)]
        before = [np.array(x) for x in inputs]
        actual = function(*inputs, **kwargs)
        np.testing.assert_array_equal(actual, expected, strict=True)
        assert type(actual) is np.ndarray
        assert actual.flags.c_contiguous
        assert actual.dtype.isnative
        for x, copy in zip(inputs, before, strict=True):
            np.testing.assert_array_equal(np.asarray(x), copy)


@pytest.mark.parametrize("name", OPERATORS)
def test_broadcast(name: str) -> None:
    """Arrays with strides of 0, one axis at a time and altogether."""
    function, plain, kwargs = data(name)
    for i, x in enumerate(plain):
        views = [np.broadcast_to(x[(0,) * x.ndim], x.shape)]
        views += [np.broadcast_to(x.take([0], axis), x.shape) for axis in range(x.ndim)]
        for view in views:
            expected = function(*plain[:i], view.copy(), *plain[i + 1 :], **kwargs)
            actual = function(*plain[:i], view, *plain[i + 1 :], **kwargs)
            np.testing.assert_array_equal(actual, expected, strict=True)


@pytest.mark.parametrize("name", OPERATORS)
def test_lists(name: str) -> None:
    """Nested lists of Python floats are float64."""
    function, plain, kwargs = data(name, np.float64)
    np.testing.assert_array_equal(
        function(*(x.tolist() for x in plain), **kwargs), function(*plain, **kwargs), strict=True
    )


def test_same_array_twice() -> None:
    """Inputs may overlap one another."""
    x = np.random.default_rng(9).standard_normal((3, 3, 3, 3))
    np.testing.assert_array_equal(
        fastconv.conv2d(x, x, x[0, 0, 0]), fastconv.conv2d(x, x.copy(), x[0, 0, 0].copy())
    )


# ---------------------------------------------------------------- outputs


def bad_outs(shape: tuple[int, ...], dtype: Any) -> dict[str, tuple[Any, type[Exception], str]]:
    """What `out` may not be, the error, and what the message must tell beside "out"."""
    good = np.zeros(shape, dtype)
    other = "float64" if dtype == np.float32 else "float32"
    larger = np.zeros((*shape[:-1], 2 * shape[-1]), dtype)
    one = np.lib.stride_tricks.as_strided(good, strides=(0,) * len(shape))
    return {
        "no array": (good.tolist(), TypeError, "ndarray"),
        "shape itself": (shape, TypeError, "ndarray"),
        "wrong dtype": (good.astype(other), TypeError, r"float\d\d|f[48]"),
        "integers": (good.astype(int), TypeError, "int64|i8"),
        "byte-swapped": (good.astype(good.dtype.newbyteorder()), TypeError, "byte|order|native|[<>]"),
        "one too long": (np.zeros((*shape[:-1], shape[-1] + 1), dtype), ValueError, str(shape[-1] + 1)),
        "axis too many": (good[None], ValueError, "shape"),
        "axis too few": (good.reshape(-1), ValueError, "shape"),
        "fortran": (np.zeros(shape, dtype, "F"), ValueError, "contiguous"),
        "every second": (larger[..., ::2], ValueError, "contiguous"),
        "reversed": (good[::-1, ..., ::-1], ValueError, "contiguous"),
        "broadcast": (one, ValueError, "contiguous|overlap"),
        "unaligned": (unaligned(good), ValueError, "align"),
        "read-only": (read_only(good), ValueError, "read-only|writ"),
    }  # fmt: skip


@pytest.mark.parametrize("name", OPERATORS)
def test_bad_out(name: str) -> None:
    """An `out` that cannot take the result is an error; it is not filled, and not silently copied."""
    function, plain, kwargs = data(name)
    result = function(*plain, **kwargs)
    for what, (out, error, word) in bad_outs(result.shape, result.dtype).items():
        before = np.array(out)
        with pytest.raises(error, match=r"\bout\b") as caught:
            function(*plain, **kwargs, out=out)
        assert type(caught.value) is error, what
        np.testing.assert_array_equal(np.array(out), before, err_msg=what)
        assert re.search(word, str(caught.value)), (what, str(caught.value))


@pytest.mark.parametrize("name", OPERATORS)
def test_out_overlapping_an_input(name: str) -> None:
    """Results are written while inputs are read: shared memory is refused, at either end of each input."""
    function, plain, kwargs = data(name)
    shape = function(*plain, **kwargs).shape
    size = int(np.prod(shape))
    for i, x in enumerate(plain):
        for at_start in (True, False):
            memory = np.zeros(x.size + size - 1, x.dtype)  # one element is shared
            first, last = memory[: x.size], memory[x.size - 1 :]
            if not at_start:
                first, last = memory[size - 1 :], memory[:size]
            view, out = first.reshape(x.shape), last.reshape(shape)
            view[...] = x
            with pytest.raises(ValueError, match=r"\bout\b.*overlap"):
                function(*plain[:i], view, *plain[i + 1 :], **kwargs, out=out)
            np.testing.assert_array_equal(view, x)


@pytest.mark.parametrize("name", OPERATORS)
def test_out_beside_an_input(name: str) -> None:
    """Memory right behind an input is not shared with it."""
    function, plain, kwargs = data(name)
    expected = function(*plain, **kwargs)
    for i, x in enumerate(plain):
        memory = np.zeros(x.size + expected.size, x.dtype)
        view, out = memory[: x.size].reshape(x.shape), memory[x.size :].reshape(expected.shape)
        view[...] = x
        assert function(*plain[:i], view, *plain[i + 1 :], **kwargs, out=out) is out
        np.testing.assert_array_equal(out, expected, strict=True)
        np.testing.assert_array_equal(view, x)


@pytest.mark.parametrize("text", [CONVOLUTIONS["channels-31"], POOLS["overlap"]])
def test_object_and_pool_check_out(text: str) -> None:
    """So do prepared objects, and pools with indices."""
    problem, values = Problem(text), arrays(text)
    if values.weight is None:
        bad = np.zeros(problem.output_shape, np.float64)
        with pytest.raises(TypeError, match=r"\bout\b.*(float64|f8)"):
            call(problem, values, out=bad, return_indices=True)
    else:
        conv = fastconv.Conv2d(values.weight, values.bias, **arguments(problem))
        with pytest.raises(ValueError, match=r"\bout\b"):
            conv(values.input, np.zeros(3, problem.dtype))


def test_results_are_fresh() -> None:
    """Two calls give two arrays, and neither is the input, even where nothing changes."""
    x = np.ones((1, 1, 2, 2))
    first, second = fastconv.relu(x), fastconv.relu(x)
    assert not np.may_share_memory(first, second)
    assert not np.may_share_memory(first, x)
    assert not np.may_share_memory(fastconv.max_pool2d(x, 1), x)


def test_results_that_cannot_be() -> None:
    """NumPy's error, which says that the array is too large."""
    image = np.broadcast_to(np.int8(0), (2**31, 2**31))
    for function in (ndimage.uniform_filter, ndimage.sobel):
        with pytest.raises(ValueError, match="array is too big"):
            function(image, output="float64")


@pytest.mark.parametrize(("extent", "begins"), [(600, 64), (1100, 2 << 20)])
def test_where_large_results_begin(extent: int, begins: int) -> None:
    """With a cache line, and with a huge page where there are such."""
    image = np.zeros((extent, extent), np.float32)
    for result in (
        fastconv.conv2d(image[None], np.ones((1, 1, 3, 3), np.float32), padding=1),
        fastconv.max_pool2d(image[None], 3, stride=1, padding=1),
        fastconv.relu(image),
        ndimage.uniform_filter(image, 3),
        ndimage.sobel(image),
        signal.convolve2d(image, np.ones((3, 3), np.float32)),
    ):
        assert result.ctypes.data % begins == 0
        assert result.flags.c_contiguous
        assert result.flags.writeable
