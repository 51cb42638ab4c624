"""fastconv.grad.conv*: against the definition, numerical differentiation and torch; what else is promised."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import fastconv
from fastconv import Problem, grad

from . import reference as ref
from .bounds import gamma
from .conv_gradients import (
    CHOOSING,
    CONVOLVING,
    OPERATIONS,
    WEIGHTS,
    Data,
    Oracle,
    able,
    call,
    defined,
    draw,
    problems,
)
from .guarded import guarded, guarded_copy
from .oracle import assert_within
from .problems import CONVOLUTIONS, parameters
from .test_properties import disguise, disguises, seeds
from .test_special import spoilt
from .test_winograd import PATTERNS
from .variants import THREADS, instruction_set

GRADIENTS = [operation for operation in OPERATIONS if operation != "conv_transpose"]

# ---------------------------------------------------------------- the definition itself


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_definition_is_adjoint(name: str) -> None:
    """<conv(x, w), dy> = <x, dx> = <w, dw>: exact in integers, for the definitions that all else rests on."""
    problem = Problem(CONVOLUTIONS[name])
    a = draw(problem, integers=True).map(lambda x: x.astype(np.int64))
    product = np.vdot(ref.conv(a.x, a.w, None, **parameters(problem)), a.dy)
    assert np.vdot(a.x, defined("input", problem, a)) == product
    assert np.vdot(a.w, defined("weight", problem, a)) == product


# ---------------------------------------------------------------- named problems


@pytest.mark.parametrize("operation", GRADIENTS)
@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_definition(name: str, operation: str) -> None:
    """Every algorithm, on every instruction set, within its bound; threads change no bit."""
    problem = Problem(CONVOLUTIONS[name])
    a = draw(problem)
    oracle = Oracle(operation, problem, a)
    for isa in fastconv.instruction_sets():
        with instruction_set(isa):
            for algorithm in [*able(operation, problem, a), "auto"] if operation in CHOOSING else ["strict"]:
                how = {"algorithm": algorithm} if operation in CHOOSING else {}
                first = call(operation, problem, a, **how)
                oracle.check(first, algorithm, f"{algorithm} on {isa}")
                for threads in THREADS:
                    with fastconv.threads(threads):
                        again = call(operation, problem, a, **how)
                    np.testing.assert_array_equal(again, first, strict=True, err_msg=f"{algorithm} on {isa}")


LARGER = {
    "pointwise": "conv2d n1 ic40 ih61 iw57 oc70 kh1 kw1 s1 p0 nchw f32",
    "pointwise-nhwc": "conv2d n3 ic40 ih31 iw37 oc33 kh1 kw1 s1 p0 nhwc f32",
    "few-channels": "conv2d n2 ic3 ih60 iw201 oc20 kh5 kw5 s2 p2 nchw f32",
    "depthwise": "conv2d n1 ic37 ih61 iw57 oc37 kh3 kw3 s1 p1 g37 nchw f32",
    "depthwise-nhwc": "conv2d n2 ic70 ih40 iw41 oc70 kh7 kw7 s2 p3 g70 nhwc f64",
    "long-rows": "conv1d n2 ic20 iw3000 oc24 kw3 s1 p1 nchw f64",
    "many-images": "conv2d n40 ic17 ih7 iw7 oc19 kh3 kw3 s1 p1 nchw f32",
    "tiles": "conv2d n1 ic67 ih50 iw47 oc70 kh3 kw3 s1 p1 nchw f32",
    "tiles-nhwc": "conv2d n3 ic19 ih30 iw141 oc33 kh3 kw3 s1 ph0:2 pw3:0 nhwc f64",
}


@pytest.mark.parametrize("name", LARGER)
def test_weights_of_larger_problems(name: str) -> None:
    """Sums in several parts, of rows or of columns of the image."""
    problem = Problem(LARGER[name])
    a = draw(problem)
    oracle = Oracle("weight", problem, a)
    for isa in fastconv.instruction_sets():
        with instruction_set(isa):
            first = call("weight", problem, a)
            oracle.check(first, "strict", isa)
            for threads in THREADS:
                with fastconv.threads(threads):
                    np.testing.assert_array_equal(call("weight", problem, a), first, strict=True, err_msg=isa)


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("uneven", ["x", "dy", "both"])
@pytest.mark.parametrize("dark", [1e-6, 0.01, 0])
def test_uneven_images(pattern: str, uneven: str, dark: float) -> None:
    """Weights by Winograd's algorithm are as near as by the definition, though tiles are dark in part."""
    for text in (
        "conv2d n1 ic17 ih22 iw27 oc18 kh3 kw3 s1 p1 nchw f32",
        "conv2d n2 ic16 ih22 iw27 oc35 kh3 kw3 s1 p1 nhwc f64",
    ):
        problem = Problem(text)
        a = draw(problem)
        shades = np.where(PATTERNS[pattern], 1, dark).astype(problem.dtype)
        shades = shades if problem.layout == "NCHW" else shades[..., None]
        x = a.x * shades if uneven != "dy" else a.x
        dy = a.dy * shades if uneven != "x" else a.dy
        oracle = Oracle("weight", problem, replace(a, x=x, dy=dy))
        for isa in fastconv.instruction_sets():
            with instruction_set(isa):
                actual = call("weight", problem, replace(a, x=x, dy=dy), algorithm="winograd4")
                assert_within(actual, oracle.value, oracle.sums_bound, f"{text} on {isa}")


@pytest.mark.parametrize("operation", CONVOLVING)
@pytest.mark.parametrize("algorithm", sorted({*fastconv.algorithms()} - {"pool", "dot"}))
def test_algorithm_is_exercised(algorithm: str, operation: str) -> None:
    """An algorithm that refused everything would pass every other test."""
    texts = CONVOLUTIONS.values()
    assert sum(algorithm in able(operation, Problem(text), draw(Problem(text))) for text in texts) >= 5


@pytest.mark.parametrize("operation", WEIGHTS)
def test_algorithms_of_weights(operation: str) -> None:
    """Winograd's algorithm takes kernels of 3x3 that neither stride nor dilate, and says so of others."""
    taken = 0
    for text in CONVOLUTIONS.values():
        problem = Problem(text)
        a = draw(problem)
        possible = problem.kernel_size == (3, 3) and {*problem.stride, *problem.dilation} == {1}
        assert able(operation, problem, a) == (["winograd4", "direct"] if possible else ["direct"])
        taken += possible
    assert taken >= 20


@pytest.mark.parametrize("name", [name for name, text in CONVOLUTIONS.items() if Problem(text).n == 1])
@pytest.mark.parametrize("operation", [name for name in OPERATIONS if name != "bias"])
def test_unbatched(name: str, operation: str) -> None:
    """Without the batch axis of every array that has one: the same, of an input without it too."""
    problem = Problem(CONVOLUTIONS[name])
    a = draw(problem)
    alone = call(operation, problem, Data(a.x[0], a.w, a.dy[0], a.b))
    batched = call(operation, problem, a)
    np.testing.assert_array_equal(alone, batched if operation.endswith("weight") else batched[0], strict=True)


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_out(name: str, operation: str) -> None:
    """`out` is filled completely and returned."""
    problem = Problem(CONVOLUTIONS[name])
    a = draw(problem)
    expected = call(operation, problem, a)
    out = np.full(expected.shape, np.nan, expected.dtype)
    assert call(operation, problem, a, out=out) is out
    np.testing.assert_array_equal(out, expected, strict=True)


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("form", ["same", "valid", 1, (2, 0), ((1, 2), (0, 3))], ids=repr)
def test_padding_forms(form: Any, stride: int, layout: str) -> None:
    """Every way to write the padding of the convolution means the same to its gradients."""
    rng = np.random.default_rng(21)
    x, w = rng.standard_normal((2, 5, 9, 10)), rng.standard_normal((4, 5, 3, 4))
    if layout == "NHWC":
        x, w = (
            np.ascontiguousarray(np.moveaxis(x, 1, -1)),
            np.ascontiguousarray(np.moveaxis(w, (0, 1), (-1, -2))),
        )
    how: dict[str, Any] = {"stride": stride, "layout": layout}
    extents, kernel = ref.channels_first(x, layout).shape[2:], ref.weight_first(w, layout).shape[2:]
    pairs = tuple(ref.pads(form, extents, kernel, (stride, stride), (1, 1)))
    dy = rng.standard_normal(ref.conv(x, w, padding=form, **how).shape)
    for function, arguments in (
        (grad.conv2d_input, (x.shape, w, dy)),
        (grad.conv2d_weight, (x, w.shape, dy)),
    ):
        expected = function(*arguments, padding=pairs, **how)
        np.testing.assert_array_equal(function(*arguments, padding=form, **how), expected, strict=True)


@pytest.mark.parametrize(("n", "ic", "oc"), [(0, 3, 4), (2, 0, 4), (2, 3, 0)])
@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_empty(n: int, ic: int, oc: int, layout: str) -> None:
    """A sum of no products is 0, and an empty result is empty."""
    x, w, dy = np.ones((n, ic, 5, 5)), np.ones((oc, ic, 3, 3)), np.ones((n, oc, 5, 5))
    if layout == "NHWC":
        x, w, dy = np.moveaxis(x, 1, -1), np.moveaxis(w, (0, 1), (-1, -2)), np.moveaxis(dy, 1, -1)
    how: dict[str, Any] = {"padding": 1, "layout": layout}
    for result, like in (
        (grad.conv2d_input(x.shape, w, dy, **how), x),
        (grad.conv2d_weight(x, w.shape, dy, **how), w),
        (fastconv.conv_transpose2d(dy, w, **how), x),
        (grad.conv_transpose2d_input(w, x, **how), dy),
        (grad.conv_transpose2d_weight(dy, w.shape, x, **how), w),
    ):
        np.testing.assert_array_equal(result, np.zeros_like(like), strict=True)
    np.testing.assert_array_equal(grad.conv_bias(dy, layout=layout), np.full(oc, 25.0 * n), strict=True)


# ---------------------------------------------------------------- any problem


@given(problems(), seeds, st.sampled_from(OPERATIONS), disguises)
@settings(max_examples=400)
def test_any(text: str, seed: int, operation: str, disguised: tuple[int, int, int]) -> None:
    """Any problem, on arrays of any strides and byte order, by every algorithm and instruction set."""
    check_any(text, seed, operation, disguised)


def check_any(text: str, seed: int, operation: str, disguised: tuple[int, int, int]) -> None:
    """Every way to compute it within its bound; arrays in other forms and threads without any difference."""
    problem = Problem(text)
    a = draw(problem, seed)
    oracle = Oracle(operation, problem, a)
    other = Data(*(disguise(x, how) for x, how in zip((a.x, a.w, a.dy), disguised, strict=True)), a.b)
    for isa in fastconv.instruction_sets():
        with instruction_set(isa):
            for algorithm in [*able(operation, problem, a), "auto"] if operation in CHOOSING else ["strict"]:
                how = {"algorithm": algorithm} if operation in CHOOSING else {}
                first = call(operation, problem, a, **how)
                oracle.check(first, algorithm, f"{algorithm} on {isa}")
                with fastconv.threads(1 + seed % 3):
                    again = call(operation, problem, other, **how)
                np.testing.assert_array_equal(again, first, strict=True)


@pytest.mark.campaign
@pytest.mark.timeout(0)
@settings(settings.get_profile("campaign"))
@given(problems(), seeds, st.sampled_from(OPERATIONS), disguises)
def test_any_campaign(text: str, seed: int, operation: str, disguised: tuple[int, int, int]) -> None:
    """Any problem, at length."""
    check_any(text, seed, operation, disguised)


SMALL = [name for name, text in CONVOLUTIONS.items() if 0 < np.prod(Problem(text).input_shape) < 300]


@pytest.mark.parametrize("name", SMALL)
def test_numerical_differentiation(name: str) -> None:
    """The number <conv(x, w), dy> as every element of x and of w grows and shrinks by 1, in float64.

    It is linear in each, so the quotient has no error but that of rounding: of the sums of the convolution
    and of the product with dy, twice.
    """
    problem = Problem(CONVOLUTIONS[name].replace("f32", "f64"))
    a, how = draw(problem).map(lambda x: x.astype(np.float64)), parameters(problem)
    convolve = getattr(fastconv, f"conv{problem.rank}d")
    for operation, at in (("input", 0), ("weight", 1)):
        gradient = call(operation, problem, a)
        quotient = np.zeros_like(gradient)
        for place in np.ndindex(*gradient.shape):
            values = []
            for step in (1, -1):
                factors = [a.x, a.w]
                factors[at] = factors[at].copy()
                factors[at][place] += step
                values.append(np.vdot(convolve(*factors, algorithm="direct", **how), a.dy))
            quotient[place] = (values[0] - values[1]) / 2
        magnitudes = ref.conv(*(np.abs(f) + (i == at) for i, f in enumerate((a.x, a.w))), None, **how)
        roundings = a.w.size // a.w.shape[0 if problem.layout == "NCHW" else -1] + a.dy.size + 2
        rounding = gamma(roundings, np.float64) * np.vdot(magnitudes, np.abs(a.dy))
        limit = rounding + Oracle(operation, problem, a).bound("auto")
        assert_within(gradient, quotient, limit, f"{operation} of {problem}")


# ---------------------------------------------------------------- torch


@given(problems(), seeds)
@settings(max_examples=100)
def test_torch_autograd(text: str, seed: int) -> None:
    """What torch's autograd finds in float64, whose own error is that of a definition in float64."""
    torch = pytest.importorskip("torch")
    problem = Problem(text)
    a = draw(problem, seed)
    assume(problem.n)  # which torch has no convolution of
    x, dy = (ref.channels_first(array, problem.layout) for array in (a.x, a.dy))
    w = ref.weight_first(a.w, problem.layout)
    tensors = [
        torch.tensor(np.ascontiguousarray(array, np.float64), requires_grad=True) for array in (x, w, dy)
    ]
    pad = [side for pair in reversed(problem.padding) for side in pair]
    convolve = getattr(torch.nn.functional, f"conv{problem.rank}d")
    how = {"stride": problem.stride, "dilation": problem.dilation, "groups": problem.groups}
    y = convolve(
        torch.nn.functional.pad(tensors[0], pad),
        tensors[1],
        torch.zeros(problem.oc, dtype=torch.float64),
        **how,
    )
    (y * tensors[2]).sum().backward()
    for operation, tensor, back in (
        ("input", tensors[0], ref.channels_back),
        ("weight", tensors[1], weight_back),
        ("transpose_input", tensors[2], ref.channels_back),
    ):
        expected = back(tensor.grad.numpy(), problem.layout)
        oracle = Oracle(operation, problem, a)
        # twice: torch has an error of its own
        assert_within(
            call(operation, problem, a), expected, 2 * oracle.bound("auto"), f"{operation} of {problem}"
        )


def weight_back(w: Any, layout: str) -> Any:
    """The way back from `weight_first`."""
    return w if layout == "NCHW" else np.moveaxis(w, (0, 1), (-1, -2))


SYMMETRIC = [
    name
    for name, text in CONVOLUTIONS.items()
    if Problem(text).layout == "NCHW" and Problem(text).n and all(a == b for a, b in Problem(text).padding)
]


@pytest.mark.parametrize("name", SYMMETRIC)
def test_torch_grad(name: str) -> None:
    """torch.nn.grad has the same names, the same order of arguments and the same gradients."""
    torch = pytest.importorskip("torch")
    problem = Problem(CONVOLUTIONS[name])
    a, p = draw(problem), problem
    x, w, dy = (torch.tensor(array.astype(np.float64)) for array in (a.x, a.w, a.dy))
    positional = (p.stride, tuple(before for before, _ in p.padding), p.dilation, p.groups)
    for operation, ours, theirs in (
        ("input", (p.input_shape, a.w, a.dy), (p.input_shape, w, dy)),
        ("weight", (a.x, p.weight_shape, a.dy), (x, p.weight_shape, dy)),
    ):
        function = f"conv{p.rank}d_{operation}"
        expected = getattr(torch.nn.grad, function)(*theirs, *positional).numpy()
        limit = 2 * Oracle(operation, p, a).bound("auto")
        assert_within(getattr(grad, function)(*ours, *positional), expected, limit, f"{function} of {p}")


# ---------------------------------------------------------------- memory, special numbers


@pytest.mark.parametrize("flush", ["start", "end"])
@pytest.mark.parametrize("operation", ["conv_transpose", "input", "weight", "bias"])
@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_memory(name: str, operation: str, flush: str) -> None:
    """Nothing outside the arrays is touched, all of `out` is written, on every instruction set."""
    problem = Problem(CONVOLUTIONS[name])
    a = draw(problem)
    inside = a.map(lambda x: guarded_copy(x, flush))
    for isa in fastconv.instruction_sets():
        with instruction_set(isa):
            for algorithm in able(operation, problem, a) if operation in CHOOSING else [""]:
                how = {"algorithm": algorithm} if algorithm else {}
                expected = call(operation, problem, a, **how)
                out = guarded(expected.shape, expected.dtype, flush)
                out.fill(np.nan)
                assert call(operation, problem, inside, **how, out=out) is out
                np.testing.assert_array_equal(out, expected, err_msg=f"{algorithm} on {isa}")


NOT_FINITE = [name for name, text in CONVOLUTIONS.items() if 0 < np.prod(Problem(text).input_shape) < 2000]


@pytest.mark.parametrize("operation", ["conv_transpose", "weight"])
@pytest.mark.parametrize("name", NOT_FINITE)
def test_not_finite(name: str, operation: str) -> None:
    """An infinity or NaN in any array spoils what the definition says, and nothing beside it.

    Padding has no products, nor have the places between the pixels that a stride leaves.
    """
    problem = Problem(CONVOLUTIONS[name])
    plain = draw(problem)
    rng = np.random.default_rng(22)
    for array, values in vars(plain).items():
        places = (0, values.size - 1, int(rng.integers(values.size)))
        for special, place in zip(rng.permutation([np.nan, np.inf, -np.inf]), places, strict=True):
            a = replace(plain, **{array: values.copy()})
            getattr(a, array).flat[place] = special
            with np.errstate(invalid="ignore"):
                expected = spoilt(defined(operation, problem, a.map(np.float64)))
            for isa in fastconv.instruction_sets():
                with instruction_set(isa):
                    for algorithm in able(operation, problem, a) if operation in CHOOSING else [""]:
                        how = {"algorithm": algorithm} if algorithm else {}
                        actual = spoilt(call(operation, problem, a, **how))
                        what = f"{algorithm} on {isa}, {special} at {place} of {array}"
                        np.testing.assert_array_equal(actual, expected, err_msg=what)
