"""Transposed convolutions and gradients of a convolution problem: data, calls, expected values, bounds.

Each operation belongs to one convolution y = conv(x, w), which a problem string names: x has its input's
shape, dy its result's. A transposed convolution takes dy to the shape of x.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import gcd
from typing import Any

import numpy as np
from hypothesis import strategies as st

import fastconv
from fastconv import Problem, grad

from . import bounds
from . import reference as ref
from . import reference_conv_gradients as definition
from .oracle import assert_within
from .problems import parameters
from .reference import Array

SPREADING = ["conv_transpose", "input"]  # products with dy go where x is
CONVOLVING = [*SPREADING, "transpose_input"]  # by any algorithm
WEIGHTS = ["weight", "transpose_weight"]  # by two
CHOOSING = [*CONVOLVING, *WEIGHTS]
OPERATIONS = [*CHOOSING, "bias"]


@dataclass(frozen=True)
class Data:
    """The arrays of a problem; the bias is that of the transposed convolution."""

    x: Any
    w: Any
    dy: Any
    b: Any

    def map(self, function: Any) -> Data:
        """The same with a function applied to each."""
        return Data(*map(function, (self.x, self.w, self.dy, self.b)))


def draw(problem: Problem, seed: int = 0, integers: bool = False) -> Data:
    """Normal numbers, or integers from -32 to 32."""
    rng = np.random.default_rng([seed, *str(problem).encode()])

    def array(shape: Any) -> Array:
        values = rng.integers(-32, 33, shape) if integers else rng.standard_normal(shape)
        return np.asarray(values, problem.dtype)

    return Data(*map(array, (problem.input_shape, problem.weight_shape, problem.output_shape, (problem.ic,))))


def output_padding(problem: Problem) -> tuple[int, ...]:
    """What brings a transposed convolution back to the extents of the problem's input."""
    p, least = problem, definition.conv_transpose_extent
    axes = zip(p.input_size, p.output_size, p.kernel_size, p.stride, p.padding, p.dilation, strict=True)
    return tuple(i - least(*axis) for i, *axis in axes)


def call(operation: str, problem: Problem, a: Data, **overrides: Any) -> Any:
    """One operation by the library; without the batch axis if the arrays of `a` have none."""
    p, how = problem, parameters(problem) | overrides
    if operation == "bias":
        return grad.conv_bias(a.dy, **{"layout": p.layout} | overrides)
    if operation == "conv_transpose":
        how = {"output_padding": output_padding(p)} | how
        return getattr(fastconv, f"conv_transpose{p.rank}d")(a.dy, a.w, a.b, **how)
    if operation == "input":
        return getattr(grad, f"conv{p.rank}d_input")(a.x.shape, a.w, a.dy, **how)
    if operation == "weight":
        return getattr(grad, f"conv{p.rank}d_weight")(a.x, a.w.shape, a.dy, **how)
    if operation == "transpose_input":
        return getattr(grad, f"conv_transpose{p.rank}d_input")(a.w, a.x, **how)
    return getattr(grad, f"conv_transpose{p.rank}d_weight")(a.dy, a.w.shape, a.x, **how)


def defined(operation: str, problem: Problem, a: Data) -> Array:
    """One operation by its definition, in the type of the arrays."""
    p, how = problem, parameters(problem)
    if operation == "conv_transpose":
        return definition.conv_transpose(a.dy, a.w, a.b, output_padding=output_padding(p), **how)
    if operation == "input":
        return definition.conv_input(p.input_shape, a.w, a.dy, **how)
    if operation == "transpose_input":
        return ref.conv(a.x, a.w, None, **how)
    if operation == "bias":
        return definition.conv_bias(a.dy, p.layout)
    return definition.conv_weight(a.x, p.weight_shape, a.dy, **how)


def able(operation: str, problem: Problem, a: Data) -> list[str]:
    """The algorithms that compute an operation; the others refuse it, but never "direct"."""
    found = []
    for algorithm in fastconv.algorithms():
        if algorithm == "pool":
            continue
        try:
            call(operation, problem, a, algorithm=algorithm)
        except ValueError as error:
            assert algorithm in str(error)  # noqa: PT017
        else:
            found.append(algorithm)
    assert "direct" in found
    return found


# ---------------------------------------------------------------- bounds


def winograd_phase(problem: Problem, a: Data, first: Any) -> tuple[Array, Array, int] | None:
    """What the positions first, first + stride, ... of x are: a convolution with stride 1 of dy, its kernel.

    Position i sees tap k where s divides i + before - k*d. Every s / gcd(s, d)-th tap does so, the largest of
    them the leftmost element of dy. None, unless there are three along either axis, or two, and their
    dilations are alike, as Winograd's algorithm wants it.
    """
    p = problem
    dy, w = ref.channels_first(a.dy, p.layout), ref.weight_first(a.w, p.layout)
    w = w.reshape(p.groups, p.oc // p.groups, p.ic // p.groups, *p.kernel_size)
    w = np.swapaxes(w, 1, 2).reshape(p.ic, p.oc // p.groups, *p.kernel_size)
    dilations, counts = set(), set()
    for axis, f in enumerate(first):
        i, o, k, s = (values[axis] for values in (p.input_size, p.output_size, p.kernel_size, p.stride))
        d, before = p.dilation[axis], p.padding[axis][0]
        taps = [tap for tap in reversed(range(k)) if (f + before - tap * d) % s == 0]
        dilations.add(d // gcd(s, d))
        counts.add(len(taps))
        if len(dilations) != 1 or counts not in ({2}, {3}):
            return None
        begin, last = ((f + before - tap * d) // s for tap in (taps[0], taps[-1]))
        places = np.arange(begin, last + len(range(f, i, s)))
        inside = (places >= 0) & (places < o)
        shape = [1] * dy.ndim
        shape[axis + 2] = -1
        dy = np.where(inside.reshape(shape), dy.take(np.clip(places, 0, o - 1), axis + 2), 0)
        w = w.take(taps, axis + 2)
    return dy, w, dilations.pop()


def winograd_bound(m: int, problem: Problem, a: Data, b: Array | None, dtype: Any) -> Array:
    """The bound of Winograd's algorithm for each phase of x that it can compute, 0 elsewhere."""
    p = problem
    limit = np.zeros((p.n, p.ic, *p.input_size))
    for first in np.ndindex(*map(min, p.stride, p.input_size)):
        phase = winograd_phase(p, a, first) if p.rank == 2 else None
        if phase and (m, phase[1].shape[-1]) in bounds.WINOGRAD:
            dy, w, d = phase
            how = {"padding": 0, "dilation": d, "groups": p.groups, "layout": "NCHW"}
            every: Any = (..., *(slice(f, None, s) for f, s in zip(first, p.stride, strict=True)))
            limit[every] = bounds.winograd_bound(m, dy, w, b, dtype, **how)
    return ref.channels_back(limit, p.layout)


def winograd_weight_bound(problem: Problem, a: Data, dtype: Any) -> Array:
    """The bound of Winograd's algorithm for the weights."""
    p = problem
    x, dy = ref.channels_first(a.x, p.layout), ref.channels_first(a.dy, p.layout)
    limit = bounds.winograd_weight_bound(np.pad(x, [(0, 0), (0, 0), *p.padding]), dy, dtype, p.groups)
    return limit if p.layout == "NCHW" else np.moveaxis(limit, (0, 1), (-1, -2))


class Oracle:
    """The expected value of an operation on given data, and how far a result may be from it."""

    def __init__(self, operation: str, problem: Problem, data: Data) -> None:
        self.operation, self.problem = operation, problem
        self.dtype = np.dtype(problem.dtype)
        self.data = data.map(lambda x: x.astype(bounds.oracle(self.dtype)))
        self.wide: dict[int, Array] = {}

    @cached_property
    def value(self) -> Array:
        """By the definition, in a wider type."""
        return defined(self.operation, self.problem, self.data)

    @cached_property
    def sums_bound(self) -> Array:
        """gamma(n)*S + n*eta, n the products in each sum and S the sum of their magnitudes."""
        n = defined(self.operation, self.problem, self.data.map(np.ones_like))
        magnitudes = defined(self.operation, self.problem, self.data.map(np.abs))
        return np.asarray(bounds.gamma(n, self.dtype) * magnitudes + n * bounds.eta(self.dtype))

    def bound(self, algorithm: str) -> Array:
        """That of sums; for "auto" the larger of it and Winograd's, where that is possible."""
        m = {"winograd2": 2, "winograd4": 4, "winograd": 4, "auto": 4}.get(algorithm, 0)
        if not m or self.operation not in CHOOSING:
            return self.sums_bound
        if m not in self.wide:
            p, a = self.problem, self.data
            if self.operation in WEIGHTS:
                possible = p.rank == 2 and p.kernel_size == (3, 3) and {*p.stride, *p.dilation} == {1}
                possible &= 0 not in p.output_shape
                limit = winograd_weight_bound(p, a, self.dtype) if possible else np.zeros(())
            elif self.operation in SPREADING:
                bias = a.b if self.operation == "conv_transpose" else None
                limit = winograd_bound(m, p, a, bias, self.dtype)
            elif (
                p.rank == 2
                and p.stride == (1, 1)
                and len({*p.dilation}) == len({*p.kernel_size}) == 1
                and (m, p.kernel_size[0]) in bounds.WINOGRAD
            ):
                how = {key: value for key, value in parameters(p).items() if key != "stride"}
                limit = bounds.winograd_bound(m, a.x, a.w, None, self.dtype, **how)
            else:
                limit = np.zeros(())
            self.wide[m] = np.maximum(self.sums_bound, limit)
        return self.wide[m]

    def check(self, actual: Any, algorithm: str = "strict", what: str = "") -> None:
        """Fail unless the result has the right shape and dtype and every number is close enough."""
        assert actual.dtype == self.dtype
        what = f"{self.operation} of {self.problem}, {what or algorithm}"
        assert_within(actual, self.value, self.bound(algorithm), what)


# ---------------------------------------------------------------- any problem

CHANNELS = [1, 2, 3, 14, 15, 16, 17, 31, 33]


@st.composite
def axis(draw: st.DrawFn, rank: int, letter: str) -> tuple[str, str, str, str, str]:
    """One axis of which at least one window fits: strides and dilations with and without common factors."""
    k = draw(st.sampled_from([1, 2, 3, 3, 4, 5, 6, 7] if rank < 3 else [1, 2, 3]))
    s, d = draw(st.sampled_from([1, 1, 2, 2, 3, 4, 6])), draw(st.sampled_from([1, 1, 1, 2, 3, 4]))
    before, after = draw(st.integers(0, 9)), draw(st.integers(0, 9))
    i = draw(st.integers(1, {1: 70, 2: 14, 3: 6}[rank]))
    i = max(i, ref.span(k, d) - before - after)
    return f"i{letter}{i}", f"k{letter}{k}", f"s{letter}{s}", f"p{letter}{before}:{after}", f"d{letter}{d}"


@st.composite
def problems(draw: st.DrawFn) -> str:
    """A convolution of any rank, stride, padding, dilation, grouped in any way."""
    rank = draw(st.sampled_from([1, 2, 2, 2, 3]))
    groups = draw(st.sampled_from([1, 1, 1, 2, 3, 17]))
    per_group = st.sampled_from([1, 2, 3] if groups > 3 else CHANNELS)
    ic, oc = groups * draw(per_group), groups * draw(per_group)
    i, k, s, p, d = (
        " ".join(words) for words in zip(*(draw(axis(rank, letter)) for letter in "dhw"[-rank:]), strict=True)
    )
    n, layout, dtype = (
        draw(st.sampled_from(of)) for of in ([1, 1, 2, 3, 0], ["nchw", "nhwc"], ["f32", "f64"])
    )
    text = f"conv{rank}d n{n} ic{ic} {i} oc{oc} {k} {s} {p} {d} g{groups} {layout} {dtype}"
    return str(Problem(text))
