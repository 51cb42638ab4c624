"""What bad input gets: an error that names the argument and its value, before anything is allocated."""

from __future__ import annotations

import re
import tracemalloc
from typing import Any

import numpy as np
import pytest

import fastconv

from .bad_calls import ROWS, VALID, Row, zeros

PROBLEM = "conv1d n1 ic1 iw9 oc1 kw3 s1 p0 nchw f32"
OBJECTS = {"conv1d": fastconv.Conv1d, "conv2d": fastconv.Conv2d, "conv3d": fastconv.Conv3d}


def label(row: Row) -> str:
    """The call, short enough for a test's name."""
    operator, change, *_ = row
    shown = (f"{key}={describe(value)}" for key, value in change.items())
    return f"{operator}-{','.join(shown)}"


def describe(value: Any) -> str:
    """An array by its shape and dtype, anything else as it is."""
    return f"{value.dtype}{value.shape}" if isinstance(value, np.ndarray) else repr(value)


def check_message(message: str, name: str, value: str) -> None:
    """The argument's name as a word, and its value."""
    assert re.search(rf"\b({name})\b", message), f"{message!r} does not name {name}"
    assert re.search(rf"(?<!\w){re.escape(value)}(?!\w)", message), f"{message!r} does not quote {value}"


def test_calls_are_valid_before_they_are_spoilt() -> None:
    """Without the change no error: it is the change that is refused."""
    for operator, arguments in VALID.items():
        getattr(fastconv, operator)(**arguments)


def test_table_is_large() -> None:
    """Every row is another call."""
    assert len({label(row) for row in ROWS}) == len(ROWS) >= 300


@pytest.mark.parametrize("row", ROWS, ids=label)
def test_refused(row: Row) -> None:
    """The function, and for convolutions the prepared object, say what is wrong."""
    operator, change, error, name, value = row
    arguments = VALID[operator] | change
    with pytest.raises(error) as caught:
        getattr(fastconv, operator)(**arguments)
    assert type(caught.value) is error
    check_message(str(caught.value), name, value)
    if operator in OBJECTS:
        x = arguments.pop("input")
        with pytest.raises(error) as caught:
            OBJECTS[operator](**arguments)(x)
        check_message(str(caught.value), name, value)


def wide(*shape: int) -> Any:
    """An array with many elements and no memory."""
    return np.broadcast_to(np.float32(0), shape)


def any_extent(row: Row) -> bool:
    """Whether a row of a convolution or a pool is as wrong on an input of any extent."""
    operator, change, _, name, _ = row
    return (
        operator[-2:] in ("1d", "2d", "3d")
        and "input" not in change
        and not re.search("kernel|output|input", name)
    )


# Inputs beyond any memory, in no memory at all.
HUGE = {rank: wide(1, 2, *[2 ** (54 // rank)] * rank) for rank in (1, 2, 3)}


@pytest.mark.parametrize("row", [row for row in ROWS if any_extent(row)], ids=label)
def test_refused_before_allocation(row: Row) -> None:
    """The same with an input that no memory could hold a copy of, or a result for: never a MemoryError."""
    operator, change, error, name, value = row
    arguments = VALID[operator] | {"input": HUGE[int(operator[-2])]} | change
    tracemalloc.start()
    try:
        with pytest.raises(error) as caught:
            getattr(fastconv, operator)(**arguments)
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()
    check_message(str(caught.value), name, value)


OVERFLOWS: dict[str, tuple[Any, Any, Any]] = {
    "elements": (fastconv.conv2d, wide(1, 2, 2**29, 2**30), zeros(64, 2, 1, 1)),
    "bytes": (fastconv.conv2d, wide(1, 2, 2**29, 2**30), zeros(8, 2, 1, 1)),
    "batch": (fastconv.conv1d, wide(2**57, 2, 4), zeros(64, 2, 1)),
    "linear": (fastconv.linear, wide(2**40, 3), wide(2**30, 3)),
}


@pytest.mark.parametrize("case", OVERFLOWS)
def test_overflow(case: str) -> None:
    """A result with more bytes than an int64 counts is refused, not wrapped around."""
    function, x, w = OVERFLOWS[case]
    with pytest.raises(ValueError, match=r"64 bits"):
        function(x, w)


@pytest.mark.parametrize("stride", [2**31, 2**40, 2**62])
@pytest.mark.parametrize("operator", ["conv2d", "max_pool2d", "avg_pool2d"])
@pytest.mark.parametrize("ceil_mode", [False, True])
def test_huge_stride_is_no_error(operator: str, stride: int, ceil_mode: bool) -> None:
    """A stride beyond the input leaves one output; nothing overflows on the way."""
    arguments = VALID[operator] | {"stride": stride}
    if operator != "conv2d":
        arguments["ceil_mode"] = ceil_mode
    assert getattr(fastconv, operator)(**arguments).shape[2:] == (1, 1)


@pytest.mark.parametrize(
    "function", [fastconv.conv1d, fastconv.conv2d, fastconv.conv3d], ids=["1d", "2d", "3d"]
)
def test_ragged_list(function: Any) -> None:
    """What NumPy cannot make an array of is named as well."""
    with pytest.raises((TypeError, ValueError), match="input"):
        function([[1.0], [1.0, 2.0]], zeros(4, 2, 3, 3))


@pytest.mark.parametrize(
    ("call", "error", "name", "value"),
    [
        (lambda: fastconv.set_num_threads(0), ValueError, "n", "0"),
        (lambda: fastconv.set_num_threads(-3), ValueError, "n", "-3"),
        (lambda: fastconv.set_num_threads(2**63), ValueError, "n", str(2**63)),
        (lambda: fastconv.set_num_threads(1.5), TypeError, "n", "1.5"),
        (lambda: fastconv.set_num_threads("2"), TypeError, "n", "2"),
        (lambda: fastconv.set_num_threads(None), TypeError, "n", "None"),
        (lambda: fastconv.threads(0).__enter__(), ValueError, "n", "0"),
        (lambda: fastconv.threads(2.5).__enter__(), TypeError, "n", "2.5"),
        (lambda: fastconv.set_instruction_set("sse9"), ValueError, "name", "sse9"),
        (lambda: fastconv.set_instruction_set(4), TypeError, "name", "4"),
        (lambda: fastconv.explain(7), TypeError, "problem", "7"),
        (lambda: fastconv.explain(PROBLEM, "fastest"), ValueError, "algorithm", "fastest"),
        (lambda: fastconv.show_config("json"), ValueError, "mode", "json"),
        (lambda: fastconv.show_runtime("json"), ValueError, "mode", "json"),
    ],
)  # fmt: skip
def test_runtime_refuses(call: Any, error: type[Exception], name: str, value: str) -> None:
    """The functions about threads and instruction sets are as clear."""
    with pytest.raises(error) as caught:
        call()
    check_message(str(caught.value), name, value)


@pytest.mark.parametrize(
    "form", [np.int64(2), np.uint8(2), (np.int32(2), 2), [2, 2], np.array([2, 2])], ids=repr
)
def test_integers_of_numpy_are_integers(form: Any) -> None:
    """Anything with an index is an integer, and any sequence of them a sequence."""
    arguments = VALID["conv2d"] | {"input": np.arange(128, dtype=np.float32).reshape(1, 2, 8, 8)}
    expected = fastconv.conv2d(**arguments, stride=2, dilation=2)
    np.testing.assert_array_equal(fastconv.conv2d(**arguments, stride=form, dilation=form), expected)


def test_channels_message_tells_both_shapes() -> None:
    """The input's shape and the weight's own, as they were given."""
    with pytest.raises(ValueError, match=r"\(1, 2, 6, 6\) has 2 channels, expected 4 .*\(3, 4, 3, 3\)"):
        fastconv.conv2d(np.zeros((1, 2, 6, 6)), np.zeros((3, 4, 3, 3)))
