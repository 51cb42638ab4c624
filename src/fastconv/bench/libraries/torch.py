"""PyTorch on the CPU: its functions as they are, with channels last, and with weights packed by oneDNN."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from fastconv import Problem
from fastconv.bench.data import Arrays
from fastconv.bench.libraries._channels_first import output_as, plain, symmetric
from fastconv.bench.libraries.library import Library, Prepared

_functional = torch.nn.functional

_ACTIVATIONS: dict[str, Callable[[Any], Any]] = {
    "": lambda y: y,
    "relu": torch.relu_,
    "relu6": lambda y: _functional.relu6(y, inplace=True),
    "leaky_relu": lambda y: _functional.leaky_relu(y, 0.01, inplace=True),
    "sigmoid": torch.sigmoid_,
    "tanh": torch.tanh_,
    "silu": lambda y: _functional.silu(y, inplace=True),
}

# What oneDNN's convolution calls them, and the numbers that they take.
_FUSED: dict[str, tuple[str, list[float]]] = {
    "": ("none", []),
    "relu": ("relu", []),
    "relu6": ("hardtanh", [0.0, 6.0]),
    "leaky_relu": ("leaky_relu", [0.01]),
    "sigmoid": ("sigmoid", []),
    "tanh": ("tanh", []),
    "silu": ("swish", []),
}


class Torch(Library):
    """``eager`` has the problem's own layout, ``channels last`` that which its kernels often like better.

    Signals with channels last are given to it with channels first: it has no such memory format for them.
    """

    name = "torch"

    def __init__(self, threads: int, instruction_set: str) -> None:
        super().__init__(threads, instruction_set)
        torch.set_num_threads(threads)

    def version(self) -> str:
        return str(torch.__version__)

    def ways(self, problem: Problem, prepared: bool) -> list[str]:
        if not (plain(problem, "float32", "float64") and _has(problem)):
            return []
        ways = ["eager"]
        if problem.rank == 2 and problem.layout == "NCHW":
            ways.append("channels last")
        packs = prepared and problem.op == "conv2d" and problem.dtype == "float32" and symmetric(problem)
        if packs and torch.backends.mkldnn.is_available():
            ways.append("packed")
        return ways

    def prepare(self, way: str, problem: Problem, arrays: Arrays, prepared: bool) -> Prepared:
        first = problem.layout == "NCHW"
        last = way == "channels last" or not first
        formats = {2: torch.channels_last, 3: torch.channels_last_3d} if last else {}
        form = formats.get(problem.rank, torch.contiguous_format)
        tensor = torch.from_numpy(arrays.x)
        x = (tensor if first else tensor.movedim(-1, 1)).contiguous(memory_format=form)

        def array(y: Any) -> NDArray[Any]:
            return output_as(problem, np.asarray(y.numpy()))

        if arrays.weight is None:
            return Prepared(_pool(problem, x), array)
        weight = torch.from_numpy(arrays.weight)
        weight = (weight if first else weight.movedim((-1, -2), (0, 1))).contiguous(memory_format=form)
        bias = None if arrays.bias is None else torch.from_numpy(arrays.bias)
        return Prepared((_packed if way == "packed" else _convolution)(problem, x, weight, bias), array)


def _has(problem: Problem) -> bool:
    """Return whether there is a function for a problem, after padding by another where it has to be."""
    if problem.op.startswith("conv"):
        return True
    if problem.op == "avg_pool1d" and problem.divisor_override is not None:
        return False
    if _pads(problem):
        return True
    # Padded beforehand, borders cannot be told from the image: they would count, and windows begin in them.
    counts = problem.op.startswith("max") or problem.count_include_pad
    return counts and not problem.ceil_mode


def _pads(problem: Problem) -> bool:
    """Return whether the function itself pads as the problem wants it."""
    if problem.op.startswith("conv"):
        return symmetric(problem)
    sizes = zip(problem.padding, problem.kernel_size, strict=True)
    return all(before == after and 2 * before <= size for (before, after), size in sizes)


def _padding(problem: Problem) -> tuple[list[int], Callable[[Any], Any]]:
    """Return what the function pads, and what is called before it where that is not enough."""
    if _pads(problem):
        return [before for before, _ in problem.padding], lambda x: x
    around = [width for axis in reversed(problem.padding) for width in axis]
    value = float("-inf") if problem.op.startswith("max") else 0.0
    return [0] * problem.rank, lambda x: _functional.pad(x, around, value=value)


def _convolution(problem: Problem, x: Any, weight: Any, bias: Any) -> Callable[[], Any]:
    function, activate = getattr(_functional, problem.op), _ACTIVATIONS[problem.activation]
    padding, padded = _padding(problem)
    stride, dilation, groups = problem.stride, problem.dilation, problem.groups

    def call() -> Any:
        with torch.inference_mode():
            return activate(function(padded(x), weight, bias, stride, padding, dilation, groups))

    return call


def _packed(problem: Problem, x: Any, weight: Any, bias: Any) -> Callable[[], Any]:
    """Return a call of oneDNN's convolution as `torch.compile` makes it: weights in its own order."""
    padding = [before for before, _ in problem.padding]
    stride, dilation, groups = list(problem.stride), list(problem.dilation), problem.groups
    pack: Any = torch._C._nn.mkldnn_reorder_conv2d_weight
    packed = pack(weight.to_mkldnn(), padding, stride, dilation, groups, list(x.shape))
    function = torch.ops.mkldnn._convolution_pointwise
    name, numbers = _FUSED[problem.activation]

    def call() -> Any:
        with torch.inference_mode():
            return function(x, packed, bias, padding, stride, dilation, groups, name, numbers, "")

    return call


def _pool(problem: Problem, x: Any) -> Callable[[], Any]:
    function = getattr(_functional, problem.op)
    padding, padded = _padding(problem)
    options: dict[str, Any] = {"padding": padding, "ceil_mode": problem.ceil_mode}
    if problem.op.startswith("max"):
        options |= {"dilation": problem.dilation}
    else:
        options |= {"count_include_pad": problem.count_include_pad}
        if problem.divisor_override is not None:
            options |= {"divisor_override": problem.divisor_override}
    size, stride = problem.kernel_size, problem.stride

    def call() -> Any:
        with torch.inference_mode():
            return function(padded(x), size, stride, **options)

    return call
