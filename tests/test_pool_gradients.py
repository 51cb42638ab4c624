"""Gradients of pooling against the definition, numerical differentiation and torch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fastconv
from fastconv import Problem, grad

from . import bounds
from . import reference as ref
from . import reference_gradients as definition
from .guarded import guarded, guarded_copy
from .oracle import assert_within
from .problems import POOLS, parameters
from .reference import Array
from .test_properties import disguise, pools
from .test_threads import LARGE_POOLS
from .variants import everywhere

AVERAGES = {name: text for name, text in POOLS.items() if text.startswith("avg")}
MAXIMA = {name: text for name, text in POOLS.items() if text.startswith("max")}
LAYOUTS = ["NCHW", "NHWC"]


def normal(shape: Any, dtype: Any, seed: int = 0) -> Array:
    """Normal numbers."""
    return np.random.default_rng([seed, *shape]).standard_normal(shape).astype(dtype)


def gradient(problem: Problem, *arrays: Any, **how: Any) -> Array:
    """The library's gradient of a pooling problem."""
    function = getattr(grad, problem.op)
    if problem.op.startswith("max"):
        return function(*arrays, problem.input_shape, layout=problem.layout, **how)
    return function(*arrays, problem.input_shape, **parameters(problem), **how)


def average_bound(g: Array, terms: Array, of: Any, dtype: Any) -> Array:
    """gamma(m + 3) * sum of |g / divisor|, for m terms each a quotient by a rounded product of divisors."""
    return np.asarray(
        bounds.gamma(terms + 3, dtype) * np.abs(of(np.abs(g))) + (terms + 1) * bounds.eta(dtype)
    )


def check_average(problem: Problem, g: Array, what: str, give: Any = None) -> None:
    """The gradient is within the bound on every instruction set, with the same bits on any threads."""
    wide = g.astype(bounds.oracle(g.dtype))
    how = parameters(problem)

    def of(values: Array, **other: Any) -> Array:
        return definition.avg_pool(values, problem.input_shape, **how | other)

    terms = of(np.ones_like(wide), divisor_override=1)
    limit = average_bound(wide, terms, of, g.dtype)
    for actual, isa in everywhere(lambda: gradient(problem, g if give is None else give)):
        assert actual.dtype == g.dtype
        assert_within(actual, of(wide), limit, f"{what} {isa}")


@pytest.mark.parametrize("name", AVERAGES)
def test_average(name: str) -> None:
    """Every average pooling that the library is tested with."""
    problem = Problem(AVERAGES[name])
    check_average(problem, normal(problem.output_shape, problem.dtype), name)


def pooled(problem: Problem, seed: int = 0) -> tuple[Array, Array]:
    """Values and indices of a maximum pooling with ties."""
    x = np.round(normal(problem.input_shape, problem.dtype, seed) * 2) / 2
    return getattr(fastconv, problem.op)(x, return_indices=True, **parameters(problem))


def sum_bound(g: Array, of: Any, dtype: Any) -> Array:
    """gamma(m) * sum of magnitudes, for m terms."""
    return np.asarray(bounds.gamma(of(np.ones_like(g)), dtype) * of(np.abs(g)))


def check_maximum(problem: Problem, indices: Array, g: Array, what: str, give: Any = None) -> None:
    """The same for a maximum pooling."""
    wide = g.astype(bounds.oracle(g.dtype))

    def of(values: Array) -> Array:
        return definition.max_pool(values, indices, problem.input_shape, problem.layout)

    limit = sum_bound(wide, of, g.dtype)
    for actual, isa in everywhere(lambda: gradient(problem, *(give or (g, indices)))):
        assert actual.dtype == g.dtype
        assert_within(actual, of(wide), limit, f"{what} {isa}")


@pytest.mark.parametrize("name", MAXIMA)
def test_maximum(name: str) -> None:
    """Every maximum pooling that the library is tested with, by its own indices."""
    problem = Problem(MAXIMA[name])
    values, indices = pooled(problem)
    check_maximum(problem, indices, normal(values.shape, problem.dtype), name)


@given(pools(), st.integers(0, 2**32 - 1), st.integers(0, 4))
def test_any_pool(text: str, seed: int, how: int) -> None:
    """Any pool, of arrays in any form."""
    problem = Problem(text)
    g = normal(problem.output_shape, problem.dtype, seed)
    if text.startswith("avg"):
        check_average(problem, g, text, disguise(g, how))
    else:
        _, indices = pooled(problem, seed)
        check_maximum(problem, indices, g, text, (disguise(g, how), indices))


ADAPTIVE: list[tuple[tuple[int, ...], tuple[int, ...]]] = [
    ((12,), (4,)),
    ((13,), (5,)),
    ((3,), (7,)),
    ((8, 10), (2, 2)),
    ((7, 35), (1, 1)),
    ((7, 11), (3, 4)),
    ((2, 3), (5, 33)),
    ((4, 4), (0, 2)),
    ((4, 5, 7), (3, 5, 2)),
    ((1, 1, 1), (1, 1, 1)),
]


@pytest.mark.parametrize(("extents", "size"), ADAPTIVE, ids=str)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_adaptive(extents: tuple[int, ...], size: tuple[int, ...], layout: str, dtype: Any) -> None:
    """Windows of several sizes, that grow, that are the whole input or none at all."""
    rank = len(extents)

    def images(axes: tuple[int, ...]) -> tuple[int, ...]:
        return (2, 19, *axes) if layout == "NCHW" else (2, *axes, 19)

    g = normal(images(size), dtype)
    wide = g.astype(bounds.oracle(dtype))

    def of(values: Array) -> Array:
        return definition.adaptive_avg_pool(values, images(extents), layout)

    axes = ref.adaptive(np.empty((1, 1, *extents)), size)
    counts = np.ones((2, 19, *size))
    terms = ref.channels_back(definition.spread(counts, (2, 19, *extents), axes, lambda w: 1), layout)
    limit = average_bound(wide, terms, of, dtype)
    mean = getattr(grad, f"adaptive_avg_pool{rank}d")
    for actual, isa in everywhere(lambda: mean(g, images(extents), layout=layout)):
        assert_within(actual, of(wide), limit, isa)
    x = np.round(normal(images(extents), dtype))
    _, indices = getattr(fastconv, f"adaptive_max_pool{rank}d")(x, size, return_indices=True, layout=layout)
    expected = definition.max_pool(wide, indices, x.shape, layout)
    limit = sum_bound(wide, lambda v: definition.max_pool(v, indices, x.shape, layout), dtype)
    for actual, isa in everywhere(
        lambda: getattr(grad, f"max_pool{rank}d")(g, indices, x.shape, layout=layout)
    ):
        assert_within(actual, expected, limit, isa)


@pytest.mark.parametrize("name", LARGE_POOLS)
def test_same_bits(name: str) -> None:
    """Problems large enough for several threads."""
    problem = Problem(LARGE_POOLS[name])
    g = normal(problem.output_shape, problem.dtype)
    arrays = (g, pooled(problem)[1]) if problem.op.startswith("max") else (g,)
    for _ in everywhere(lambda: gradient(problem, *arrays), (1, 2, 3, 8)):
        pass


# ---------------------------------------------------------------- the norm of windows

NORMS = [1, 2, 3, 4, 5, 0.5, 1.5, 2.7]
LP: list[dict[str, Any]] = [
    {"kernel_size": 2},
    {"kernel_size": 3, "stride": 2, "padding": 1},
    {"kernel_size": (3, 2), "stride": (2, 3), "ceil_mode": True},
    {"kernel_size": (2, 5), "stride": 1, "padding": ((1, 0), (0, 2))},
]


def lp_bounds(x: Array, g: Array, norm: float, dtype: Any, **how: Any) -> tuple[Array, Array]:
    """Of the result and its gradient.

    A power is at most 2 log2(e) < 8 roundings or, the C library's, two; a sum of m powers m - 1 more, the
    root takes the relative error times 1 / e and adds two, its exponent being rounded, by |log(sum)| / e.
    """
    y = definition.lp_pool_forward(x, norm, **how)
    m = float(np.prod(ref.per_axis(how["kernel_size"], 2)))
    log = np.abs(np.log(np.where(y > 0, y, 1)))
    relative = (m + 8) / norm + 4 + log
    forward = bounds.gamma(relative, dtype) * y
    worst = float(np.max(relative, initial=0)) * max(abs(norm - 1), 1)
    logs = np.abs(np.log(np.abs(np.where(x == 0, 1, x)))).max(initial=0) + log.max(initial=0)
    roundings = worst + m + 16 + 3 + abs(norm - 1) * logs
    absolute = np.abs(definition.lp_pool(np.abs(g), x, norm, **how))
    return forward, bounds.gamma(roundings, dtype) * absolute


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("how", LP, ids=str)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_norm(norm: float, how: dict[str, Any], layout: str, dtype: Any) -> None:
    """Result and gradient, zeros among the elements and windows of nothing else."""
    how = how | {"layout": layout}
    x = normal((2, 9, 11, 8), dtype)
    x[np.abs(x) < 0.3] = 0
    x[1, :4, :4] = 0
    oracle = bounds.oracle(dtype)
    expected = definition.lp_pool_forward(x.astype(oracle), norm, **how)
    g = normal(expected.shape, dtype)
    limit, slope_limit = lp_bounds(x.astype(oracle), g.astype(oracle), norm, dtype, **how)
    slope = definition.lp_pool(g.astype(oracle), x.astype(oracle), norm, **how)
    for y, isa in everywhere(lambda: fastconv.lp_pool2d(x, norm, **how)):
        assert_within(y, expected, limit, isa)
    y = fastconv.lp_pool2d(x, norm, **how)
    for actual, isa in everywhere(lambda: grad.lp_pool2d(g, x, y, norm, **how)):
        assert_within(actual, slope, slope_limit, isa)


@pytest.mark.parametrize("rank", [1, 3])
def test_norm_of_other_ranks(rank: int) -> None:
    """Signals and volumes, unbatched, into given arrays."""
    x = normal((3, *[6] * rank), np.float64)
    y = getattr(fastconv, f"lp_pool{rank}d")(x, 2, 3, 2)
    expected = np.sqrt(getattr(fastconv, f"avg_pool{rank}d")(x * x, 3, 2) * 3**rank)
    np.testing.assert_allclose(y, expected, rtol=1e-14)
    out = np.full(x.shape, np.nan)
    assert getattr(grad, f"lp_pool{rank}d")(np.ones_like(y), x, y, 2, 3, 2, out=out) is out
    sums = getattr(grad, f"avg_pool{rank}d")(1 / y, x.shape, 3, 2) * 3**rank
    np.testing.assert_allclose(out, x * sums, rtol=1e-14)


def test_norm_of_magnitudes() -> None:
    """Odd exponents take magnitudes, as ONNX does and torch does not."""
    x = np.array([[-3.0, 4.0, -5.0, -12.0]])
    np.testing.assert_array_equal(fastconv.lp_pool1d(x, 1, 2), [[7.0, 17.0]])
    np.testing.assert_allclose(fastconv.lp_pool1d(x, 3, 2), [[91 ** (1 / 3), 1853 ** (1 / 3)]], rtol=1e-15)


# ---------------------------------------------------------------- numerical differentiation, torch

SMALL = [
    "max_pool1d n1 c2 iw9 kw3 s2 pw1 nchw f64",
    "max_pool2d n1 c2 ih6 iw7 kh3 kw2 s2 p1 nchw f64 ceil",
    "max_pool2d n1 c3 ih6 iw5 kh3 kw3 s1 p1 nhwc f64",
    "max_pool3d n1 c1 id4 ih3 iw4 kd2 kh2 kw2 s1 p0 nchw f64",
    "avg_pool1d n2 c1 iw9 kw4 s3 pw2 nchw f64 ceil",
    "avg_pool2d n1 c2 ih6 iw7 kh3 kw2 s2 p1 nchw f64 ceil nopad",
    "avg_pool2d n1 c3 ih6 iw5 kh5 kw3 s1 ph2 pw1 nhwc f64",
    "avg_pool3d n1 c1 id4 ih3 iw4 kd2 kh3 kw2 s2 p1 nhwc f64 div3",
]


def numerical(function: Any, x: Array, g: Array, h: float) -> Array:
    """Central differences of sum(g * function(x)), exact but for rounding where the function is linear."""
    slope = np.zeros_like(x)
    for at in np.ndindex(*x.shape):
        step = np.zeros_like(x)
        step[at] = h
        slope[at] = (g * (function(x + step) - function(x - step))).sum() / (2 * h)
    return slope


@pytest.mark.parametrize("text", SMALL)
def test_numerical(text: str) -> None:
    """Pooling is linear within 1/4 of integers that all differ, where differences have no error of their own.

    Sums of products of numbers up to `most`, rounded, are off by gamma of their terms.
    """
    problem = Problem(text)
    x = np.random.default_rng(5).permutation(np.arange(float(np.prod(problem.input_shape))))
    x = x.reshape(problem.input_shape)
    g = normal(problem.output_shape, np.float64)
    how = parameters(problem)

    def forward(values: Array) -> Array:
        return getattr(fastconv, problem.op)(values, **how)

    arrays: tuple[Array, ...] = (g,)
    if problem.op.startswith("max"):
        arrays = (g, getattr(fastconv, problem.op)(x, return_indices=True, **how)[1])
    actual = gradient(problem, *arrays)
    limit = bounds.gamma(g.size + 30, np.float64) * np.abs(g).sum() * np.abs(x).max() / 0.25
    assert_within(actual, numerical(forward, x, g, 0.25), np.full(x.shape, limit), text)


@pytest.mark.parametrize("norm", [1, 2, 3, 2.5])
def test_numerical_norm(norm: float) -> None:
    """Differences of the norm along a complex step, which have no error but rounding."""
    x = normal((1, 2, 6, 5), np.float64)
    g = normal((1, 2, 3, 2), np.float64)
    y = fastconv.lp_pool2d(x, norm, 2)
    slope = np.zeros_like(x)
    sign = np.sign(x)
    for at in np.ndindex(*x.shape):
        z = x.astype(complex)
        z[at] += 1e-30j
        windows = (sign * z)[..., :6, :4].reshape(1, 2, 3, 2, 2, 2)
        value = (windows**norm).sum((3, 5)) ** (1 / norm)
        slope[at] = (g * value.imag).sum() / 1e-30
    limit = lp_bounds(x, g, norm, np.float64, kernel_size=2)[1]
    assert_within(grad.lp_pool2d(g, x, y, norm, 2), slope, 8 * limit, str(norm))


@pytest.mark.parametrize("text", SMALL)
@pytest.mark.parametrize("dtype", ["f32", "f64"])
def test_torch(text: str, dtype: str) -> None:
    """torch's autograd, which errs as much."""
    torch = pytest.importorskip("torch")
    problem = Problem(text.replace("f64", dtype).replace("nhwc", "nchw"))
    x = normal(problem.input_shape, problem.dtype)
    g = normal(problem.output_shape, problem.dtype)
    how = parameters(problem) | {"padding": [before for before, _ in problem.padding]}
    del how["layout"]
    leaf = torch.tensor(x, requires_grad=True)
    getattr(torch.nn.functional, problem.op)(leaf, **how).backward(torch.tensor(g))
    wide = g.astype(bounds.oracle(problem.dtype))
    if problem.op.startswith("max"):
        _, indices = getattr(fastconv, problem.op)(x, return_indices=True, **parameters(problem))
        actual = gradient(problem, g, indices)
        limit = sum_bound(wide, lambda v: definition.max_pool(v, indices, x.shape), problem.dtype)
    else:
        actual = gradient(problem, g)

        def of(values: Array, **other: Any) -> Array:
            return definition.avg_pool(values, problem.input_shape, **parameters(problem) | other)

        limit = average_bound(wide, of(np.ones_like(wide), divisor_override=1), of, problem.dtype)
    assert_within(actual, leaf.grad.numpy().astype(wide.dtype), 2 * limit, text)


# ---------------------------------------------------------------- memory, infinities, bad input


@pytest.mark.parametrize("flush", ["start", "end"])
@pytest.mark.parametrize("name", POOLS)
def test_memory(name: str, flush: str, isa: str) -> None:
    """Nothing outside the arrays is touched, and everything inside is written."""
    problem = Problem(POOLS[name])
    arrays: Any = (normal(problem.output_shape, problem.dtype),)
    if problem.op.startswith("max"):
        arrays += (pooled(problem)[1],)
    expected = gradient(problem, *arrays)
    out = guarded(problem.input_shape, problem.dtype, flush)
    out.fill(np.nan)
    assert gradient(problem, *(guarded_copy(a, flush) for a in arrays), out=out) is out
    np.testing.assert_array_equal(out, expected)


def test_infinity_stays_in_its_window(isa: str) -> None:
    """One infinite gradient reaches the pixels of its window and no others."""
    g = np.zeros((1, 1, 9, 40), np.float32)
    g[0, 0, 4, 20] = np.inf
    for kernel in (3, 7):
        x = grad.avg_pool2d(g, (1, 1, 9, 40), kernel, 1, kernel // 2)
        seen = np.zeros_like(x, bool)
        half = kernel // 2
        seen[0, 0, 4 - half : 5 + half, 20 - half : 21 + half] = True
        np.testing.assert_array_equal(x, np.where(seen, np.inf, 0))


G, INDICES = np.ones((1, 2, 2, 2), np.float32), np.zeros((1, 2, 2, 2), np.int64)


@pytest.mark.parametrize("index", [-2, 16, 2**62, -(2**63)])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_bad_index(index: int, layout: str, isa: str) -> None:
    """An index outside the input is named, and nothing is written."""
    g = np.ones((2, 3, 70, 70), np.float32)
    indices = np.zeros(g.shape, np.int64)
    indices[1, 1, 50, 3] = indices[1, 2, 3, 4] = index
    out = np.full((2, 3, 4, 4) if layout == "NCHW" else (2, 4, 4, 70), 7, np.float32)
    if layout == "NHWC":
        g, indices = np.moveaxis(g, 1, 2), np.moveaxis(indices, 1, 2)
        g = np.ascontiguousarray(g[:, :, :, :])
        out = np.full((2, 70, 3, 70), 7, np.float32)
        indices = np.where(indices == index, index if index != 16 else 210, indices)
        with pytest.raises(ValueError, match=r"indices\[1, 3, 2, 4\]=.*0 <= index < 210"):
            grad.max_pool2d(g, indices, (2, 70, 3, 70), layout=layout, out=out)
    else:
        with pytest.raises(
            ValueError, match=rf"indices\[1, 1, 50, 3\]={index}: expected -1 or 0 <= index < 16"
        ):
            grad.max_pool2d(g, indices, (2, 3, 4, 4), out=out)
    np.testing.assert_array_equal(out, 7)


@pytest.mark.parametrize(
    ("call", "error", "name"),
    [
        (lambda: grad.max_pool2d(G, INDICES.astype(np.int32), (1, 2, 4, 4)), TypeError, "indices"),
        (lambda: grad.max_pool2d(G, INDICES.astype(float), (1, 2, 4, 4)), TypeError, "indices"),
        (lambda: grad.max_pool2d(G, INDICES[..., :1], (1, 2, 4, 4)), ValueError, "indices"),
        (lambda: grad.max_pool2d(G, INDICES, (1, 3, 4, 4)), ValueError, "grad_output"),
        (lambda: grad.max_pool2d(G, INDICES, (2, 4, 4)), ValueError, "grad_output"),
        (lambda: grad.max_pool2d(G, INDICES, (4, 4)), ValueError, "input_size"),
        (lambda: grad.max_pool2d(G, INDICES, (1, 2, -4, 4)), ValueError, "input_size"),
        (lambda: grad.max_pool2d(G, INDICES, (1, 2, 2**40, 2**40)), ValueError, "input_size"),
        (lambda: grad.max_pool2d(G, INDICES, 4), TypeError, "input_size"),
        (lambda: grad.max_pool2d(G.astype(int), INDICES, (1, 2, 4, 4)), TypeError, "grad_output"),
        (lambda: grad.avg_pool2d(G, (1, 2, 5, 4), 2, 1), ValueError, "grad_output"),
        (lambda: grad.avg_pool2d(G, (1, 2, 4), 2), ValueError, "grad_output"),
        (lambda: grad.avg_pool2d(G, (1, 2, 4, 4), 2, padding=2), ValueError, "padding"),
        (lambda: grad.avg_pool2d(G, (1, 2, 4, 4), 0), ValueError, "kernel_size"),
        (lambda: grad.avg_pool2d(G, (1, 2, 4, 4), 2, divisor_override=0), ValueError, "divisor_override"),
        (lambda: grad.avg_pool2d(G, (1, 2, 4, 4), 2, layout="CHW"), ValueError, "layout"),
        (lambda: grad.avg_pool2d(G, (1, 2, 4, 4), 2, out=np.ones((1, 2, 4, 4))), TypeError, "out"),
        (lambda: grad.avg_pool2d("g", (1, 2, 4, 4), 2), TypeError, "grad_output"),
        (lambda: grad.adaptive_avg_pool2d(G, (1, 3, 4, 4)), ValueError, "grad_output"),
        (lambda: grad.adaptive_avg_pool2d(G, (1, 2, 0, 4)), ValueError, "input_size"),
        (lambda: grad.adaptive_avg_pool2d(G[0], (1, 2, 4, 4)), ValueError, "grad_output"),
        (lambda: fastconv.lp_pool2d(G, 0, 2), ValueError, "norm_type"),
        (lambda: fastconv.lp_pool2d(G, np.inf, 2), ValueError, "norm_type"),
        (lambda: fastconv.lp_pool2d(G, "2", 2), TypeError, "norm_type"),
        (lambda: fastconv.lp_pool2d(G, 2, 3), ValueError, "kernel_size"),
        (lambda: grad.lp_pool2d(G, G, G, 2, 2), ValueError, "grad_output"),
        (lambda: grad.lp_pool2d(G[..., :1, :1], G, G.astype(float), 2, 2), TypeError, "output"),
    ],
)  # fmt: skip
def test_refused(call: Any, error: type[Exception], name: str) -> None:
    """The message names the argument."""
    with pytest.raises(error, match=rf"\b{name}\b"):
        call()
