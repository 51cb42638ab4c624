"""Calls that must be refused.

A row is an operator, what is changed in a valid call of it, the error, the argument that it names and the
value.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Row = tuple[str, dict[str, Any], type[Exception], str, str]

LIMIT = 2**62  # twice this is more than an int64 holds
BEYOND = 2**63  # as is this alone


def zeros(*shape: int, dtype: Any = np.float32) -> Any:
    """Zeros in float32."""
    return np.zeros(shape, dtype)


# A valid call of each operator, which every row below spoils in one place.
VALID: dict[str, dict[str, Any]] = {
    "conv1d": {"input": zeros(1, 2, 8), "weight": zeros(4, 2, 3), "bias": zeros(4)},
    "conv2d": {"input": zeros(1, 2, 8, 8), "weight": zeros(4, 2, 3, 3), "bias": zeros(4)},
    "conv3d": {"input": zeros(1, 2, 8, 8, 8), "weight": zeros(4, 2, 3, 3, 3), "bias": zeros(4)},
    "max_pool1d": {"input": zeros(1, 2, 8), "kernel_size": 2},
    "max_pool2d": {"input": zeros(1, 2, 8, 8), "kernel_size": 2},
    "max_pool3d": {"input": zeros(1, 2, 8, 8, 8), "kernel_size": 2},
    "avg_pool1d": {"input": zeros(1, 2, 8), "kernel_size": 2},
    "avg_pool2d": {"input": zeros(1, 2, 8, 8), "kernel_size": 2},
    "avg_pool3d": {"input": zeros(1, 2, 8, 8, 8), "kernel_size": 2},
    "adaptive_avg_pool2d": {"input": zeros(1, 2, 8, 8), "output_size": 2},
    "adaptive_max_pool2d": {"input": zeros(1, 2, 8, 8), "output_size": 2},
    "adaptive_avg_pool1d": {"input": zeros(1, 2, 8), "output_size": 2},
    "linear": {"input": zeros(5, 3), "weight": zeros(4, 3), "bias": zeros(4)},
    "relu": {"x": zeros(4)},
    "leaky_relu": {"x": zeros(4)},
    "sigmoid": {"x": zeros(4)},
    "tanh": {"x": zeros(4)},
    "silu": {"x": zeros(4)},
    "softmax": {"x": zeros(2, 4)},
}


def rows(operator: str, name: str, error: type[Exception], *values: Any) -> list[Row]:
    """One argument with several bad values, each of which the message quotes as Python prints it."""
    return [(operator, {name: value}, error, name, repr(value).strip("'")) for value in values]


def integers(operator: str, name: str, axes: int, least: int) -> list[Row]:
    """What no integer parameter takes; for one with a number for each axis also the wrong number of them."""
    below = least - 1
    found = rows(operator, name, ValueError, below, below - 6, BEYOND, -BEYOND - 1, 10**30)
    found += rows(operator, name, TypeError, 1.5, float("nan"), 1j)
    # a string may be a padding, if the right one
    found += rows(operator, name, ValueError if name == "padding" else TypeError, "2")
    if axes:
        found += rows(operator, name, ValueError, (1,) * (axes + 1))
        found += [(operator, {name: (1,) * (axes - 1) + (below,)}, ValueError, name, str(below))]
        found += [(operator, {name: (1,) * (axes - 1) + (0.5,)}, TypeError, name, "0.5")]
        found += [(operator, {name: ()}, ValueError, name, "")]
    return found


def kinds(operator: str, name: str, *shape: int) -> list[Row]:
    """Arrays of dtypes that no kernel has, and things that are no arrays."""
    types = ["int32", "uint8", "bool", "complex64", "longdouble", "datetime64[s]"]
    found: list[Row] = []
    for dtype in types:
        array = np.zeros(shape, dtype)
        found.append((operator, {name: array}, TypeError, name, str(array.dtype)))
    return [
        *found,
        (operator, {name: np.full(shape, None)}, TypeError, name, "object"),
        (operator, {name: "image"}, TypeError, name, "<U5"),
        (operator, {name: None}, TypeError, name, ""),
    ]


def but(found: list[Row], *taken: str) -> list[Row]:
    """All but the types that this operator takes beside those with kernels."""
    return [row for row in found if row[-1] not in taken]


CONV: list[Row] = [
    *integers("conv2d", "stride", 2, 1),
    *integers("conv2d", "dilation", 2, 1),
    *integers("conv2d", "groups", 0, 1),
    *integers("conv2d", "padding", 2, 0)[:-1],
    *integers("conv1d", "stride", 1, 1),
    *integers("conv3d", "dilation", 3, 1),
    *kinds("conv2d", "input", 1, 2, 8, 8),
    *kinds("conv2d", "weight", 4, 2, 3, 3),
    *kinds("conv2d", "bias", 4)[:-1],
    *rows("conv2d", "stride", TypeError, None),
    *rows("conv2d", "padding", ValueError, "full", "SAME", ((1, 2), (3,)), ((1, 2, 3), (1, 2, 3))),
    ("conv2d", {"padding": ((1, -1), (0, 0))}, ValueError, "padding", "-1"),
    ("conv2d", {"padding": ((0, 0), (0, 0), (0, 0))}, ValueError, "padding", ""),
    ("conv2d", {"padding": ((1, 0.5), (0, 0))}, TypeError, "padding", "0.5"),
    ("conv2d", {"padding": LIMIT}, ValueError, "padding", str(LIMIT)),
    ("conv2d", {"padding": ((LIMIT, LIMIT), (0, 0))}, ValueError, "padding", str(LIMIT)),
    ("conv2d", {"padding": 2**40}, ValueError, "padding", str(2**40)),
    ("conv2d", {"dilation": LIMIT}, ValueError, "dilation", str(LIMIT)),
    ("conv2d", {"dilation": BEYOND - 1}, ValueError, "dilation", str(BEYOND - 1)),
    ("conv2d", {"dilation": (1, LIMIT // 2)}, ValueError, "kernel|dilation", str(LIMIT // 2)),
    *rows("conv2d", "groups", ValueError, 3, 8, LIMIT),
    *rows("conv2d", "groups", TypeError, None, (1, 1)),
    *rows("conv2d", "layout", ValueError, "nchw", "NCL", "CHW", "NCDHW", "NHCW"),
    *rows("conv2d", "layout", TypeError, None, 3),
    *rows("conv1d", "layout", ValueError, "NDHWC", "NCHWL"),
    *rows("conv2d", "activation", ValueError, "gelu", "ReLU", (1.0,), (0, 1, 2), (2.0, 1.0)),
    *rows("conv2d", "activation", TypeError, 3),
    ("conv2d", {"activation": ("low", 1.0)}, TypeError, "activation", "low"),
    *rows("conv2d", "algorithm", ValueError, "fastest", "Direct", "pool"),
    *rows("conv2d", "algorithm", TypeError, None, 3),
    ("conv2d", {"input": zeros(8, 8)}, ValueError, "input", "(8, 8)"),
    ("conv2d", {"input": zeros(1, 1, 2, 8, 8)}, ValueError, "input", "(1, 1, 2, 8, 8)"),
    ("conv2d", {"input": np.float32(1)}, ValueError, "input", "()"),
    ("conv2d", {"input": zeros(1, 3, 8, 8)}, ValueError, "input", "3"),
    ("conv2d", {"layout": "NHWC", "bias": None}, ValueError, "input|weight", "(1, 2, 8, 8)"),
    ("conv2d", {"input": zeros(1, 2, 2, 8)}, ValueError, "input|weight|kernel", "2"),
    ("conv2d", {"input": zeros(1, 2, 0, 8)}, ValueError, "input|weight|kernel", "0"),
    ("conv2d", {"input": zeros(1, 2, 3, 8), "dilation": 2}, ValueError, "input|weight", "(3, 8)"),
    ("conv2d", {"weight": zeros(4, 2, 11, 3), "padding": 1}, ValueError, "input|weight|kernel", "11"),
    ("conv2d", {"weight": zeros(4, 2, 3)}, ValueError, "weight", "(4, 2, 3)"),
    ("conv2d", {"weight": zeros(4, 2, 3, 3, 3)}, ValueError, "weight", "(4, 2, 3, 3, 3)"),
    ("conv2d", {"weight": zeros(4, 2, 0, 3)}, ValueError, "weight", "0"),
    ("conv2d", {"weight": zeros(4, 3, 3, 3)}, ValueError, "weight|input", "3"),
    ("conv2d", {"weight": zeros(4, 2, 3, 3), "groups": 2}, ValueError, "weight|input|groups", "2"),
    ("conv2d", {"weight": zeros(3, 1, 3, 3), "bias": None, "groups": 2}, ValueError, "groups", "2"),
    ("conv2d", {"weight": zeros(4, 2, 3, 3, dtype=np.float64)}, TypeError, "weight", "float64"),
    ("conv2d", {"input": zeros(1, 2, 8, 8, dtype=np.float64)}, TypeError, "input|weight", "float64"),
    ("conv2d", {"bias": zeros(4, dtype=np.float64)}, TypeError, "bias", "float64"),
    ("conv2d", {"bias": zeros(3)}, ValueError, "bias", "(3,)"),
    ("conv2d", {"bias": zeros(4, 1)}, ValueError, "bias", "(4, 1)"),
    ("conv2d", {"bias": np.float32(1)}, ValueError, "bias", "()"),
    ("conv1d", {"input": zeros(1, 2, 8, 8)}, ValueError, "input", "(1, 2, 8, 8)"),
    ("conv1d", {"weight": zeros(4, 2, 9)}, ValueError, "input|weight", "9"),
    ("conv3d", {"input": zeros(1, 2, 8)}, ValueError, "input", "(1, 2, 8)"),
    ("conv3d", {"padding": (0, 1)}, ValueError, "padding", "(0, 1)"),
    ("conv3d", {"weight": zeros(4, 2, 3, 3)}, ValueError, "weight", "(4, 2, 3, 3)"),
    ("conv3d", {"padding": 2**25}, ValueError, "padding", str(2**25)),
]

POOL: list[Row] = [
    *integers("max_pool2d", "kernel_size", 2, 1),
    *integers("max_pool2d", "stride", 2, 1),
    *integers("max_pool2d", "dilation", 2, 1),
    *integers("max_pool2d", "padding", 2, 0)[:-1],
    *integers("avg_pool2d", "kernel_size", 2, 1),
    *integers("avg_pool3d", "stride", 3, 1),
    *but(kinds("max_pool2d", "input", 1, 2, 8, 8), "int32", "uint8"),
    *but(kinds("avg_pool1d", "input", 1, 2, 8), "complex64"),
    *rows("max_pool2d", "kernel_size", TypeError, None),
    *rows("max_pool2d", "kernel_size", ValueError, 9, (2, 9)),
    *rows("max_pool2d", "padding", ValueError, "full", 2, ((0, 2), (0, 0)), LIMIT),
    *rows("avg_pool2d", "padding", ValueError, 2, ((0, 0), (3, 0))),
    *rows("max_pool2d", "dilation", ValueError, LIMIT, BEYOND - 1),
    ("max_pool2d", {"dilation": 8}, ValueError, "kernel_size|dilation", "8"),
    *rows("max_pool2d", "layout", ValueError, "nhwc", "NCL"),
    *rows("avg_pool2d", "layout", TypeError, None),
    *rows("avg_pool2d", "divisor_override", ValueError, 0, BEYOND),
    *rows("avg_pool2d", "divisor_override", TypeError, 1.5, "3"),
    *rows("avg_pool3d", "divisor_override", ValueError, 0),
    ("max_pool2d", {"input": zeros(8, 8)}, ValueError, "input", "(8, 8)"),
    ("max_pool2d", {"input": zeros(1, 1, 2, 8, 8)}, ValueError, "input", "(1, 1, 2, 8, 8)"),
    ("max_pool2d", {"input": zeros(1, 2, 0, 8)}, ValueError, "input|kernel_size", "0"),
    ("max_pool1d", {"input": zeros(8)}, ValueError, "input", "(8,)"),
    ("max_pool3d", {"input": zeros(1, 2, 8)}, ValueError, "input", "(1, 2, 8)"),
    ("avg_pool1d", {"kernel_size": 9}, ValueError, "kernel_size", "9"),
    *integers("adaptive_avg_pool2d", "output_size", 2, 0)[:-1],
    *rows("adaptive_max_pool2d", "output_size", ValueError, -1, (2,), (2, 2, 2)),
    *rows("adaptive_avg_pool1d", "output_size", ValueError, -1, (2, 2)),
    *rows("adaptive_max_pool2d", "output_size", TypeError, "2"),
    ("adaptive_max_pool2d", {"output_size": (2, "3")}, TypeError, "output_size", "3"),
    *rows("adaptive_max_pool2d", "layout", ValueError, "NLC"),
    ("adaptive_avg_pool2d", {"output_size": 2**40}, ValueError, "output_size", str(2**40)),
    ("adaptive_max_pool2d", {"output_size": (LIMIT, 4)}, ValueError, "output_size", str(LIMIT)),
    ("adaptive_avg_pool2d", {"input": zeros(8, 8)}, ValueError, "input", "(8, 8)"),
    ("adaptive_avg_pool2d", {"input": zeros(1, 2, 0, 8)}, ValueError, "input", "0"),
    *but(kinds("adaptive_max_pool2d", "input", 1, 2, 8, 8)[:3], "int32", "uint8"),
]

REST: list[Row] = [
    *kinds("linear", "input", 5, 3),
    *kinds("linear", "weight", 4, 3)[:4],
    ("linear", {"input": zeros(5, 4)}, ValueError, "input|weight", "4"),
    ("linear", {"input": np.float32(1)}, ValueError, "input", "()"),
    ("linear", {"weight": zeros(3)}, ValueError, "weight", "(3,)"),
    ("linear", {"weight": zeros(4, 3, 1)}, ValueError, "weight", "(4, 3, 1)"),
    ("linear", {"weight": zeros(4, 3, dtype=np.float64)}, TypeError, "weight", "float64"),
    ("linear", {"bias": zeros(3)}, ValueError, "bias", "(3,)"),
    ("linear", {"bias": zeros(1, 4)}, ValueError, "bias", "(1, 4)"),
    ("linear", {"bias": zeros(4, dtype=np.float64)}, TypeError, "bias", "float64"),
    *rows("linear", "activation", ValueError, "gelu", (1, 0)),
    *rows("linear", "activation", TypeError, 1),
    *kinds("relu", "x", 4),
    *kinds("sigmoid", "x", 4)[:2],
    *kinds("tanh", "x", 4)[2:4],
    *kinds("silu", "x", 4)[4:6],
    *kinds("leaky_relu", "x", 4)[6:],
    *kinds("softmax", "x", 4),
    *rows("leaky_relu", "negative_slope", TypeError, "0.1", None, 1j),
    *rows("softmax", "axis", ValueError, 2, -3, BEYOND),
    *rows("softmax", "axis", TypeError, 0.5, "0", None, (0, 1)),
    ("softmax", {"x": np.float32(1)}, ValueError, "axis", "-1"),
]

ROWS = CONV + POOL + REST
