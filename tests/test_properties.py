"""Random problems over every parameter, each computed in every way, against the proven bounds.

Three hundred of each by default, always the same. ``pytest -m campaign`` looks at 20000 new ones of each, or
at as many as FASTCONV_CAMPAIGN says.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fastconv
from fastconv import Problem

from . import bounds
from . import reference as ref
from .oracle import Oracle, assert_within
from .problems import Arrays, call
from .variants import instruction_set, variants, widest

campaign = settings.get_profile("campaign")
AXES = {1: "w", 2: "hw", 3: "dhw"}
ACTIVATIONS = ["", "", "", "relu", "relu6", "leaky_relu", "sigmoid", "tanh", "silu"]

# Channels and extents around the widths of vectors and tiles; most are small so that most problems are.
channels = st.one_of(
    st.integers(1, 4), st.sampled_from([5, 7, 8, 9, 13, 14, 15, 16, 17, 31, 32, 33, 34, 47, 65])
)
extents = {
    1: st.integers(1, 70),
    2: st.one_of(st.integers(1, 8), st.integers(1, 8), st.integers(9, 36)),
    3: st.integers(1, 7),
}


@st.composite
def axis(draw: st.DrawFn, rank: int, letter: str, pooled: bool) -> tuple[str, str, str]:
    """Extent, kernel and the rest of one axis, of which at least one window fits."""
    k = draw(st.sampled_from([1, 2, 3, 3, 3, 4, 5, 7] if rank < 3 else [1, 2, 3]))
    d = draw(st.sampled_from([1, 1, 1, 2, 3]))
    s = draw(st.sampled_from([1, 1, 1, 2, 3, 5]))
    most = k // 2 if pooled else 4
    before, after = draw(st.integers(0, most)), draw(st.integers(0, most))
    i = max(draw(extents[rank]), ref.span(k, d) - before - after, 1)
    return f"i{letter}{i}", f"k{letter}{k}", f"s{letter}{s} p{letter}{before}:{after} d{letter}{d}"


@st.composite
def convolutions(draw: st.DrawFn) -> str:
    """A convolution of any rank, grouped in any way."""
    rank = draw(st.sampled_from([1, 2, 2, 2, 3]))
    groups = draw(st.sampled_from([1, 1, 1, 2, 3, 8, 17]))
    per_group = st.integers(1, 3) if groups > 3 else channels
    ic, oc = groups * draw(per_group), groups * draw(per_group)
    axes = [draw(axis(rank, letter, pooled=False)) for letter in AXES[rank]]
    if rank == 2 and draw(st.booleans()):  # Winograd's
        d = draw(st.sampled_from([1, 1, 1, 2, 3]))
        axes = [
            (i, f"k{letter}3", f"s{letter}1 p{letter}{d}:{draw(st.integers(d, 4))} d{letter}{d}")
            for letter, (i, _, _) in zip("hw", axes, strict=True)
        ]
    i, k, rest = (" ".join(words) for words in zip(*axes, strict=True))
    tail = " ".join(
        draw(st.sampled_from(choice)) for choice in (["nchw", "nhwc"], ["f32", "f64"], ["", "bias"])
    )
    n = draw(st.sampled_from([1, 1, 2, 3, 0]))
    activation = draw(st.sampled_from(ACTIVATIONS))
    text = f"conv{rank}d n{n} ic{ic} {i} oc{oc} {k} {order(rest)} g{groups} {tail} {activation}"
    return str(Problem(" ".join(text.split())))


def order(words: str) -> str:
    """All strides, then all paddings, then all dilations."""
    return " ".join(sorted(words.split(), key=lambda word: "spd".index(word[0])))


@st.composite
def pools(draw: st.DrawFn) -> str:
    """A pool of either kind."""
    rank, kind = draw(st.sampled_from([1, 2, 2, 3])), draw(st.sampled_from(["max", "avg"]))
    axes = [draw(axis(rank, letter, pooled=True)) for letter in AXES[rank]]
    i, k, rest = (" ".join(words) for words in zip(*axes, strict=True))
    words = [word for word in order(rest).split() if kind == "max" or word[0] != "d"]
    flags = [draw(st.sampled_from(["", "ceil"]))]
    if kind == "max":
        flags.append(draw(st.sampled_from(["", "indices"])))
    else:
        flags.append(draw(st.sampled_from(["", "nopad"])))
        flags.append(draw(st.sampled_from(["", "div5"])) if rank > 1 else "")
    layout, dtype = draw(st.sampled_from(["nchw", "nhwc"])), draw(st.sampled_from(["f32", "f64"]))
    n, c = draw(st.integers(0, 2)), draw(channels)
    return str(Problem(" ".join([f"{kind}_pool{rank}d n{n} c{c} {i} {k}", *words, layout, dtype, *flags])))


def disguise(x: Any, how: int) -> Any:
    """The same numbers, laid out in memory in one of several ways."""
    if x is None or how == 0:
        return x
    if how == 1:
        return np.asfortranarray(x)
    if how == 2:
        return x[..., ::-1].copy()[..., ::-1]
    if how == 3:
        return x.astype(x.dtype.newbyteorder())
    larger = np.full([extent + 3 for extent in x.shape], np.nan, x.dtype)
    larger[tuple(slice(2, 2 + extent) for extent in x.shape)] = x
    return larger[tuple(slice(2, 2 + extent) for extent in x.shape)]


def draw_arrays(problem: Problem, seed: int, scale: int) -> Arrays:
    """Data of one problem; the scale puts it into the middle or near either end of the exponents."""
    rng = np.random.default_rng(seed)
    factor = np.ldexp(1.0, {-1: -60, 0: 0, 1: 40}[scale])

    def draw(shape: tuple[int, ...] | None) -> Any:
        return None if shape is None else (rng.standard_normal(shape) * factor).astype(problem.dtype)

    return Arrays(
        draw(problem.input_shape), draw(problem.weight_shape), draw((problem.oc,)) if problem.bias else None
    )


seeds = st.integers(0, 2**32 - 1)
scales = st.sampled_from([0, 0, 0, -1, 1])
disguises = st.tuples(*[st.sampled_from([0, 0, 1, 2, 3, 4])] * 3)


def check_convolution(text: str, seed: int, scale: int, disguised: tuple[int, int, int]) -> None:
    """Every algorithm on every instruction set, and "auto" and a prepared object on arrays in disguise."""
    problem = Problem(text)
    data = draw_arrays(problem, seed, scale)
    oracle = Oracle(problem, data)
    for algorithm, what in variants(problem, (1 + seed % 3,)):
        oracle.check(call(problem, data, algorithm=algorithm), algorithm, what)
    plain = (data.input, data.weight, data.bias)
    other = Arrays(*(disguise(x, how) for x, how in zip(plain, disguised, strict=True)))
    result = call(problem, other)
    oracle.check(result, widest(problem), f"auto, arrays in forms {disguised}")
    np.testing.assert_array_equal(result, call(problem, data), strict=True)


def check_pool(text: str, seed: int, how: int) -> None:
    """Every instruction set, with ties, on arrays in disguise."""
    problem = Problem(text)
    data = draw_arrays(problem, seed, 0)
    x = np.round(2 * data.input) / 2 if seed % 2 else data.input
    oracle = Oracle(problem, Arrays(x))
    for name in fastconv.instruction_sets():
        with instruction_set(name), fastconv.threads(1 + seed % 3):
            oracle.check(call(problem, Arrays(disguise(x, how))), "pool", f"{name}, array in form {how}")


@given(convolutions(), seeds, scales, disguises)
def test_convolution(text: str, seed: int, scale: int, disguised: tuple[int, int, int]) -> None:
    """Any convolution."""
    check_convolution(text, seed, scale, disguised)


@given(pools(), seeds, st.integers(0, 4))
def test_pool(text: str, seed: int, how: int) -> None:
    """Any pool."""
    check_pool(text, seed, how)


@given(st.lists(st.tuples(st.integers(1, 12), st.integers(1, 14)), min_size=1, max_size=3), channels, seeds)
def test_adaptive_pool(axes: list[tuple[int, int]], c: int, seed: int) -> None:
    """Any extents to any output extents."""
    inputs, outputs = (tuple(pair[i] for pair in axes) for i in (0, 1))
    layout = ("NCHW", "NHWC")[seed % 2]
    x = np.random.default_rng(seed).standard_normal((1, c, *inputs) if layout == "NCHW" else (1, *inputs, c))
    mean = getattr(fastconv, f"adaptive_avg_pool{len(axes)}d")(x, outputs, layout=layout)
    wide = x.astype(np.longdouble)
    limit = bounds.adaptive_bound(wide, outputs, x.dtype, layout)
    assert_within(mean, ref.adaptive_avg_pool(wide, outputs, layout), limit, f"{axes} {layout}")
    pool = getattr(fastconv, f"adaptive_max_pool{len(axes)}d")
    values, indices = pool(x, outputs, return_indices=True, layout=layout)
    expected, where = ref.adaptive_max_pool(x, outputs, layout)
    np.testing.assert_array_equal(values, expected)
    np.testing.assert_array_equal(indices, where)


@pytest.mark.campaign
@pytest.mark.timeout(0)
@settings(campaign)
@given(convolutions(), seeds, scales, disguises)
def test_convolution_campaign(text: str, seed: int, scale: int, disguised: tuple[int, int, int]) -> None:
    """Any convolution, at length."""
    check_convolution(text, seed, scale, disguised)


@pytest.mark.campaign
@pytest.mark.timeout(0)
@settings(campaign)
@given(pools(), seeds, st.integers(0, 4))
def test_pool_campaign(text: str, seed: int, how: int) -> None:
    """Any pool, at length."""
    check_pool(text, seed, how)
