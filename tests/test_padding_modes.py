"""Convolutions whose padding shows the input itself: a border, then a convolution without padding."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fastconv
from fastconv import Problem, grad

from . import reference as ref
from . import reference_gradients as definition
from .guarded import guarded, guarded_copy
from .oracle import Oracle, assert_within
from .problems import CODES, Arrays, parameters
from .reference import Array
from .test_properties import AXES, disguise
from .variants import THREADS, algorithms, variants, widest

MODES = ["reflect", "replicate", "circular", "symmetric"]

PROBLEMS = {
    "3x3": "conv2d n2 ic5 ih9 iw11 oc7 kh3 kw3 s1 p1 nchw f32 reflect bias relu",
    "3x3-nhwc": "conv2d n2 ic17 ih9 iw11 oc33 kh3 kw3 s1 p1 nhwc f32 circular",
    "winograd": "conv2d n3 ic16 ih17 iw23 oc18 kh3 kw3 s1 p1 nchw f32 replicate bias",
    "winograd-f64": "conv2d n1 ic7 ih10 iw11 oc5 kh3 kw3 s1 ph0:1 pw2:1 nchw f64 symmetric",
    "first-layer": "conv2d n1 ic3 ih29 iw31 oc13 kh7 kw7 s2 p3 nchw f32 reflect",
    "depthwise": "conv2d n1 ic18 ih9 iw14 oc18 kh3 kw3 s1 p2 d2 g18 nchw f32 circular",
    "depthwise-nhwc": "conv2d n2 ic18 ih9 iw14 oc18 kh3 kw3 s1 p1 g18 nhwc f64 reflect silu",
    "pointwise": "conv2d n1 ic5 ih4 iw6 oc7 kh1 kw1 s1 p1 nchw f32 replicate bias",
    "groups": "conv2d n1 ic12 ih9 iw9 oc8 kh3 kw3 s2 p1 g4 nhwc f32 symmetric",
    "same": "conv2d n1 ic3 ih9 iw10 oc4 kh4 kw3 s2 psame nchw f64 circular",
    "wider-than-the-input": "conv2d n1 ic2 ih2 iw3 oc4 kh7 kw8 s1 ph3 pw5:9 nchw f32 symmetric",
    "one-pixel": "conv2d n1 ic2 ih1 iw1 oc3 kh3 kw3 s1 p1 nchw f32 circular",
    "no-padding": "conv2d n1 ic2 ih5 iw6 oc3 kh3 kw3 s1 p0 nchw f32 reflect",
    "one-axis": "conv2d n2 ic3 ih1 iw37 oc3 kh1 kw5 s1 ph0 pw2 nchw f32 reflect",
    "1d": "conv1d n2 ic3 iw50 oc5 kw7 s1 p3 nchw f32 reflect bias",
    "1d-nhwc": "conv1d n2 ic3 iw50 oc35 kw7 s2 pw3:0 nhwc f64 circular",
    "3d": "conv3d n2 ic3 id5 ih6 iw7 oc5 kd3 kh3 kw3 s1 p1 nchw f32 replicate",
    "3d-nhwc": "conv3d n1 ic3 id5 ih6 iw7 oc17 kd3 kh2 kw3 s1 p1 nhwc f64 reflect relu",
    "empty-batch": "conv2d n0 ic3 ih5 iw6 oc4 kh3 kw3 s1 p1 nchw f32 reflect",
    # images that are drawn a few at a time, one at a time, and larger than the cache
    "parts": "conv2d n6 ic32 ih70 iw75 oc4 kh3 kw3 s2 p1 nchw f32 circular",
    "parts-of-one": "conv2d n5 ic16 ih130 iw140 oc3 kh3 kw3 s2 p1 nhwc f32 reflect",
    "phases": "conv2d n2 ic5 ih13 iw18 oc70 kh3 kw3 s2 p1 nchw f32 reflect bias",
    "phases-1d": "conv1d n2 ic3 iw50 oc64 kw5 s3 d2 p4 nchw f64 symmetric",
    "phases-pointwise": "conv2d n2 ic9 ih11 iw8 oc64 kh1 kw1 sh3 sw2 p1 nchw f32 replicate",
    "large": "conv2d n2 ic3 ih600 iw640 oc2 kh3 kw3 s4 p1 nchw f32 symmetric",
}


def border_drawn(problem: Problem) -> Problem:
    """The same on an input that has its border: what the library promises to compute."""
    axes = AXES[problem.rank]
    size = " ".join(
        f"i{letter}{i + before + after}"
        for letter, i, (before, after) in zip(axes, problem.input_size, problem.padding, strict=True)
    )
    rest = " ".join(
        f"{key}{letter}{value}"
        for key, values in (("k", problem.kernel_size), ("s", problem.stride), ("d", problem.dilation))
        for letter, value in zip(axes, values, strict=True)
    )
    flags = f"g{problem.groups} {problem.layout.lower()} {CODES[problem.dtype]} {problem.activation}"
    bias = "bias" if problem.bias else ""
    return Problem(f"{problem.op} n{problem.n} ic{problem.ic} {size} oc{problem.oc} {rest} p0 {flags} {bias}")


def draw(problem: Problem, seed: int = 0, integers: bool = False) -> Arrays:
    """Data of a problem."""
    rng = np.random.default_rng(seed)

    def one(shape: Any) -> Array:
        values = rng.integers(-9, 10, shape) if integers else rng.standard_normal(shape)
        return np.ascontiguousarray(values, problem.dtype)

    assert problem.weight_shape is not None
    return Arrays(
        one(problem.input_shape), one(problem.weight_shape), one((problem.oc,)) if problem.bias else None
    )


def settings(problem: Problem) -> dict[str, Any]:
    """Keywords of the library's functions."""
    return parameters(problem) | {
        "padding_mode": problem.padding_mode,
        "activation": problem.activation or None,
    }


def call(problem: Problem, data: Arrays, **other: Any) -> Array:
    """The library's result."""
    return getattr(fastconv, problem.op)(data.input, data.weight, data.bias, **settings(problem) | other)


def with_border(problem: Problem, data: Arrays) -> Arrays:
    """The data of `border_drawn`."""
    x = definition.pad(data.input, list(problem.padding), problem.padding_mode, problem.layout)
    return Arrays(np.ascontiguousarray(x), data.weight, data.bias)


def check(
    problem: Problem, data: Arrays, threads: tuple[int, ...], forms: tuple[int, ...] = (0, 0, 0)
) -> None:
    """Every algorithm, within its bound; "auto" and a prepared object on arrays in disguise."""
    drawn = border_drawn(problem)
    oracle = Oracle(drawn, with_border(problem, data))
    assert algorithms(problem) == algorithms(drawn)
    for algorithm, what in variants(problem, threads):
        oracle.check(call(problem, data, algorithm=algorithm), algorithm, what)
    plain = (data.input, data.weight, data.bias)
    other = Arrays(*(disguise(x, form) for x, form in zip(plain, forms, strict=True)))
    oracle.check(call(problem, other), widest(drawn), "auto")
    prepared = getattr(fastconv, f"Conv{problem.rank}d")(other.weight, other.bias, **settings(problem))
    oracle.check(prepared(other.input), widest(drawn), "prepared")


@pytest.mark.parametrize("name", PROBLEMS)
def test_definition(name: str) -> None:
    """Every algorithm on every instruction set against the convolution of a padded array."""
    problem = Problem(PROBLEMS[name])
    check(problem, draw(problem), (2,))


@pytest.mark.parametrize("name", [name for name, text in PROBLEMS.items() if Problem(text).n])
def test_bits(name: str) -> None:
    """The same bits on any number of threads, and those of convolving padded images one by one."""
    problem = Problem(PROBLEMS[name])
    data = draw(problem, 1)
    drawn, padded = border_drawn(problem), with_border(problem, data)
    expected: dict[str, Array] = {}
    for algorithm, what in variants(problem, THREADS):
        actual = call(problem, data, algorithm=algorithm)
        key = f"{algorithm} on {fastconv.instruction_set()}"
        np.testing.assert_array_equal(actual, expected.setdefault(key, actual), strict=True, err_msg=what)
        if fastconv.get_num_threads() == 1:
            how = parameters(drawn) | {"activation": drawn.activation or None, "algorithm": algorithm}
            for i in range(problem.n):
                one = getattr(fastconv, drawn.op)(padded.input[i], padded.weight, padded.bias, **how)
                np.testing.assert_array_equal(actual[i], one, strict=True, err_msg=what)


@st.composite
def problems(draw: st.DrawFn) -> str:
    """A convolution of any rank with a border that its mode allows."""
    rank, mode = draw(st.sampled_from([1, 2, 2, 3])), draw(st.sampled_from(MODES))
    groups = draw(st.sampled_from([1, 1, 2, 7]))
    ic, oc = (groups * draw(st.sampled_from([1, 2, 3, 4, 9, 17] if groups < 7 else [1, 2])) for _ in range(2))
    size, kernel, rest = [], [], []
    for letter in AXES[rank]:
        k, d = draw(st.sampled_from([1, 2, 3, 3, 5])), draw(st.sampled_from([1, 1, 2]))
        i = draw(st.integers(1, 20 if rank < 3 else 6))
        most = {"reflect": i - 1, "circular": i}.get(mode, 2 * i + 1)
        before, after = (draw(st.integers(0, min(most, 5))) for _ in range(2))
        i = max(i, ref.span(k, d) - before - after)
        size.append(f"i{letter}{i}")
        kernel.append(f"k{letter}{k}")
        rest.append(f"s{letter}{draw(st.integers(1, 3))} p{letter}{before}:{after} d{letter}{d}")
    words = [f"conv{rank}d n{draw(st.integers(1, 3))} ic{ic}", *size, f"oc{oc}", *kernel, *rest, f"g{groups}"]
    words += [draw(st.sampled_from(choice)) for choice in (["nchw", "nhwc"], ["f32", "f64"], ["", "bias"])]
    return str(Problem(" ".join([*words, mode, draw(st.sampled_from(["", "relu", "tanh"]))])))


@given(problems(), st.integers(0, 2**32 - 1), st.tuples(*[st.integers(0, 4)] * 3))
def test_any(text: str, seed: int, forms: tuple[int, int, int]) -> None:
    """Any convolution, arrays in any form."""
    problem = Problem(text)
    assert str(problem) == text
    check(problem, draw(problem, seed), (1 + seed % 3,), forms)


@pytest.mark.parametrize("mode", ["reflect", "replicate", "circular"])
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_torch(rank: int, mode: str) -> None:
    """The modules of torch."""
    torch = pytest.importorskip("torch")
    module = getattr(torch.nn, f"Conv{rank}d")
    conv = module(4, 6, 3, stride=2, padding=2, dilation=2, groups=2, padding_mode=mode, dtype=torch.float64)
    x = torch.randn((2, 4, *[7] * rank), dtype=torch.float64, requires_grad=True)
    y = conv(x)
    weight, bias = conv.weight.detach().numpy(), conv.bias.detach().numpy()
    how: dict[str, Any] = {"stride": 2, "padding": 2, "dilation": 2, "groups": 2, "padding_mode": mode}
    image = x.detach().numpy()
    actual = getattr(fastconv, f"conv{rank}d")(image, weight, bias, **how)
    np.testing.assert_allclose(actual, y.detach().numpy(), rtol=1e-12, atol=1e-13)
    g = torch.randn(y.shape, dtype=torch.float64)
    y.backward(g)
    dx = getattr(grad, f"conv{rank}d_input")(image.shape, weight, g.numpy(), **how)
    np.testing.assert_allclose(dx, x.grad.numpy(), rtol=1e-12, atol=1e-12)
    dw = getattr(grad, f"conv{rank}d_weight")(image, weight.shape, g.numpy(), **how)
    np.testing.assert_allclose(dw, conv.weight.grad.numpy(), rtol=1e-12, atol=1e-12)


GRADIENTS = [
    "conv1d n2 ic2 iw7 oc3 kw3 s2 pw1:2 nchw f64 reflect",
    "conv2d n2 ic2 ih4 iw5 oc3 kh3 kw3 s1 p1 nchw f64 circular",
    "conv2d n1 ic4 ih4 iw5 oc2 kh3 kw2 s2 p2 d2 g2 nhwc f64 symmetric",
    "conv2d n1 ic2 ih3 iw5 oc2 kh3 kw3 s1 ph3 pw0 nhwc f32 replicate",
    "conv2d n1 ic2 ih5 iw5 oc2 kh3 kw3 s1 p0 nhwc f32 reflect",
    "conv3d n1 ic1 id3 ih3 iw4 oc2 kd2 kh3 kw2 s1 p1 nchw f64 reflect",
]


@pytest.mark.parametrize("text", GRADIENTS)
def test_gradients(text: str, isa: str) -> None:
    """What each element changes, which is exact for integers: one convolution for each of them."""
    problem = Problem(text)
    data = draw(problem, 3, integers=True)
    dy = np.random.default_rng(4).integers(-9, 10, problem.output_shape).astype(problem.dtype)
    how = settings(problem)
    del how["activation"]
    convolve = getattr(fastconv, problem.op)

    def slopes(shape: Any, function: Any) -> Array:
        slope = np.zeros(shape, problem.dtype)
        for at in np.ndindex(*shape):
            unit = np.zeros(shape, problem.dtype)
            unit[at] = 1
            slope[at] = (dy * function(unit)).sum()
        return slope

    dx = slopes(problem.input_shape, lambda unit: convolve(unit, data.weight, algorithm="direct", **how))
    dw = slopes(problem.weight_shape, lambda unit: convolve(data.input, unit, algorithm="direct", **how))
    for threads in (1, 2, 3):
        with fastconv.threads(threads):
            actual = getattr(grad, f"{problem.op}_input")(
                problem.input_shape, data.weight, dy, **how, algorithm="direct"
            )
            np.testing.assert_array_equal(actual, dx, strict=True)
            actual = getattr(grad, f"{problem.op}_weight")(data.input, problem.weight_shape, dy, **how)
            np.testing.assert_array_equal(actual, dw, strict=True)


@pytest.mark.parametrize("flush", ["start", "end"])
@pytest.mark.parametrize("name", [name for name in PROBLEMS if "large" not in name and "parts" not in name])
def test_memory(name: str, flush: str) -> None:
    """Nothing outside the arrays is touched, and everything inside is written."""
    problem = Problem(PROBLEMS[name])
    data = draw(problem)
    given_arrays = Arrays(
        *(x if x is None else guarded_copy(x, flush) for x in (data.input, data.weight, data.bias))
    )
    out = guarded(problem.output_shape, problem.dtype, flush)
    for algorithm, what in variants(problem):
        out.fill(np.nan)
        assert call(problem, given_arrays, algorithm=algorithm, out=out) is out
        np.testing.assert_array_equal(out, call(problem, data, algorithm=algorithm), err_msg=what)


def test_borders_are_met_by_infinite_weights(isa: str) -> None:
    """Zeros around an image are skipped, but what a border shows is not."""
    x, w = np.ones((1, 1, 4, 4)), np.full((1, 1, 3, 3), np.inf)
    y = fastconv.conv2d(x, w, padding=1, padding_mode="circular")
    np.testing.assert_array_equal(y, np.full((1, 1, 4, 4), np.inf))
    prepared = fastconv.Conv2d(w, padding=1, padding_mode="circular")
    np.testing.assert_array_equal(prepared(x), y)


def test_object() -> None:
    """A prepared convolution tells its mode, is printed with it, pickled with it and explained."""
    w = np.random.default_rng(0).standard_normal((4, 3, 3, 3)).astype(np.float32)
    x = np.random.default_rng(1).standard_normal((2, 3, 8, 9)).astype(np.float32)
    conv = fastconv.Conv2d(w, padding=1, padding_mode="reflect")
    assert conv.padding_mode == "reflect"
    assert "padding_mode='reflect'" in repr(conv)
    assert "padding_mode" not in repr(fastconv.Conv2d(w, padding=1))
    copy = pickle.loads(pickle.dumps(conv))
    np.testing.assert_array_equal(copy(x), conv(x), strict=True)
    plan = conv.explain(x.shape)
    assert plan.problem == "conv2d n2 ic3 ih8 iw9 oc4 kh3 kw3 s1 p1 nchw f32 reflect"
    assert plan.blocking["images"] == 2
    assert conv.profile(x, calls=1).stages
    assert conv.output_shape(x.shape) == (2, 4, 8, 9)


def test_problem() -> None:
    """Problems know the mode, and those with different ones are different."""
    text = "conv2d n1 ic3 ih8 iw9 oc4 kh3 kw3 s1 p1 nchw f32"
    modes = [Problem(f"{text} {mode}") for mode in [*MODES, "zeros"]]
    assert [p.padding_mode for p in modes] == [*MODES, "zeros"]
    assert len(set(modes)) == 5
    assert str(modes[-1]) == text
    with pytest.raises(ValueError, match="reflect"):
        Problem("max_pool2d n1 c3 ih8 iw9 kh3 kw3 s1 p1 nchw f32 reflect")
    with pytest.raises(ValueError, match="padding"):
        Problem("conv2d n1 ic3 ih3 iw9 oc4 kh3 kw3 s1 p3 nchw f32 reflect")


def test_tuning() -> None:
    """What is measured is what is computed."""
    text = "conv2d n1 ic3 ih12 iw12 oc4 kh3 kw3 s1 p1 nchw f32 circular"
    try:
        assert str(fastconv.autotune(text, seconds=0.01).problem) == text
        conv = fastconv.Conv2d(np.ones((4, 3, 3, 3), np.float32), padding=1, padding_mode="circular")
        assert conv.explain((1, 3, 12, 12)).reason == "the fastest when measured"
    finally:
        fastconv.forget_tuning()


X, W = np.ones((1, 2, 3, 4), np.float32), np.ones((2, 2, 3, 3), np.float32)


@pytest.mark.parametrize(
    ("change", "error", "name"),
    [
        ({"padding_mode": "mirror"}, ValueError, "padding_mode"),
        ({"padding_mode": "constant"}, ValueError, "padding_mode"),
        ({"padding_mode": None}, TypeError, "padding_mode"),
        ({"padding_mode": "reflect", "padding": 3}, ValueError, "padding"),
        ({"padding_mode": "reflect", "padding": ((0, 3), (0, 0))}, ValueError, "padding"),
        ({"padding_mode": "circular", "padding": 4}, ValueError, "padding"),
        ({"padding_mode": "symmetric", "padding": 2**62}, ValueError, "padding"),
        ({"padding_mode": "symmetric", "padding": 2**40, "stride": 2**40}, ValueError, "padding"),
        ({"padding_mode": "replicate", "padding": 2, "input": X[:, :, :0]}, ValueError, "padding"),
        ({"padding_mode": "reflect", "padding": -1}, ValueError, "padding"),
    ],
    ids=str,
)
def test_refused(change: dict[str, Any], error: type[Exception], name: str) -> None:
    """The message names the argument: of the function, the object and the gradients."""
    arguments = {"input": X, "weight": W} | change
    with pytest.raises(error, match=rf"\b{name}="):
        fastconv.conv2d(**arguments)
    x = arguments.pop("input")
    with pytest.raises(error, match=rf"\b{name}="):
        fastconv.Conv2d(**arguments)(x)
    del arguments["weight"]
    with pytest.raises(error, match=rf"\b{name}="):
        grad.conv2d_weight(x, W.shape, X, **arguments)
    with pytest.raises(error, match=rf"\b{name}="):
        grad.conv2d_input(x.shape, W, X, **arguments)


def test_within() -> None:
    """The definition itself, by hand: a difference across the seam of a circular axis."""
    y = fastconv.conv1d([[1.0, 2.0, 4.0]], [[[-1.0, 1.0]]], padding=((1, 0),), padding_mode="circular")
    assert_within(y, np.array([[-3.0, 1.0, 2.0]]), np.zeros((1, 3)), "circular")
