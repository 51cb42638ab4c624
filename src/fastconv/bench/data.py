"""The arrays of a problem: random ones, or a real photograph and real filters."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastconv import Problem, filters
from fastconv.bench.photo import photograph


@dataclass(frozen=True)
class Arrays:
    """What a problem computes with; pooling has no weight."""

    x: NDArray[Any]
    weight: NDArray[Any] | None
    bias: NDArray[Any] | None

    def astype(self, dtype: str) -> "Arrays":
        """Return the arrays in another type."""
        weight = None if self.weight is None else self.weight.astype(dtype)
        bias = None if self.bias is None else self.bias.astype(dtype)
        return Arrays(self.x.astype(dtype), weight, bias)


def computed_in(problem: Problem) -> str:
    """Return the type that a problem's sums have: float32 for half-sized floats."""
    return "float64" if problem.dtype == "float64" else "float32"


def make_arrays(name: str, problem: Problem) -> Arrays:
    """Return the arrays of a problem, the same at every call.

    Problems whose name begins with ``photo`` get a photograph and a Gaussian. All others get normal
    numbers, the weights scaled so that results are about as large as inputs, as in a trained network.

    Examples
    --------
    >>> import fastconv
    >>> from fastconv.bench import make_arrays
    >>> arrays = make_arrays("mine", fastconv.Problem("conv1d n1 ic2 iw9 oc4 kw3 s1 p1 nchw f32 bias"))
    >>> arrays.x.shape, arrays.weight.shape, arrays.bias.shape
    ((1, 2, 9), (4, 2, 3), (4,))
    """
    if problem.dtype == "bfloat16":
        import ml_dtypes  # noqa: F401 - NumPy knows the name of the type then
    if name.startswith("photo"):
        return _photo_arrays(problem)
    random = np.random.default_rng(0)
    x = random.standard_normal(problem.input_shape).astype(problem.dtype)
    if problem.weight_shape is None:
        return Arrays(x, None, None)
    terms = problem.ic // problem.groups * math.prod(problem.kernel_size)
    weight = (random.standard_normal(problem.weight_shape) / math.sqrt(terms)).astype(problem.dtype)
    bias = random.standard_normal(problem.oc).astype(problem.dtype) if problem.bias else None
    return Arrays(x, weight, bias)


def _photo_arrays(problem: Problem) -> Arrays:
    pixels = np.repeat(photograph()[None], problem.n, axis=0)
    first = problem.layout == "NCHW"
    x = np.ascontiguousarray(np.moveaxis(pixels, -1, 1) if first else pixels).astype(problem.dtype)
    if x.shape != tuple(problem.input_shape):
        raise ValueError(f"the photograph has shape {x.shape}, expected {problem.input_shape} for {problem}")
    bell = filters.gaussian(size=problem.kernel_size[0])
    colours = (problem.oc, 1, 1, 1) if first else (1, 1, 1, problem.oc)
    weight = np.tile(bell[None, None] if first else bell[..., None, None], colours)
    return Arrays(x, weight.astype(problem.dtype), None)
