"""What a right result is: nothing else is timed."""

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

import fastconv
from fastconv.bench.baselines import baselines
from fastconv.bench.data import Arrays
from fastconv.bench.libraries.library import Prepared

TOLERANCE = {dtype: 256 * float(np.finfo(dtype).eps) for dtype in ("float32", "float64")}
"""Largest difference from float64 over the largest magnitude: ten times Winograd's rounding, a hundredth of
what one forgotten tap of the largest kernel would do. Max pooling, which does not round, must be equal."""
TOLERANCE |= {dtype: TOLERANCE["float32"] + eps for dtype, eps in (("float16", 2**-10), ("bfloat16", 2**-7))}


class Verdict(NamedTuple):
    """What `verify` found; the fields of the same names in `Row`."""

    status: str
    note: str = ""
    difference: float = math.nan


def verify(problem: fastconv.Problem, prepared: Prepared, exact: NDArray[Any]) -> Verdict:
    """Compare the result of a call with the float64 one."""
    try:
        result = prepared.array(prepared.call())
    except Exception as error:  # a library's own, of whatever kind
        return Verdict("error", f"{type(error).__name__}: {error}")
    if result.shape != exact.shape or result.dtype != np.dtype(problem.dtype):
        found = f"{result.dtype} {result.shape}"
        return Verdict("differs", f"the result is {found}, expected {problem.dtype} {exact.shape}")
    largest = float(np.abs(exact).max(initial=0.0)) or 1.0
    difference = float(np.abs(result.astype(exact.dtype) - exact).max(initial=0.0)) / largest
    allowed = 0.0 if problem.op.startswith("max") else TOLERANCE[problem.dtype]
    if not difference <= allowed:  # NaN does not pass
        note = f"differs from float64 by {difference:.1e} of the largest value, allowed {allowed:.1e}"
        return Verdict("differs", note, difference)
    return Verdict("ok", "", difference)


def exact_result(problem: fastconv.Problem, arrays: Arrays) -> NDArray[Any]:
    """Compute the problem in float64, by the baseline nearest to the definition that is quick enough."""
    exact, known = arrays.astype("float64"), baselines(problem)
    for name in ("slices", "im2col"):
        if name in known:
            return known[name](problem, exact.x, exact.weight, exact.bias)
    raise ValueError(f"no NumPy baseline computes {problem}")
