"""Where integers and complex numbers go: results made of those that the kernels give for floats.

The compiled module calls these functions, with its own arguments, for inputs of such types alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from . import _complex, _fastconv, _integers
from ._arrays import Array
from ._results import as_array, check_out, result_array
from ._sums import Sums

__all__ = ["adaptive_pool", "conv", "conv_transpose", "linear", "pool"]


def conv(
    rank: Any,
    input: Array,
    weight: Any,
    bias: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: Any,
    padding_mode: Any,
    layout: Any,
    activation: Any,
    algorithm: Any,
    out: Any,
) -> Array:
    """Convolve."""
    w, b = checked(input, weight, bias)
    if input.dtype.kind != "c":
        algorithm = _integers.algorithm_of(algorithm)
    shape = _fastconv.conv_output_shape(rank, input.shape, w.shape, stride, padding, dilation, groups, layout)

    def floats(x: Array, w: Array, y: Array | None = None) -> Array:
        return _fastconv.conv(
            rank, x, w, None, stride, padding, dilation, groups, padding_mode, layout, None, algorithm, y
        )

    grouped, group = of_groups(w, groups, layout)
    channels = len(shape) - 1 - (rank if channels_first(layout) else 0)

    def dots(y: Array) -> None:
        conv = _fastconv.DotConv(rank, w.astype(np.int8), stride, padding, dilation, groups, layout)
        conv.run(np.ascontiguousarray(input), 0, None, None, 0, 0, 0, y)

    sums = Sums(input, w, b, shape, channels, grouped, group, group + 1, floats)
    free = algorithm == "strict" and padding_mode == "zeros"
    group_channels = w.shape[1 if channels_first(layout) else -2]
    if free and _integers.of_bytes(input, w) and _integers.fits_words(w, int(groups), group_channels):
        sums = sums._replace(dots=dots)
    return computed(sums, activation, out)


def conv_transpose(
    rank: Any,
    input: Array,
    weight: Any,
    bias: Any,
    stride: Any,
    padding: Any,
    output_padding: Any,
    groups: Any,
    dilation: Any,
    layout: Any,
    activation: Any,
    algorithm: Any,
    out: Any,
) -> Array:
    """Convolve, transposed."""
    w, b = checked(input, weight, bias)
    if input.dtype.kind != "c":
        algorithm = _integers.algorithm_of(algorithm)
    shape = _fastconv.conv_transpose_output_shape(
        rank, input.shape, w.shape, stride, padding, output_padding, groups, dilation, layout
    )

    def floats(x: Array, w: Array, y: Array | None = None) -> Array:
        return _fastconv.conv_transpose(
            rank, x, w, None, stride, padding, output_padding, groups, dilation, layout, None, algorithm, y
        )

    grouped, group = of_groups(w, groups, layout)
    outputs, behind = (2, rank) if channels_first(layout) else (rank, 0)
    channels = len(shape) - 1 - behind
    return computed(Sums(input, w, b, shape, channels, grouped, group, outputs, floats), activation, out)


def linear(input: Array, weight: Any, bias: Any, activation: Any, out: Any) -> Array:
    """Multiply by a matrix."""
    w, b = checked(input, weight, bias)
    if w.ndim != 2:
        raise ValueError(f"weight: shape {w.shape}, expected 2 axes, (out_features, in_features)")
    if input.shape[-1:] != w.shape[1:]:
        raise ValueError(
            f"input: shape {input.shape}, expected a last axis of {w.shape[1]} for weight of shape {w.shape}"
        )

    def floats(x: Array, w: Array, y: Array | None = None) -> Array:
        return _fastconv.linear(x, w, None, None, y)

    shape = (*input.shape[:-1], len(w))
    return computed(Sums(input, w, b, shape, input.ndim - 1, (1, *w.shape), 0, 1, floats), activation, out)


def pool(
    rank: Any,
    kind: Any,
    input: Array,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    ceil_mode: Any,
    count_include_pad: Any,
    divisor_override: Any,
    return_indices: Any,
    layout: Any,
    out: Any,
) -> Any:
    """Pool sliding windows."""
    check_pooled(kind, input)
    shape = _fastconv.pool_output_shape(
        rank, input.shape, kernel_size, stride, padding, dilation, ceil_mode, layout
    )

    def floats(x: Array) -> Any:
        return _fastconv.pool(
            rank,
            kind,
            x,
            kernel_size,
            stride,
            padding,
            dilation,
            ceil_mode,
            count_include_pad,
            divisor_override,
            return_indices,
            layout,
            None,
        )

    check_out(out, shape, input.dtype, {"input": input})
    return pooled(kind, input, floats, out)


def adaptive_pool(
    rank: Any, kind: Any, input: Array, output_size: Any, return_indices: Any, layout: Any, out: Any
) -> Any:
    """Pool windows that share the input out."""
    check_pooled(kind, input)

    def floats(x: Array) -> Any:
        return _fastconv.adaptive_pool(rank, kind, x, output_size, return_indices, layout, None)

    return pooled(kind, input, floats, out)


def checked(x: Array, weight: Any, bias: Any) -> tuple[Array, Array | None]:
    """Return weights and bias as arrays, of types that go with the input's."""
    w = as_array(weight, "weight")
    b = None if bias is None else as_array(bias, "bias")
    (_complex if x.dtype.kind == "c" else _integers).check_types(x, w, b)
    return w, b


def computed(sums: Sums, activation: Any, out: Any) -> Array:
    """Return the sums, with the bias, after the activation."""
    sums.check_bias()
    if sums.x.dtype.kind == "c":
        return _complex.computed(sums, activation, out)
    return _integers.computed(sums, activation, out)


def check_pooled(kind: str, x: Array) -> None:
    """Fail unless such elements have maxima or means."""
    if kind == "avg" and x.dtype.kind != "c":
        raise TypeError(f"input: dtype {x.dtype}, expected floating or complex numbers for means")
    if kind == "avg" and x.dtype.itemsize > 16:
        raise TypeError(f"input: dtype {x.dtype}, expected complex64 or complex128")
    if kind == "max" and x.dtype.kind == "c":
        raise TypeError(f"input: dtype {x.dtype}, expected floating numbers or integers for maxima")
    if kind == "max" and x.dtype.itemsize > 4:
        raise TypeError(
            f"input: dtype {x.dtype}, expected integers of at most 32 bits, which float64 holds exactly"
        )


def pooled(kind: str, x: Array, floats: Callable[[Array], Any], out: Any) -> Any:
    """Return maxima of integers, with the indices if there are any, or means of complex numbers."""
    if kind == "avg":
        means = floats(x.real)
        y = result_array(out, means.shape, x.dtype, {"input": x})
        y.real, y.imag = means, floats(x.imag)
        return y
    found = floats(x.astype(np.float32 if x.dtype.itemsize <= 2 else np.float64, order="C"))
    maxima, *indices = found if isinstance(found, tuple) else (found,)
    y = result_array(out, maxima.shape, x.dtype, {"input": x})
    # a window that sees nothing has minus infinity
    np.maximum(maxima, float(np.iinfo(x.dtype).min), out=maxima)
    np.copyto(y, maxima, casting="unsafe")
    return (y, *indices) if indices else y


def channels_first(layout: str) -> bool:
    """Whether channels come before pixels in a layout, which has been checked."""
    return layout[1] == "C"


def of_groups(w: Array, groups: Any, layout: str) -> tuple[tuple[int, ...], int]:
    """Return the shape of weights with an axis for the groups, and which it is."""
    if channels_first(layout):
        return (int(groups), w.shape[0] // int(groups), *w.shape[1:]), 0
    return (*w.shape[:-1], int(groups), w.shape[-1] // int(groups)), w.ndim - 1
