"""Numba: the loops of a convolution as an engineer writes them, compiled for this processor."""

from __future__ import annotations

from functools import cache
from typing import Any

import numba
import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from fastconv import Problem
from fastconv.bench.data import Arrays
from fastconv.bench.libraries._loops import cache_folder, loop_arguments, loops
from fastconv.bench.libraries.library import Library, Prepared

# Compiling takes seconds in every process, unless it is kept: by default beside this file.
_config: Any = numba.config
if not _config.CACHE_DIR:
    _config.CACHE_DIR = str(cache_folder() / "numba")

Array = NDArray[Any]
Pair = tuple[int, int]


class Numba(Library):
    """Two functions, one for each layout, compiled before they are timed."""

    name = "numba"

    def __init__(self, threads: int, instruction_set: str) -> None:
        super().__init__(threads, instruction_set)
        numba.set_num_threads(threads)

    def version(self) -> str:
        return str(numba.__version__)

    def ways(self, problem: Problem, prepared: bool) -> list[str]:
        return loops(problem)

    def prepare(self, way: str, problem: Problem, arrays: Arrays, prepared: bool) -> Prepared:
        _compile(problem.layout, problem.dtype)
        function = _LOOPS[problem.layout]
        arguments = loop_arguments(problem, arrays)
        shape, dtype = problem.output_shape, arrays.x.dtype

        def call() -> Array:
            y = np.empty(shape, dtype)
            function(y, *arguments)
            return y

        return Prepared(call)


@njit(parallel=True, fastmath=True, cache=True)
def _channels_first(
    y: Array,
    x: Array,
    weight: Array,
    bias: Array,
    stride: Pair,
    before: Pair,
    dilation: Pair,
    groups: int,
    relu: bool,
) -> None:
    images, filters, height, width = y.shape
    per_group, filters_of_group = weight.shape[1], filters // groups
    for plane in prange(images * filters):
        n, o = plane // filters, plane % filters
        start = o // filters_of_group * per_group
        for oh in range(height):
            row = y[n, o, oh]
            row[:] = bias[o]
            for c in range(per_group):
                for i in range(weight.shape[2]):
                    ih = oh * stride[0] + i * dilation[0] - before[0]
                    if ih < 0 or ih >= x.shape[2]:
                        continue
                    source = x[n, start + c, ih]
                    for j in range(weight.shape[3]):
                        shift = j * dilation[1] - before[1]
                        # Outputs whose input is within the row: 0 <= ow * stride + shift < its length.
                        first = max(0, -(shift // stride[1]))
                        last = max(first, min(width, (source.size - 1 - shift) // stride[1] + 1))
                        tap = weight[o, c, i, j]
                        if stride[1] == 1:
                            # Slices, as indices from 0 on cannot be negative: such loops get vectors.
                            part, values = row[first:last], source[first + shift :]
                            for k in range(last - first):
                                part[k] += tap * values[k]
                        else:
                            for ow in range(first, last):
                                row[ow] += tap * source[ow * stride[1] + shift]
            if relu:
                for ow in range(width):
                    row[ow] = max(row[ow], 0)


@njit(parallel=True, fastmath=True, cache=True)
def _channels_last(
    y: Array,
    x: Array,
    weight: Array,
    bias: Array,
    stride: Pair,
    before: Pair,
    dilation: Pair,
    groups: int,
    relu: bool,
) -> None:
    images, height, width, filters = y.shape
    per_group, filters_of_group = weight.shape[2], filters // groups
    for line in prange(images * height):
        n, oh = line // height, line % height
        for ow in range(width):
            pixel = y[n, oh, ow]
            pixel[:] = bias
            for i in range(weight.shape[0]):
                ih = oh * stride[0] + i * dilation[0] - before[0]
                if ih < 0 or ih >= x.shape[1]:
                    continue
                for j in range(weight.shape[1]):
                    iw = ow * stride[1] + j * dilation[1] - before[1]
                    if iw < 0 or iw >= x.shape[2]:
                        continue
                    source = x[n, ih, iw]
                    if per_group == 1 and filters_of_group == 1:  # a vector of channels, each by itself
                        taps = weight[i, j, 0]
                        for o in range(filters):
                            pixel[o] += taps[o] * source[o]
                        continue
                    for g in range(groups):
                        part = pixel[g * filters_of_group :]
                        for c in range(per_group):
                            value = source[g * per_group + c]
                            taps = weight[i, j, c, g * filters_of_group :]
                            for o in range(filters_of_group):
                                part[o] += taps[o] * value
            if relu:
                for o in range(filters):
                    pixel[o] = max(pixel[o], 0)


_LOOPS: dict[str, Any] = {"NCHW": _channels_first, "NHWC": _channels_last}


@cache
def _compile(layout: str, dtype: str) -> None:
    """Call the loops on the smallest arrays, which compiles them for the type."""
    one = np.ones((1, 1, 1, 1), dtype)
    _LOOPS[layout](one.copy(), one, one, np.ones(1, dtype), (1, 1), (0, 0), (1, 1), 1, False)
