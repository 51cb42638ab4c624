"""Arguments as SciPy's filters take them: checked and worded here, for every function of the package."""

from __future__ import annotations

import operator
from collections.abc import Iterable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from .._arrays import Array, axes_of
from .._results import as_array, empty

__all__ = [
    "Array",
    "Mode",
    "Output",
    "axes_of",
    "boundary",
    "each",
    "input_array",
    "output_array",
    "plain_result",
    "store",
    "window",
]

Output: TypeAlias = NDArray[Any] | DTypeLike | None
Mode: TypeAlias = str

# In the order of Boundary in csrc/filter.hpp.
_BOUNDARIES = {
    "constant": 0, "grid-constant": 0,
    "nearest": 1,
    "reflect": 2, "grid-mirror": 2,
    "mirror": 3,
    "wrap": 4, "grid-wrap": 4,
}  # fmt: skip


def boundary(mode: object) -> int:
    """Return the number by which the kernels know a boundary mode."""
    if not isinstance(mode, str):
        raise TypeError(f"mode is {mode!r}, expected a string")
    if mode not in _BOUNDARIES:
        raise ValueError(f"mode is {mode!r}, expected one of {', '.join(_BOUNDARIES)}")
    return _BOUNDARIES[mode]


def input_array(value: ArrayLike, name: str = "input") -> Array:
    """Return the array of an argument if filters know its type."""
    array = as_array(value, name)
    if array.dtype.kind not in "biufc" or array.dtype.itemsize // (1 + (array.dtype.kind == "c")) > 8:
        raise TypeError(
            f"{name} has dtype {array.dtype}, expected booleans, integers, float32, float64 or complex"
        )
    if array.dtype == np.float16:
        raise TypeError(f"{name} has dtype float16, expected float32 or float64")
    return array


def output_array(output: Output, input: Array, *, complex_output: bool = False) -> Array:
    """Return the array that `output` asks for: itself, or a new one of that type, or of the input's."""
    if isinstance(output, np.ndarray):
        if output.shape != input.shape:
            raise ValueError(f"output has shape {output.shape}, expected that of input, {input.shape}")
        if not output.flags.writeable:
            raise ValueError("output is read-only, expected an array that can be written")
        input_array(output, "output")
        if complex_output and output.dtype.kind != "c":
            raise TypeError(f"output has dtype {output.dtype}, expected a complex one: input or weights are")
        return output
    dtype = input.dtype if output is None else np.dtype(output)
    if complex_output and dtype.kind != "c":
        dtype = np.result_type(dtype, np.complex64)
    result = empty(input.shape, dtype)
    input_array(result, "output")
    return result


def each(value: Any, count: int, name: str) -> list[Any]:
    """Return one value for each of `count` axes, from one for all or from a sequence."""
    if isinstance(value, str) or not isinstance(value, Iterable):
        return [value] * count
    values = list(value)
    if len(values) != count:
        raise ValueError(
            f"{name} is {value}, expected one value or {count}, one for each axis that is filtered"
        )
    return values


def window(size: int, origin: int, name: str = "origin", *, flip: bool = False) -> int:
    """Return how many places before an output its window begins, for a window of `size` moved by `origin`.

    A flipped kernel is moved the other way, and an even one has its middle on the other side.
    """
    try:
        shift = operator.index(origin)
    except TypeError:
        raise TypeError(f"{name} is {origin!r}, expected an integer") from None
    if not -(size // 2) <= shift <= (size - 1) // 2:
        low, high = -(size // 2), (size - 1) // 2
        raise ValueError(f"{name} is {shift}, expected {low} to {high} for a window of {size}")
    return size // 2 + (-shift - (size % 2 == 0) if flip else shift)


def plain_result(array: Array) -> Array:
    """Return where a kernel may store the values of an array: itself, or a new one to be assigned to it."""
    if array.dtype.isnative and array.flags.carray and array.dtype.kind != "b":
        return array
    return empty(array.shape, np.dtype(np.uint8) if array.dtype.kind == "b" else array.dtype)


def store(values: Array, result: Array) -> None:
    """Store numbers as the kernels do: cut towards zero and to the range of an integer type."""
    if result.dtype.kind in "iu" and values.dtype.kind in "iu":
        limits = np.iinfo(result.dtype)
        # Bounds of the values' own type, for there they are compared.
        own = np.iinfo(values.dtype)
        least, greatest = max(int(limits.min), int(own.min)), min(int(limits.max), int(own.max))
        result[...] = np.clip(values, least, greatest)
    elif result.dtype.kind in "iu" and values.dtype.kind == "f":
        limits = np.iinfo(result.dtype)
        low, high = float(limits.min), float(limits.max)
        inside = (values > low) & (values < high)
        result[...] = np.where(inside, values, 0.0).astype(result.dtype)
        result[values <= low] = limits.min
        result[values >= high] = limits.max
    else:
        result[...] = values
