"""What a problem's result must be, and how far each algorithm may be from it."""

from __future__ import annotations

from functools import cache, cached_property
from typing import Any

import numpy as np

from fastconv import Problem

from . import bounds
from . import reference as ref
from .problems import Arrays, arrays, parameters
from .reference import Array


class Oracle:
    """The expected value of one problem on given data, computed once in a wider type.

    An activation given here replaces that of the problem.
    """

    def __init__(self, problem: Problem, data: Arrays, activation: Any = None) -> None:
        self.problem = problem
        self.activation = activation or problem.activation or None
        self.dtype = np.dtype(problem.dtype)
        self.data = data.astype(bounds.oracle(self.dtype))
        self.parameters = parameters(problem)
        self.bounds: dict[str, Array] = {}

    @cached_property
    def value(self) -> Array:
        """The result by the definition."""
        if self.problem.op.startswith("conv"):
            return ref.activate(self.sums, self.activation)
        if self.problem.op.startswith("max"):
            return self.maxima[0]
        return ref.avg_pool(self.data.input, **self.parameters)

    @cached_property
    def sums(self) -> Array:
        """A convolution before its activation."""
        return ref.conv(self.data.input, self.data.weight, self.data.bias, **self.parameters)

    @cached_property
    def maxima(self) -> tuple[Array, Array]:
        """The values and the indices of a maximum pooling."""
        return ref.max_pool(self.data.input, **self.parameters)

    def bound(self, algorithm: str) -> Array:
        """Largest permitted distance from `value`; 0 for a maximum, which rounds nothing."""
        family = algorithm if algorithm.startswith("winograd") else "sums of products"
        if family not in self.bounds:
            self.bounds[family] = self.compute_bound(algorithm)
        return self.bounds[family]

    def compute_bound(self, algorithm: str) -> Array:
        """The bound for this kind of operator and algorithm."""
        x, w, b = self.data.input, self.data.weight, self.data.bias
        if self.problem.op.startswith("max"):
            return np.zeros_like(self.value)
        if self.problem.op.startswith("avg"):
            additions = bounds.pool_additions(self.problem)
            return bounds.mean_bound(x, ref.avg_pool, additions, self.dtype, **self.parameters)
        if algorithm.startswith("winograd"):
            tile = {key: self.parameters[key] for key in ("padding", "dilation", "groups", "layout")}
            limit = bounds.winograd_bound(
                int(algorithm.removeprefix("winograd")), x, w, b, self.dtype, **tile
            )
        else:
            limit = bounds.conv_bound(x, w, b, self.dtype, **self.parameters)
        return bounds.activated(self.sums, limit, self.activation, self.dtype)[1]

    def check(self, actual: Any, algorithm: str, what: str = "") -> None:
        """Fail unless the result has the problem's shape and dtype and every number is close enough."""
        what = f"{self.problem}, {what or algorithm}"
        if self.problem.return_indices:
            actual, indices = actual
            assert indices.dtype == np.int64, what
            np.testing.assert_array_equal(indices, self.maxima[1], err_msg=what)
        assert (actual.dtype, actual.shape) == (self.dtype, self.problem.output_shape), what
        assert_within(actual, self.value, self.bound(algorithm), what)


def assert_within(actual: Array, expected: Array, bound: Array, what: str) -> None:
    """Fail, pointing at the worst element, unless |actual - expected| <= bound everywhere; NaN never is."""
    assert actual.shape == expected.shape, f"{what}: shape {actual.shape} instead of {expected.shape}"
    with np.errstate(invalid="ignore"):  # of two infinities, which are close if they are equal
        error = np.where(actual == expected, 0, np.abs(actual.astype(expected.dtype) - expected))
    wrong = ~(error <= bound)
    if wrong.any():
        excess = np.where(np.isnan(error), np.inf, error - bound)
        at = tuple(int(i) for i in np.unravel_index(excess.argmax(), excess.shape))
        raise AssertionError(
            f"{what}: {wrong.sum()} of {wrong.size} elements wrong; at {at} {actual[at]!r} instead of "
            f"{expected[at]!r}, error {error[at]:.3g}, bound {bound[at]:.3g}"
        )


@cache
def oracle(text: str) -> Oracle:
    """The oracle of a problem on its usual data, shared by all that compute it."""
    return Oracle(Problem(text), arrays(text))
