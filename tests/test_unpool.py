"""Maximum unpooling and its gradient."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fastconv
from fastconv import Problem, grad

from . import reference_gradients as definition
from .guarded import guarded, guarded_copy
from .problems import POOLS, parameters
from .reference import Array
from .test_properties import disguise, pools
from .variants import everywhere

# Those that can be undone: no dilation, the same padding on both sides, every window with an element.
MAXIMA = {
    name: text
    for name, text in POOLS.items()
    if text.startswith("max")
    and max(Problem(text).dilation) == 1
    and all(before == after for before, after in Problem(text).padding)
}


def undoing(problem: Problem) -> dict[str, Any]:
    """The parameters of the unpooling that undoes a pooling."""
    padding = [before for before, _ in problem.padding]
    return {
        "kernel_size": problem.kernel_size,
        "stride": problem.stride,
        "padding": padding,
        "layout": problem.layout,
    }


def draw(shape: Any, dtype: Any, seed: int = 0) -> Array:
    """Halves that are often equal."""
    return (np.random.default_rng([seed, *shape]).integers(-9, 10, shape) / 2).astype(dtype)


def extents(problem: Problem) -> tuple[int, ...]:
    """The extents of a pooling that an unpooling finds without being told."""
    return problem.input_size


def check(problem: Problem, seed: int, how: int) -> None:
    """Values go where they were, those of overlapping windows too; gradients come from there."""
    x = draw(problem.input_shape, problem.dtype, seed)
    pool = getattr(fastconv, problem.op)
    values, indices = pool(x, return_indices=True, **parameters(problem))
    unpool = getattr(fastconv, problem.op.replace("pool", "unpool"))
    slope = getattr(grad, problem.op.replace("pool", "unpool"))
    values = draw(values.shape, problem.dtype, seed + 1)  # so that of equal indices it matters which wins
    kwargs = undoing(problem)
    least = [
        (o - 1) * s - 2 * p + k
        for o, s, p, k in zip(
            problem.output_size, problem.stride, kwargs["padding"], problem.kernel_size, strict=True
        )
    ]
    near = zip(extents(problem), least, problem.stride, strict=True)
    if not all(abs(size - i) < s for size, i, s in near):
        return  # a stride beyond the window can leave more of the input out
    expected = definition.max_unpool(values, indices, problem.input_shape, problem.layout)
    given_indices, given_values = disguise(indices, how if how != 4 else 0), disguise(values, how)
    for actual, isa in everywhere(
        lambda: unpool(given_values, given_indices, output_size=problem.input_size, **kwargs)
    ):
        np.testing.assert_array_equal(actual, expected, strict=True, err_msg=isa)
    whole = unpool(values, indices, output_size=problem.input_shape, **kwargs)
    np.testing.assert_array_equal(whole, expected, strict=True)
    if list(problem.input_size) == least:
        np.testing.assert_array_equal(unpool(values, indices, **kwargs), expected, strict=True)
    g = draw(problem.input_shape, problem.dtype, seed + 2)
    expected = definition.max_unpool_gradient(g, indices, problem.layout)
    for actual, isa in everywhere(lambda: slope(disguise(g, how), indices, layout=problem.layout)):
        np.testing.assert_array_equal(actual, expected, strict=True, err_msg=isa)


@pytest.mark.parametrize("name", MAXIMA)
def test_definition(name: str) -> None:
    """The poolings that the library is tested with."""
    problem = Problem(MAXIMA[name])
    if problem.n:
        check(problem, 0, 0)


def symmetric(word: str) -> str:
    """The same padding on both sides where a word of a problem is one of different ones."""
    key, _, after = word.partition(":")
    return f"{key[:2]}{max(int(key[2:]), int(after))}" if after else word


@given(pools(), st.integers(0, 2**31), st.integers(0, 4))
def test_any(text: str, seed: int, how: int) -> None:
    """Any pooling that can be undone, arrays in any form."""
    words = [symmetric(word) for word in text.split() if word[0] != "d"]
    problem = Problem(" ".join(word for word in words if word not in ("nopad", "ceil")).replace("avg", "max"))
    check(problem, seed, how)


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_same_bits(layout: str) -> None:
    """An image large enough for several threads, and indices that are all the same."""
    shape = (2, 37, 120, 121) if layout == "NCHW" else (2, 120, 121, 37)
    x = np.random.default_rng(3).standard_normal(shape).astype(np.float32)
    indices = np.random.default_rng(4).integers(0, 480 * 484 // 9, shape)
    indices[0] = 5
    results = [
        y for y, _ in everywhere(lambda: fastconv.max_unpool2d(x, indices, 2, layout=layout), (1, 2, 3, 8))
    ]
    for y in results[1:]:
        np.testing.assert_array_equal(y, results[0])
    image = results[0][0] if layout == "NCHW" else np.moveaxis(results[0][0], -1, 0)
    last = x[0, :, -1, -1] if layout == "NCHW" else x[0, -1, -1]
    assert (image.reshape(37, -1)[:, 5] == last).all()
    assert np.count_nonzero(image) == 37


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("stride", [2, 3])
def test_torch(rank: int, stride: int) -> None:
    """Result and gradient of torch's, with its choice of sizes."""
    torch = pytest.importorskip("torch")
    x = torch.randn((2, 3, *[9] * rank), dtype=torch.float64, generator=torch.manual_seed(0))
    pool, unpool = (getattr(torch.nn.functional, f"max_{name}{rank}d") for name in ("pool", "unpool"))
    values, indices = pool(x, 3, stride, return_indices=True)
    values.requires_grad_()
    expected = unpool(values, indices, 3, stride)
    actual = getattr(fastconv, f"max_unpool{rank}d")(values.detach().numpy(), indices.numpy(), 3, stride)
    np.testing.assert_array_equal(actual, expected.detach().numpy(), strict=True)
    g = torch.randn(expected.shape, dtype=torch.float64)
    expected.backward(g)
    slope = getattr(grad, f"max_unpool{rank}d")(g.numpy(), indices.numpy())
    np.testing.assert_array_equal(slope, values.grad.numpy(), strict=True)


def test_numerical() -> None:
    """Differences along each element; all are exact."""
    x, indices = fastconv.max_pool2d(
        np.random.default_rng(1).permutation(np.arange(48.0)).reshape(1, 2, 4, 6), 2, return_indices=True
    )
    g = draw((1, 2, 4, 6), np.float64)
    slope = np.zeros_like(x)
    for at in np.ndindex(*x.shape):
        step = np.zeros_like(x)
        step[at] = 1
        change = fastconv.max_unpool2d(x + step, indices, 2) - fastconv.max_unpool2d(x - step, indices, 2)
        slope[at] = (g * change).sum() / 2
    np.testing.assert_array_equal(grad.max_unpool2d(g, indices), slope)


@pytest.mark.parametrize("flush", ["start", "end"])
@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_memory(dtype: Any, layout: str, flush: str, isa: str) -> None:
    """Nothing outside the arrays is touched, and everything inside is written."""
    for n in (1, 3, 16, 17):
        shape = (2, n, 3, 5) if layout == "NCHW" else (2, 3, 5, n)
        values, indices = fastconv.max_pool2d(draw(shape, dtype), 2, 1, return_indices=True, layout=layout)
        out = guarded(shape, dtype, flush)
        out.fill(np.nan)
        arrays = guarded_copy(values, flush), guarded_copy(indices, flush)
        assert fastconv.max_unpool2d(*arrays, 2, 1, layout=layout, out=out) is out
        np.testing.assert_array_equal(out, definition.max_unpool(values, indices, shape, layout))
        back = guarded(values.shape, dtype, flush)
        grad.max_unpool2d(guarded_copy(out, flush), arrays[1], layout=layout, out=back)
        np.testing.assert_array_equal(back, definition.max_unpool_gradient(out, indices, layout))


X, INDICES = np.ones((1, 2, 2, 2), np.float32), np.zeros((1, 2, 2, 2), np.int64)


@pytest.mark.parametrize("index", [-1, -2, 16, 2**62, -(2**63)])
@pytest.mark.parametrize("function", [fastconv.max_unpool2d, grad.max_unpool2d], ids=["unpool", "gradient"])
def test_bad_index(index: int, function: Any, isa: str) -> None:
    """The first index outside the image is named, and nothing is written."""
    indices = np.zeros((3, 2, 90, 90), np.int64)
    indices[2, 1, 5, 6] = indices[2, 1, 80, 7] = index
    pixels = 180 * 180
    indices[indices == 16] = pixels
    index = pixels if index == 16 else index
    if function is grad.max_unpool2d:
        arrays, out = (np.ones((3, 2, 180, 180)), indices), np.full(indices.shape, 7.0)
        call = lambda out: function(*arrays, out=out)  # noqa: E731
    else:
        out = np.full((3, 2, 180, 180), 7.0)
        call = lambda out: function(np.ones(indices.shape), indices, 2, out=out)  # noqa: E731
    with pytest.raises(ValueError, match=rf"indices\[2, 1, 5, 6\]={index}: expected 0 <= index < {pixels}"):
        call(out)
    np.testing.assert_array_equal(out, 7)
    with pytest.raises(ValueError, match=rf"indices\[2, 1, 5, 6\]={index}: expected 0 <= index < {pixels}"):
        call(None)


@pytest.mark.parametrize(
    ("call", "error", "name"),
    [
        (lambda: fastconv.max_unpool2d(X, INDICES.astype(np.int32), 2), TypeError, "indices"),
        (lambda: fastconv.max_unpool2d(X, INDICES.astype(np.uint64), 2), TypeError, "indices"),
        (lambda: fastconv.max_unpool2d(X, "where", 2), TypeError, "indices"),
        (lambda: fastconv.max_unpool2d(X, INDICES[:, :1], 2), ValueError, "indices"),
        (lambda: fastconv.max_unpool2d(X[0], INDICES, 2), ValueError, "indices"),
        (lambda: fastconv.max_unpool2d(X.astype(int), INDICES, 2), TypeError, "input"),
        (lambda: fastconv.max_unpool2d(X[..., :0], INDICES[..., :0], 2), ValueError, "input"),
        (lambda: fastconv.max_unpool2d(X[0, 0], INDICES[0, 0], 2), ValueError, "input"),
        (lambda: fastconv.max_unpool2d(X, INDICES, 0), ValueError, "kernel_size"),
        (lambda: fastconv.max_unpool2d(X, INDICES, 2**62), ValueError, "kernel_size|stride"),
        (lambda: fastconv.max_unpool2d(X, INDICES, 2, -1), ValueError, "stride"),
        (lambda: fastconv.max_unpool2d(X, INDICES, 2, 2**63 - 1), ValueError, "stride|kernel_size"),
        (lambda: fastconv.max_unpool2d(X, INDICES, 2, 2, 2), ValueError, "padding"),
        (lambda: fastconv.max_unpool2d(X, INDICES, 2, 2, -1), ValueError, "padding"),
        (lambda: fastconv.max_unpool2d(X, INDICES, 2, output_size=(6, 4)), ValueError, "output_size"),
        (lambda: fastconv.max_unpool2d(X, INDICES, 2, output_size=(2, 4)), ValueError, "output_size"),
        (lambda: fastconv.max_unpool2d(X, INDICES, 2, output_size=(4,)), ValueError, "output_size"),
        (lambda: fastconv.max_unpool2d(X, INDICES, 2, output_size=4), TypeError, "output_size"),
        (lambda: fastconv.max_unpool2d(X, INDICES, 2, layout="HW"), ValueError, "layout"),
        (lambda: fastconv.max_unpool2d(X, INDICES, 2, out=X), ValueError, "out"),
        (lambda: grad.max_unpool2d(X, INDICES[:, :1]), ValueError, "indices"),
        (lambda: grad.max_unpool2d(X, INDICES[0]), ValueError, "indices"),
        (lambda: grad.max_unpool2d(X.astype(np.int8), INDICES), TypeError, "grad_output"),
    ],
)  # fmt: skip
def test_refused(call: Any, error: type[Exception], name: str) -> None:
    """The message names the argument."""
    with pytest.raises(error, match=rf"\b({name})\b"):
        call()
