"""Integers: sums that are exact, or exact modulo 2^64, whatever the kernels of floats make of them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fastconv
from fastconv import Problem, _integers

from . import reference as ref
from . import reference_gradients
from .problems import CONVOLUTIONS, POOLS, arguments, parameters
from .reference import Array
from .reference_conv_gradients import conv_transpose
from .test_arrays import Exporter, Subclass, in_records, read_only, unaligned
from .test_properties import convolutions, pools, seeds
from .variants import rounding_algorithms

TYPES = ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"]
BYTES = ("int8", "uint8")
MODES = ["reflect", "replicate", "circular", "symmetric"]


def draw(rng: Any, shape: Any, dtype: Any, low: int | None = None, high: int | None = None) -> Array:
    """Integers of the whole range of a type or of a part of it, the ends of the range among them."""
    info = np.iinfo(dtype)
    low, high = info.min if low is None else max(low, info.min), info.max if high is None else high
    x = np.asarray(rng.integers(low, min(high, info.max), shape, dtype, endpoint=True))
    x[rng.random(shape) < 0.1] = low
    x[rng.random(shape) < 0.1] = min(high, info.max)
    return x


def result_type(*arrays: Array | None) -> np.dtype[Any]:
    """The type of sums of products of the first two."""
    x, w, *_ = arrays
    if x is not None and w is not None and x.itemsize == w.itemsize == 1:
        return np.dtype(np.int32)
    return np.dtype(np.uint64 if any(a is not None and a.dtype == np.uint64 for a in arrays) else np.int64)


def agree(*dtypes: str) -> bool:
    """Whether the types go together."""
    return "uint64" not in dtypes or all(dtype.startswith("u") for dtype in dtypes)


def check(actual: Array, definition: Callable[..., Array], *arrays: Array | None, **how: Any) -> None:
    """Fail unless a result is the definition's, in integers without end, modulo 2^64."""
    exact = definition(*(None if a is None else a.astype(object) for a in arrays), **how)
    dtype = result_type(*arrays)
    expected = ref.wrapped(exact, dtype)
    if dtype == np.int32:
        assert (exact == expected).all()
    np.testing.assert_array_equal(actual, expected, strict=True)


# ---------------------------------------------------------------- types


@pytest.mark.parametrize(("of_input", "of_weight"), [*product(TYPES, TYPES)])
@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_types(of_input: str, of_weight: str, layout: str) -> None:
    """Every pair of types, over the whole range of both."""
    rng = np.random.default_rng(1)
    first = layout == "NCHW"
    x = draw(rng, (2, 4, 5, 6) if first else (2, 5, 6, 4), of_input)
    w = draw(rng, (6, 2, 3, 2) if first else (3, 2, 2, 6), of_weight)
    v = draw(rng, (4, 3, 3, 2) if first else (3, 2, 3, 4), of_weight)
    m = draw(rng, (3, x.shape[-1]), of_weight)
    how: dict[str, Any] = {"stride": (1, 2), "padding": 1, "groups": 2, "layout": layout}
    if not agree(of_input, of_weight):
        for call in (fastconv.conv2d, fastconv.conv_transpose2d):
            with pytest.raises(TypeError, match=r"(input|weight): dtype int\d+, expected unsigned"):
                call(x, w, **how)
        return
    check(fastconv.conv2d(x, w, **how), ref.conv, x, w, None, **how)
    check(fastconv.conv_transpose2d(x, v, **how), conv_transpose, x, v, None, **how)
    check(fastconv.linear(x, m), ref.linear, x, m)


@pytest.mark.parametrize(("of_input", "of_bias"), [*product(TYPES, TYPES)])
def test_bias(of_input: str, of_bias: str) -> None:
    """A bias of any type; of int32 where sums are, which it does not take beyond."""
    rng = np.random.default_rng(2)
    x, w, b = draw(rng, (2, 3, 9), of_input), draw(rng, (4, 3, 2), of_input), draw(rng, 4, of_bias)
    if not agree(of_input, of_bias) and of_input not in BYTES:
        with pytest.raises(TypeError, match="expected unsigned"):
            fastconv.conv1d(x, w, b)
    elif of_input in BYTES and of_bias != "int32":
        with pytest.raises(TypeError, match=f"bias: dtype {of_bias}, expected int32"):
            fastconv.conv1d(x, w, b)
    else:
        if of_input in BYTES:
            b //= 2
        check(fastconv.conv1d(x, w, b), ref.conv, x, w, b)
        check(fastconv.linear(x[0].T, w[..., 0], b), ref.linear, x[0].T, w[..., 0], b)


def test_lists() -> None:
    """Nested lists of Python integers are int64; one float makes them floats, as ever."""
    y = fastconv.conv1d([[1, 2, 3]], [[[1, -1]]], [10])
    np.testing.assert_array_equal(y, np.array([[9, 9]]), strict=True)
    assert fastconv.conv1d([[1, 2, 3.0]], [[[1.0, -1]]]).dtype == np.float64
    with pytest.raises(TypeError, match="weight: dtype float64, expected integers"):
        fastconv.conv1d([[1, 2, 3]], [[[1.0, -1]]])


# ---------------------------------------------------------------- problems


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_problems(name: str, isa: str) -> None:
    """Problems of every kind, in float32, in float64 and by limbs, by every algorithm that does not round."""
    problem = Problem(CONVOLUTIONS[name])
    assert problem.weight_shape is not None
    rng = np.random.default_rng(3)
    for dtype, largest in ((np.int8, 8), (np.int16, 2**15), (np.int64, 2**63)):
        x = draw(rng, problem.input_shape, dtype, -largest, largest - 1)
        w = draw(rng, problem.weight_shape, dtype, -largest, largest - 1)
        b = draw(rng, problem.oc, np.int32 if dtype == np.int8 else dtype, -largest, largest - 1)
        how = parameters(problem)
        # in 64 bits NumPy's own sums are those modulo 2^64
        expected = ref.conv(*(a.astype(np.int64) for a in (x, w, b)), **how).astype(result_type(x, w, b))
        function = getattr(fastconv, problem.op)
        for algorithm in ["auto", "strict", *(rounding_algorithms(problem) if isa else [])]:
            y = function(x, w, b, **how, algorithm=algorithm)
            np.testing.assert_array_equal(y, expected, strict=True, err_msg=algorithm)


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("mode", MODES)
def test_padding_modes(mode: Any, layout: Any, isa: str) -> None:
    """Borders show integers as they show floats."""
    rng = np.random.default_rng(4)
    x = draw(rng, (2, 4, 7, 5) if layout == "NCHW" else (2, 7, 5, 4), np.int64)
    w = draw(rng, (6, 2, 3, 3) if layout == "NCHW" else (3, 3, 2, 6), np.int64)
    how: dict[str, Any] = {"groups": 2, "layout": layout}
    y = fastconv.conv2d(x, w, padding=((1, 2), (0, 3)), padding_mode=mode, **how)
    check(y, ref.conv, reference_gradients.pad(x, [(1, 2), (0, 3)], mode, layout), w, None, **how)


def test_one_and_three_axes(isa: str) -> None:
    """Signals and volumes, without a batch."""
    rng = np.random.default_rng(5)
    for rank in (1, 2, 3):
        x, w = draw(rng, (4, *(5, 6, 7)[:rank]), np.int32), draw(rng, (6, 2, *(2, 3, 2)[:rank]), np.uint16)
        v, b = draw(rng, (4, 3, *(2, 3, 2)[:rank]), np.int64), draw(rng, 6, np.int64)
        how: dict[str, Any] = {"stride": 2, "padding": 1, "groups": 2}
        y = getattr(fastconv, f"conv{rank}d")(x, w, b, **how)
        check(y[None], ref.conv, x[None], w, b, **how)
        y = getattr(fastconv, f"conv_transpose{rank}d")(x, v, b, **how, output_padding=1)
        check(y[None], conv_transpose, x[None], v, b, **how, output_padding=1)


@pytest.mark.parametrize("dtype", TYPES)
def test_empty(dtype: str) -> None:
    """No images, no input channels, no output channels, no rows."""
    b = np.arange(3, dtype="int32" if dtype in BYTES else dtype)
    for n, ic, oc in ((0, 2, 3), (2, 0, 3), (2, 2, 0), (0, 0, 0)):
        x, w = np.ones((n, ic, 4, 5), dtype), np.ones((oc, ic, 2, 2), dtype)
        y = fastconv.conv2d(x, w, b[:oc])
        check(y, ref.conv, x, w, b[:oc])
    assert fastconv.linear(np.ones((0, 3), dtype), np.ones((2, 3), dtype)).shape == (0, 2)
    np.testing.assert_array_equal(fastconv.linear(np.ones(0, dtype), np.ones((3, 0), dtype), b), b)
    worst = np.full((0, 2, 4, 5), 255, np.uint8)
    assert fastconv.conv2d(worst, worst[:, :, :2, :2], np.zeros(0, np.int32)).shape == (0, 0, 3, 4)
    least = np.full(3, -(2**31), np.int32)
    assert fastconv.conv2d(worst, np.ones((3, 2, 1, 1), np.uint8), least).shape == (0, 3, 4, 5)


# ---------------------------------------------------------------- limits


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("other", TYPES)
def test_extremes(dtype: str, other: str, isa: str) -> None:
    """Sums of nothing but the least or the greatest integer of each type."""
    if not agree(dtype, other):
        return
    for low, high in product((False, True), repeat=2):
        x = np.full((1, 6, 5, 5), np.iinfo(dtype).min if low else np.iinfo(dtype).max, dtype)
        w = np.full((2, 6, 3, 3), np.iinfo(other).min if high else np.iinfo(other).max, other)
        check(fastconv.conv2d(x, w, padding=1), ref.conv, x, w, None, padding=1)
        v = w.reshape(6, 2, 3, 3)
        check(fastconv.conv_transpose2d(x, v, stride=2), conv_transpose, x, v, None, stride=2)


FACTORS = {
    2**24 - 1: [(4095, 4097), (2**24 - 1, 1)],
    2**24: [(2**12, 2**12), (2**23, 2)],
    2**24 + 1: [(673, 24929), (2**24 + 1, 1), (1, 2**24 + 1)],
    2**53 - 1: [(6361, 1416003655831), (2**53 - 1, 1)],
    2**53: [(2**26, 2**27), (2**52, 2)],
    2**53 + 1: [(321, 28059810762433), (2**53 + 1, 1), (1, 2**53 + 1)],
    2**63 - 1: [(2**63 - 1, 1), (1, 2**63 - 1), (7**2 * 73 * 127, (2**63 - 1) // (7**2 * 73 * 127))],
}


@pytest.mark.parametrize("bound", FACTORS)
def test_where_floats_end(bound: int, isa: str) -> None:
    """Sums that are the bound by which a type is chosen, to the last unit, of either sign."""
    for m, s in FACTORS[bound]:
        assert m * s == bound
        weights = [s // 2, 0, 0, s - s // 2] if s > 1 else [0, 0, 1, 0]
        for signs in ((1, 1), (-1, 1), (-1, -1)):
            x = np.full((1, 1, 3, 4), signs[0] * m)
            x[..., 1] -= signs[0]
            w = np.array([weights, weights[::-1]]).reshape(2, 1, 2, 2) * signs[1]
            check(fastconv.conv2d(x, w), ref.conv, x, w)
            assert abs(int(fastconv.conv2d(x, w, dilation=(1, 2))[0, 0, 0, 0])) <= bound
            check(fastconv.conv_transpose2d(x, w[:1]), conv_transpose, x, w[:1])
            check(fastconv.linear(x[0, 0], w[:, 0].reshape(2, 4)), ref.linear, x[0, 0], w[:, 0].reshape(2, 4))


def test_magnitudes_beyond_the_word(isa: str) -> None:
    """Weights whose magnitudes add up to 1 modulo 2^64 are not small."""
    w = np.array([[[2**63 - 1, 2**63 - 1, 3]], [[-(2**63), -(2**63), 1]]])
    x = np.array([[[3, -2, 1, 1]]])
    check(fastconv.conv1d(x, w), ref.conv, x, w)
    check(fastconv.conv_transpose1d(x, w[:1]), conv_transpose, x, w[:1])


@pytest.mark.parametrize("largest", [2**7, 2**20])
def test_never_winograd(largest: int, isa: str) -> None:
    """A layer for which it is chosen where numbers are floats, and rounds."""
    rng = np.random.default_rng(11)
    x, w = draw(rng, (1, 64, 56, 56), np.int32, -largest, largest), draw(rng, (64, 64, 3, 3), np.int16, -9, 9)
    expected = ref.conv(x.astype(np.int64), w.astype(np.int64), padding=1)
    np.testing.assert_array_equal(fastconv.conv2d(x, w, padding=1), expected, strict=True)
    expected = conv_transpose(x.astype(np.int64), w.astype(np.int64), padding=1)
    np.testing.assert_array_equal(fastconv.conv_transpose2d(x, w, padding=1), expected, strict=True)


def test_thousands_of_terms(isa: str) -> None:
    """Where limbs are short, for sums are long."""
    rng = np.random.default_rng(6)
    x, w = draw(rng, (1, 5000, 3, 3), np.int64), draw(rng, (2, 5000, 3, 3), np.int64)
    expected = ref.conv(x, w, padding=1)
    np.testing.assert_array_equal(fastconv.conv2d(x, w, padding=1), expected, strict=True)


@given(st.integers(1, 2**64 - 1), st.integers(1, 2**64 - 1), st.integers(1, 2**30), st.booleans(), seeds)
def test_limbs(greatest: int, weight: int, terms: int, signed: bool, seed: int) -> None:
    """Limbs make up the number, and no sum of products of theirs reaches 2^53."""
    rng = np.random.default_rng(seed)
    if signed:
        greatest, weight = greatest >> 1, weight >> 1
    dtype = np.int64 if signed else np.uint64
    x, w = (
        np.append(draw(rng, 20, dtype, -end if signed else 0, end), np.array(end, dtype))
        for end in (greatest, weight)
    )
    size = _integers.Size(max(abs(int(i)) for i in x), max(abs(int(i)) for i in w) * terms, terms)
    if size.input * size.weight < 2**53:
        return
    how = _integers.cut(x, w, size)
    largest = []
    for a, bits, count in ((x, how.input_bits, how.input_limbs), (w, how.weight_bits, how.weight_limbs)):
        limbs = [_integers.limb(a, i, bits, i == count - 1) for i in range(count)]
        whole = sum(limb.astype(np.int64).astype(object) << i * bits for i, limb in enumerate(limbs))
        assert (whole == a.astype(object)).all()
        largest.append(max(int(np.abs(limb).max()) for limb in limbs))
    assert largest[0] * largest[1] * terms < 2**53
    assert (0, 0) in how.pairs()


def test_int32_holds_the_sum(isa: str) -> None:
    """Sums of 8 bits reach both ends of int32; one further is an error that leaves `out` alone."""
    w = np.ones((1, 1, 2), np.int8)
    x = np.array([[1, 1, -1]], np.int8)
    top, bottom = 2**31 - 1, -(2**31)
    for b, expected in ((top - 2, top), (bottom, bottom + 2)):
        assert fastconv.conv1d(x, w, np.array([b], np.int32))[0, 0] == expected
    assert fastconv.conv1d(-x, w, np.array([bottom + 2], np.int32))[0, 0] == bottom
    out = np.full((1, 2), 7, np.int32)
    for sign, b, wrong in ((1, top - 1, top + 1), (-1, bottom + 1, bottom - 1)):
        with pytest.raises(OverflowError, match=rf"input.* \(0, 0\) is {wrong}, expected .*int32"):
            fastconv.conv1d(sign * x, w, np.array([b], np.int32), out=out, activation=(0, 5))
    np.testing.assert_array_equal(out, 7)
    x = np.full((1, 40000), 255, np.uint8)
    with pytest.raises(OverflowError, match=str(255 * 255 * 40000)):
        fastconv.linear(x, x)
    assert fastconv.linear(x.astype(np.uint16), x) == 255 * 255 * 40000


# ---------------------------------------------------------------- random problems


@given(convolutions(), seeds, st.tuples(*[st.sampled_from(TYPES)] * 3), st.integers(1, 64))
def test_any(text: str, seed: int, dtypes: tuple[str, str, str], bits: int) -> None:
    """Any convolution of any types, and the transposed one with the same weights."""
    problem, rng = Problem(text), np.random.default_rng(seed)
    if not agree(*dtypes):
        dtypes = ("uint64", "uint32", "uint64")
    kinds = list(dtypes)
    if kinds[0] in BYTES and kinds[1] in BYTES:
        kinds[2] = "int32"
    assert problem.weight_shape is not None
    low, high = -(2 ** (bits - 1)), 2 ** (bits - 1)
    x, w = (
        draw(rng, shape, kind, low, high)
        for shape, kind in zip((problem.input_shape, problem.weight_shape), kinds, strict=False)
    )
    b = draw(rng, problem.oc, kinds[2], -(2**30), 2**30) if problem.bias else None
    how = parameters(problem)
    wide = result_type(x, w, b)
    whole = np.int64 if wide == np.int32 else wide
    expected = ref.conv(*(None if a is None else a.astype(whole) for a in (x, w, b)), **how)  # type: ignore[arg-type]
    y = getattr(fastconv, problem.op)(x, w, b, **how)
    np.testing.assert_array_equal(y, expected.astype(wide), strict=True)

    dy = draw(rng, problem.output_shape, kinds[0], low, high)
    how["padding"] = 0
    expected = conv_transpose(dy.astype(whole), w.astype(whole), None, **how)
    y = getattr(fastconv, problem.op.replace("conv", "conv_transpose"))(dy, w, **how)
    np.testing.assert_array_equal(y, expected.astype(result_type(dy, w)), strict=True)


@given(pools(), seeds, st.sampled_from(TYPES[:6]))
def test_any_maximum(text: str, seed: int, dtype: str) -> None:
    """Any maximum of integers, with ties and extremes."""
    problem, rng = Problem(text), np.random.default_rng(seed)
    if problem.op.startswith("avg"):
        return
    x = draw(rng, problem.input_shape, dtype, *([-2, 2] if seed % 2 else []))
    values, indices = getattr(fastconv, problem.op)(x, **arguments(problem) | {"return_indices": True})
    expected, where = ref.max_pool(x, **parameters(problem))
    np.testing.assert_array_equal(values, expected, strict=True)
    np.testing.assert_array_equal(indices, where, strict=True)


# ---------------------------------------------------------------- arrays


FORMS: dict[str, Callable[[Array], Any]] = {
    "fortran": np.asfortranarray,
    "reversed": lambda x: x[(slice(None, None, -1),) * x.ndim].copy()[(slice(None, None, -1),) * x.ndim],
    "every-second": lambda x: np.repeat(x, 2, axis=-1)[..., ::2],
    "byte-swapped": lambda x: x.astype(x.dtype.newbyteorder()),
    "unaligned": unaligned,
    "in-records": in_records,
    "read-only": read_only,
    "exporter": Exporter,
    "subclass": lambda x: x.view(Subclass),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("dtype", ["int8", "uint16", "int32", "int64", "uint64"])
def test_form(form: str, dtype: str) -> None:
    """The same numbers, however they lie in memory."""
    rng = np.random.default_rng(7)
    x, w = draw(rng, (2, 4, 6, 5), dtype), draw(rng, (4, 2, 3, 3), dtype)
    b = draw(rng, 4, "int32" if dtype == "int8" else dtype, 0, 100)
    for call in (partial(fastconv.conv2d, groups=2), partial(fastconv.conv_transpose2d, groups=2)):
        expected = call(x, w, b)
        for changed in (0, 1, 2, None):
            inputs = [FORMS[form](a) if changed in (i, None) else a for i, a in enumerate((x, w, b))]
            actual = call(*inputs)
            np.testing.assert_array_equal(actual, expected, strict=True)
            assert type(actual) is np.ndarray
            assert actual.flags.c_contiguous
    if dtype in TYPES[:6]:
        maxima = fastconv.max_pool2d(FORMS[form](x), 2)
        np.testing.assert_array_equal(maxima, fastconv.max_pool2d(x, 2), strict=True)


def test_broadcast() -> None:
    """Arrays with strides of 0."""
    x, w = np.broadcast_to(np.int64(2**62), (1, 2, 4, 4)), np.broadcast_to(np.int16(-3), (3, 2, 2, 2))
    check(fastconv.conv2d(x, w), ref.conv, x, w)


OUTS: dict[str, tuple[Any, type[Exception], str]] = {
    "list": ([0], TypeError, r"out=\[0\]: expected an ndarray"),
    "float64": (np.zeros((1, 3, 2, 2)), TypeError, "out: dtype <f8, expected native int64"),
    "int32": (np.zeros((1, 3, 2, 2), np.int32), TypeError, "out: dtype <i4, expected native int64"),
    "byte-swapped": (np.zeros((1, 3, 2, 2), ">i8"), TypeError, "out: dtype >i8"),
    "shape": (np.zeros((1, 3, 2, 1), int), ValueError, r"out: shape \(1, 3, 2, 1\), expected \(1, 3, 2, 2\)"),
    "fortran": (np.zeros((1, 3, 2, 2), int, "F"), ValueError, "out: strides .* C-contiguous"),
    "unaligned": (unaligned(np.zeros((1, 3, 2, 2), int)), ValueError, "out: .*aligned"),
    "read-only": (read_only(np.zeros((1, 3, 2, 2), int)), ValueError, "out: .*read-only"),
}


@pytest.mark.parametrize("name", OUTS)
def test_bad_out(name: str) -> None:
    """An array that cannot take the result is refused."""
    out, error, words = OUTS[name]
    with pytest.raises(error, match=words):
        fastconv.conv2d(np.ones((1, 2, 4, 4), int), np.ones((3, 2, 3, 3), int), out=out)


def test_out() -> None:
    """Results go where they are wanted, unless that overlaps an input."""
    memory = np.arange(200)
    x, w = memory[:32].reshape(1, 2, 4, 4), memory[32:86].reshape(3, 2, 3, 3)
    out = memory[86:98].reshape(1, 3, 2, 2)
    assert fastconv.conv2d(x, w, out=out) is out
    check(out, ref.conv, x, w)
    with pytest.raises(ValueError, match="out: the array overlaps weight"):
        fastconv.conv2d(x, w, out=memory[85:97].reshape(1, 3, 2, 2))
    with pytest.raises(ValueError, match="out: the array overlaps input"):
        fastconv.max_pool2d(x.view(np.int32), 2, out=memory[:8].view(np.int32).reshape(1, 2, 2, 4))
    small = np.ones((1, 2, 4, 4), np.uint8)
    y = np.empty((1, 2, 2, 2), np.uint8)
    assert fastconv.max_pool2d(small, 2, out=y) is y
    assert fastconv.adaptive_max_pool2d(small, 2, out=y) is y
    assert fastconv.max_pool2d(small, 2, return_indices=True, out=y)[0] is y
    with pytest.raises(TypeError, match="out: dtype <f4, expected native uint8"):
        fastconv.adaptive_max_pool2d(small, 2, out=np.empty((1, 2, 2, 2), np.float32))


# ---------------------------------------------------------------- activations


@pytest.mark.parametrize(
    ("activation", "low", "high"),
    [
        ("relu", 0, None),
        ("relu6", 0, 6),
        ((-3, 2**40), -3, 2**40),
        ([None, np.int8(5)], None, 5),
        ((0, None), 0, None),
        ((None, None), None, None),
        ((2**63 - 1, 2**63 - 1), 2**63 - 1, 2**63 - 1),
    ],
)
def test_activation(activation: Any, low: int | None, high: int | None) -> None:
    """Clamps of the sums, exact however large."""
    rng = np.random.default_rng(8)
    for end in (5, 2**31, 2**62):
        x, w = draw(rng, (1, 1, 9), np.int64, -end, end), draw(rng, (2, 1, 2), np.int64, -2, 2)
        plain = fastconv.conv1d(x, w)
        expected = np.clip(plain, low, high) if (low, high) != (None, None) else plain
        np.testing.assert_array_equal(fastconv.conv1d(x, w, activation=activation), expected, strict=True)
    v = np.arange(4, dtype=np.uint64)
    if activation in ("relu", "relu6"):
        np.testing.assert_array_equal(
            fastconv.linear(v, v[None], activation=activation), [min(14, high or 14)]
        )


# ---------------------------------------------------------------- pooling


@pytest.mark.parametrize(
    "name", [name for name in POOLS if name.startswith(("max", "one", "halves", "over"))]
)
@pytest.mark.parametrize("dtype", TYPES[:6])
def test_max_pool(name: str, dtype: str) -> None:
    """Exact at both ends of each type, and padding never wins."""
    problem = Problem(POOLS[name])
    rng = np.random.default_rng(9)
    x = draw(rng, problem.input_shape, dtype)
    if np.iinfo(dtype).min < 0:
        x[0:1] = np.minimum(x[0:1], -1)
    values, indices = getattr(fastconv, problem.op)(x, **arguments(problem) | {"return_indices": True})
    expected, where = ref.max_pool(x, **parameters(problem))
    np.testing.assert_array_equal(values, expected, strict=True)
    np.testing.assert_array_equal(indices, where, strict=True)
    alone = getattr(fastconv, problem.op)(x, **arguments(problem) | {"return_indices": False})
    np.testing.assert_array_equal(alone, expected, strict=True)


@pytest.mark.parametrize("dtype", TYPES[:6])
def test_window_that_sees_nothing(dtype: str) -> None:
    """A dilated window may step over the input: it has the least integer and no index."""
    x = np.full((1, 1, 1, 1), 5, dtype)
    values, indices = fastconv.max_pool2d(x, (2, 1), 1, (1, 0), (2, 1), return_indices=True)
    assert values.ravel().tolist() == [np.iinfo(dtype).min]
    assert indices.ravel().tolist() == [-1]


@pytest.mark.parametrize("dtype", TYPES[:6])
@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_adaptive_max_pool(dtype: str, layout: Any) -> None:
    """So are adaptive windows."""
    x = draw(np.random.default_rng(10), (2, 7, 9, 11), dtype)
    values, indices = fastconv.adaptive_max_pool2d(x, (3, 4), True, layout=layout)
    expected, where = ref.adaptive_max_pool(x, (3, 4), layout)
    np.testing.assert_array_equal(values, expected, strict=True)
    np.testing.assert_array_equal(indices, where, strict=True)


# ---------------------------------------------------------------- what is refused

X, W, B = np.ones((1, 16, 8, 8), np.int64), np.ones((16, 16, 3, 3), np.int64), np.ones(16, np.int64)

REFUSED: dict[str, tuple[dict[str, Any], type[Exception], str]] = {
    "bool": ({"input": X.astype(bool)}, TypeError, "input: dtype bool"),
    "bool weight": ({"weight": W.astype(bool)}, TypeError, "weight: dtype bool, expected integers"),
    "float weight": ({"weight": W.astype(float)}, TypeError, "weight: dtype float64, expected integers"),
    "float input": ({"input": X.astype(float)}, TypeError, "weight: .*int64.*, expected float"),
    "float bias": ({"bias": B.astype(float)}, TypeError, "bias: dtype float64, expected integers"),
    "ragged weight": ({"weight": [[1], [2, 3]]}, TypeError, "weight=.*: expected an array"),
    "no weight": ({"weight": None}, TypeError, "weight: dtype object, expected integers"),
    "bias shape": ({"bias": B[:3]}, ValueError, r"bias: shape \(3,\), expected \(16,\) for weight of shape"),
    "channels": ({"input": X[:, :3]}, ValueError, r"input: shape \(1, 3, 8, 8\) has 3 channels"),
    "axes": ({"input": X[0, 0]}, ValueError, r"input: shape \(8, 8\), expected"),
    "weight axes": ({"weight": W[0]}, ValueError, r"weight: shape \(16, 3, 3\), expected"),
    "stride": ({"stride": 0}, ValueError, "stride=0: expected positive"),
    "groups": ({"groups": 3}, ValueError, "groups|channels"),
    "layout": ({"layout": "CHWN"}, ValueError, "layout='CHWN'"),
    "padding mode": ({"padding_mode": "mirror"}, ValueError, "padding_mode='mirror'"),
    "winograd": ({"algorithm": "winograd"}, ValueError, "algorithm='winograd': .*round"),
    "winograd2": ({"algorithm": "winograd2"}, ValueError, "algorithm='winograd2': .*integers"),
    "winograd4": ({"algorithm": "winograd4"}, ValueError, "algorithm='winograd4': .*integers"),
    "unknown": ({"algorithm": "fft"}, ValueError, "algorithm='fft': expected one of"),
    "unsupported": ({"algorithm": "pointwise"}, ValueError, "algorithm='pointwise': it needs"),
    "no name": ({"algorithm": 3}, TypeError, "algorithm=3: expected a string"),
    **{
        name: ({"activation": name}, ValueError, f"activation='{name}': expected None, 'relu'")
        for name in ("leaky_relu", "sigmoid", "tanh", "silu", "gelu")
    },
    "one bound": ({"activation": (1,)}, ValueError, r"activation=\(1,\): expected"),
    "three bounds": ({"activation": (1, 2, 3)}, ValueError, r"activation=\(1, 2, 3\): expected"),
    "float bound": ({"activation": (0, 0.5)}, TypeError, r"activation=\(0, 0.5\): expected .*integers"),
    "bool bound": ({"activation": (False, 3)}, TypeError, r"activation=\(False, 3\): expected .*integers"),
    "no pair": ({"activation": 1}, TypeError, "activation=1: expected"),
    "order": ({"activation": (3, 2)}, ValueError, r"activation=\(3, 2\): expected low <= high"),
    "beyond": ({"activation": (0, 2**63)}, ValueError, "activation=.*expected bounds that int64 holds"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    """Errors name the argument, its value and what was expected."""
    change, error, words = REFUSED[name]
    functions = [fastconv.conv2d, *([] if "padding_mode" in change else [fastconv.conv_transpose2d])]
    for function in functions:
        arguments: dict[str, Any] = {"input": X, "weight": W, "bias": B} | change
        with pytest.raises(error, match=words):
            function(**arguments)


def test_refused_elsewhere() -> None:
    """Where integers have no meaning, or no exact one."""
    for dtype in ("int64", "uint64"):
        with pytest.raises(TypeError, match=f"input: dtype {dtype}, expected integers of at most 32 bits"):
            fastconv.max_pool2d(X.astype(dtype), 2)
        with pytest.raises(TypeError, match=f"input: dtype {dtype}, expected integers of at most 32 bits"):
            fastconv.adaptive_max_pool2d(X.astype(dtype), 2)
    with pytest.raises(TypeError, match="input: dtype int8, expected floating or complex"):
        fastconv.avg_pool2d(X.astype(np.int8), 2)
    with pytest.raises(TypeError, match="input: dtype int64, expected floating or complex"):
        fastconv.adaptive_avg_pool2d(X, 2)
    with pytest.raises(TypeError, match="weight: dtype int64"):
        fastconv.Conv2d(W)
    with pytest.raises(TypeError, match="input: dtype int64"):
        fastconv.Conv2d(W.astype(float))(X)
    with pytest.raises(ValueError, match=r"input: shape \(1, 16, 8, 8\), expected a last axis of 3"):
        fastconv.linear(X, np.ones((2, 3), int))
    with pytest.raises(ValueError, match=r"weight: shape \(3,\), expected 2 axes"):
        fastconv.linear(X, np.ones(3, int))
    with pytest.raises(ValueError, match="kernel_size=0"):
        fastconv.max_pool2d(X.astype(np.int8), 0)


HUGE = np.broadcast_to(np.int64(1), (1, 16, 2**22, 2**22))


@pytest.mark.parametrize(
    "name",
    [name for name, (change, *_) in REFUSED.items() if not {"input", "padding_mode"} & change.keys()],
)
def test_refused_before_allocation(name: str) -> None:
    """Nothing is copied, and nothing computed, before all but the algorithm's own limits has been checked."""
    change, error, words = REFUSED[name]
    if name in ("unknown", "unsupported", "no name"):
        return
    arguments: dict[str, Any] = {"input": HUGE, "weight": W, "bias": B} | change
    with pytest.raises(error, match=words):
        fastconv.conv2d(**arguments)
