"""fastconv.torch: against PyTorch's own functions, gradients of two orders, tracing, conversion of models."""

from __future__ import annotations

import copy
import os
import pickle
import re
import warnings
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from fastconv import Problem

from . import bounds
from .conv_gradients import Oracle, draw, output_padding, problems
from .processes import answer

torch = pytest.importorskip("torch")

import fastconv.torch as ours  # noqa: E402
from fastconv.torch import _operators as operators  # noqa: E402
from fastconv.torch._tensors import channels_last  # noqa: E402

F, nn = torch.nn.functional, torch.nn
FORMATS = {4: torch.channels_last, 5: torch.channels_last_3d}
RANKS = (1, 2, 3)


def assert_close(actual: Any, expected: Any, bound: Any, what: str = "") -> None:
    """Shape, and every number within its bound."""
    assert actual.shape == expected.shape, what
    error = (actual.detach().double() - expected.detach().double()).abs().numpy()
    assert np.all(error <= np.asarray(bound, np.float64)), f"{what}: {error.max()} > {np.min(bound)}"


def tensor(a: Any, layout: str = "NCHW", kind: str = "image") -> Any:
    """The array's memory, its axes in the order of PyTorch."""
    if layout == "NHWC":
        rank = a.ndim - 2
        a = a.transpose(
            (0, a.ndim - 1, *range(1, a.ndim - 1)) if kind == "image" else (rank + 1, rank, *range(rank))
        )
    return torch.from_numpy(a)


def in_order(limit: Any, layout: str, kind: str = "image") -> Any:
    """A bound, its axes in the order of PyTorch."""
    if layout == "NCHW" or np.ndim(limit) < 3:
        return limit
    return np.moveaxis(limit, -1, 1) if kind == "image" else np.moveaxis(limit, (-1, -2), (0, 1))


# ---------------------------------------------------------------- convolution against PyTorch


@st.composite
def symmetric(draw: st.DrawFn) -> str:
    """A convolution whose padding PyTorch has: the same at both ends."""
    return re.sub(r"(\d+):(\d+)", lambda found: max(found.groups(), key=int), draw(problems()))


def compare(name: str, p: Any, arrays: Any, dy: Any, how: Any, oracles: Any, layout: str) -> None:
    """A result and its three gradients, within twice their bounds: PyTorch's own may be as far off."""
    b = torch.linspace(-1, 1, how.pop("channels"), dtype=dy.dtype)
    own = [t.clone(memory_format=torch.preserve_format).requires_grad_() for t in (*arrays, b)]
    wide = [t.detach().double().requires_grad_() for t in own]
    y, expected = getattr(ours, name)(*own, **how), getattr(F, name)(*wide, **how)
    found = torch.autograd.grad(y, own, dy), torch.autograd.grad(expected, wide, dy.double())
    n = own[1].numel() // min(own[1].shape[:2]) + 1  # more than the products in a sum
    sums = getattr(F, name)(*[t.detach().abs() for t in wide], **how).numpy()
    limits = [o.bound("auto") for o in oracles]
    for at in (0, 1):
        limits[at] = in_order(limits[at], layout)
    limits[2] = in_order(limits[2], layout, "weight")
    # The oracle of a result has no bias: this is more than one makes of it.
    limits[0] = limits[0] + bounds.gamma(n, p.dtype) * sums + n * bounds.eta(p.dtype)
    for what, got, want, limit in zip(
        ("y", "dx", "dw", "db"), (y, *found[0]), (expected, *found[1]), limits, strict=True
    ):
        assert got.dtype == dy.dtype
        assert_close(got, want, 2 * limit, f"{what} of {p}")
    with torch.no_grad():  # the same bits past the dispatcher
        assert torch.equal(getattr(ours, name)(*own, **how), y)


@settings(max_examples=35)
@given(symmetric())
def test_convolution(text: str) -> None:
    """Results and the three gradients of any convolution, channels first and last."""
    p = Problem(text)
    assume(p.n > 0)
    a = draw(p)
    how = {
        "stride": p.stride,
        "padding": [q for q, _ in p.padding],
        "dilation": p.dilation,
        "groups": p.groups,
    }
    oracles = [Oracle(operation, p, a) for operation in ("transpose_input", "input", "weight", "bias")]
    arrays = tensor(a.x, p.layout), tensor(a.w, p.layout, "weight")
    dy = tensor(a.dy, p.layout)
    compare(f"conv{p.rank}d", p, arrays, dy, how | {"channels": p.oc}, oracles, p.layout)


@settings(max_examples=35)
@given(symmetric())
def test_transposed_convolution(text: str) -> None:
    """Results and the three gradients of any transposed convolution, channels first and last."""
    p = Problem(text)
    more = output_padding(p)
    assume(p.n > 0 and all(o < s for o, s in zip(more, p.stride, strict=True)))
    a = draw(p)
    how = {
        "stride": p.stride,
        "padding": [q for q, _ in p.padding],
        "dilation": p.dilation,
        "groups": p.groups,
    }
    oracles = [
        Oracle(operation, p, a) for operation in ("conv_transpose", "transpose_input", "transpose_weight")
    ]
    n = a.x.size // p.ic
    sums = np.abs(a.x).sum(
        axis=tuple(i for i in range(a.x.ndim) if i != (1 if p.layout == "NCHW" else a.x.ndim - 1))
    )
    limit = bounds.gamma(n, p.dtype) * sums + n * bounds.eta(p.dtype)
    arrays = tensor(a.dy, p.layout), tensor(a.w, p.layout, "weight")
    how |= {"channels": p.ic, "output_padding": more}
    compare(
        f"conv_transpose{p.rank}d", p, arrays, tensor(a.x, p.layout), how, [*oracles, Fixed(limit)], p.layout
    )


class Fixed:
    """A bound that is known."""

    def __init__(self, limit: Any) -> None:
        self.limit = limit

    def bound(self, algorithm: str) -> Any:
        return self.limit


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("kernel", [1, 2, 3, 4])
def test_padding_by_name(padding: str, kernel: int) -> None:
    """Of an even kernel the larger half is behind, as in PyTorch."""
    x, w = torch.randn(2, 3, 9, 8), torch.randn(4, 3, kernel, kernel)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch copies its input then, and says so
        expected = F.conv2d(x.double(), w.double(), padding=padding, dilation=2)
    y = ours.conv2d(x, w, padding=padding, dilation=2)
    sums = F.conv2d(x.double().abs(), w.double().abs(), padding=padding, dilation=2)
    assert_close(y, expected, bounds.gamma(w[0].numel(), np.float32) * sums.numpy())


# ---------------------------------------------------------------- pooling against PyTorch


@st.composite
def pools(draw: st.DrawFn) -> dict[str, Any]:
    """Windows of any rank that PyTorch takes, and an input that they fit in."""
    rank = draw(st.sampled_from(RANKS))
    kernel = [draw(st.integers(1, 4)) for _ in range(rank)]
    padding = [draw(st.integers(0, k // 2)) for k in kernel]
    extents = [draw(st.integers(k, k + {1: 20, 2: 8, 3: 4}[rank])) for k in kernel]
    return {
        "rank": rank,
        "shape": (*([draw(st.integers(1, 3))] * draw(st.integers(0, 1))), draw(st.integers(1, 9)), *extents),
        "last": draw(st.booleans()),
        "dtype": draw(st.sampled_from([torch.float32, torch.float64])),
        "how": {
            "kernel_size": kernel,
            "stride": draw(st.sampled_from([None, 1, 2, 3])),
            "padding": padding,
            "ceil_mode": draw(st.booleans()),
        },
    }


def drawn(pool: dict[str, Any], distinct: bool = False) -> Any:
    """An input, channels last in memory if so wanted and batched."""
    generator = torch.Generator().manual_seed(7)
    shape = pool["shape"]
    x = torch.randn(shape, generator=generator, dtype=torch.float64)
    if distinct:
        x = torch.randperm(x.numel(), generator=generator).reshape(shape).double()
    x = x.to(pool["dtype"])
    if pool["last"] and len(shape) == pool["rank"] + 2 and len(shape) in FORMATS:
        x = x.contiguous(memory_format=FORMATS[len(shape)])
    return x.requires_grad_()


@settings(max_examples=60)
@given(pools(), st.sampled_from([1, 1, 2]))
def test_max_pool(pool: dict[str, Any], dilation: int) -> None:
    """Maxima, their places, and gradients: the same numbers, for nothing is rounded."""
    assume(
        all(
            dilation * (k - 1) < e
            for k, e in zip(pool["how"]["kernel_size"], pool["shape"][-pool["rank"] :], strict=True)
        )
    )
    name, how = f"max_pool{pool['rank']}d", pool["how"] | {"dilation": dilation}
    x = drawn(pool, distinct=True)
    y, places = getattr(ours, name)(x, return_indices=True, **how)
    expected, expected_places = getattr(F, name)(x, return_indices=True, **how)
    assert torch.equal(y, expected)
    assert torch.equal(places, expected_places)
    dy = torch.ones_like(expected)  # sums of ones are exact
    assert torch.equal(*(torch.autograd.grad(r, x, dy, retain_graph=True)[0] for r in (y, expected)))
    with torch.no_grad():
        assert torch.equal(getattr(ours, name)(x, **how), expected)


@settings(max_examples=60)
@given(pools(), st.booleans(), st.sampled_from([None, None, 3]))
def test_avg_pool(pool: dict[str, Any], include: bool, divisor: int | None) -> None:
    """Means and their gradients: sums of as many terms as a window has."""
    rank = pool["rank"]
    name, how = f"avg_pool{rank}d", pool["how"] | {"count_include_pad": include}
    how |= {"divisor_override": divisor} if rank > 1 else {}
    check_means(name, drawn(pool), how, np.prod(pool["how"]["kernel_size"]))


@settings(max_examples=60)
@given(pools(), st.integers(1, 5))
def test_adaptive_pools(pool: dict[str, Any], size: int) -> None:
    """So of windows that share an input out among results."""
    rank, extents = pool["rank"], pool["shape"][-pool["rank"] :]
    wanted = [None] * (rank - 1) + [size] if rank > 1 else size
    check_means(
        f"adaptive_avg_pool{rank}d", drawn(pool), {"output_size": wanted}, np.prod([e + 1 for e in extents])
    )
    x = drawn(pool, distinct=True)
    name = f"adaptive_max_pool{rank}d"
    y, places = getattr(ours, name)(x, wanted, return_indices=True)
    expected, expected_places = getattr(F, name)(x, wanted, return_indices=True)
    assert torch.equal(y, expected)
    assert torch.equal(places, expected_places)
    dy = torch.ones_like(expected)
    assert torch.equal(*(torch.autograd.grad(r, x, dy, retain_graph=True)[0] for r in (y, expected)))


def check_means(name: str, x: Any, how: dict[str, Any], places: int) -> None:
    """Within gamma(places + 3) of the mean of magnitudes, as are the gradients of theirs."""
    dtype = np.float32 if x.dtype == torch.float32 else np.float64
    wide = x.detach().double().requires_grad_()
    y, expected = getattr(ours, name)(x, **how), getattr(F, name)(wide, **how)
    magnitudes = getattr(F, name)(wide.detach().abs(), **how).abs().numpy()
    assert_close(y, expected, 2 * bounds.gamma(places + 3, dtype) * magnitudes + bounds.eta(dtype), name)
    dy = torch.linspace(-1, 1, y.numel(), dtype=x.dtype).reshape(y.shape)
    found, wanted = torch.autograd.grad(y, x, dy)[0], torch.autograd.grad(expected, wide, dy.double())[0]
    again = wide.detach().requires_grad_()
    spread = torch.autograd.grad(getattr(F, name)(again, **how), again, dy.double().abs())[0]
    limit = 2 * bounds.gamma(y.numel() + 3, dtype) * spread.abs().numpy() + bounds.eta(dtype)
    assert_close(found, wanted, limit, f"gradient of {name}")


# ---------------------------------------------------------------- gradients by differences


def small(rank: int) -> tuple[int, ...]:
    return {1: (5,), 2: (4, 3), 3: (3, 2, 3)}[rank]


def differentiable() -> dict[str, Any]:
    """Every function on a small input: a call on the tensors that are differentiated."""
    calls: dict[str, Any] = {}
    for r in RANKS:
        x, w = torch.randn(2, 2, *small(r)).double(), torch.randn(2, 1, *[2] * r).double()
        b, apart = torch.randn(2).double(), torch.randperm(x.numel()).reshape(x.shape).double()
        conv = {"stride": 2, "padding": 1, "groups": 2}
        for name, how in (("conv", conv), ("conv_transpose", conv | {"output_padding": 1})):
            calls[f"{name}{r}d"] = partial(getattr(ours, f"{name}{r}d"), **how), (x, w, b)
        calls[f"max_pool{r}d"] = partial(getattr(ours, f"max_pool{r}d"), kernel_size=2, padding=1), (apart,)
        calls[f"avg_pool{r}d"] = partial(getattr(ours, f"avg_pool{r}d"), kernel_size=2, ceil_mode=True), (x,)
        for kind, value in (("avg", x), ("max", apart)):
            name = f"adaptive_{kind}_pool{r}d"
            calls[name] = partial(getattr(ours, name), output_size=2), (value,)
    # More room at the end than a stride: windows that no input has.
    calls["beyond"] = (
        partial(ours.conv_transpose1d, output_padding=1, dilation=2),
        (*calls["conv_transpose1d"][1][:1], torch.randn(2, 1, 2).double()),
    )
    calls["unbatched"] = (
        partial(ours.conv2d, padding=1),
        (
            torch.randn(2, 4, 3).double(),
            torch.randn(2, 2, 2, 2).double(),
        ),
    )
    return calls


@pytest.mark.parametrize("name", differentiable())
def test_gradcheck(name: str) -> None:
    """Both orders, against numerical differentiation along random directions."""
    torch.manual_seed(3)
    function, tensors = differentiable()[name]
    arguments = [t.requires_grad_() for t in tensors]
    assert torch.autograd.gradcheck(function, arguments, fast_mode=True)
    assert torch.autograd.gradgradcheck(function, arguments, fast_mode=True)


@pytest.mark.parametrize("mode", ["reflect", "replicate", "circular"])
def test_padding_modes(mode: str) -> None:
    """Borders that show the input: results and gradients of modules."""
    torch.manual_seed(4)
    theirs = nn.Conv2d(3, 4, 3, padding=(2, 1), padding_mode=mode).double()
    own = ours.convert(theirs)
    assert ours.converted(own)
    x = torch.randn(2, 3, 6, 5).double().requires_grad_()
    y, expected = own(x), theirs(x)
    sums = x.abs().max() * theirs.weight.abs().sum() + theirs.bias.abs().max()
    assert_close(y, expected, 2 * bounds.gamma(28, np.float64) * sums.item())
    assert torch.autograd.gradcheck(own, (x,), fast_mode=True)
    with torch.no_grad():
        assert_close(own(x), expected, 2 * bounds.gamma(28, np.float64) * sums.item())


# ---------------------------------------------------------------- layouts and copies


@pytest.mark.parametrize("rank", [2, 3])
@pytest.mark.parametrize("grad", [False, True])
def test_channels_last(rank: int, grad: bool) -> None:
    """A batch with its channels last gives results and gradients that have them last."""
    form = FORMATS[rank + 2]
    x = torch.randn(2, 3, *[6] * rank).to(memory_format=form).requires_grad_(grad)
    w = torch.randn(4, 3, *[3] * rank)
    wt = torch.randn(3, 4, *[3] * rank)
    for y in (
        getattr(ours, f"conv{rank}d")(x, w),
        getattr(ours, f"conv_transpose{rank}d")(x, wt, stride=2),
        *getattr(ours, f"max_pool{rank}d")(x, 2, return_indices=True),
        getattr(ours, f"avg_pool{rank}d")(x, 2),
        getattr(ours, f"adaptive_avg_pool{rank}d")(x, 2),
        getattr(ours, f"adaptive_max_pool{rank}d")(x, 2),
    ):
        assert y.is_contiguous(memory_format=form)
        if grad and y.is_floating_point():
            (dx,) = torch.autograd.grad(y, x, torch.randn(y.shape).to(memory_format=form))
            assert dx.is_contiguous(memory_format=form)
    assert getattr(ours, f"conv{rank}d")(x.contiguous(), w).is_contiguous()


@pytest.mark.parametrize("shape", [(2, 1, 5, 4), (2, 3, 1, 1), (1, 1, 1, 1), (2, 3, 5, 1), (0, 3, 4, 4)])
def test_layout_of_ones(shape: tuple[int, ...]) -> None:
    """Where extents of 1 leave the layout open, strides say which, as PyTorch has it."""
    x = torch.randn(shape)
    assert not channels_last(x)
    if min(shape) > 0 and np.prod(shape[1:]) > 1:
        assert channels_last(x.to(memory_format=torch.channels_last))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("last", [False, True])
def test_no_copies(monkeypatch: pytest.MonkeyPatch, dtype: Any, last: bool) -> None:
    """The compiled function sees the tensor's memory, and the tensor that is returned is what it made."""
    seen: dict[str, Any] = {}
    compiled = operators._fastconv.conv

    def spy(rank: int, input: Any, *rest: Any) -> Any:
        seen["input"], seen["result"] = input, compiled(rank, input, *rest)
        return seen["result"]

    monkeypatch.setattr(operators._fastconv, "conv", spy)
    x = torch.randn(2, 3, 8, 8).to(dtype)
    x = x.to(memory_format=torch.channels_last) if last else x
    y = ours.conv2d(x, torch.randn(4, 3, 3, 3).to(dtype))
    assert y.dtype == dtype
    assert seen["input"].ctypes.data == x.data_ptr()
    assert seen["input"].flags.c_contiguous
    assert seen["result"].ctypes.data == y.data_ptr()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half(dtype: Any) -> None:
    """Halves are computed in float32 and rounded once, in both directions."""
    torch.manual_seed(6)
    x, w = torch.randn(2, 3, 8, 8).to(dtype).requires_grad_(), torch.randn(4, 3, 3, 3).to(dtype)
    y = ours.conv2d(x, w)
    expected = F.conv2d(x.double(), w.double())
    sums = F.conv2d(x.double().abs(), w.double().abs()).detach().numpy()
    u = torch.finfo(dtype).eps / 2
    assert_close(
        y, expected, u * expected.detach().abs().numpy() + (1 + u) * bounds.gamma(27, np.float32) * sums
    )
    y.sum().backward()
    assert x.grad.dtype == dtype


# ---------------------------------------------------------------- what is left to PyTorch


def test_left_to_pytorch() -> None:
    """Integers, complex numbers and tensors on other devices take PyTorch's way."""
    x, w = torch.arange(16).reshape(1, 1, 4, 4), torch.ones(1, 1, 2, 2, dtype=torch.int64)
    assert torch.equal(ours.conv2d(x, w), F.conv2d(x, w))
    z = torch.randn(1, 1, 4, 4, dtype=torch.complex64)
    assert ours.conv2d(z, z[..., :2, :2]).dtype == torch.complex64
    meta = torch.empty(1, 3, 8, 8, device="meta")
    assert ours.conv2d(meta, torch.empty(4, 3, 3, 3, device="meta")).device.type == "meta"
    assert ours.avg_pool2d(meta, 2).shape == ours.adaptive_avg_pool2d(meta, 4).shape == (1, 3, 4, 4)
    assert torch.equal(ours.max_pool2d(x, 2), F.max_pool2d(x, 2))


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (
            lambda: ours.conv2d(torch.ones(1, 2, 6, 6), torch.ones(3, 4, 3, 3)),
            ValueError,
            r"2 channels, expected 4",
        ),
        (lambda: ours.conv2d(torch.ones(1, 2, 2, 2), torch.ones(3, 2, 3, 3)), ValueError, "does not fit"),
        (lambda: ours.conv2d(torch.ones(1, 2, 6, 6), torch.ones(3, 2, 3, 3), stride=0), ValueError, "stride"),
        (
            lambda: ours.conv2d(torch.ones(1, 2, 6, 6), torch.ones(3, 2, 3, 3), stride=(1, 1, 1)),
            ValueError,
            r"stride=\(1, 1, 1\): expected one number, or 2",
        ),
        (
            lambda: ours.conv2d(torch.ones(1, 2, 6, 6), torch.ones(3, 2, 3, 3), stride=2, padding="same"),
            ValueError,
            "expected a stride of 1",
        ),
        (
            lambda: ours.conv2d(torch.ones(1, 2, 6, 6), torch.ones(3, 2, 3, 3), padding="full"),
            ValueError,
            "padding='full'",
        ),
        (lambda: ours.conv2d(torch.ones(1, 2, 6, 6), torch.ones(3, 2, 3, 3).double()), RuntimeError, "type"),
        (lambda: ours.conv2d(torch.ones(6, 6), torch.ones(3, 2, 3, 3)), RuntimeError, "3D|4D"),
        (lambda: ours.max_pool2d(torch.ones(1, 2, 6, 6), 2, padding=2), ValueError, "half of kernel_size"),
        (
            lambda: ours.avg_pool2d(torch.ones(1, 2, 6, 6), 2, divisor_override=0),
            ValueError,
            "divisor_override",
        ),
        (
            lambda: ours.conv_transpose2d(torch.ones(1, 2, 6, 6), torch.ones(2, 2, 3, 3), output_padding=1),
            ValueError,
            "output_padding",
        ),
        (lambda: ours.convert(3), TypeError, "expected a torch.nn.Module"),
    ],
)
def test_errors(call: Any, error: Any, words: str) -> None:
    """They name the argument, its value and what was expected; PyTorch's are its own."""
    with pytest.raises(error, match=words):
        call()


# ---------------------------------------------------------------- operators of PyTorch


def operator_calls(last: bool = False) -> dict[str, Any]:
    x, w = torch.randn(2, 4, 6, 5), torch.randn(6, 2, 3, 3)
    how = [2, 1], [1, 1, 2, 0], [1, 1], 2, "zeros"
    y = operators.conv(x, w, None, *how)
    mean = [2, 2], [2, 2], [0, 0], False, True, None
    values, places = operators.max_pool(x, [2, 2], [2, 2], [0, 0], [1, 1], False)
    return {
        "conv": (x, w, torch.randn(6), *how),
        "conv_input": (x.shape, w, torch.randn(y.shape), *how, last),
        "conv_weight": (x, w.shape, torch.randn(y.shape), *how, last),
        "conv_bias": (x,),
        "conv_transpose": (x, torch.randn(4, 3, 3, 3), None, [2, 2], [1, 1], [1, 0], 2, [1, 1]),
        "max_pool": (x, [2, 2], [2, 2], [0, 0], [1, 1], True),
        "max_pool_input": (values, places, x.shape, last),
        "adaptive_max_pool": (x, [2, 3]),
        "avg_pool": (x, *mean),
        "avg_pool_input": (torch.randn(2, 4, 3, 2), x.shape, *mean, last),
        "adaptive_avg_pool": (x, [2, 3]),
        "adaptive_avg_pool_input": (torch.randn(2, 4, 2, 3), x.shape, last),
    }


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("name", operator_calls())
def test_opcheck(name: str, last: bool) -> None:
    """PyTorch's own checks of an operator: schema, description of results, gradients, tracing."""

    def arranged(value: Any) -> Any:
        if not isinstance(value, torch.Tensor):
            return tuple(value) if isinstance(value, torch.Size) else value
        value = value.contiguous(memory_format=torch.channels_last) if last and value.dim() == 4 else value
        return value.requires_grad_() if value.is_floating_point() else value

    torch.library.opcheck(
        getattr(torch.ops.fastconv, name).default, tuple(map(arranged, operator_calls(last)[name]))
    )


# ---------------------------------------------------------------- a network


class Block(nn.Module):
    """Two convolutions and a way past them."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(outputs)
        self.past = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x: Any) -> Any:
        y = F.relu(self.norm1(self.conv1(x)))
        return F.relu(self.norm2(self.conv2(y)) + self.past(x))


class Network(nn.Module):
    """A small ResNet, with a transposed convolution for good measure."""

    def __init__(self) -> None:
        super().__init__()
        self.begin = nn.Sequential(
            nn.Conv2d(3, 8, 7, 2, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(3, 2, 1)
        )
        self.blocks = nn.Sequential(Block(8, 8, 1), Block(8, 16, 2))
        self.up = nn.ConvTranspose2d(16, 8, 2, 2)
        self.end = nn.Sequential(nn.AvgPool2d(2), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5))

    def forward(self, x: Any) -> Any:
        return self.end(self.up(self.blocks(self.begin(x))))


def network() -> Any:
    """In double precision, with statistics that are not those of the start."""
    torch.manual_seed(11)
    model = Network().double()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
            nn.init.normal_(module.weight)
            nn.init.normal_(module.bias)
    return model


# Two ways to round the same network: far above rounding in double precision, far below any mistake.
ROUNDING = 1e-10


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("inplace", [False, True])
def test_network_in_use(last: bool, inplace: bool) -> None:
    """Converted and folded: the same results, more than once, channels first and last."""
    model = network().eval()
    x = torch.randn(2, 3, 32, 32).double()
    expected = model(x).detach()
    state = copy.deepcopy(model.state_dict())
    own = ours.convert(model, inplace=inplace)
    assert (own is model) == inplace
    found = ours.converted(own)
    assert len(found) == 11
    assert sum("with BatchNorm2d" in kind for kind in found.values()) == 7
    assert found["blocks.1.past.0"] == "Conv2d with BatchNorm2d blocks.1.past.1"
    if last:
        x, own = x.to(memory_format=torch.channels_last), own.to(memory_format=torch.channels_last)
    for grad in (False, False, True):
        with torch.set_grad_enabled(grad):
            assert_close(own(x), expected, ROUNDING)
    if not inplace:
        assert not ours.converted(model)
        assert all(
            torch.equal(a, b) for a, b in zip(state.values(), model.state_dict().values(), strict=True)
        )


@pytest.mark.parametrize("form", [torch.contiguous_format, torch.channels_last])
def test_network_in_training(form: Any) -> None:
    """Nothing is folded; the gradients of all parameters, which are shared, are the same."""
    model = network().train().to(memory_format=form)
    own = ours.convert(model)
    assert not any("with" in kind for kind in ours.converted(own).values())
    assert all(a is b for a, b in zip(own.parameters(), model.parameters(), strict=True))
    x, gradients = torch.randn(4, 3, 32, 32).double().contiguous(memory_format=form), []
    for network_ in (model, own):
        loss = F.cross_entropy(network_(x), torch.tensor([0, 1, 2, 3]))
        gradients.append(torch.autograd.grad(loss, list(network_.parameters())))
    for theirs, found in zip(*gradients, strict=True):
        assert_close(found, theirs, ROUNDING * (1 + theirs.abs().max().item()))


class Shared(nn.Module):
    """What lies between is seen by another, too."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(2, 2, 1), nn.BatchNorm2d(2)

    def forward(self, x: Any) -> Any:
        y = self.conv(x)
        return self.norm(y) + y


class Optional(Shared):
    """A way that an argument opens."""

    def forward(self, x: Any, raw: Any = None) -> Any:
        y = self.conv(x)
        return self.norm(y) if raw is None else y


class Reader(Shared):
    """A convolution whose weights are used elsewhere."""

    def forward(self, x: Any) -> Any:
        return self.norm(self.conv(x)) + self.conv.weight.sum()


class Own(nn.Conv2d):
    """A subclass with a way of its own."""

    def forward(self, input: Any) -> Any:
        return super().forward(input) + 1


def hooked() -> Any:
    model = nn.Sequential(nn.Conv2d(2, 2, 1), nn.BatchNorm2d(2))
    model[0].register_forward_hook(lambda module, inputs, output: output + 1)
    return model


def twice() -> Any:
    conv = nn.Conv2d(2, 2, 1)
    return nn.Sequential(conv, nn.BatchNorm2d(2), conv)


@pytest.mark.parametrize("make", [Shared, Optional, Reader, hooked, twice])
def test_not_folded(make: Any) -> None:
    """Where someone else sees a convolution's result or weights, it keeps them."""
    model = make().eval()
    x = torch.randn(1, 2, 4, 4)
    expected = model(x)
    own = ours.convert(model)
    assert set(ours.converted(own).values()) == {"Conv2d"}
    assert torch.allclose(own(x), expected, atol=1e-5)


class Derived(ours.MaxPool2d):
    """One of ours, by another name."""


def test_subclasses_of_ours() -> None:
    """They do what ours do."""
    x = torch.randn(1, 2, 4, 4)
    assert torch.equal(Derived(2)(x), F.max_pool2d(x, 2))


def test_subclasses_stay() -> None:
    """A class that someone derived does what it did."""
    own = ours.convert(nn.Sequential(Own(2, 2, 1), nn.Conv2d(2, 2, 1)))
    assert type(own[0]) is Own
    assert ours.converted(own) == {"1": "Conv2d"}
    assert ours.converted(ours.convert(own)) == {"1": "Conv2d"}


def test_sequential_without_graph() -> None:
    """Neighbours are folded where a model decides by values which way it takes."""

    class Deciding(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.Sequential(nn.Conv2d(2, 2, 1), nn.BatchNorm2d(2))

        def forward(self, x: Any) -> Any:
            return self.layers(x) if x.sum() > 0 else x

    own = ours.convert(Deciding().eval())
    assert ours.converted(own) == {"layers.0": "Conv2d with BatchNorm2d layers.1"}


# ---------------------------------------------------------------- packed weights


def pairs_of_convolutions() -> tuple[Any, Any]:
    theirs = nn.Conv2d(3, 4, 3, padding=1)
    return theirs, ours.convert(theirs)


CHANGES = {
    "in place": lambda conv: conv.weight.mul_(2),
    "past autograd": lambda conv: conv.weight.data.mul_(2),
    "by NumPy": lambda conv: conv.weight.detach().numpy().__imul__(2),
    "bias past autograd": lambda conv: conv.bias.data.add_(1),
    "other data": lambda conv: setattr(conv.weight, "data", conv.weight.data * 2),
    "other weights": lambda conv: setattr(conv, "weight", nn.Parameter(conv.weight * 2)),
    "loaded": lambda conv: conv.load_state_dict({k: v * 2 for k, v in conv.state_dict().items()}),
    "stride": lambda conv: setattr(conv, "stride", (2, 2)),
    "no bias": lambda conv: setattr(conv, "bias", None),
    "type": lambda conv: conv.double(),
}


@torch.no_grad()
@pytest.mark.parametrize("change", CHANGES)
def test_weights_that_change(change: str) -> None:
    """Packed weights are made anew whenever those of the module are others."""
    own = ours.Conv2d(3, 4, 3, padding=1)
    x = torch.randn(1, 3, 8, 8)
    own(x)
    first = own._packed
    own(x)
    assert own._packed is first
    CHANGES[change](own)
    x = x.to(own.weight.dtype)
    expected = F.conv2d(x, own.weight, own.bias, own.stride, own.padding)
    assert torch.allclose(own(x), expected, atol=1e-5)
    assert own._packed is not first


@torch.no_grad()
def test_copies_of_modules() -> None:
    """Copies and pickles carry no packed weights; the state is that of PyTorch's module."""
    theirs, own = pairs_of_convolutions()
    x = torch.randn(1, 3, 8, 8)
    y = own(x)
    for other in (copy.deepcopy(own), pickle.loads(pickle.dumps(own))):
        assert "_packed" not in vars(other)
        assert torch.equal(other(x), y)
    assert own.state_dict().keys() == theirs.state_dict().keys()
    with torch.inference_mode():
        assert torch.equal(own(x), y)


# ---------------------------------------------------------------- compilers, casts


@pytest.mark.parametrize("grad", [False, True])
def test_compile(grad: bool) -> None:
    """One graph, of extents that vary; results and gradients are those of the model as it is."""
    own = ours.convert(network().eval())
    compiled = torch.compile(own, fullgraph=True, backend="aot_eager", dynamic=True)
    with torch.set_grad_enabled(grad):
        for size in (32, 40):
            x = torch.randn(2, 3, size, size).double().requires_grad_(grad)
            y, expected = compiled(x), own(x)
            assert_close(y, expected, ROUNDING)
            if grad:
                assert_close(*(torch.autograd.grad(r.square().sum(), x)[0] for r in (y, expected)), ROUNDING)


def test_export() -> None:
    """An exported program calls the operators, for batches of any size."""
    own = ours.convert(network().eval())
    x = torch.randn(2, 3, 32, 32).double()
    program = torch.export.export(own, (x,), dynamic_shapes=({0: torch.export.Dim("n", min=2, max=64)},))
    targets = {str(node.target) for node in program.graph.nodes}
    assert {
        "fastconv.conv.default",
        "fastconv.max_pool.default",
        "fastconv.conv_transpose.default",
    } <= targets
    more = torch.randn(5, 3, 32, 32).double()
    assert_close(program.module()(more), own(more), ROUNDING)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("grad", [False, True])
def test_autocast(dtype: Any, grad: bool) -> None:
    """Convolutions cast as PyTorch's do; gradients come back in the type of the parameters."""
    own = ours.Conv2d(3, 4, 3)
    x = torch.randn(2, 3, 8, 8).requires_grad_(grad)
    with torch.set_grad_enabled(grad), torch.autocast("cpu", dtype=dtype):
        y, z = own(x), ours.conv_transpose2d(x, torch.randn(3, 4, 2, 2))
        pooled = ours.max_pool2d(y, 2)
        doubles = ours.conv2d(x.double(), own.weight.double())
    assert y.dtype == z.dtype == pooled.dtype == dtype
    assert doubles.dtype == torch.float64
    if grad:
        pooled.float().sum().backward()
        assert x.grad.dtype == own.weight.grad.dtype == torch.float32


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_other_tracers() -> None:
    """What records calls meets operators, or PyTorch's own functions, never constants."""
    own = ours.Conv2d(3, 4, 3)
    x, other = torch.randn(2, 3, 8, 8), torch.randn(2, 3, 8, 8)
    symbolic = torch.fx.symbolic_trace(torch.nn.Sequential(own))
    assert torch.allclose(symbolic(other), own(other), atol=1e-5)
    with torch.no_grad():
        made = torch.fx.experimental.proxy_tensor.make_fx(own)(x)
    assert any("fastconv" in str(node.target) for node in made.graph.nodes)
    assert torch.allclose(made(other), own(other), atol=1e-5)
    # Transforms of functions and forward derivatives are PyTorch's own.
    leaf = x.clone().requires_grad_()
    (expected,) = torch.autograd.grad(own(leaf).sum(), leaf)
    assert torch.allclose(torch.func.grad(lambda t: own(t).sum())(x), expected, atol=1e-5)
    assert torch.allclose(torch.func.vmap(own)(x[:, None])[:, 0], own(x), atol=1e-5)
    zero_bias = ours.Conv2d(3, 4, 3, bias=False)
    for grad in (False, True):
        with torch.set_grad_enabled(grad):
            _, tangent = torch.func.jvp(zero_bias, (x,), (other,))
            assert torch.allclose(tangent, zero_bias(other), atol=1e-5)
            with torch.autograd.forward_ad.dual_level():
                dual = ours.avg_pool2d(torch.autograd.forward_ad.make_dual(x, other), 2)
                tangent = torch.autograd.forward_ad.unpack_dual(dual).tangent
            assert torch.allclose(tangent, ours.avg_pool2d(other, 2), atol=1e-6)
    traced = torch.jit.trace(own, x)
    assert torch.allclose(traced(other), own(other), atol=1e-5)


# ---------------------------------------------------------------- threads


def test_threads_side_by_side() -> None:
    """Both teams work for several Python threads in turn."""
    x, w = torch.randn(2, 16, 32, 32), torch.randn(16, 16, 3, 3)
    expected, sums = ours.conv2d(x, w), F.conv2d(x.double().abs(), w.double().abs()).numpy()

    def work(_: int) -> bool:
        found = []
        for _ in range(8):
            theirs = F.conv2d(x, w)
            found.append(torch.equal(ours.conv2d(x, w), expected) and theirs.shape == expected.shape)
        return all(found)

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(work, range(8)))
    assert_close(expected, F.conv2d(x.double(), w.double()), bounds.gamma(400, np.float32) * sums.max())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_threads_after_fork() -> None:
    """A child computes, and so does its parent after it; neither number of threads touches the other."""
    printed = answer(
        """
        import os, sys, torch, fastconv, fastconv.torch as ours
        torch.set_num_threads(2)
        fastconv.set_num_threads(2)
        x, w = torch.randn(4, 16, 64, 64), torch.randn(16, 16, 3, 3)
        expected = ours.conv2d(x, w)
        child = os.fork()
        if child == 0:
            os._exit(0 if torch.equal(ours.conv2d(x, w), expected) else 1)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        torch.nn.functional.conv2d(x, w)
        torch.set_num_threads(1)
        print(status, torch.equal(ours.conv2d(x, w), expected), fastconv.get_num_threads())
        """
    )
    assert printed == "0 True 2"


def test_not_imported_unasked() -> None:
    """`import fastconv` leaves PyTorch alone; the package says what it needs."""
    printed = answer(
        """
        import sys, fastconv
        assert "torch" not in sys.modules
        sys.modules["torch"] = None
        try:
            import fastconv.torch
        except ImportError as error:
            print(error)
        """
    )
    assert printed == "fastconv.torch needs PyTorch: pip install 'fastconv[torch]'"
