"""Arrays in and out where Python computes, checked and worded as the compiled module does."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from . import _fastconv
from ._arrays import Array

__all__ = ["as_array", "check_out", "empty", "resident", "result_array"]

_ARRAYS = ("__array__", "__array_interface__", "__array_struct__")
_HUGE_PAGE = 2 << 20  # as in csrc/python/arguments.cpp
_LARGE = 1 << 20  # bytes: below, NumPy's own call is faster by more than its memory is slower


def as_array(value: Any, name: str) -> Array:
    """Return an argument as an array, without a copy where it shows its memory."""
    if type(value) is np.ndarray:
        return value
    try:
        # numpy.asarray knows buffers, __array__ and __array_interface__, and takes DLPack alone for an object
        alone = hasattr(value, "__dlpack__") and not any(hasattr(value, other) for other in _ARRAYS)
        return np.from_dlpack(value) if alone else np.asarray(value)
    except (TypeError, ValueError, BufferError, RuntimeError):  # the last of torch: it requires a gradient
        raise TypeError(f"{name}={value!r:.200}: expected an array of numbers") from None


def empty(shape: Sequence[int], dtype: np.dtype[Any]) -> Array:
    """Return a new array, in native byte order; a large one lies where the compiled module's results do."""
    dtype = dtype.newbyteorder("=")
    bytes = math.prod(shape) * dtype.itemsize
    if not _LARGE <= bytes <= sys.maxsize:  # of more than can be, NumPy says so
        return np.empty(shape, dtype)
    return _fastconv.memory(bytes).view(dtype).reshape(shape)


def resident(bytes: int) -> int:
    """Return what a new array of so many bytes takes: one that begins with a huge page ends with one, too."""
    return bytes if bytes < 2 * _HUGE_PAGE else -(-bytes // _HUGE_PAGE) * _HUGE_PAGE


def check_out(
    out: Any, shape: tuple[int, ...], dtype: np.dtype[Any], inputs: dict[str, Array | None]
) -> None:
    """Fail unless `out` is None or can hold a result."""
    if out is None:
        return
    native = dtype.newbyteorder("=")
    if not isinstance(out, np.ndarray):
        raise TypeError(f"out={out!r:.200}: expected an ndarray or None")
    if out.dtype != native:
        raise TypeError(f"out: dtype {out.dtype.str}, expected native {native}")
    if out.shape != shape:
        raise ValueError(f"out: shape {out.shape}, expected {shape}")
    if not out.flags.writeable:
        raise ValueError("out: the array is read-only, expected one that can be written to")
    if not (out.flags.c_contiguous and out.flags.aligned):
        raise ValueError(f"out: strides {out.strides}, expected a C-contiguous, aligned array")
    for name, array in inputs.items():
        if array is not None and np.may_share_memory(out, array):
            raise ValueError(f"out: the array overlaps {name}, expected memory of its own")


def result_array(
    out: Any, shape: tuple[int, ...], dtype: np.dtype[Any], inputs: dict[str, Array | None]
) -> Array:
    """Return `out` if it was given and can hold the result, else a new array."""
    check_out(out, shape, dtype, inputs)
    return empty(shape, dtype) if out is None else out
