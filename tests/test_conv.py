"""conv1d, conv2d, conv3d and their prepared objects against the definition."""

from __future__ import annotations

import pickle
import tracemalloc
from typing import Any

import numpy as np
import pytest

import fastconv
from fastconv import Problem
from fastconv._fastconv import supports

from . import reference as ref
from .guarded import guarded_copy
from .oracle import Oracle, oracle
from .problems import CONVOLUTIONS, LAYERS, arguments, arrays, call
from .variants import algorithms, chosen, instruction_set, widest

OBJECTS = {"conv1d": fastconv.Conv1d, "conv2d": fastconv.Conv2d, "conv3d": fastconv.Conv3d}
SMALL_LAYERS = {
    name: text
    for name, text in LAYERS.items()
    if text.startswith("conv") and Problem(text).flops < 500_000_000
}


def prepared(text: str, **overrides: Any) -> Any:
    """The prepared object of a problem."""
    problem, data = Problem(text), arrays(text)
    return OBJECTS[problem.op](data.weight, data.bias, **arguments(problem) | overrides)


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_definition(name: str, isa: str) -> None:
    """Every algorithm, on every instruction set, by one thread and by two, stays within its proven bound."""
    text = CONVOLUTIONS[name]
    problem = Problem(text)
    for algorithm in algorithms(problem):
        for threads in (1, 2):
            with fastconv.threads(threads):
                actual = call(problem, arrays(text), algorithm=algorithm)
            oracle(text).check(actual, algorithm, f"{algorithm} on {isa} with threads={threads}")


@pytest.mark.parametrize("name", CONVOLUTIONS)
@pytest.mark.parametrize("choice", ["auto", "strict", "winograd"])
def test_choice(name: str, choice: str) -> None:
    """The choices that stand for an algorithm compute what the algorithm behind them promises."""
    text = CONVOLUTIONS[name]
    problem = Problem(text)
    if choice == "winograd" and not {"winograd2", "winograd4"} & set(algorithms(problem)):
        with pytest.raises(ValueError, match="winograd"):
            call(problem, arrays(text), algorithm=choice)
    else:
        algorithm = chosen(problem, choice)
        assert choice != "strict" or not algorithm.startswith("winograd")
        oracle(text).check(prepared(text, algorithm=choice)(arrays(text).input), algorithm)
        # the plain function may choose another, since it packs the weights at every call
        oracle(text).check(call(problem, arrays(text), algorithm=choice), widest(problem))


@pytest.mark.parametrize("name", SMALL_LAYERS)
def test_layers(name: str) -> None:
    """The shapes that the benchmarks time give the right numbers too, whichever algorithm is named."""
    text = SMALL_LAYERS[name]
    problem = Problem(text)
    for algorithm in algorithms(problem):
        oracle(text).check(call(problem, arrays(text), algorithm=algorithm), algorithm)


@pytest.mark.parametrize("algorithm", sorted({*fastconv.algorithms()} - {"pool", "dot"}))
def test_algorithm_is_exercised(algorithm: str) -> None:
    """An algorithm that refused everything would pass every other test."""
    able = [name for name, text in CONVOLUTIONS.items() if algorithm in algorithms(Problem(text))]
    assert len(able) >= 5
    if algorithm == "direct":
        assert len(able) == len(CONVOLUTIONS)


@pytest.mark.parametrize("algorithm", [name for name in fastconv.algorithms() if name != "pool"])
def test_unsupported_algorithm_says_why(algorithm: str) -> None:
    """Asking for an algorithm that cannot do the problem is an error with the algorithm's reason in it."""
    for text in CONVOLUTIONS.values():
        problem = Problem(text)
        reason = supports(algorithm, problem)
        if reason:
            with pytest.raises(ValueError, match=algorithm) as error:
                call(problem, arrays(text), algorithm=algorithm)
            assert reason in str(error.value)


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_object_equals_function(name: str) -> None:
    """Packing the weights beforehand does not change a bit, once both use the same algorithm."""
    text = CONVOLUTIONS[name]
    problem, x = Problem(text), arrays(text).input
    for algorithm in ["strict", *algorithms(problem)]:
        expected = call(problem, arrays(text), algorithm=algorithm)
        conv = prepared(text, algorithm=algorithm)
        np.testing.assert_array_equal(conv(x), expected, strict=True, err_msg=algorithm)
        out = np.full(expected.shape, np.nan, expected.dtype)
        assert conv(x, out=out) is out
        np.testing.assert_array_equal(out, expected, strict=True, err_msg=algorithm)
        assert conv.output_shape(x.shape) == expected.shape


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_object_takes_any_extent_and_batch(layout: str) -> None:
    """One object serves images of several sizes in any order, batched or not."""
    rng = np.random.default_rng(1)
    w, b = rng.standard_normal((3, 3, 5, 9)), rng.standard_normal(9)
    w = w if layout == "NHWC" else np.ascontiguousarray(np.moveaxis(w, (-1, -2), (0, 1)))
    conv = fastconv.Conv2d(w, b, padding=1, layout=layout, algorithm="strict")
    for n, h, wide in [(1, 7, 7), (3, 1, 20), (2, 16, 5), (1, 7, 7), (0, 4, 4)]:
        x = rng.standard_normal((n, 5, h, wide) if layout == "NCHW" else (n, h, wide, 5))
        np.testing.assert_array_equal(
            conv(x), fastconv.conv2d(x, w, b, padding=1, layout=layout, algorithm="strict"), strict=True
        )
        if n:
            np.testing.assert_array_equal(conv(x[0]), conv(x[:1])[0], strict=True)


def test_object_reads_back() -> None:
    """What an object was made from can be asked of it."""
    w = np.zeros((8, 2, 3, 5), np.float32)
    conv = fastconv.Conv2d(w, np.zeros(8, np.float32), (2, 1), ((1, 0), (2, 2)), (1, 3), 4, activation="relu")
    assert (conv.weight_shape, conv.kernel_size, conv.in_channels, conv.out_channels) == (
        (8, 2, 3, 5),
        (3, 5),
        8,
        8,
    )
    assert (conv.stride, conv.padding, conv.dilation, conv.groups) == ((2, 1), ((1, 0), (2, 2)), (1, 3), 4)
    assert (conv.layout, conv.activation, conv.dtype) == ("NCHW", "relu", "float32")
    assert fastconv.Conv2d(w, padding="same").padding == "same"
    assert fastconv.Conv2d(w, padding=1).padding == ((1, 1), (1, 1))


def test_object_keeps_its_weights() -> None:
    """Weights changed by their owner afterwards do not change the object."""
    w = np.ones((1, 1, 3, 3))
    conv = fastconv.Conv2d(w)
    w[...] = 7
    assert conv(np.ones((1, 1, 3, 3))).item() == 9


@pytest.mark.parametrize("name", [name for name, text in CONVOLUTIONS.items() if Problem(text).n == 1])
def test_unbatched(name: str) -> None:
    """An input without its batch axis gives the result without it."""
    text = CONVOLUTIONS[name]
    problem, data = Problem(text), arrays(text)
    function = getattr(fastconv, problem.op)
    actual = function(data.input[0], data.weight, data.bias, **arguments(problem))
    np.testing.assert_array_equal(actual, call(problem, data)[0], strict=True)


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_out(name: str) -> None:
    """`out` is filled completely and returned."""
    text = CONVOLUTIONS[name]
    problem = Problem(text)
    out = np.full(problem.output_shape, np.nan, problem.dtype)
    assert call(problem, arrays(text), out=out) is out
    np.testing.assert_array_equal(out, call(problem, arrays(text)), strict=True)


SYNONYMS = [
    ("conv1d", "NCL", "NCHW"),
    ("conv1d", "NCW", "NCHW"),
    ("conv1d", "NLC", "NHWC"),
    ("conv1d", "NWC", "NHWC"),
]
SYNONYMS += [("conv3d", "NCDHW", "NCHW"), ("conv3d", "NDHWC", "NHWC")]


@pytest.mark.parametrize(("op", "synonym", "layout"), SYNONYMS)
def test_layout_synonyms(op: str, synonym: str, layout: str) -> None:
    """The usual names of the 1-D and 3-D layouts mean channels first and channels last."""
    rank = int(op[4])
    x, w = np.arange(3.0**rank * 2), np.arange(2.0**rank * 2)
    x = x.reshape((1, 2, *[3] * rank) if layout == "NCHW" else (1, *[3] * rank, 2))
    w = w.reshape((1, 2, *[2] * rank) if layout == "NCHW" else (*[2] * rank, 2, 1))
    function = getattr(fastconv, op)
    np.testing.assert_array_equal(function(x, w, layout=synonym), function(x, w, layout=layout), strict=True)


PADDINGS: list[tuple[Any, Any]] = [
    (2, ((2, 2), (2, 2))),
    ((1, 2), ((1, 1), (2, 2))),
    ([1, 2], ((1, 1), (2, 2))),
    (np.int64(1), ((1, 1), (1, 1))),
    ("valid", ((0, 0), (0, 0))),
    ("same", ((1, 2), (0, 1))),  # kernel (4, 3), stride (1, 2), input (7, 8)
    ([[0, 1], [2, 3]], ((0, 1), (2, 3))),
]


@pytest.mark.parametrize(("form", "pairs"), PADDINGS, ids=repr)
def test_padding_forms(form: Any, pairs: Any) -> None:
    """Every way to write a padding means its (before, after) pairs."""
    rng = np.random.default_rng(2)
    x, w = rng.standard_normal((1, 2, 7, 8)), rng.standard_normal((3, 2, 4, 3))
    expected = fastconv.conv2d(x, w, stride=(1, 2), padding=pairs)
    assert expected.shape == ref.conv(x, w, stride=(1, 2), padding=form).shape
    np.testing.assert_array_equal(fastconv.conv2d(x, w, stride=(1, 2), padding=form), expected, strict=True)
    np.testing.assert_array_equal(fastconv.Conv2d(w, stride=(1, 2), padding=form)(x), expected, strict=True)


def test_positional_order() -> None:
    """The order of torch.nn.functional: input, weight, bias, stride, padding, dilation, groups."""
    rng = np.random.default_rng(3)
    x, w, b = rng.standard_normal((1, 4, 9, 9)), rng.standard_normal((6, 2, 3, 3)), rng.standard_normal(6)
    named = fastconv.conv2d(input=x, weight=w, bias=b, stride=2, padding=1, dilation=3, groups=2)
    np.testing.assert_array_equal(fastconv.conv2d(x, w, b, 2, 1, 3, 2), named)
    with pytest.raises(TypeError):
        fastconv.conv2d(x, w, b, 2, 1, 3, 2, "NCHW")


ACTIVATIONS: list[Any] = ["relu", "relu6", "leaky_relu", "sigmoid", "tanh", "silu"]
ACTIVATIONS += [(-1.0, 2.0), (None, 0.5), (-0.25, None), (None, None), (0, 6)]


@pytest.mark.parametrize("activation", ACTIVATIONS, ids=str)
@pytest.mark.parametrize("name", ["channels-67", "depthwise-nhwc", "groups-uneven", "3d-nhwc"])
def test_activation(name: str, activation: Any, isa: str) -> None:
    """Each activation is applied to the finished sum, bias included, by every algorithm."""
    text = CONVOLUTIONS[name]
    problem, data = Problem(text), arrays(text)
    expected = Oracle(problem, data, activation)
    for algorithm in algorithms(problem):
        actual = call(problem, data, algorithm=algorithm, activation=activation)
        expected.check(actual, algorithm, f"{algorithm} with {activation} on {isa}")
    np.testing.assert_array_equal(
        prepared(text, activation=activation, algorithm="strict")(data.input),
        call(problem, data, activation=activation, algorithm="strict"),
        strict=True,
    )


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_residual(name: str, isa: str) -> None:
    """It makes no difference to any bit whether a residual is added on the way or afterwards."""
    text = CONVOLUTIONS[name]
    problem, x = Problem(text), arrays(text).input
    residual = np.random.default_rng(3).standard_normal(problem.output_shape).astype(x.dtype)
    for algorithm in algorithms(problem):
        sums = prepared(text, algorithm=algorithm, activation=None)(x) + residual
        conv = prepared(text, algorithm=algorithm, activation="relu")
        for flush in ("start", "end"):
            actual = conv(x, residual=guarded_copy(residual, flush))
            np.testing.assert_array_equal(actual, np.maximum(sums, 0), strict=True, err_msg=algorithm)
    apart = np.repeat(residual, 2, axis=-1)[..., ::2]
    np.testing.assert_array_equal(conv(x, None, apart), actual, strict=True)


@pytest.mark.parametrize("activation", ["sigmoid", "tanh", "silu", "leaky_relu", None])
def test_residual_before_activation(activation: Any, isa: str) -> None:
    """Whatever the activation, the residual is added before."""
    text = CONVOLUTIONS["channels-67"]
    problem, x = Problem(text), arrays(text).input
    residual = np.random.default_rng(3).standard_normal(problem.output_shape).astype(x.dtype)
    sums = prepared(text, activation=None)(x) + residual
    expected = getattr(fastconv, activation)(sums) if activation else sums
    actual = prepared(text, activation=activation)(x, residual=residual)
    np.testing.assert_array_equal(actual, expected, strict=True)


def test_residual_errors() -> None:
    """Another shape or type, or memory that is written meanwhile, is refused."""
    x = np.zeros((2, 3, 4, 4), np.float32)
    conv = fastconv.Conv2d(np.zeros((5, 3, 1, 1), np.float32))
    y = np.zeros((2, 5, 4, 4), np.float32)
    with pytest.raises(ValueError, match=r"residual: shape \(5, 4, 4\), expected \(2, 5, 4, 4\)"):
        conv(x, residual=y[0])
    with pytest.raises(TypeError, match="residual: dtype float64"):
        conv(x, residual=y.astype(np.float64))
    with pytest.raises(ValueError, match="out: the array overlaps residual"):
        conv(x, out=y, residual=y)
    with pytest.raises(TypeError, match=r"expected x, out or residual"):
        conv(x, add=y)
    with pytest.raises(TypeError, match="takes 1 to 3 arguments"):
        conv(x, y, y, y)
    halves = fastconv.Conv2d(np.zeros((5, 3, 1, 1), np.float16))
    with pytest.raises(TypeError, match="residual: the weights are float16, expected float32 or float64"):
        halves(x.astype(np.float16), residual=y)


def check_extents(weight: Any, extents: list[int], **kwargs: Any) -> None:
    """One prepared object on images of several extents, in turn and again, gives what the function gives."""
    conv = fastconv.Conv2d(weight, **kwargs)
    for extent in (*extents, *extents):
        x = np.random.default_rng(extent).standard_normal((1, weight.shape[1], extent, extent))
        x = x.astype(weight.dtype)
        np.testing.assert_array_equal(conv(x), fastconv.conv2d(x, weight, **kwargs), err_msg=str(extent))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("algorithm", ["auto", "pointwise", "im2col", "direct"])
def test_weights_packed_for_another_extent(algorithm: str, dtype: Any, isa: str) -> None:
    """1x1 weights are packed in one order for many pixels and in another for few."""
    weight = np.random.default_rng(13).standard_normal((40, 24, 1, 1)).astype(dtype)
    check_extents(weight, [16, 5, 7, 8], algorithm=algorithm)


def test_infinite_weights_packed_for_another_extent() -> None:
    """Padding "same" is none for some extents, and infinite weights must not meet that of the others."""
    weight = np.random.default_rng(14).standard_normal((40, 24, 3, 3))
    weight[0, 0, 0, 0] = np.inf
    check_extents(weight, [9, 8], padding="same", stride=3, algorithm="im2col")


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_no_channels(layout: str) -> None:
    """A sum over no channels is its bias; no output channels are no output."""
    for ic, oc in ((0, 3), (2, 0), (0, 0)):
        x = np.ones((2, ic, 4, 5) if layout == "NCHW" else (2, 4, 5, ic))
        w = np.ones((oc, ic, 3, 3) if layout == "NCHW" else (3, 3, ic, oc))
        for algorithm in ("auto", "direct", "im2col"):
            y = fastconv.conv2d(x, w, np.arange(oc) + 0.5, layout=layout, algorithm=algorithm)
            expected = np.broadcast_to(np.arange(oc) + 0.5, (2, 2, 3, oc)) + ic * 9
            np.testing.assert_array_equal(ref.channels_first(y, layout), np.moveaxis(expected, -1, 1))


def test_pickle() -> None:
    """A prepared object travels to another process by its weights."""
    conv = prepared(CONVOLUTIONS["first-layer"])
    x = arrays(CONVOLUTIONS["first-layer"]).input
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(conv))(x), conv(x), strict=True)


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_weights_are_read_back_from_where_they_are_packed(name: str, isa: str) -> None:
    """Whatever packed them, and packing them for another algorithm's sake begins with the same."""
    text = CONVOLUTIONS[name]
    problem, data = Problem(text), arrays(text)
    for algorithm in algorithms(problem):
        conv = prepared(text, algorithm=algorithm)
        expected = conv(data.input)
        np.testing.assert_array_equal(conv.weight, data.weight, strict=True)
        assert not conv.weight.flags.writeable
        np.testing.assert_array_equal(pickle.loads(pickle.dumps(conv))(data.input), expected, strict=True)
    conv = prepared(text)
    for other in fastconv.instruction_sets():
        with instruction_set(other):
            np.testing.assert_array_equal(conv(data.input), prepared(text)(data.input), strict=True)


def test_weights_are_kept_once() -> None:
    """Once they are packed, nothing but that is left."""
    weight = np.ones((512, 512, 3, 3), np.float32)
    x = np.ones((512, 4, 4), np.float32)
    tracemalloc.start()
    try:
        conv = fastconv.Conv2d(weight, algorithm="direct")
        before = tracemalloc.get_traced_memory()[0]
        conv(x)
        after = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert before > weight.nbytes
    assert after < weight.nbytes / 100  # packed weights lie in memory that tracemalloc does not see
    assert conv.explain(x.shape).packed_weight_bytes >= weight.nbytes
