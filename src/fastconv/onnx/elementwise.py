"""Operators of single elements, with NumPy's broadcasting: arithmetic, comparisons, activations, casts."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache, reduce
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

import fastconv
from fastconv.onnx.errors import ModelError, UnsupportedError
from fastconv.onnx.graph import Node
from fastconv.onnx.table import Function, operator

Array = NDArray[Any]

_FLOATS = (np.float16, np.float32, np.float64)


def _is_float(x: Array) -> bool:
    return x.dtype in _FLOATS or x.dtype.name == "bfloat16"


# ---------------------------------------------------------------- two inputs


def _divide(a: Array, b: Array) -> Array:
    if a.dtype.kind not in "iu":
        return np.asarray(np.divide(a, b))
    # Rounded towards zero, as in C; NumPy rounds down.
    quotient = np.floor_divide(a, b)
    if a.dtype.kind == "u":
        return np.asarray(quotient)
    return np.asarray(quotient + ((quotient < 0) & (quotient * b != a)).astype(a.dtype))


def _power(a: Array, b: Array) -> Array:
    if a.dtype.kind in "iu" and b.dtype.kind in "iu":
        return np.asarray(np.power(a.astype(np.float64), b) if np.any(b < 0) else np.power(a, b)).astype(
            a.dtype
        )
    return np.asarray(np.power(a, b)).astype(a.dtype)


_BINARY: dict[str, Callable[[Array, Array], Any]] = {
    "Add": np.add,
    "Sub": np.subtract,
    "Mul": np.multiply,
    "Div": _divide,
    "Pow": _power,
    "Equal": np.equal,
    "Greater": np.greater,
    "GreaterOrEqual": np.greater_equal,
    "Less": np.less,
    "LessOrEqual": np.less_equal,
    "And": np.logical_and,
    "Or": np.logical_or,
    "Xor": np.logical_xor,
}


@operator(*_BINARY)
def binary(node: Node) -> Function:
    """Broadcast two inputs; before opset 7 the second one only, along axes that are told."""
    function = _BINARY[node.op]
    if node.opset >= 7:
        return lambda a, b: np.asarray(function(a, b))
    axis = node.get("axis")

    def old(a: Array, b: Array) -> Array:
        if node.get("broadcast") and axis is not None and b.ndim < a.ndim:
            start = axis if axis >= 0 else a.ndim + axis
            if not 0 <= start <= a.ndim - b.ndim:
                raise ModelError(f"axis={axis}: expected a place for shape {b.shape} in {a.shape}")
            b = b.reshape(b.shape + (1,) * (a.ndim - start - b.ndim))
        return np.asarray(function(a, b))

    return old


# ---------------------------------------------------------------- any number of inputs


def _mean(*values: Array) -> Array:
    total = reduce(np.add, values)
    return np.asarray(np.divide(total, len(values))).astype(values[0].dtype)


@operator("Sum", "Max", "Min", "Mean")
def variadic(node: Node) -> Function:
    """Add up, or take extrema or means."""
    if node.op == "Mean":
        return _mean
    function = {"Sum": np.add, "Max": np.maximum, "Min": np.minimum}[node.op]
    return lambda *values: reduce(function, values) if len(values) > 1 else values[0].copy()


@operator("Where")
def where(node: Node) -> Function:
    """One or the other."""
    return lambda condition, a, b: np.where(condition, a, b)


# ---------------------------------------------------------------- one input

_UNARY: dict[str, Callable[[Array], Any]] = {
    "Sqrt": np.sqrt,
    "Exp": np.exp,
    "Log": np.log,
    "Abs": np.abs,
    "Neg": np.negative,
    "Reciprocal": np.reciprocal,
    "Floor": np.floor,
    "Ceil": np.ceil,
    "Round": np.rint,
    "Sign": np.sign,
    "Not": np.logical_not,
    "Sin": np.sin,
    "Cos": np.cos,
    "Softplus": lambda x: np.logaddexp(x, x.dtype.type(0)),
    "Softsign": lambda x: x / (1 + np.abs(x)),
    "HardSwish": lambda x: x * np.clip(x / 6 + 0.5, 0, 1),
}


@operator(*_UNARY)
def unary(node: Node) -> Function:
    """Apply a function of one input."""
    function = _UNARY[node.op]
    return lambda x: np.asarray(function(x)).astype(x.dtype, copy=False)


@operator("Identity")
def identity(node: Node) -> Function:
    """Return the input, whatever it is."""
    return lambda x: x


@operator("Relu")
def relu(node: Node) -> Function:
    """Rectify; integers too."""
    return lambda x: fastconv.relu(x) if _is_float(x) else np.maximum(x, x.dtype.type(0))


@operator("Sigmoid", "Tanh")
def sigmoid(node: Node) -> Function:
    """By fastconv's kernels."""
    function = fastconv.sigmoid if node.op == "Sigmoid" else fastconv.tanh
    return lambda x: function(x)


@operator("LeakyRelu")
def leaky_relu(node: Node) -> Function:
    """By fastconv's kernel."""
    slope = node.get("alpha", 0.01)
    return lambda x: fastconv.leaky_relu(x, slope)


@operator("PRelu")
def prelu(node: Node) -> Function:
    """Rectify with a leak that is an input; before opset 7, of channels."""

    def run(x: Array, slope: Array) -> Array:
        if node.opset < 7 and slope.ndim == 1 and slope.size > 1:
            slope = slope.reshape(slope.shape + (1,) * max(x.ndim - 2, 0))
        return np.where(x < 0, x * slope, x)

    return run


@operator("Clip")
def clip(node: Node) -> Function:
    """Bounds are attributes before opset 11, inputs since; the upper one wins where they cross."""

    def run(x: Array, low: Array | None = None, high: Array | None = None) -> Array:
        if node.opset < 11:
            kind = x.dtype.type
            low = None if node.get("min") is None else kind(node.get("min"))
            high = None if node.get("max") is None else kind(node.get("max"))
        y = x if low is None else np.maximum(x, low)
        y = y if high is None else np.minimum(y, high)
        return np.asarray(y.copy() if y is x else y)

    return run


@operator("HardSigmoid")
def hard_sigmoid(node: Node) -> Function:
    """Clamp a line to 0 and 1."""
    slope, offset = node.get("alpha", 0.2), node.get("beta", 0.5)
    return lambda x: np.clip(x * slope + offset, 0, 1).astype(x.dtype, copy=False)


@operator("Elu", "Selu", "Celu", "ThresholdedRelu")
def exponential_unit(node: Node) -> Function:
    """Rectifiers that are not lines below zero."""
    if node.op == "Selu":
        alpha, gamma = (
            node.get("alpha", 1.67326319217681884765625),
            node.get("gamma", 1.05070102214813232421875),
        )
        return lambda x: (gamma * np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))).astype(x.dtype)
    alpha = node.get("alpha", 1.0)
    if node.op == "ThresholdedRelu":
        return lambda x: np.where(x > alpha, x, x.dtype.type(0))
    if node.op == "Celu":
        return lambda x: np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0) / alpha)).astype(x.dtype)
    return lambda x: np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0))).astype(x.dtype)


@cache
def _erf_table() -> tuple[Array, Array]:
    """Return erf, and its slope times a step, at 0, 1/128, ... 6."""
    x = np.arange(6 * 128 + 2) / 128
    return np.array([math.erf(value) for value in x]), 2 / np.sqrt(np.pi) * np.exp(-x * x) / 128


@operator("Erf")
def erf(node: Node) -> Function:
    """Interpolate by cubics, in float64: they err by 4e-11 at most, with steps of 1/128.

    float64 is left to the reference, which asks the C library for one element at a time.
    """

    def run(x: Array) -> Array:
        if x.dtype not in (np.float32, np.float16):
            raise UnsupportedError
        values, slopes = _erf_table()
        step = np.minimum(np.abs(x.astype(np.float64)), 6) * 128
        place = np.nan_to_num(step).astype(np.intp)
        t = step - place
        first, second = values[place], values[place + 1]
        rise, s0, s1 = second - first, slopes[place], slopes[place + 1]
        y = first + t * (s0 + t * (3 * rise - 2 * s0 - s1 + t * (s0 + s1 - 2 * rise)))
        return np.asarray(np.copysign(y, x)).astype(x.dtype)

    return run


def _is_plain(dtype: np.dtype[Any]) -> bool:
    return dtype.name == "bfloat16" or (dtype.kind in "biu" and dtype.isbuiltin == 1) or dtype in _FLOATS


@operator("Cast")
def cast(node: Node) -> Function:
    """Between the types that NumPy converts as ONNX wants; strings and narrower types are the reference's."""
    to = node.get("to")
    if isinstance(to, str):  # before opset 6
        to = onnx.TensorProto.DataType.Value(to)
    try:
        target = np.dtype(onnx.helper.tensor_dtype_to_np_dtype(to))
    except (KeyError, TypeError) as error:
        raise ModelError(f"to={to!r}: expected the number of a type") from error
    if not _is_plain(target):
        raise UnsupportedError

    def run(x: Array) -> Array:
        if not _is_plain(x.dtype):
            raise UnsupportedError
        return x.astype(target)

    return run
