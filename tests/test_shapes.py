"""output_shape for every operator, and receptive_field against the inputs that are seen to matter."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fastconv
from fastconv import Problem

from . import reference as ref
from .problems import CONVOLUTIONS, POOLS, parameters

OPERATORS: list[tuple[str, tuple[int, ...], tuple[Any, ...], dict[str, Any], tuple[int, ...]]] = [
    ("conv2d", (1, 3, 224, 224), ((64, 3, 7, 7),), {"stride": 2, "padding": 3}, (1, 64, 112, 112)),
    ("conv2d", (3, 224, 224), ((64, 3, 7, 7), None, 2, 3), {}, (64, 112, 112)),
    ("conv2d", (2, 9, 9, 1), ((3, 3, 1, 2),), {"layout": "NHWC"}, (2, 7, 7, 2)),
    ("conv2d", (2, 10, 10, 1), ((3, 3, 1, 2),), {"layout": "NHWC", "padding": "same"}, (2, 10, 10, 2)),
    ("conv2d", (0, 3, 5, 5), ((4, 3, 3, 3),), {}, (0, 4, 3, 3)),
    ("conv2d", (2**20, 3, 2**10, 2**9), ((4, 3, 1, 1),), {}, (2**20, 4, 2**10, 2**9)),
    ("conv1d", (2, 3, 50), ((5, 3, 7),), {"dilation": 4, "stride": 3}, (2, 5, 9)),
    ("conv3d", (1, 2, 5, 6, 7), ((4, 1, 3, 3, 3),), {"groups": 2, "padding": (0, 1, 2)}, (1, 4, 3, 6, 9)),
    ("max_pool2d", (1, 3, 8, 8), (2,), {}, (1, 3, 4, 4)),
    ("max_pool2d", (3, 7, 7), (2,), {"padding": "same"}, (3, 4, 4)),
    ("max_pool2d", (1, 3, 10, 11), (3, 2), {"ceil_mode": True, "return_indices": True}, (1, 3, 5, 5)),
    ("max_pool1d", (1, 3, 12), (3, 2, 1, 2), {}, (1, 3, 5)),
    ("max_pool3d", (1, 4, 5, 6, 2), ((2, 2, 3),), {"layout": "NHWC"}, (1, 2, 2, 2, 2)),
    ("avg_pool1d", (4, 9), (2,), {"ceil_mode": True}, (4, 5)),
    ("avg_pool2d", (1, 3, 8, 8), (3, 2, 1), {"divisor_override": 4}, (1, 3, 4, 4)),
    ("avg_pool3d", (1, 3, 4, 4, 4), (2,), {}, (1, 3, 2, 2, 2)),
    ("adaptive_avg_pool1d", (1, 3, 9), (4,), {}, (1, 3, 4)),
    ("adaptive_avg_pool2d", (1, 7, 7, 512), (1,), {"layout": "NHWC"}, (1, 1, 1, 512)),
    ("adaptive_max_pool2d", (3, 7, 8), ((None, 2),), {}, (3, 7, 2)),
    ("adaptive_max_pool3d", (1, 3, 4, 5, 6), ((2, None, 3), True), {}, (1, 3, 2, 5, 3)),
    ("adaptive_avg_pool2d", (1, 3, 4, 4), ((0, 2),), {}, (1, 3, 0, 2)),
    ("linear", (7, 3), ((5, 3),), {}, (7, 5)),
    ("linear", (3,), ((5, 3), (5,)), {}, (5,)),
    ("linear", (2, 0, 3), ((5, 3),), {"activation": "relu"}, (2, 0, 5)),
    ("relu", (2, 3), (), {}, (2, 3)),
    ("leaky_relu", (), (0.1,), {}, ()),
    ("softmax", (2, 3, 4), (1,), {}, (2, 3, 4)),
]


@pytest.mark.parametrize(("name", "shape", "args", "kwargs", "expected"), OPERATORS, ids=str)
def test_output_shape(name: str, shape: Any, args: Any, kwargs: Any, expected: tuple[int, ...]) -> None:
    """By name and by function."""
    assert fastconv.output_shape(name, shape, *args, **kwargs) == expected
    assert fastconv.output_shape(getattr(fastconv, name), list(shape), *args, **kwargs) == expected


@pytest.mark.parametrize("text", [*CONVOLUTIONS.values(), *POOLS.values()])
def test_output_shape_of_problems(text: str) -> None:
    """The problem, the function and the definition agree."""
    problem = Problem(text)
    settings = parameters(problem)
    shapes = (
        (problem.input_shape,)
        if problem.weight_shape is None
        else (problem.input_shape, problem.weight_shape)
    )
    actual = fastconv.output_shape(problem.op, *shapes, **settings)
    zeros = [np.zeros(shape, np.int64) for shape in shapes]
    if problem.op.startswith("conv"):
        expected = ref.conv(*zeros, **settings).shape
    else:
        pool = ref.max_pool if problem.op.startswith("max") else ref.avg_pool
        result = pool(*zeros, **settings)
        expected = result[0].shape if isinstance(result, tuple) else result.shape
    assert actual == problem.output_shape == expected


def test_output_shape_refuses() -> None:
    """What the operator refuses has no shape."""
    with pytest.raises(ValueError, match=r"operator.*'convolve'"):
        fastconv.output_shape("convolve", (1, 1, 3, 3), (1, 1, 3, 3))
    with pytest.raises(ValueError, match="operator"):
        fastconv.output_shape(np.convolve, (3,), (3,))
    with pytest.raises(ValueError, match="channels"):
        fastconv.output_shape("conv2d", (1, 3, 8, 8), (4, 2, 3, 3))
    with pytest.raises(ValueError, match="kernel_size"):
        fastconv.output_shape("max_pool2d", (1, 3, 2, 2), 5)
    with pytest.raises(ValueError, match="weight"):
        fastconv.output_shape("linear", (1, 3), (4, 2))
    with pytest.raises(ValueError, match=r"axis.*\b3\b"):
        fastconv.output_shape("softmax", (1, 2, 3), axis=3)
    with pytest.raises(TypeError, match="colour"):
        fastconv.output_shape("relu", (1, 3), colour=1)


# ---------------------------------------------------------------- receptive field

layers = st.lists(
    st.tuples(st.integers(1, 4), st.integers(1, 3), st.integers(0, 2), st.integers(1, 3)),
    min_size=1,
    max_size=4,
)


@given(layers)
def test_receptive_field(stack: list[tuple[int, int, int, int]]) -> None:
    """Size, stride and offset of what outputs see, found by raising every input in turn."""
    field = fastconv.receptive_field(stack)
    size, stride, offset = (np.asarray(value).item() for value in field)
    # Look at outputs so far inside that no layer's padding reaches their windows.
    tails = [fastconv.receptive_field(stack[number:]) for number in range(len(stack))]
    output = max(-np.floor_divide(tail.offset, tail.stride).item() for tail in tails)
    for i in (output, output + 1):
        seen = ref.influences(stack, offset + i * stride + size, i)
        assert (seen[0], seen[-1]) == (offset + i * stride, offset + i * stride + size - 1)


def test_receptive_field_of_output_0() -> None:
    """The first output sees the part of its window that is not padding."""
    stack = [(7, 2, 3, 1), (3, 2, 1, 1), (3, 1, 2, 2)]
    assert fastconv.receptive_field(stack) == (27, 4, -13)
    seen = ref.influences(stack, 60, 0)
    assert (seen[0], seen[-1]) == (0, 27 - 13 - 1)


def test_receptive_field_of_layers() -> None:
    """Objects, mappings and tuples, with axes that differ."""
    w = np.zeros((4, 3, 3, 5))
    conv = fastconv.Conv2d(w, stride=(2, 1), padding=((1, 0), (2, 2)), dilation=(1, 2))
    pool = {"kernel_size": 2, "stride": 2}
    field = fastconv.receptive_field([conv, pool, ((3, 1),)])
    assert field == fastconv.receptive_field([((3, 5), (2, 1), ((1, 0), (2, 2)), (1, 2)), (2, 2), ((3, 1),)])
    assert field.size == (3 + 2 + 2 * 4, 9 + 1 + 0)
    assert field.stride == (4, 2)
    assert field.offset == (-1, -2)
    assert fastconv.receptive_field([(3,), (3,)]) == (5, 1, 0)
    assert fastconv.receptive_field([]) == (1, 1, 0)


def test_receptive_field_same() -> None:
    """ "same" is half the kernel before, unless a stride makes it depend on the extent."""
    assert fastconv.receptive_field([(5, 1, "same"), (4, 1, "same")]) == (8, 1, -3)
    assert fastconv.receptive_field([{"kernel_size": 3, "padding": "same", "dilation": 2}]) == (5, 1, -2)
    with pytest.raises(ValueError, match=r"padding.*same"):
        fastconv.receptive_field([(3, 2, "same")])


@pytest.mark.parametrize(
    ("stack", "error", "word"),
    [
        ([(0,)], ValueError, "kernel_size"),
        ([(3, 0)], ValueError, "stride"),
        ([(3, 1, -1)], ValueError, "padding"),
        ([(3, 1, 0, 0)], ValueError, "dilation"),
        ([(3, 1, 0, 1, 1)], ValueError, "layers"),
        ([((3, 3),), ((3,),)], ValueError, "layers"),
        ([{"stride": 2}], ValueError, "kernel_size"),
        ([{"kernel_size": 3, "strides": 2}], ValueError, "strides"),
        ([7], TypeError, "7"),
        ([(2.5,)], TypeError, "2.5"),
    ],
)
def test_receptive_field_refuses(stack: Any, error: type[Exception], word: str) -> None:
    """A layer that is none, named with what is wrong in it."""
    with pytest.raises(error, match=word):
        fastconv.receptive_field(stack)
