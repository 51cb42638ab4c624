"""Functions with the names and parameters of ``torch.nn.functional``, one template for three ranks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, Protocol, TypeVar, cast

import torch
from torch import Tensor
from torch.nn import functional as native

from .._typing import PaddingMode
from . import _operators as operators
from ._tensors import TYPES, Rank, axes, computed, plain

Axes = int | Sequence[int]
Result = Tensor | tuple[Tensor, Tensor]
Function = TypeVar("Function", bound=Callable[..., Any])

SIGNALS = {1: "signals", 2: "images", 3: "volumes"}


class _Conv(Protocol):
    def __call__(
        self,
        input: Tensor,
        weight: Tensor,
        bias: Tensor | None = None,
        stride: Axes = 1,
        padding: Axes | Literal["valid", "same"] = 0,
        dilation: Axes = 1,
        groups: int = 1,
    ) -> Tensor: ...


class _ConvTranspose(Protocol):
    def __call__(
        self,
        input: Tensor,
        weight: Tensor,
        bias: Tensor | None = None,
        stride: Axes = 1,
        padding: Axes = 0,
        output_padding: Axes = 0,
        groups: int = 1,
        dilation: Axes = 1,
    ) -> Tensor: ...


class _MaxPool(Protocol):
    def __call__(
        self,
        input: Tensor,
        kernel_size: Axes,
        stride: Axes | None = None,
        padding: Axes = 0,
        dilation: Axes = 1,
        ceil_mode: bool = False,
        return_indices: bool = False,
    ) -> Any: ...


class _AvgPool(Protocol):
    def __call__(
        self,
        input: Tensor,
        kernel_size: Axes,
        stride: Axes | None = None,
        padding: Axes = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> Tensor: ...


class _AdaptiveAvgPool(Protocol):
    def __call__(self, input: Tensor, output_size: int | Sequence[int | None] | None) -> Tensor: ...


class _AdaptiveMaxPool(Protocol):
    def __call__(
        self, input: Tensor, output_size: int | Sequence[int | None] | None, return_indices: bool = False
    ) -> Any: ...


def named(function: Function, kind: str, rank: int, doc: str) -> Function:
    """Give a function made from the template its name and its words."""
    function.__name__ = function.__qualname__ = f"{kind}{rank}d"
    shape = {1: "(2, 3, 8)", 2: "(2, 3, 8, 8)", 3: "(2, 3, 8, 8, 8)"}[rank]
    words = {
        "rank": rank,
        "things": SIGNALS[rank],
        "shape": shape,
        "taps": ", 3" * rank,
        "rest": ", 4" * rank,
    }
    function.__doc__ = doc.format(**words)
    return function


def autocast(*tensors: Tensor | None) -> tuple[Tensor | None, ...]:
    """Cast as PyTorch casts the arguments of convolutions under ``torch.autocast``."""
    if not torch.is_autocast_enabled("cpu"):
        return tensors
    dtype = torch.get_autocast_dtype("cpu")

    def cast_one(t: Tensor | None) -> Tensor | None:
        wanted = isinstance(t, Tensor) and t.is_floating_point() and t.dtype != torch.float64
        return t.to(dtype) if t is not None and wanted and t.device.type == "cpu" else t

    return tuple(map(cast_one, tensors)) if dtype in TYPES else tensors


def on_batch(operator: Callable[..., Any], rank: int, input: Tensor, *how: Any) -> Any:
    """Call an operator, which knows batches alone."""
    if input.dim() == rank + 2:
        return operator(input, *how)
    y = operator(input.unsqueeze(0), *how)
    return tuple(part.squeeze(0) for part in y) if isinstance(y, tuple) else y.squeeze(0)


def pads(padding: Any, kernel_size: Sequence[int], dilation: Sequence[int]) -> list[int]:
    """List the padding before and after each axis; of an odd number the larger half is after."""
    if padding == "valid":
        return [0] * (2 * len(kernel_size))
    if padding == "same":
        totals = [d * (k - 1) for k, d in zip(kernel_size, dilation, strict=True)]
        return [half for total in totals for half in (total // 2, total - total // 2)]
    if isinstance(padding, str):
        raise ValueError(f"padding={padding!r}: expected 'valid', 'same' or numbers")
    return [p for p in axes("padding", padding, len(kernel_size)) for _ in range(2)]


def convolve(
    rank: int,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: int,
    padding_mode: PaddingMode = "zeros",
) -> Tensor:
    """Convolve tensors that are `computed` here."""
    stride, dilation = axes("stride", stride, rank), axes("dilation", dilation, rank)
    if padding == "same" and any(s != 1 for s in stride):
        raise ValueError(f"padding='same' with stride={tuple(stride)}: expected a stride of 1")
    how = stride, pads(padding, weight.shape[2:], dilation), dilation, groups, padding_mode
    return cast(Tensor, on_batch(operators.conv, rank, input, weight, bias, *how))


def _conv(rank: Rank) -> _Conv:
    theirs = getattr(native, f"conv{rank}d")

    def conv(
        input: Tensor,
        weight: Tensor,
        bias: Tensor | None = None,
        stride: Axes = 1,
        padding: Axes | Literal["valid", "same"] = 0,
        dilation: Axes = 1,
        groups: int = 1,
    ) -> Tensor:
        x, w, b = autocast(input, weight, bias)
        if x is None or w is None or w.dim() != rank + 2 or not computed(rank, x, w, b):
            return cast(Tensor, theirs(input, weight, bias, stride, padding, dilation, groups))
        return convolve(rank, x, w, b, stride, padding, dilation, groups)

    return named(conv, "conv", rank, CONV)


def _conv_transpose(rank: Rank) -> _ConvTranspose:
    theirs = getattr(native, f"conv_transpose{rank}d")

    def conv_transpose(
        input: Tensor,
        weight: Tensor,
        bias: Tensor | None = None,
        stride: Axes = 1,
        padding: Axes = 0,
        output_padding: Axes = 0,
        groups: int = 1,
        dilation: Axes = 1,
    ) -> Tensor:
        x, w, b = autocast(input, weight, bias)
        if x is None or w is None or w.dim() != rank + 2 or not computed(rank, x, w, b):
            how = stride, padding, output_padding, groups, dilation
            return cast(Tensor, theirs(input, weight, bias, *how))
        numbers = {"stride": stride, "padding": padding, "output_padding": output_padding}
        window = [axes(name, value, rank) for name, value in numbers.items()]
        turned = axes("dilation", dilation, rank)
        return cast(Tensor, on_batch(operators.conv_transpose, rank, x, w, b, *window, groups, turned))

    return named(conv_transpose, "conv_transpose", rank, CONV_TRANSPOSE)


def _windows(rank: int, kernel_size: Axes, stride: Axes | None, padding: Axes) -> tuple[list[int], ...]:
    """List the numbers of a pool for each axis; without a stride its windows lie side by side."""
    kernel = axes("kernel_size", kernel_size, rank)
    step = kernel if stride is None or stride == [] else axes("stride", stride, rank)
    return kernel, step, axes("padding", padding, rank)


def _max_pool(rank: Rank) -> _MaxPool:
    theirs = getattr(native, f"max_pool{rank}d")

    def max_pool(
        input: Tensor,
        kernel_size: Axes,
        stride: Axes | None = None,
        padding: Axes = 0,
        dilation: Axes = 1,
        ceil_mode: bool = False,
        return_indices: bool = False,
    ) -> Any:
        if not computed(rank, input):
            return theirs(input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)
        window = _windows(rank, kernel_size, stride, padding)
        how = *window, axes("dilation", dilation, rank), bool(ceil_mode)
        if not return_indices and plain(input):
            return on_batch(operators.max_values, rank, input, *how)
        found = on_batch(operators.max_pool, rank, input, *how)
        return found if return_indices else found[0]

    return named(max_pool, "max_pool", rank, MAX_POOL)


def _avg_pool(rank: Rank) -> _AvgPool:
    theirs = getattr(native, f"avg_pool{rank}d")

    def avg_pool(
        input: Tensor,
        kernel_size: Axes,
        stride: Axes | None = None,
        padding: Axes = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> Tensor:
        if not computed(rank, input):
            more = (divisor_override,) if divisor_override is not None else ()
            return cast(
                Tensor, theirs(input, kernel_size, stride, padding, ceil_mode, count_include_pad, *more)
            )
        how = bool(ceil_mode), bool(count_include_pad), divisor_override
        window = _windows(rank, kernel_size, stride, padding)
        return cast(Tensor, on_batch(operators.avg_pool, rank, input, *window, *how))

    return named(avg_pool, "avg_pool", rank, AVG_POOL)


def _output_size(rank: int, input: Tensor, value: Any) -> list[int]:
    """Extents of an adaptive pool's result; None stands for those of its input."""
    extents = input.shape[-rank:]
    sizes = [value] * rank if value is None else axes("output_size", value, rank)
    return [i if o is None else o for o, i in zip(sizes, extents, strict=True)]


def _adaptive_avg_pool(rank: Rank) -> _AdaptiveAvgPool:
    theirs = getattr(native, f"adaptive_avg_pool{rank}d")

    def adaptive_avg_pool(input: Tensor, output_size: int | Sequence[int | None] | None) -> Tensor:
        if not computed(rank, input):
            return cast(Tensor, theirs(input, output_size))
        size = _output_size(rank, input, output_size)
        return cast(Tensor, on_batch(operators.adaptive_avg_pool, rank, input, size))

    return named(adaptive_avg_pool, "adaptive_avg_pool", rank, ADAPTIVE_AVG_POOL)


def _adaptive_max_pool(rank: Rank) -> _AdaptiveMaxPool:
    theirs = getattr(native, f"adaptive_max_pool{rank}d")

    def adaptive_max_pool(
        input: Tensor, output_size: int | Sequence[int | None] | None, return_indices: bool = False
    ) -> Any:
        if not computed(rank, input):
            return theirs(input, output_size, return_indices)
        size = _output_size(rank, input, output_size)
        found = on_batch(operators.adaptive_max_pool, rank, input, size)
        return found if return_indices else found[0]

    return named(adaptive_max_pool, "adaptive_max_pool", rank, ADAPTIVE_MAX_POOL)


CONV = """Convolve {things}, as ``torch.nn.functional.conv{rank}d`` does.

    Parameters
    ----------
    input : Tensor
        ``(n, ic, ...)`` or ``(ic, ...)`` with {rank} spatial axes. Where it lies in memory with its channels
        last (``torch.channels_last``), so does the result.
    weight : Tensor
        ``(oc, ic / groups, ...)``.
    bias : Tensor, optional
        ``(oc,)``.
    stride, padding, dilation, groups
        As in `fastconv.conv{rank}d`; ``"same"`` with a stride of 1 alone, as in PyTorch.

    Returns
    -------
    Tensor
        Differentiable any number of times.

    Raises
    ------
    ValueError, TypeError
        As `fastconv.conv{rank}d`, for tensors that it computes.

    Examples
    --------
    >>> import torch
    >>> import fastconv.torch
    >>> x, weight = torch.ones({shape}), torch.ones(5, 3{taps})
    >>> y = fastconv.torch.conv{rank}d(x, weight, padding=1)
    >>> torch.allclose(y, torch.nn.functional.conv{rank}d(x, weight, padding=1))
    True
    """
CONV_TRANSPOSE = """Spread {things} by kernels, as ``torch.nn.functional.conv_transpose{rank}d`` does.

    Parameters
    ----------
    input : Tensor
        As in `conv{rank}d`.
    weight : Tensor
        ``(ic, oc / groups, ...)``.
    bias : Tensor, optional
        ``(oc,)``.
    stride, padding, output_padding, groups, dilation
        As in `fastconv.conv_transpose{rank}d`.

    Returns
    -------
    Tensor
        Differentiable any number of times.

    Raises
    ------
    ValueError, TypeError
        As `fastconv.conv_transpose{rank}d`, for tensors that it computes.

    Examples
    --------
    >>> import torch
    >>> import fastconv.torch
    >>> x, weight = torch.ones({shape}), torch.ones(3, 5{taps})
    >>> y = fastconv.torch.conv_transpose{rank}d(x, weight, stride=2)
    >>> torch.allclose(y, torch.nn.functional.conv_transpose{rank}d(x, weight, stride=2))
    True
    """
MAX_POOL = """Maximum of each window, as ``torch.nn.functional.max_pool{rank}d`` takes it.

    Parameters
    ----------
    input : Tensor
        As in `conv{rank}d`.
    kernel_size, stride, padding, dilation, ceil_mode
        As in `fastconv.max_pool{rank}d`.
    return_indices : bool
        Also return where each maximum was.

    Returns
    -------
    Tensor, or tuple of two
        The maxima; with `return_indices` and their flat places in the plane or volume.

    Raises
    ------
    ValueError, TypeError
        As `fastconv.max_pool{rank}d`, for tensors that it computes.

    Examples
    --------
    >>> import torch
    >>> import fastconv.torch
    >>> y, indices = fastconv.torch.max_pool{rank}d(torch.ones({shape}), 2, return_indices=True)
    >>> tuple(y.shape) == tuple(indices.shape) == (2, 3{rest})
    True
    """
AVG_POOL = """Mean of each window, as ``torch.nn.functional.avg_pool{rank}d`` takes it.

    Parameters
    ----------
    input : Tensor
        As in `conv{rank}d`.
    kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
        As in `fastconv.avg_pool2d`.

    Returns
    -------
    Tensor
        Differentiable any number of times.

    Raises
    ------
    ValueError, TypeError
        As `fastconv.avg_pool{rank}d`, for tensors that it computes.

    Examples
    --------
    >>> import torch
    >>> import fastconv.torch
    >>> tuple(fastconv.torch.avg_pool{rank}d(torch.ones({shape}), 2).shape) == (2, 3{rest})
    True
    """
ADAPTIVE_AVG_POOL = """Mean over so many windows, as ``torch.nn.functional.adaptive_avg_pool{rank}d``.

    Parameters
    ----------
    input : Tensor
        As in `conv{rank}d`.
    output_size : int, None, or one per axis
        Output extents; None keeps that of the input.

    Returns
    -------
    Tensor
        Differentiable any number of times.

    Raises
    ------
    ValueError, TypeError
        As `fastconv.adaptive_avg_pool{rank}d`, for tensors that it computes.

    Examples
    --------
    >>> import torch
    >>> import fastconv.torch
    >>> tuple(fastconv.torch.adaptive_avg_pool{rank}d(torch.ones({shape}), 4).shape) == (2, 3{rest})
    True
    """
ADAPTIVE_MAX_POOL = """Maximum over so many windows, as ``torch.nn.functional.adaptive_max_pool{rank}d``.

    Parameters
    ----------
    input : Tensor
        As in `conv{rank}d`.
    output_size : int, None, or one per axis
        Output extents; None keeps that of the input.
    return_indices : bool
        Also return where each maximum was.

    Returns
    -------
    Tensor, or tuple of two
        As in `max_pool{rank}d`.

    Raises
    ------
    ValueError, TypeError
        As `fastconv.adaptive_max_pool{rank}d`, for tensors that it computes.

    Examples
    --------
    >>> import torch
    >>> import fastconv.torch
    >>> tuple(fastconv.torch.adaptive_max_pool{rank}d(torch.ones({shape}), 4).shape) == (2, 3{rest})
    True
    """

conv1d, conv2d, conv3d = _conv(1), _conv(2), _conv(3)
conv_transpose1d, conv_transpose2d, conv_transpose3d = (
    _conv_transpose(1),
    _conv_transpose(2),
    _conv_transpose(3),
)
max_pool1d, max_pool2d, max_pool3d = _max_pool(1), _max_pool(2), _max_pool(3)
avg_pool1d, avg_pool2d, avg_pool3d = _avg_pool(1), _avg_pool(2), _avg_pool(3)
adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d = (
    _adaptive_avg_pool(1),
    _adaptive_avg_pool(2),
    _adaptive_avg_pool(3),
)
adaptive_max_pool1d, adaptive_max_pool2d, adaptive_max_pool3d = (
    _adaptive_max_pool(1),
    _adaptive_max_pool(2),
    _adaptive_max_pool(3),
)
