"""What a good NumPy programmer writes instead: the baselines that every kernel is compared with.

Each takes the problem and its arrays in the problem's layout and returns the result in that layout:

- ``windows``: a `sliding_window_view` of the input, contracted by `tensordot` (or `einsum` with groups);
  pooling reduces the same windows;
- ``im2col``: patches gathered by stride tricks into a matrix, then one `matmul`;
- ``slices``: one shifted slice of the input per kernel element, added up (depthwise) or reduced (pooling);
- ``fft``: the product of the transforms of the padded input and of the kernels, where that is not too large;
- ``loops``: every element of every window by itself, in plain Python, for small problems alone.

Padding is part of what is timed, as it is for fastconv.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import product
from typing import Any, TypeAlias

import numpy as np
from numpy.lib.stride_tricks import as_strided, sliding_window_view
from numpy.typing import NDArray

from fastconv import Problem

Array: TypeAlias = NDArray[Any]
Baseline: TypeAlias = Callable[[Problem, Array, Array | None, Array | None], Array]

_PADDING_MODES = {"reflect": "reflect", "replicate": "edge", "circular": "wrap", "symmetric": "symmetric"}
"""What `numpy.pad` calls them."""

_LARGEST_PRODUCT = 2**24
"""As many products of transforms ``fft`` may have: a few hundred megabytes."""

_MOST_LOOPS = 2e5
"""As many operations ``loops`` may have: they take a tenth of a second."""

_ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "": lambda y: y,
    "relu": lambda y: np.maximum(y, 0),
    "relu6": lambda y: np.clip(y, 0, 6),
    "leaky_relu": lambda y: np.where(y < 0, y.dtype.type(0.01) * y, y),
    "sigmoid": lambda y: 1 / (1 + np.exp(-y)),
    "tanh": np.tanh,
    "silu": lambda y: y / (1 + np.exp(-y)),
}


def baselines(problem: Problem) -> dict[str, Baseline]:
    """Return the baselines that compute a problem, by name.

    Examples
    --------
    >>> import fastconv
    >>> from fastconv.bench import baselines
    >>> list(baselines(fastconv.Problem("max_pool2d n1 c3 ih8 iw8 kh2 kw2 s2 p0 nchw f32")))
    ['windows', 'slices', 'loops']
    """
    known: dict[str, Baseline]
    small = problem.flops <= _MOST_LOOPS
    if "pool" in problem.op:
        known = {} if problem.return_indices else {"windows": pool_windows, "slices": pool_slices}
        if known and small:
            known["loops"] = pool_loops
    elif problem.activation not in _ACTIVATIONS:
        known = {}
    else:
        known = {"windows": conv_windows, "im2col": conv_im2col}
        if problem.groups == problem.ic:
            known["slices"] = conv_slices
        if set(problem.dilation) == {1} and _products(problem) <= _LARGEST_PRODUCT:
            known["fft"] = conv_fft
        if small:
            known["loops"] = conv_loops
    if problem.dtype in ("float16", "bfloat16"):
        return {name: _in_float32(function) for name, function in known.items()}
    return known


def _in_float32(function: Baseline) -> Baseline:
    """Widen half-sized arrays, which NumPy would add up as they are, one by one, and round the result."""

    def rounded(problem: Problem, x: Array, weight: Array | None, bias: Array | None) -> Array:
        if x.dtype.itemsize > 2:
            return function(problem, x, weight, bias)
        weight, bias = (None if a is None else a.astype(np.float32) for a in (weight, bias))
        return function(problem, x.astype(np.float32), weight, bias).astype(x.dtype)

    return rounded


def conv_windows(problem: Problem, x: Array, weight: Array | None, bias: Array | None) -> Array:
    """Convolve by contracting windows of the input with the weights."""
    assert weight is not None
    view = _windows(problem, _padded(problem, x))  # the kernel's axes are last in both layouts
    rank, groups, per_group = problem.rank, problem.groups, problem.ic // problem.groups
    kernel_axes = list(range(rank + 2, 2 * rank + 2))
    if groups == 1:
        if problem.layout == "NCHW":
            y = np.moveaxis(np.tensordot(weight, view, (range(1, rank + 2), [1, *kernel_axes])), 0, 1)
        else:
            y = np.tensordot(view, weight, ([*kernel_axes, rank + 1], range(rank + 1)))
    else:
        out, taps = "xyz"[:rank], "ijk"[:rank]
        if problem.layout == "NCHW":
            parts = view.reshape(problem.n, groups, per_group, *view.shape[2:])
            kernels = weight.reshape(groups, -1, *weight.shape[1:])
            y = np.einsum(f"ngc{out}{taps},goc{taps}->ngo{out}", parts, kernels, optimize=True)
        else:
            parts = view.reshape(*view.shape[: rank + 1], groups, per_group, *problem.kernel_size)
            kernels = weight.reshape(*weight.shape[: rank + 1], groups, -1)
            y = np.einsum(f"n{out}gc{taps},{taps}cgo->n{out}go", parts, kernels, optimize=True)
    return _finished(problem, y.reshape(problem.output_shape), bias)


def conv_im2col(problem: Problem, x: Array, weight: Array | None, bias: Array | None) -> Array:
    """Convolve by copying every patch into a column of a matrix, and multiplying it by the weights."""
    assert weight is not None
    x = _padded(problem, x)
    groups, n = problem.groups, problem.n
    first = problem.layout == "NCHW"
    per_group = problem.ic // groups
    space = x.strides[2:] if first else x.strides[1:-1]
    channel = x.strides[1] if first else x.strides[-1]
    outputs = tuple(step * size for step, size in zip(space, problem.stride, strict=True))
    taps = tuple(step * size for step, size in zip(space, problem.dilation, strict=True))
    pixels, elements = math.prod(problem.output_size), per_group * math.prod(problem.kernel_size)
    if first:
        shape = (n, groups, per_group, *problem.kernel_size, *problem.output_size)
        strides = (x.strides[0], per_group * channel, channel, *taps, *outputs)
        columns = as_strided(x, shape, strides, writeable=False).reshape(n, groups, elements, pixels)
        y = np.matmul(weight.reshape(groups, -1, elements), columns)
    else:
        shape = (n, groups, *problem.output_size, *problem.kernel_size, per_group)
        strides = (x.strides[0], per_group * channel, *outputs, *taps, channel)
        rows = as_strided(x, shape, strides, writeable=False).reshape(n, groups, pixels, elements)
        kernels = np.moveaxis(weight.reshape(elements, groups, -1), 1, 0)
        y = np.moveaxis(np.matmul(rows, kernels), 1, 2)
    return _finished(problem, y.reshape(problem.output_shape), bias)


def conv_slices(problem: Problem, x: Array, weight: Array | None, bias: Array | None) -> Array:
    """Convolve each channel by itself: a sum of shifted inputs, each times one element of its kernel."""
    assert weight is not None
    x = _padded(problem, x)
    first, multiplier = problem.layout == "NCHW", problem.oc // problem.ic
    if multiplier > 1:  # output channel o reads input channel o // multiplier
        x = np.repeat(x, multiplier, axis=1 if first else -1)
    y = np.zeros(problem.output_shape, x.dtype)
    for tap, part in _slices(problem, x):
        element: Any = (slice(None), 0, *tap) if first else (*tap, 0)
        y += part * (weight[element].reshape(-1, *[1] * problem.rank) if first else weight[element])
    return _finished(problem, y, bias)


def conv_fft(problem: Problem, x: Array, weight: Array | None, bias: Array | None) -> Array:
    """Convolve by multiplying transforms; NumPy computes those of float32 in single precision."""
    assert weight is not None
    parts, kernels = _by_groups(problem, _padded(problem, x), weight)
    axes, size = tuple(range(-problem.rank, 0)), parts.shape[3:]
    # Conjugated, as kernels are not flipped here. Sums that wrap around are not among those that are kept.
    frequencies = np.einsum(
        "ngc...,goc...->ngo...",
        np.fft.rfftn(parts, size, axes),
        np.fft.rfftn(kernels, size, axes).conj(),
    )
    y = np.fft.irfftn(frequencies, size, axes)
    outputs = zip(problem.output_size, problem.stride, strict=True)
    kept = [slice(0, (count - 1) * stride + 1, stride) for count, stride in outputs]
    return _finished(problem, _ungrouped(problem, y[:, :, :, *kept]), bias)


def conv_loops(problem: Problem, x: Array, weight: Array | None, bias: Array | None) -> Array:
    """Convolve as a textbook has it: one product after the other."""
    assert weight is not None
    parts, kernels = _by_groups(problem, _padded(problem, x), weight)
    groups, filters, channels = kernels.shape[:3]
    y = np.empty((problem.n, groups, filters, *problem.output_size), x.dtype)
    for n, g, o, *output in np.ndindex(*y.shape):
        total = x.dtype.type(0)
        for c in range(channels):
            for tap, pixel in _elements(problem, output):
                total += parts[(n, g, c, *pixel)] * kernels[(g, o, c, *tap)]
        y[(n, g, o, *output)] = total
    return _finished(problem, _ungrouped(problem, y), bias)


def pool_windows(problem: Problem, x: Array, weight: Array | None = None, bias: Array | None = None) -> Array:
    """Pool by reducing windows of the input over their last axes."""
    view = _windows(problem, _padded(problem, x))
    axes = tuple(range(-problem.rank, 0))
    if problem.op.startswith("max"):
        return np.asarray(view.max(axis=axes))
    return np.asarray(view.sum(axis=axes) / _divisor(problem, x.dtype))


def pool_slices(problem: Problem, x: Array, weight: Array | None = None, bias: Array | None = None) -> Array:
    """Pool by reducing shifted slices of the input into the result, one for each element of the window."""
    maximum = problem.op.startswith("max")
    y = np.full(problem.output_shape, -np.inf if maximum else 0, x.dtype)
    for _, part in _slices(problem, _padded(problem, x)):
        (np.maximum if maximum else np.add)(y, part, out=y)
    return y if maximum else y / _divisor(problem, x.dtype)


def pool_loops(problem: Problem, x: Array, weight: Array | None = None, bias: Array | None = None) -> Array:
    """Pool as a textbook has it: one element of a window after the other."""
    maximum = problem.op.startswith("max")
    images = _channels_first(problem, _padded(problem, x))
    y = np.empty((problem.n, problem.ic, *problem.output_size), x.dtype)
    for n, c, *output in np.ndindex(*y.shape):
        elements = [images[(n, c, *pixel)] for _, pixel in _elements(problem, output)]
        y[(n, c, *output)] = max(elements) if maximum else sum(elements)
    y = y if problem.layout == "NCHW" else np.moveaxis(y, 1, -1)
    return y if maximum else y / _divisor(problem, x.dtype)


def _elements(problem: Problem, output: Sequence[int]) -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Yield each element of the kernel by its indices, with those of the (padded) pixel that it meets."""
    for tap in product(*map(range, problem.kernel_size)):
        steps = zip(output, problem.stride, tap, problem.dilation, strict=True)
        yield tap, tuple(index * stride + element * spread for index, stride, element, spread in steps)


def _products(problem: Problem) -> int:
    """Return how often `conv_fft` multiplies, for each image."""
    extents = zip(problem.input_size, _extents(problem), strict=True)
    pixels = math.prod(size + sum(around) for size, around in extents)
    return problem.oc * problem.ic // problem.groups * pixels


def _channels_first(problem: Problem, x: Array) -> Array:
    return x if problem.layout == "NCHW" else np.moveaxis(x, -1, 1)


def _by_groups(problem: Problem, x: Array, weight: Array) -> tuple[Array, Array]:
    """Return the images as (n, groups, channels, ...) and the kernels as (groups, filters, channels, ...)."""
    groups, x = problem.groups, _channels_first(problem, x)
    if problem.layout == "NHWC":
        weight = np.moveaxis(weight, (-1, -2), (0, 1))
    per_group = problem.ic // groups
    parts = x.reshape(problem.n, groups, per_group, *x.shape[2:])
    return parts, weight.reshape(groups, problem.oc // groups, per_group, *problem.kernel_size)


def _ungrouped(problem: Problem, y: Array) -> Array:
    """Return sums of (n, groups, filters, ...) in the layout of the problem."""
    y = y.reshape(problem.n, problem.oc, *problem.output_size)
    return y if problem.layout == "NCHW" else np.moveaxis(y, 1, -1)


def _spatial(problem: Problem) -> int:
    """Return the first spatial axis of the problem's arrays."""
    return 2 if problem.layout == "NCHW" else 1


def _extents(problem: Problem) -> list[tuple[int, int]]:
    """Return what goes before and after each spatial axis; with ceil_mode the last window overhangs."""
    around = []
    for axis, (before, after) in enumerate(problem.padding):
        reach = (problem.output_size[axis] - 1) * problem.stride[axis]
        needed = reach + (problem.kernel_size[axis] - 1) * problem.dilation[axis] + 1
        around.append((before, max(after, needed - before - problem.input_size[axis])))
    return around


def _padded(problem: Problem, x: Array) -> Array:
    around = _extents(problem)
    if not any(map(any, around)):
        return np.ascontiguousarray(x)
    widths = [(0, 0)] * x.ndim
    widths[_spatial(problem) : _spatial(problem) + problem.rank] = around
    if problem.padding_mode != "zeros":
        mode: Any = _PADDING_MODES[problem.padding_mode]
        return np.pad(x, widths, mode)
    return np.pad(x, widths, constant_values=-np.inf if problem.op.startswith("max") else 0)


def _windows(problem: Problem, x: Array) -> Array:
    """Return a view of (padded) x with the kernel's axes last."""
    start, rank = _spatial(problem), problem.rank
    size = [(k - 1) * d + 1 for k, d in zip(problem.kernel_size, problem.dilation, strict=True)]
    view = sliding_window_view(x, size, axis=tuple(range(start, start + rank)))
    steps: list[slice] = [slice(None)] * view.ndim
    for axis in range(rank):
        stride = problem.stride[axis]
        steps[start + axis] = slice(0, (problem.output_size[axis] - 1) * stride + 1, stride)
        steps[x.ndim + axis] = slice(None, None, problem.dilation[axis])
    return view[tuple(steps)]


def _slices(problem: Problem, x: Array) -> Iterator[tuple[tuple[int, ...], Array]]:
    """Yield each element of the kernel by its indices, with the part of (padded) x that it meets."""
    before = [slice(None)] * _spatial(problem)
    for tap in product(*map(range, problem.kernel_size)):
        part = []
        for axis, index in enumerate(tap):
            begin, step = index * problem.dilation[axis], problem.stride[axis]
            part.append(slice(begin, begin + (problem.output_size[axis] - 1) * step + 1, step))
        yield tap, x[(*before, *part)]


def _divisor(problem: Problem, dtype: np.dtype[Any]) -> Array:
    """Return what each window's sum is divided by: a number, or an array over the spatial axes."""
    if problem.divisor_override is not None:
        return np.asarray(problem.divisor_override, dtype)
    counts = np.ones([1] * problem.rank)
    for axis, (before, after) in enumerate(problem.padding):
        first = np.arange(problem.output_size[axis]) * problem.stride[axis] - before
        last = first + problem.kernel_size[axis]
        low, high = (-before, after) if problem.count_include_pad else (0, 0)
        inside = np.minimum(last, problem.input_size[axis] + high) - np.maximum(first, low)
        counts = counts * inside.reshape([-1 if a == axis else 1 for a in range(problem.rank)])
    return counts.astype(dtype)[..., None] if problem.layout == "NHWC" else counts.astype(dtype)


def _finished(problem: Problem, y: Array, bias: Array | None) -> Array:
    """Add the bias and apply the activation."""
    if bias is not None:
        y = y + (bias.reshape(-1, *[1] * problem.rank) if problem.layout == "NCHW" else bias)
    return _ACTIVATIONS[problem.activation](y)
