"""`fastconv.conv1d` to `conv3d`, in parts."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import _fastconv
from .._arrays import Array
from .._results import as_array
from ..conv import conv1d, conv2d, conv3d
from .axes import AxisPart
from .operation import Operation
from .windows import CONVS, Windows, arguments_of, described

__all__ = ["CONVOLUTIONS", "conv_operation"]

CONVOLUTIONS: dict[Callable[..., Any], int] = {conv1d: 1, conv2d: 2, conv3d: 3}


class _Convolution:
    """A convolution of parts, whose weights are packed once in each process."""

    def __init__(self, function: Callable[..., Array], windows: Windows, arguments: dict[str, Any]) -> None:
        self._function = function
        self._windows = windows
        self._arguments = arguments
        self._lock = threading.Lock()
        self._packed: Any = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_lock": None, "_packed": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._lock = threading.Lock()

    def __call__(self, local: Array, parts: Sequence[AxisPart]) -> Array:
        padding = self._windows.padding_of(parts)
        floats = local.dtype.kind not in "biuc"
        if floats and not any(map(any, padding)):
            return self._prepared()(local)
        mode = self._windows.padding_mode
        return self._function(local, **self._arguments, padding=padding, padding_mode=mode)

    def _prepared(self) -> Callable[[Array], Array]:
        with self._lock:
            if self._packed is None:
                self._packed = CONVS[self._windows.rank](**self._arguments)
            packed: Callable[[Array], Array] = self._packed
            return packed


def conv_operation(
    function: Callable[..., Array], shape: tuple[int, ...], dtype: np.dtype[Any], *args: Any, **kwargs: Any
) -> Operation:
    """Return what a convolution does to an array of that shape and dtype."""
    rank = CONVOLUTIONS[function]
    given = arguments_of(function, *args, **kwargs)
    weight, bias = as_array(given.pop("weight"), "weight"), given.pop("bias")
    bias = None if bias is None else as_array(bias, "bias")
    batched = len(shape) == rank + 2
    # No image of that shape: arguments are checked, the result's type and extents are known.
    empty = function(np.empty((0, *shape[batched:]), dtype), weight, bias, **given)
    outputs = (*shape[:batched], *empty.shape[1:])

    problem = _problem(rank, weight, bias, shape if batched else (1, *shape), dtype, given)
    algorithm, together = _fastconv.method(problem, given["algorithm"])
    if weight.dtype.kind not in "biu" and not np.isfinite(weight).all():
        algorithm, together = _for_infinite_weights(algorithm, together, problem)
    windows = Windows(
        rank,
        given["layout"],
        problem.kernel_size,
        problem.stride,
        problem.dilation,
        problem.padding,
        given["padding_mode"],
    )
    for name in ("padding", "padding_mode"):
        del given[name]
    arguments = {**given, "weight": weight, "bias": bias, "algorithm": algorithm}
    if empty.dtype.kind in "iu":
        arguments["algorithm"] = "auto"  # exact by any
    return Operation(
        function.__name__,
        outputs,
        empty.dtype,
        windows.axes(shape, outputs, together, mixed=True),
        _Convolution(function, windows, arguments),
    )


def _problem(
    rank: int, weight: Array, bias: Array | None, shape: tuple[int, ...], dtype: np.dtype[Any], given: Any
) -> _fastconv.Problem:
    """Return the problem that is computed: that of floats for integers, of parts for complex numbers."""
    options = {k: v for k, v in given.items() if k != "algorithm"}
    weights = weight.shape
    kind: Any = dtype.newbyteorder("=")
    if kind.kind in "biu":
        kind = np.float64
        options["activation"] = None
    elif kind.kind == "c":
        kind = np.dtype(f"f{kind.itemsize // 2}")
        shape = (2 * shape[0], *shape[1:])
        out = len(weights) - 1 if given["layout"].endswith("C") else 0
        weights = (*weights[:out], 2 * weights[out], *weights[out + 1 :])
    elif bias is not None:
        options["bias"] = np.zeros(bias.shape, kind)
    return described(rank, weights, shape, kind, **options)


def _for_infinite_weights(
    method: str, together: tuple[int, ...], problem: _fastconv.Problem
) -> tuple[str, tuple[int, ...]]:
    """Return what computes a convolution whose padding must not meet its weights (csrc/pack.hpp)."""
    name, _, order = method.partition("/")
    padded = problem.padding_mode == "zeros" and any(map(any, problem.padding))
    if name.startswith("winograd") or (padded and name not in ("direct", "depthwise")):
        name, order, together = "direct", "columns", (1,) * len(together)
    return f"{name}/{'taps' if padded else order}", together
