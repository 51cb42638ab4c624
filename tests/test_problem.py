"""Problem strings: what is printed is parsed to the same, and what is wrong is named."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastconv import Problem

from . import reference as ref
from .problems import CODES, CONVOLUTIONS, LAYERS, POOLS

AXES = {1: "w", 2: "hw", 3: "dhw"}


def per_axis(letter: str, values: tuple[Any, ...], rank: int) -> list[str]:
    """`s2` where all axes agree, else `sh2 sw1`."""
    if len(set(values)) == 1:
        return [f"{letter}{values[0]}"]
    return [f"{letter}{axis}{value}" for axis, value in zip(AXES[rank], values, strict=True)]


@st.composite
def convolutions(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    """A problem string in canonical form, and what it says."""
    rank = draw(st.integers(1, 3))
    numbers = st.tuples(*[st.integers(1, 4)] * rank)
    groups = draw(st.integers(1, 4))
    said: dict[str, Any] = {
        "op": f"conv{rank}d",
        "rank": rank,
        "n": draw(st.integers(0, 9)),
        "ic": groups * draw(st.integers(1, 5)),
        "oc": groups * draw(st.integers(1, 5)),
        "kernel_size": draw(numbers),
        "stride": draw(numbers),
        "dilation": draw(numbers),
        "groups": groups,
        "layout": draw(st.sampled_from(["NCHW", "NHWC"])),
        "dtype": draw(st.sampled_from([*CODES])),
        "bias": draw(st.booleans()),
        "activation": draw(st.sampled_from(["", "relu", "relu6", "leaky_relu", "sigmoid", "tanh", "silu"])),
    }
    pad = draw(st.tuples(*[st.integers(0, 3)] * rank))
    said["padding"] = tuple((p, p) for p in pad)
    least = [ref.span(k, d) for k, d in zip(said["kernel_size"], said["dilation"], strict=True)]
    said["input_size"] = tuple(
        max(1, draw(st.integers(0, 50)) + i - 2 * p) for i, p in zip(least, pad, strict=True)
    )
    words = [said["op"], f"n{said['n']}", f"ic{said['ic']}"]
    words += [f"i{axis}{value}" for axis, value in zip(AXES[rank], said["input_size"], strict=True)]
    words += [f"oc{said['oc']}"]
    words += [f"k{axis}{value}" for axis, value in zip(AXES[rank], said["kernel_size"], strict=True)]
    words += per_axis("s", said["stride"], rank) + per_axis("p", pad, rank)
    words += per_axis("d", said["dilation"], rank) if set(said["dilation"]) != {1} else []
    words += [f"g{groups}"] if groups > 1 else []
    words += [said["layout"].lower(), CODES[said["dtype"]]]
    words += ["bias"] if said["bias"] else []
    words += [said["activation"]] if said["activation"] else []
    return " ".join(words), said


@given(convolutions())
def test_convolution_round_trip(drawn: tuple[str, dict[str, Any]]) -> None:
    """The canonical string comes back, and every part of it can be read."""
    text, said = drawn
    problem = Problem(text)
    assert str(problem) == text
    for name, value in said.items():
        assert getattr(problem, name) == value, name
    axes = zip(
        said["input_size"],
        said["kernel_size"],
        said["stride"],
        said["padding"],
        said["dilation"],
        strict=True,
    )
    assert problem.output_size == tuple(ref.conv_extent(*axis) for axis in axes)
    again = Problem(str(problem))
    assert again == problem
    assert hash(again) == hash(problem)


@st.composite
def pools(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    """A pool in canonical form, and what it says."""
    rank = draw(st.integers(1, 3))
    kind = draw(st.sampled_from(["max", "avg"]))
    kernel = draw(st.tuples(*[st.integers(1, 5)] * rank))
    pad = tuple(draw(st.integers(0, k // 2)) for k in kernel)
    said: dict[str, Any] = {
        "op": f"{kind}_pool{rank}d",
        "n": draw(st.integers(0, 3)),
        "ic": draw(st.integers(1, 40)),
        "kernel_size": kernel,
        "stride": draw(st.one_of(st.just(kernel), st.tuples(*[st.integers(1, 6)] * rank))),
        "padding": tuple((p, p) for p in pad),
        "dilation": draw(st.tuples(*[st.integers(1, 3)] * rank)) if kind == "max" else (1,) * rank,
        "ceil_mode": draw(st.booleans()),
        "count_include_pad": draw(st.booleans()) if kind == "avg" else True,
        "divisor_override": draw(st.sampled_from([None, 1, 5])) if kind == "avg" and rank > 1 else None,
        "return_indices": draw(st.booleans()) if kind == "max" else False,
        "layout": draw(st.sampled_from(["NCHW", "NHWC"])),
        "dtype": draw(st.sampled_from([*CODES])),
    }
    least = [ref.span(k, d) for k, d in zip(kernel, said["dilation"], strict=True)]
    said["input_size"] = tuple(draw(st.integers(0, 20)) + i for i in least)
    words = [said["op"], f"n{said['n']}", f"c{said['ic']}"]
    words += [f"i{axis}{value}" for axis, value in zip(AXES[rank], said["input_size"], strict=True)]
    words += [f"k{axis}{value}" for axis, value in zip(AXES[rank], kernel, strict=True)]
    words += per_axis("s", said["stride"], rank) if said["stride"] != kernel else []
    words += per_axis("p", pad, rank) if any(pad) else []
    words += per_axis("d", said["dilation"], rank) if set(said["dilation"]) != {1} else []
    words += [said["layout"].lower(), CODES[said["dtype"]]]
    flags = [("ceil", said["ceil_mode"]), ("nopad", not said["count_include_pad"])]
    flags += [
        (f"div{said['divisor_override']}", said["divisor_override"]),
        ("indices", said["return_indices"]),
    ]
    words += [word for word, present in flags if present]
    return " ".join(words), said


@given(pools())
def test_pool_round_trip(drawn: tuple[str, dict[str, Any]]) -> None:
    """The same for pools, whose stride is the kernel unless said otherwise."""
    text, said = drawn
    problem = Problem(text)
    assert str(problem) == text
    for name, value in said.items():
        assert getattr(problem, name) == value, name
    assert problem.oc == problem.ic
    assert problem.weight_shape is None
    axes = zip(
        said["input_size"],
        said["kernel_size"],
        said["stride"],
        said["padding"],
        said["dilation"],
        strict=True,
    )
    assert problem.output_size == tuple(ref.pool_extent(*axis, said["ceil_mode"]) for axis in axes)
    again = Problem(str(problem))
    assert again == problem
    assert hash(again) == hash(problem)


@pytest.mark.parametrize("text", [*CONVOLUTIONS.values(), *POOLS.values(), *LAYERS.values()])
def test_named_problems(text: str) -> None:
    """Printing and parsing keeps every named problem, asymmetric padding and "same" included."""
    problem = Problem(text)
    again = Problem(str(problem))
    assert again == problem
    assert str(again) == str(problem)
    assert hash(again) == hash(problem)
    assert (again.padding, again.output_shape) == (problem.padding, problem.output_shape)


def test_defaults_may_be_written() -> None:
    """What a canonical string leaves out may be said."""
    long = Problem("conv2d n1 ic4 ih5 iw5 oc4 kh3 kw3 sh1 sw1 ph0:0 pw0 dh1 dw1 g1 nchw f32")
    assert str(long) == "conv2d n1 ic4 ih5 iw5 oc4 kh3 kw3 s1 p0 nchw f32"
    assert long == Problem("conv2d n1 ic4 ih5 iw5 oc4 kh3 kw3 s1 p0 d1 g1 nchw f32")
    pool = Problem("max_pool2d n1 c4 ih6 iw6 kh2 kw2 s2 p0 d1 nchw f32")
    assert pool == Problem("max_pool2d n1 c4 ih6 iw6 kh2 kw2 nchw f32")


def test_shapes() -> None:
    """Shapes are those of the arrays, in the layout."""
    first = Problem("conv2d n2 ic6 ih7 iw8 oc9 kh3 kw4 s1 ph0:1 pw2 g3 nchw f32")
    assert (first.input_shape, first.weight_shape, first.output_shape) == (
        (2, 6, 7, 8),
        (9, 2, 3, 4),
        (2, 9, 6, 9),
    )
    last = Problem("conv2d n2 ic6 ih7 iw8 oc9 kh3 kw4 s1 ph0:1 pw2 g3 nhwc f32")
    assert (last.input_shape, last.weight_shape, last.output_shape) == (
        (2, 7, 8, 6),
        (3, 4, 2, 9),
        (2, 6, 9, 9),
    )
    assert first.padding == ((0, 1), (2, 2))
    assert first != last
    assert first != "conv2d"
    assert len({first, last, Problem(str(first))}) == 2


GOOD = "conv2d n1 ic4 ih5 iw5 oc4 kh3 kw3 s1 p0 nchw f32"
BAD = [
    ("", "problem"),
    ("conv4d n1 ic4 ih5 iw5 oc4 kh3 kw3 s1 p0 nchw f32", "conv4d"),
    ("max_pool n1 c4 ih5 iw5 kh3 kw3 nchw f32", "max_pool"),
    (GOOD.replace("n1", "n-1"), "n .*negative"),
    (GOOD.replace("n1", "nx"), "nx"),
    (GOOD.replace("ic4", "ic"), "ic"),
    (GOOD.replace("ic4", "ic4x"), "ic4x"),
    (GOOD.replace("ic4", "ic4.0"), "ic4.0"),
    (GOOD.replace("ih5", "ih99999999999999999999"), "ih99999999999999999999"),
    (GOOD.replace("kh3", "kd3"), "kd3"),
    (GOOD.replace("s1", "s0"), r"stride.*0"),
    (GOOD.replace("s1", "sh0 sw1"), r"stride.*\(0, 1\)"),
    (GOOD.replace("p0", "p-1"), r"padding.*-1"),
    (GOOD.replace("p0", "ph1:"), "ph1:"),
    (GOOD.replace("p0", "ph1:2:3"), "ph1:2:3"),
    (GOOD.replace("p0", "pfull"), "pfull"),
    (GOOD.replace("p0", "p0 d0"), r"dilation.*0"),
    (GOOD.replace("p0", "p0 g0"), "g0"),
    (GOOD.replace("p0", "p0 g3"), "g3"),
    (GOOD.replace("nchw", "chwn"), "chwn"),
    (GOOD.replace("f32", "f8"), "f8"),
    (GOOD + " gelu", "gelu"),
    (GOOD + " clamp1", "clamp1"),
    (GOOD + " clamp2:1", "clamp2:1"),
    (GOOD + " indices", "indices"),
    (GOOD + " ceil", "ceil"),
    (GOOD.replace(" oc4", ""), "oc"),
    (GOOD.replace(" ic4", ""), "ic"),
    (GOOD.replace(" ih5", ""), "ih"),
    (GOOD.replace(" kw3", ""), "kw"),
    (GOOD.replace("kh3", "kh7"), r"\(7, 3\).*\(5, 5\)"),
    ("max_pool2d n1 c4 ih5 iw5 kh3 kw3 nchw f32 bias", "bias"),
    ("max_pool2d n1 c4 ih5 iw5 kh3 kw3 nchw f32 nopad", "nopad"),
    ("max_pool2d n1 c4 ih5 iw5 oc4 kh3 kw3 nchw f32", "oc4"),
    ("avg_pool2d n1 c4 ih5 iw5 kh3 kw3 nchw f32 indices", "indices"),
    ("avg_pool2d n1 c4 ih5 iw5 kh3 kw3 nchw f32 div0", "div0"),
    ("avg_pool1d n1 c4 iw5 kh3 kw3 nchw f32", "kh3"),
]


@pytest.mark.parametrize(("text", "word"), BAD)
def test_bad_strings(text: str, word: str) -> None:
    """The error names the word that is wrong or missing, or the parameter whose value is wrong."""
    with pytest.raises(ValueError, match=word):
        Problem(text)


@pytest.mark.parametrize("value", [None, 7, b"conv2d", ("conv2d",)], ids=repr)
def test_other_types(value: Any) -> None:
    """A problem is made from a string."""
    with pytest.raises(TypeError):
        Problem(value)


def test_read_only() -> None:
    """A problem cannot be changed, since it is hashed."""
    problem = Problem(GOOD)
    for name, value in product(("n", "stride", "op", "colour"), (1,)):
        with pytest.raises(AttributeError):
            setattr(problem, name, value)
