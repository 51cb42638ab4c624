"""What bad input gets from transposed convolutions and the gradients of convolutions; see test_errors.py."""

from __future__ import annotations

import tracemalloc
from operator import attrgetter
from typing import Any

import numpy as np
import pytest

import fastconv

from .bad_calls import LIMIT, Row, integers, kinds, rows, zeros
from .test_errors import check_message, label, wide

# Of the convolution of (1, 2, 8, 8) with (4, 2, 3, 3), whose result is (1, 4, 6, 6).
VALID: dict[str, dict[str, Any]] = {
    "conv_transpose1d": {"input": zeros(1, 4, 6), "weight": zeros(4, 2, 3), "bias": zeros(2)},
    "conv_transpose2d": {"input": zeros(1, 4, 6, 6), "weight": zeros(4, 2, 3, 3), "bias": zeros(2)},
    "conv_transpose3d": {"input": zeros(1, 4, 6, 6, 6), "weight": zeros(4, 2, 3, 3, 3), "bias": zeros(2)},
    "grad.conv1d_input": {
        "input_size": (1, 2, 8),
        "weight": zeros(4, 2, 3),
        "grad_output": zeros(1, 4, 6),
    },
    "grad.conv2d_input": {
        "input_size": (1, 2, 8, 8),
        "weight": zeros(4, 2, 3, 3),
        "grad_output": zeros(1, 4, 6, 6),
    },
    "grad.conv3d_weight": {
        "input": zeros(1, 2, 8, 8, 8),
        "weight_size": (4, 2, 3, 3, 3),
        "grad_output": zeros(1, 4, 6, 6, 6),
    },
    "grad.conv2d_weight": {
        "input": zeros(1, 2, 8, 8),
        "weight_size": (4, 2, 3, 3),
        "grad_output": zeros(1, 4, 6, 6),
    },
    "grad.conv_bias": {"grad_output": zeros(1, 4, 6, 6)},
    "grad.conv_transpose2d_input": {"weight": zeros(4, 2, 3, 3), "grad_output": zeros(1, 2, 8, 8)},
    "grad.conv_transpose2d_weight": {
        "input": zeros(1, 4, 6, 6),
        "weight_size": (4, 2, 3, 3),
        "grad_output": zeros(1, 2, 8, 8),
    },
}


def common(operator: str) -> list[Row]:
    """What all but the gradient of a bias take alike."""
    return [
        *integers(operator, "stride", 2, 1),
        *integers(operator, "dilation", 2, 1),
        *integers(operator, "groups", 0, 1),
        *integers(operator, "padding", 2, 0)[:-1],
        *rows(operator, "padding", ValueError, "full", ((1, 2), (3,))),
        *rows(operator, "groups", ValueError, 3, 8),
        *rows(operator, "layout", ValueError, "nchw", "NCL"),
        *rows(operator, "layout", TypeError, None, 3),
    ]


def algorithms(operator: str) -> list[Row]:
    """What no algorithm is."""
    return [
        *rows(operator, "algorithm", ValueError, "fastest", "pool"),
        *rows(operator, "algorithm", TypeError, None, 3),
    ]


def arrays(operator: str, **shapes: tuple[int, ...]) -> list[Row]:
    """Arrays of other types, of too few and too many axes, of one other type than the rest."""
    found: list[Row] = []
    for name, shape in shapes.items():
        found += kinds(operator, name, *shape)
        others = "|".join([name, *shapes])
        found.append((operator, {name: zeros(*shape, dtype=np.float64)}, TypeError, others, "float64"))
        for other in (shape[1:][1:], (1, *shape, 1)):
            found.append((operator, {name: zeros(*other)}, ValueError, name, str(other)))
        found.append((operator, {name: np.float32(1)}, ValueError, name, "()"))
    return found


def sizes(operator: str, name: str, good: tuple[int, ...], *bad: tuple[int, ...]) -> list[Row]:
    """Shapes that are none, or not of this call."""
    found = rows(operator, name, TypeError, None, 4, "1234", 2.5)
    found += [
        (operator, {name: (*good[:-1], 1.5)}, TypeError, name, "1.5"),
        (operator, {name: (*good[:-1], -1)}, ValueError, name, "-1"),
        (operator, {name: good[1:][1:]}, ValueError, name, str(good[1:][1:])),
        (operator, {name: (1, *good, 1)}, ValueError, name, str((1, *good, 1))),
        (operator, {name: (*good[:-1], 2**63)}, ValueError, name, str(2**63)),
    ]
    return found + [
        (operator, {name: size}, ValueError, f"{name}|grad_output|input", str(size)) for size in bad
    ]


def other_shapes(operator: str, name: str, *shapes: tuple[int, ...]) -> list[Row]:
    """Arrays of the right rank, but of a shape that does not belong to the call."""
    return [(operator, {name: zeros(*shape)}, ValueError, name, str(shape)) for shape in shapes]


ROWS: list[Row] = [
    *common("conv_transpose2d"),
    *algorithms("conv_transpose2d"),
    *arrays("conv_transpose2d", input=(1, 4, 6, 6), weight=(4, 2, 3, 3)),
    *kinds("conv_transpose2d", "bias", 2)[:-1],
    *other_shapes("conv_transpose2d", "bias", (3,), (2, 1), (4,)),
    *other_shapes("conv_transpose2d", "input", (1, 3, 6, 6), (1, 4, 0, 6)),
    *other_shapes("conv_transpose2d", "weight", (3, 2, 3, 3), (4, 2, 0, 3)),
    *integers("conv_transpose2d", "output_padding", 2, 0),
    *rows("conv_transpose2d", "output_padding", ValueError, 1, (0, 1), LIMIT),
    *rows("conv_transpose2d", "padding", ValueError, 5, ((8, 1), (0, 0)), LIMIT),
    *rows("conv_transpose2d", "activation", ValueError, "gelu", (1.0,)),
    ("conv_transpose2d", {"stride": LIMIT}, ValueError, "input|stride", "(1, 4, 6, 6)"),
    ("conv_transpose2d", {"dilation": LIMIT}, ValueError, "input|dilation", "(1, 4, 6, 6)"),
    ("conv_transpose2d", {"output_padding": 2, "stride": 2}, ValueError, "output_padding", "2"),
    ("conv_transpose2d", {"output_padding": 3, "dilation": 3}, ValueError, "output_padding", "3"),
    ("conv_transpose2d", {"output_padding": 1, "padding": "same"}, ValueError, "output_padding", "1"),
    ("conv_transpose1d", {"input": zeros(1, 4, 6, 6)}, ValueError, "input", "(1, 4, 6, 6)"),
    ("conv_transpose3d", {"output_padding": (0, 0)}, ValueError, "output_padding", "(0, 0)"),
    *common("grad.conv2d_input"),
    *algorithms("grad.conv2d_input"),
    *arrays("grad.conv2d_input", weight=(4, 2, 3, 3), grad_output=(1, 4, 6, 6)),
    *sizes("grad.conv2d_input", "input_size", (1, 2, 8, 8), (1, 2, 8, 9), (2, 2, 8, 8), (1, 3, 8, 8)),
    ("grad.conv2d_input", {"input_size": (1, 2, 2, 8)}, ValueError, "input|weight", "(2, 8)"),
    *other_shapes("grad.conv2d_input", "grad_output", (1, 4, 6, 7), (2, 4, 6, 6), (1, 3, 6, 6), (4, 6, 6)),
    *sizes("grad.conv1d_input", "input_size", (1, 2, 8), (1, 2, 9)),
    ("grad.conv1d_input", {"input_size": (2, 8)}, ValueError, "grad_output", "(4, 6)"),
    *common("grad.conv2d_weight"),
    *arrays("grad.conv2d_weight", input=(1, 2, 8, 8), grad_output=(1, 4, 6, 6)),
    *sizes("grad.conv2d_weight", "weight_size", (4, 2, 3, 3), (5, 2, 3, 3), (4, 2, 3, 2), (4, 2, 0, 3)),
    ("grad.conv2d_weight", {"weight_size": (4, 3, 3, 3)}, ValueError, "input|weight", "(4, 3, 3, 3)"),
    *other_shapes("grad.conv2d_weight", "grad_output", (1, 4, 6, 7), (2, 4, 6, 6), (1, 3, 6, 6), (4, 6, 6)),
    *other_shapes("grad.conv2d_weight", "input", (1, 3, 8, 8)),
    ("grad.conv2d_weight", {"input": zeros(1, 2, 2, 8)}, ValueError, "input|weight", "(2, 8)"),
    ("grad.conv2d_weight", {"input": zeros(1, 2, 8, 9)}, ValueError, "input|grad_output", "(1, 2, 8, 9)"),
    *sizes("grad.conv3d_weight", "weight_size", (4, 2, 3, 3, 3), (4, 2, 3, 3, 4)),
    *kinds("grad.conv_bias", "grad_output", 1, 4, 6, 6),
    *other_shapes("grad.conv_bias", "grad_output", (4, 6), (4,), (), (1, 1, 4, 6, 6, 6)),
    *rows("grad.conv_bias", "layout", ValueError, "nchw"),
    *rows("grad.conv_bias", "layout", TypeError, None),
    *common("grad.conv_transpose2d_input"),
    *algorithms("grad.conv_transpose2d_input"),
    *arrays("grad.conv_transpose2d_input", weight=(4, 2, 3, 3), grad_output=(1, 2, 8, 8)),
    *other_shapes("grad.conv_transpose2d_input", "grad_output", (1, 3, 8, 8)),
    *common("grad.conv_transpose2d_weight"),
    *arrays("grad.conv_transpose2d_weight", input=(1, 4, 6, 6), grad_output=(1, 2, 8, 8)),
    *sizes("grad.conv_transpose2d_weight", "weight_size", (4, 2, 3, 3), (5, 2, 3, 3), (4, 2, 3, 2)),
    *other_shapes("grad.conv_transpose2d_weight", "grad_output", (1, 3, 8, 8)),
    *other_shapes("grad.conv_transpose2d_weight", "input", (1, 4, 6, 7), (2, 4, 6, 6), (1, 3, 6, 6)),
    *other_shapes("grad.conv_transpose2d_weight", "input", (4, 6, 6)),
]  # fmt: skip


def test_calls_are_valid_before_they_are_spoilt() -> None:
    """Without the change no error: it is the change that is refused."""
    for operator, arguments in VALID.items():
        attrgetter(operator)(fastconv)(**arguments)


def test_table_is_large() -> None:
    """Every row is another call."""
    assert len({label(row) for row in ROWS}) == len(ROWS) >= 300


@pytest.mark.parametrize("row", ROWS, ids=label)
def test_refused(row: Row) -> None:
    """The function says what is wrong."""
    operator, change, error, name, value = row
    with pytest.raises(error) as caught:
        attrgetter(operator)(fastconv)(**VALID[operator] | change)
    assert type(caught.value) is error
    check_message(str(caught.value), name, value)


HUGE = 2**27
HUGE_CALLS: dict[str, tuple[dict[str, Any], str]] = {
    "conv_transpose2d": ({"input": wide(1, 4, HUGE, HUGE), "output_padding": 1}, "output_padding"),
    "grad.conv2d_input": ({"input_size": (1, 2, HUGE, HUGE)}, "grad_output"),
    "grad.conv2d_weight": ({"weight_size": (HUGE, HUGE, 3, 3)}, "weight_size|input"),
    "grad.conv_transpose2d_weight": ({"input": wide(1, 4, HUGE, HUGE)}, "input"),
}


@pytest.mark.parametrize("operator", HUGE_CALLS)
def test_refused_before_allocation(operator: str) -> None:
    """With a shape that no memory could hold: never a MemoryError."""
    change, name = HUGE_CALLS[operator]
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=rf"\b({name})\b"):
            attrgetter(operator)(fastconv)(**VALID[operator] | change)
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("stride", [2**20, 2**31, 2**40])
def test_huge_stride_is_no_error(stride: int) -> None:
    """One position of many is reached; the weights' gradient sees one pixel."""
    x, w, dy = np.ones((1, 1, 5)), np.ones((1, 1, 2)), np.ones((1, 1, 1))
    np.testing.assert_array_equal(fastconv.grad.conv1d_input(x.shape, w, dy, stride), [[[1, 1, 0, 0, 0]]])
    np.testing.assert_array_equal(fastconv.grad.conv1d_weight(x, w.shape, dy, stride), [[[1, 1]]])
    np.testing.assert_array_equal(fastconv.conv_transpose1d(dy, w, stride=stride), [[[1, 1]]])
