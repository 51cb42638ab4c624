"""Problems for libraries whose arrays have their channels first; and which problems a library may be asked.

Channels-last problems are given to each library in the layout that it likes best, converted beforehand, and
its result is converted for verification alone: what is timed leaves conversions out, in the library's favour.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastconv import Problem


def plain(problem: Problem, *dtypes: str) -> bool:
    """Return whether a problem has one of the types, and nothing that no adapter asks a library for."""
    return (
        problem.dtype in dtypes
        and problem.padding_mode == "zeros"
        and not problem.return_indices
        and problem.n > 0
    )


def symmetric(problem: Problem) -> bool:
    """Return whether as much is padded before each axis as after it."""
    return all(before == after for before, after in problem.padding)


def filters_channels(problem: Problem) -> bool:
    """Return whether each channel is filtered by itself, at every pixel, and nothing else is done."""
    steps = (*problem.stride, *problem.dilation)
    return (
        problem.op.startswith("conv")
        and problem.groups == problem.ic == problem.oc
        and set(steps) == {1}
        and not problem.bias
        and not problem.activation
    )


def centred(problem: Problem) -> bool:
    """Return whether a kernel of odd size stays within the image with its centre, so that sizes are kept."""
    sizes = zip(problem.kernel_size, problem.padding, strict=True)
    return all(size % 2 == 1 and around == (size // 2, size // 2) for size, around in sizes)


def input_first(problem: Problem, x: NDArray[Any]) -> NDArray[Any]:
    """Return the input with its channels first, a copy if they were last."""
    return np.ascontiguousarray(x if problem.layout == "NCHW" else np.moveaxis(x, -1, 1))


def weight_first(problem: Problem, weight: NDArray[Any]) -> NDArray[Any]:
    """Return the weights as filters, channels and space, a copy if they were the other way round."""
    if problem.layout == "NHWC":
        weight = np.moveaxis(weight, (-1, -2), (0, 1))
    return np.ascontiguousarray(weight)


def output_as(problem: Problem, y: NDArray[Any]) -> NDArray[Any]:
    """Return a result that has its channels first in the layout of the problem."""
    return y if problem.layout == "NCHW" else np.moveaxis(y, 1, -1)
