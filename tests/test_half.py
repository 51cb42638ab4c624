"""float16 and bfloat16: the bits of float32, rounded once."""

from __future__ import annotations

import copy
import pickle
import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import fastconv
from fastconv import Problem, bench, grad
from fastconv._fastconv import supports, use_matrices

from . import conv_gradients
from .bench_libraries import make_quick
from .guarded import guarded, guarded_copy
from .oracle import Oracle, assert_within
from .problems import CODES, CONVOLUTIONS, POOLS, Arrays, arguments, arrays, call
from .reference import Array
from .variants import everywhere, variants


@pytest.fixture(params=["float16", "bfloat16"])
def half(request: pytest.FixtureRequest) -> np.dtype[Any]:
    """Each of the two types; bfloat16 where its package is installed."""
    if request.param == "float16":
        return np.dtype(np.float16)
    return np.dtype(pytest.importorskip("ml_dtypes").bfloat16)


def patterns(half: np.dtype[Any]) -> Array:
    """Every number there is, and every NaN."""
    return np.arange(1 << 16, dtype=np.uint16).view(half)


def draw(half: np.dtype[Any], *shape: int, seed: int = 0) -> Array:
    """Normal numbers."""
    return np.random.default_rng(seed).standard_normal(shape).astype(half)


def widened(value: Any) -> Any:
    """Arrays of half-sized floats as float32; what is none as it is."""
    return value.astype(np.float32) if getattr(value, "dtype", np.dtype("i8")).itemsize == 2 else value


def rounded(wide: Array, half: np.dtype[Any]) -> Array:
    """As NumPy and ml_dtypes round."""
    assert wide.dtype == np.float32
    with np.errstate(over="ignore", under="ignore"):
        return wide.astype(half)


def assert_same(actual: Array, expected: Array, what: str = "") -> None:
    """Fail unless all bits are the same; of NaNs, that they are."""
    assert (actual.dtype, actual.shape) == (expected.dtype, expected.shape), what
    assert actual.dtype.isnative
    with np.errstate(invalid="ignore"):  # signalling NaNs
        nan = np.isnan(expected)
        np.testing.assert_array_equal(np.isnan(actual), nan, err_msg=what)
    bits = (np.where(nan, 0, np.ascontiguousarray(a).view(np.uint16)) for a in (actual, expected))
    np.testing.assert_array_equal(*bits, err_msg=what)


def in_type(text: str, dtype: str) -> str:
    """A problem string with another type."""
    return re.sub(r" f(32|64)\b", f" {CODES[dtype]}", text)


# ---------------------------------------------------------------- conversions


def test_every_pattern_stays(isa: str, half: np.dtype[Any]) -> None:
    """Through what moves elements, in runs of any length."""
    x = patterns(half)
    assert_same(fastconv.pad1d(x.reshape(1, 1, -1), 0).reshape(-1), x)
    for count in [*range(1, 40), 65535]:
        assert_same(fastconv.pad1d(x[-count:].reshape(1, 1, -1), 0).reshape(-1), x[-count:])
    positive = x[1 : np.flatnonzero(x == np.inf)[0] + 1]
    assert_same(fastconv.relu(positive), positive)


def test_rounding(isa: str, half: np.dtype[Any]) -> None:
    """Halfway between each number and the next, to the even one; a little above and below, to the nearer."""
    bits = patterns(half)
    finite = np.isfinite(bits.astype(np.float32)) & (np.arange(1 << 16) < 1 << 15)
    number = np.flatnonzero(finite)
    mantissa = 10 if half == np.float16 else 7
    exponent = np.maximum(number >> mantissa, 1)
    least = -24 if half == np.float16 else -133
    step = np.ldexp(1.0, exponent - 1 + least).astype(half)  # to the next number
    x = np.stack([bits[finite], step, step])[None]
    rows = np.array([[1, 0.5, 0], [1, 0.5, -(2**-10)], [1, 0.5, 2**-10]])
    y = fastconv.conv1d(x, np.concatenate([rows, -rows])[..., None].astype(half), algorithm="strict")
    tie, below, above = number + (number & 1), number, number + 1
    expected = np.stack([tie, below, above])
    expected = np.concatenate([expected, expected | 0x8000])[None]
    np.testing.assert_array_equal(y.view(np.uint16), expected)


def test_overflow(isa: str, half: np.dtype[Any]) -> None:
    """Sums that float32 holds and the half does not are infinite; those that it does not hold too."""
    largest = float(np.float32(patterns(half)[0x7BFF if half == np.float16 else 0x7F7F]))
    x = np.full((1, 2, 3), largest).astype(half)
    x[0, :, 1] *= -1
    y = fastconv.conv1d(x, np.ones((1, 2, 1), half))
    np.testing.assert_array_equal(y.astype(np.float32), [[[np.inf, -np.inf, np.inf]]])
    # What comes back into range, before it is rounded, is not.
    y = fastconv.conv1d(
        x[:, :, :2],
        np.array([[[0.75], [0.5]]]).astype(half),
        np.array([-largest / 4]).astype(half),
        algorithm="strict",
    )
    assert_same(y[..., :1], x[:, :1, :1])


def test_nan_and_infinities(isa: str, half: np.dtype[Any]) -> None:
    """They come out where they go in."""
    x = np.array([[[0, np.nan, 1, np.inf, -np.inf, -2]]]).astype(half)
    assert_same(fastconv.conv1d(x, np.ones((1, 1, 1), half)), x)
    assert_same(fastconv.max_pool1d(x, 2), np.array([[[np.nan, np.inf, -2]]]).astype(half))


# ---------------------------------------------------------------- convolutions and pooling


@pytest.mark.parametrize("name", list(CONVOLUTIONS)[::3])
def test_convolution(half: np.dtype[Any], name: str) -> None:
    """Every algorithm: half a last place beyond float32's bound; float32's result, rounded, but for "dot".

    That takes a denormal number, of a product or a sum, for zero.
    """
    text = in_type(CONVOLUTIONS[name], half.name)
    problem, like = Problem(text), Problem(in_type(CONVOLUTIONS[name], "float32"))
    data = arrays(text)
    wide = data.astype(np.float32)
    oracle = Oracle(like, wide)
    place = float(2.0 ** (-11 if half == np.float16 else -8))
    least = float(2.0 ** (-25 if half == np.float16 else -134))
    for algorithm, what in variants(problem):
        y = call(problem, data, algorithm=algorithm)
        bound = oracle.bound(algorithm)
        if algorithm == "dot":
            products = wide.weight.size // max(problem.output_shape[1 if problem.layout == "NCHW" else -1], 1)
            largest = np.abs(wide.weight).max(initial=0) + np.abs(wide.input).max(initial=0)
            bound = bound + products * 2.0**-126 * (1 + largest)
        else:
            assert_same(y, rounded(call(like, wide, algorithm=algorithm), half), f"{text}, {what}")
        bound = bound + place * (np.abs(oracle.value) + bound) + least
        assert_within(y.astype(np.float64), oracle.value, bound, f"{text}, {what}")
        prepared = getattr(fastconv, f"Conv{problem.rank}d")(
            data.weight, data.bias, **arguments(problem), algorithm=algorithm
        )
        if algorithm == "dot":
            assert_same(prepared(data.input), y, f"{text}, prepared, {what}")
            continue
        expected = getattr(fastconv, f"Conv{problem.rank}d")(
            wide.weight, wide.bias, **arguments(problem), algorithm=algorithm
        )
        assert_same(prepared(data.input), rounded(expected(wide.input), half), f"{text}, prepared, {what}")
    assert fastconv.explain(problem).algorithm in {"dot", fastconv.explain(like).algorithm}


@pytest.mark.parametrize("name", list(POOLS)[::3])
def test_pool(isa: str, half: np.dtype[Any], name: str) -> None:
    """Values of float32, rounded, and the same indices."""
    text = in_type(POOLS[name], half.name)
    data = arrays(text)
    y, wide = (call(Problem(text), Arrays(x)) for x in (data.input, widened(data.input)))
    if Problem(text).return_indices:
        (y, indices), (wide, expected) = y, wide
        np.testing.assert_array_equal(indices, expected, strict=True)
    assert_same(y, rounded(wide, half), text)


@pytest.mark.parametrize("operation", conv_gradients.OPERATIONS)
@pytest.mark.parametrize(
    "name",
    ["winograd-many-tiles", "depthwise-stride-nhwc", "groups-2", "dilated-stride", "same-stride", "3d-nhwc"],
)
def test_conv_gradients(isa: str, half: np.dtype[Any], operation: str, name: str) -> None:
    """Transposed convolutions and all gradients, by each algorithm."""
    problem = Problem(in_type(CONVOLUTIONS[name], half.name))
    data = conv_gradients.draw(problem)
    algorithms = (
        conv_gradients.able(operation, problem, data) if operation in conv_gradients.CHOOSING else [None]
    )
    for algorithm in algorithms:
        if algorithm == "dot":  # whose bits are its own, see test_convolution
            continue
        how = {} if algorithm is None else {"algorithm": algorithm}
        y = conv_gradients.call(operation, problem, data, **how)
        wide = conv_gradients.call(operation, problem, data.map(widened), **how)
        assert_same(y, rounded(wide, half), f"{operation} of {problem}, {algorithm}")


# ---------------------------------------------------------------- the others

IMAGE, PAIRS = (2, 3, 9, 10), (2, 3, 4, 5)
OPERATORS: dict[str, tuple[Callable[..., Any], tuple[tuple[int, ...], ...]]] = {
    "linear": (lambda x, w, b: fastconv.linear(x, w, b, activation="silu"), ((7, 33), (18, 33), (18,))),
    "relu": (fastconv.relu, (IMAGE,)),
    "leaky_relu": (fastconv.leaky_relu, (IMAGE,)),
    "sigmoid": (fastconv.sigmoid, (IMAGE,)),
    "tanh": (fastconv.tanh, (IMAGE,)),
    "silu": (fastconv.silu, (IMAGE,)),
    "softmax": (lambda x: fastconv.softmax(x, 1), (IMAGE,)),
    "cross_entropy": (lambda x: fastconv.cross_entropy(x, np.arange(7), "none"), ((7, 9),)),
    "pad": (lambda x: fastconv.pad2d(x, 2, "reflect"), (IMAGE,)),
    "padding_mode": (
        lambda x, w: fastconv.conv2d(x, w, padding=1, padding_mode="circular"),
        (IMAGE, (5, 3, 3, 3)),
    ),
    "unfold": (lambda x: fastconv.unfold(x, 3), (IMAGE,)),
    "fold": (lambda x: fastconv.fold(x, (5, 6), 3), ((2, 27, 12),)),
    "lp_pool": (lambda x: fastconv.lp_pool2d(x, 3.0, 3), (IMAGE,)),
    "adaptive_avg_pool": (lambda x: fastconv.adaptive_avg_pool2d(x, (4, 3)), (IMAGE,)),
    "adaptive_max_pool": (lambda x: fastconv.adaptive_max_pool2d(x, (4, 3)), (IMAGE,)),
    "max_unpool": (lambda x: fastconv.max_unpool2d(x, numbers(), 2), (PAIRS,)),
    "grad.relu": (grad.relu, (IMAGE, IMAGE)),
    "grad.sigmoid": (grad.sigmoid, (IMAGE, IMAGE)),
    "grad.silu": (grad.silu, (IMAGE, IMAGE)),
    "grad.softmax": (lambda dy, y: grad.softmax(dy, y, axis=1), (IMAGE, IMAGE)),
    "grad.cross_entropy": (lambda x: grad.cross_entropy(x, np.arange(7)), ((7, 9),)),
    "grad.linear_input": (grad.linear_input, ((18, 33), (7, 18))),
    "grad.linear_weight": (grad.linear_weight, ((7, 33), (7, 18))),
    "grad.linear_input of nothing": (grad.linear_input, ((18, 33), (0, 18))),
    "grad.pad": (lambda dy: grad.pad2d(dy, (2, 3, 5, 6), 2, "reflect"), (IMAGE,)),
    "grad.padding_mode": (
        lambda w, dy: grad.conv2d_input(IMAGE, w, dy, padding=1, padding_mode="reflect"),
        ((5, 3, 3, 3), (2, 5, 9, 10)),
    ),
    "grad.avg_pool": (lambda dy: grad.avg_pool2d(dy, (2, 3, 8, 10), 2), (PAIRS,)),
    "grad.adaptive_avg_pool": (lambda dy: grad.adaptive_avg_pool2d(dy, (2, 3, 9, 11)), (PAIRS,)),
    "grad.lp_pool": (
        lambda dy, x, y: grad.lp_pool2d(dy, x, y, 3.0, 2),
        (PAIRS, (2, 3, 8, 10), PAIRS),
    ),
    "grad.max_pool": (lambda dy: grad.max_pool2d(dy, numbers(), (2, 3, 8, 10)), (PAIRS,)),
    "grad.max_unpool": (lambda dy: grad.max_unpool2d(dy, numbers()), ((2, 3, 8, 10),)),
}


def numbers() -> Array:
    """Indices into images of 8 x 10."""
    return np.broadcast_to(np.arange(20).reshape(4, 5) * 4, PAIRS)


@pytest.mark.parametrize("name", OPERATORS)
def test_operator(isa: str, half: np.dtype[Any], name: str) -> None:
    """What float32 arrays give, rounded."""
    function, shapes = OPERATORS[name]
    inputs = [draw(half, *shape, seed=i) for i, shape in enumerate(shapes)]
    assert_same(function(*inputs), rounded(function(*map(widened, inputs)), half), name)


def test_losses_are_added_up_before_they_are_rounded(half: np.dtype[Any]) -> None:
    """The mean and the sum are those of float32 losses."""
    x, target = draw(half, 50, 9), np.arange(50) % 9
    for reduction in ("mean", "sum"):
        assert fastconv.cross_entropy(x, target, reduction) == fastconv.cross_entropy(
            widened(x), target, reduction
        )


# ---------------------------------------------------------------- arrays


VIEWS: dict[str, Callable[[Array], Array]] = {
    "transposed": lambda x: np.ascontiguousarray(x.T).T,
    "backwards": lambda x: x[..., ::-1].copy()[..., ::-1],
    "every second": lambda x: np.repeat(x, 2, -1)[..., ::2],
    "swapped": lambda x: x.astype(x.dtype.newbyteorder(">")),
    "swapped, every second": lambda x: np.repeat(x, 2, -1).astype(x.dtype.newbyteorder(">"))[..., ::2],
    "unaligned": lambda x: np.frombuffer(b"\0" + x.tobytes(), x.dtype, offset=1).reshape(x.shape),
}


@pytest.mark.parametrize("view", VIEWS)
def test_views(half: np.dtype[Any], view: str) -> None:
    """Any strides, byte order and alignment, read-only too; the result is native, the input as it was."""
    x, w, b = draw(half, 2, 3, 9, 10), draw(half, 5, 3, 3, 3), draw(half, 5)
    expected = fastconv.conv2d(x, w, b, algorithm="strict")
    seen = [VIEWS[view](a) for a in (x, w, b)]
    for array in seen:
        array.flags.writeable = False
    assert_same(fastconv.conv2d(*seen, algorithm="strict"), expected)
    assert_same(fastconv.Conv2d(*seen[1:], algorithm="strict")(seen[0]), expected)
    np.testing.assert_array_equal(seen[0].astype(np.float32), x.astype(np.float32))


@pytest.mark.parametrize("flush", ["start", "end"])
def test_nothing_outside_is_touched(isa: str, half: np.dtype[Any], flush: str) -> None:
    """Arrays of any length beside pages without access."""
    for count in range(1, 70):
        x = draw(half, count)
        out = guarded((count,), half, flush)
        fastconv.relu(guarded_copy(x, flush), out=out)
        assert_same(out, fastconv.relu(x))


def test_out(half: np.dtype[Any]) -> None:
    """It is filled and returned; what does not fit is refused, as with any type."""
    x, w = draw(half, 2, 3, 9, 10), draw(half, 5, 3, 3, 3)
    expected = fastconv.conv2d(x, w, algorithm="strict")
    for function in (
        lambda out: fastconv.conv2d(x, w, algorithm="strict", out=out),
        lambda out: fastconv.Conv2d(w, algorithm="strict")(x, out=out),
    ):
        out = np.empty_like(expected)
        assert function(out) is out
        assert_same(out, expected)
        wrong = np.float32 if half == np.float16 else np.float16
        with pytest.raises(TypeError, match=f"out: dtype .*, expected native {half.name}"):
            function(np.empty(out.shape, wrong))
        with pytest.raises(ValueError, match="out: strides"):
            function(np.empty((*out.shape[:-1], 16), half)[..., :8])
        out.flags.writeable = False
        with pytest.raises(ValueError, match="read-only"):
            function(out)
    with pytest.raises(ValueError, match="overlaps x"):
        fastconv.relu(x, out=x)
    with pytest.raises(TypeError, match=f"out: dtype {half.name if half != np.float16 else '<f2'}, expected"):
        fastconv.relu(np.zeros(3, np.float32), out=np.zeros(3, half))


def test_out_stays_where_an_index_is_wrong(half: np.dtype[Any]) -> None:
    """Nothing is written before all is well."""
    indices = numbers().copy()
    indices[-1, -1, -1, -1] = 999
    out = draw(half, 2, 3, 8, 10)
    before = out.copy()
    with pytest.raises(ValueError, match="999"):
        fastconv.max_unpool2d(draw(half, *PAIRS), indices, 2, out=out)
    assert_same(out, before)


def test_empty(half: np.dtype[Any]) -> None:
    """No images, no pixels, no channels."""
    w = draw(half, 5, 3, 3, 3)
    y = fastconv.conv2d(np.zeros((0, 3, 9, 9), half), w)
    assert (y.shape, y.dtype) == ((0, 5, 7, 7), half)
    y = fastconv.conv2d(np.zeros((1, 0, 4, 4), half), np.zeros((2, 0, 3, 3), half), np.ones(2, half))
    assert_same(y, np.ones((1, 2, 2, 2), half))
    assert fastconv.relu(np.zeros((3, 0), half)).dtype == half
    assert fastconv.relu(np.array(-1, half)).shape == ()


def test_prepared(half: np.dtype[Any]) -> None:
    """Weights and bias stay as they were given; copies and pickles are of the type."""
    x, w, b = draw(half, 2, 3, 9, 10), draw(half, 5, 3, 3, 3), draw(half, 5)
    convolution = fastconv.Conv2d(w, b, padding=1)
    assert convolution.dtype == half
    assert_same(convolution.weight, w)
    assert convolution.bias is not None
    assert_same(convolution.bias, b)
    assert f"dtype={half.name}" in repr(convolution)
    assert CODES[half.name] in convolution.explain(x.shape).problem
    assert convolution.profile(x).stages
    expected = convolution(x)
    for other in (copy.deepcopy(convolution), pickle.loads(pickle.dumps(convolution))):
        assert_same(other(x), expected)
    w[...] = 0
    assert_same(convolution(x), expected)


# ---------------------------------------------------------------- types


def test_types_do_not_mix(half: np.dtype[Any]) -> None:
    """The error names both."""
    x, w, b = draw(half, 2, 3, 9, 10), draw(half, 5, 3, 3, 3), draw(half, 5)
    for other in (np.float32, np.float64):
        name = np.dtype(other).name
        with pytest.raises(TypeError, match=f"weight: dtype {name}, expected {half.name} as input"):
            fastconv.conv2d(x, w.astype(other))
        with pytest.raises(TypeError, match=f"weight: dtype {half.name}, expected {name} as input"):
            fastconv.conv2d(x.astype(other), w)
        with pytest.raises(TypeError, match=f"bias: dtype {name}, expected {half.name} as weight"):
            fastconv.conv2d(x, w, b.astype(other))
        with pytest.raises(TypeError, match=f"input: dtype {name}, expected {half.name} as weight"):
            fastconv.Conv2d(w)(x.astype(other))
        with pytest.raises(TypeError, match=f"grad_output: dtype {half.name}, expected {name} as weight"):
            grad.linear_input(np.zeros((3, 3), other), np.zeros((3, 3), half))


def test_both_halves_do_not_mix() -> None:
    """They are two types."""
    bfloat16 = pytest.importorskip("ml_dtypes").bfloat16
    with pytest.raises(TypeError, match="weight: dtype bfloat16, expected float16 as input"):
        fastconv.conv1d(np.ones((1, 1, 3), np.float16), np.ones((1, 1, 1), bfloat16))


def test_other_types() -> None:
    """Two bytes do not make a bfloat16."""
    message = "x: dtype .* is not supported, expected float32, float64, float16 or bfloat16"
    for dtype in ("V2", "i2", "u2", [("bfloat16", "i2")]):
        with pytest.raises(TypeError, match=message):
            fastconv.relu(np.zeros(3, dtype))
    for name in ("float8_e4m3", "int4"):
        kind = getattr(pytest.importorskip("ml_dtypes"), name)
        with pytest.raises(TypeError, match=message):
            fastconv.relu(np.zeros(3, kind))


def test_problem(half: np.dtype[Any]) -> None:
    """Strings, and bytes as the arrays have them."""
    text = "conv2d n1 ic8 ih9 iw9 oc8 kh3 kw3 s1 p1 nchw {}"
    problem, wide = Problem(text.format(CODES[half.name])), Problem(text.format("f32"))
    assert str(problem) == text.format(CODES[half.name])
    assert problem.dtype == half.name
    assert problem != wide
    assert 2 * problem.bytes == wide.bytes
    explained, as_float = fastconv.explain(problem, "winograd4"), fastconv.explain(wide, "winograd4")
    assert explained.packed_weight_bytes == as_float.packed_weight_bytes
    assert explained.workspace_bytes == as_float.workspace_bytes
    assert explained.estimate_us > as_float.estimate_us  # for it is widened, and rounded


def test_bench(half: np.dtype[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Half-sized problems are verified and timed, and tuned."""
    problems = {
        "conv": Problem(f"conv2d n1 ic4 ih9 iw9 oc4 kh3 kw3 s1 p1 nchw {CODES[half.name]} bias relu"),
        "pool": Problem(f"max_pool2d n1 c4 ih9 iw9 kh3 kw3 nchw {CODES[half.name]}"),
    }
    make_quick(monkeypatch)
    report = bench.run([bench.layers(problems)], ["fastconv", "numpy"], bench.Settings(1, 1, 1e-5))
    assert {row.status for row in report.rows} == {"ok"}, [row.note for row in report.rows]
    assert [case.best("numpy") is not None for case in report.cases()] == [True, True]
    try:
        assert fastconv.autotune(problems["conv"], seconds=0.01).seconds
    finally:
        fastconv.forget_tuning()


def test_weights_of_an_object_whose_images_are_drawn(half: np.dtype[Any]) -> None:
    """Drawn images are float32, the object's weights are not."""
    x, w = draw(half, 1, 5, 13, 18), draw(half, 70, 5, 3, 3, seed=1)
    for mode in ("zeros", "reflect"):
        conv = fastconv.Conv2d(w, stride=2, padding=1, padding_mode=mode)
        assert_same(conv(x), fastconv.conv2d(x, w, stride=2, padding=1, padding_mode=mode))
        assert_same(conv.weight, w)


# ---------------------------------------------------------------- dot products


@pytest.fixture(params=["matrices", "vectors"])
def bfloat16(request: pytest.FixtureRequest) -> Iterator[np.dtype[Any]]:
    """The type, where it can be had and the processor multiplies it, in both ways if it has both."""
    dtype = np.dtype(pytest.importorskip("ml_dtypes").bfloat16)
    use_matrices(request.param == "matrices")
    if supports("dot", "conv1d n1 ic2 iw9 oc1 kw1 nchw bf16"):
        use_matrices(True)
        pytest.skip("no dot products of bfloat16 here")
    yield dtype
    use_matrices(True)


@pytest.mark.parametrize("flush", ["start", "end"])
@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("padding", [0, 1])
@pytest.mark.parametrize("ic", [1, 2, 33, 64])
def test_dot_stays_inside(bfloat16: np.dtype[Any], ic: int, padding: int, layout: str, flush: str) -> None:
    """Arrays beside pages without access; small integers, which every sum holds."""
    rng = np.random.default_rng(ic)
    x, w = rng.integers(-3, 4, (2, ic, 5, 19)), rng.integers(-1, 2, (35, ic, 3, 3))
    if layout == "NHWC":
        x, w = np.moveaxis(x, 1, -1), np.moveaxis(w, (0, 1), (-1, -2))
    expected = fastconv.conv2d(x, w, padding=padding, layout=layout)
    x, w = (guarded_copy(a.astype(bfloat16), flush) for a in (x, w))
    out = guarded(expected.shape, bfloat16, flush)
    fastconv.conv2d(x, w, padding=padding, layout=layout, algorithm="dot", out=out)
    assert_same(out, expected.astype(np.float32).astype(bfloat16))


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("width", [1, 15, 16, 17, 33, 113, 230])
def test_dot_widths(bfloat16: np.dtype[Any], width: int, layout: str) -> None:
    """Rows of fewer pixels than a register, of more than a strip; strides, dilation, groups."""
    rng = np.random.default_rng(width)
    for ic, oc, kernel, how in (
        (34, 20, (1, 1), {}),
        (64, 33, (3, 3), {"padding": 1}),
        (6, 64, (3, 5), {"padding": (1, 4), "dilation": (1, 2), "stride": (1, 2)}),
        (20, 40, (2, 1), {"groups": 2, "padding": ((1, 0), (0, 0))}),
    ):
        groups = how.get("groups", 1)
        x = rng.integers(-3, 4, (2, ic, 4, width))
        w = rng.integers(-1, 2, (oc, ic // groups, *kernel))
        if layout == "NHWC":
            x, w = np.moveaxis(x, 1, -1), np.moveaxis(w, (0, 1), (-1, -2))
        expected = fastconv.conv2d(x, w, layout=layout, **how)  # type: ignore[arg-type]
        y = fastconv.conv2d(
            x.astype(bfloat16),
            w.astype(bfloat16),
            layout=layout,
            algorithm="dot",
            **how,  # type: ignore[arg-type]
        )
        assert_same(y, expected.astype(np.float32).astype(bfloat16))


def test_dot_with_infinite_weights(bfloat16: np.dtype[Any]) -> None:
    """Padding is no number that a weight could be multiplied with."""
    x, w = draw(bfloat16, 1, 4, 6, 7), draw(bfloat16, 3, 4, 3, 3)
    w[0, 0, 0, 0], w[1, 1, 1, 1] = np.inf, np.nan
    x[0, 2, 3, 3] = -np.inf
    expected = fastconv.conv2d(widened(x), widened(w), padding=1, algorithm="direct")
    for y in (
        fastconv.conv2d(x, w, padding=1, algorithm="dot"),
        fastconv.Conv2d(w, padding=1, algorithm="dot")(x),
    ):
        np.testing.assert_array_equal(np.isnan(widened(y)), np.isnan(expected))
        np.testing.assert_array_equal(np.isinf(widened(y)), np.isinf(expected))


def test_dot_same_bits(bfloat16: np.dtype[Any]) -> None:
    """For any number of threads, and any batch."""
    x, w, b = draw(bfloat16, 3, 66, 40, 41), draw(bfloat16, 70, 66, 3, 3), draw(bfloat16, 70)
    expected: Array | None = None
    for threads in (1, 2, 3, 8):
        fastconv.set_num_threads(threads)
        y = fastconv.conv2d(x, w, b, padding=1, activation="silu", algorithm="dot")
        expected = y if expected is None else expected
        assert_same(y, expected)
        assert_same(fastconv.conv2d(x[1], w, b, padding=1, activation="silu", algorithm="dot"), expected[1])


def test_dot_refuses(bfloat16: np.dtype[Any]) -> None:
    """What it does not do, it says."""
    x, w = draw(bfloat16, 1, 4, 6, 7), draw(bfloat16, 3, 4, 3, 3)
    for call_it in (
        lambda: fastconv.conv2d(widened(x), widened(w), algorithm="dot"),
        lambda: fastconv.conv2d(x, w, padding=1, padding_mode="reflect", algorithm="dot"),
        lambda: fastconv.conv_transpose2d(x, np.swapaxes(w, 0, 1), algorithm="dot"),
    ):
        with pytest.raises(ValueError, match="algorithm='dot': it needs bfloat16"):
            call_it()
    assert fastconv.explain("conv2d n1 ic4 ih9 iw9 oc4 kh3 kw3 nchw bf16", "strict").algorithm != "dot"


# ---------------------------------------------------------------- threads


def test_threads(half: np.dtype[Any]) -> None:
    """Arrays large enough that threads share conversions: the same bits for any number of them."""
    x = draw(half, 1, 2, 1200, 1000)
    w = draw(half, 2, 2, 3, 3)
    for call_on, wide in (
        (lambda: fastconv.relu(x), lambda: fastconv.relu(widened(x))),
        (
            lambda: fastconv.conv2d(x, w, algorithm="strict"),
            lambda: fastconv.conv2d(widened(x), widened(w), algorithm="strict"),
        ),
        (lambda: fastconv.avg_pool2d(x, 3), lambda: fastconv.avg_pool2d(widened(x), 3)),
    ):
        for bits, isa in everywhere(lambda f=call_on: f().view(np.uint16)):  # type: ignore[misc]
            before = fastconv.instruction_set()
            fastconv.set_instruction_set(isa)
            assert_same(bits.view(half), rounded(wide(), half))
            fastconv.set_instruction_set(before)
