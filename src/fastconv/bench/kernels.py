"""How fastconv itself is called on a problem: every algorithm that supports it, by name, and ``auto``."""

import statistics
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

import fastconv
from fastconv import Problem, _fastconv
from fastconv.bench.data import Arrays, make_arrays
from fastconv.bench.timing import in_turn


def kernel_names(problem: Problem) -> list[str]:
    """Return ``auto`` and the algorithms that support a problem; pooling has one, with nothing to choose.

    Examples
    --------
    >>> import fastconv
    >>> from fastconv.bench import kernel_names
    >>> kernel_names(fastconv.Problem("max_pool1d n1 c1 iw8 kw2 s2 p0 nchw f32"))
    ['pool']
    """
    supporting = [name for name in fastconv.algorithms() if not _fastconv.supports(name, problem)]
    return supporting if "pool" in problem.op else ["auto", *supporting]


def kernel_call(
    problem: Problem,
    arrays: Arrays,
    algorithm: str = "auto",
    prepared: bool = True,
    out: NDArray[Any] | None = None,
) -> Callable[[], NDArray[Any]]:
    """Return a call without arguments that computes a problem.

    Parameters
    ----------
    problem : Problem
        What to compute.
    arrays : Arrays
        Its arrays, see `make_arrays`.
    algorithm : str
        One of `kernel_names`.
    prepared : bool
        A convolution goes through `Conv2d` and its sisters, which pack the weights once, before the
        returned call; otherwise through `conv2d`, which packs them at every call.
    out : ndarray, optional
        Where every call of a convolution stores its result; without it each makes an array of its own.
    """
    if "pool" in problem.op:
        return _pool_call(problem, arrays.x)
    assert arrays.weight is not None
    options: dict[str, Any] = {
        "bias": arrays.bias,
        "stride": problem.stride,
        "padding": problem.padding,
        "dilation": problem.dilation,
        "groups": problem.groups,
        "padding_mode": problem.padding_mode,
        "layout": problem.layout,
        "activation": problem.activation or None,
        "algorithm": algorithm,
    }
    x, weight = arrays.x, arrays.weight
    if prepared:
        convolution = getattr(fastconv, f"Conv{problem.rank}d")(weight, **options)
        return lambda: convolution(x, out=out)
    function = getattr(fastconv, problem.op)
    return lambda: function(x, weight, out=out, **options)


def _pool_call(problem: Problem, x: NDArray[Any]) -> Callable[[], NDArray[Any]]:
    function = getattr(fastconv, problem.op)
    options: dict[str, Any] = {
        "padding": problem.padding,
        "ceil_mode": problem.ceil_mode,
        "layout": problem.layout,
    }
    if problem.op.startswith("max"):
        options |= {"dilation": problem.dilation, "return_indices": problem.return_indices}
    else:
        options |= {"count_include_pad": problem.count_include_pad}
        if problem.divisor_override is not None:
            options |= {"divisor_override": problem.divisor_override}
    kernel_size, stride = problem.kernel_size, problem.stride
    return lambda: function(x, kernel_size, stride, **options)


def estimates(problem: Problem) -> dict[str, float]:
    """Return the model's estimate, in seconds, for each algorithm that "auto" may choose for a convolution.

    Examples
    --------
    >>> import fastconv
    >>> from fastconv.bench import estimates
    >>> sorted(estimates(fastconv.Problem("conv2d n1 ic8 ih9 iw9 oc8 kh3 kw3 s1 p1 nchw f32")))
    ['direct', 'im2col', 'winograd2', 'winograd4']
    """
    return {
        other["algorithm"]: other["estimate_us"] / 1e6
        for other in fastconv.explain(problem).alternatives
        if other["supported"]
    }


def time_algorithms(problem: Problem, names: Iterable[str], rounds: int, seconds: float) -> dict[str, float]:
    """Return the median seconds of a convolution by each of the algorithms, in turn, see `in_turn`."""
    arrays = make_arrays("random", problem)
    out = np.empty(problem.output_shape, problem.dtype)
    calls = {name: kernel_call(problem, arrays, name, out=out) for name in names}
    samples = in_turn([*calls.values()], rounds, seconds=seconds)
    return {name: statistics.median(times) for name, times in zip(calls, samples, strict=True)}
