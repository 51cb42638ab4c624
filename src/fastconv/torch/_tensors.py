"""What a tensor is to the kernels: which they take, in which layout, as which array."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, cast

import numpy as np
import torch
from torch import Tensor
from torch._C import _functorch, _get_tracing_state, _len_torch_dispatch_stack
from torch.autograd import forward_ad

from .._typing import NumberArray

try:
    from ml_dtypes import bfloat16 as _bfloat16
except ImportError:  # NumPy has no bfloat16 of its own; such tensors are left to PyTorch then
    _bfloat16 = None

Rank = Literal[1, 2, 3]
Layout = Literal["NCHW", "NHWC"]

TYPES = {torch.float32, torch.float64, torch.float16} | ({torch.bfloat16} if _bfloat16 else set())

_OWN = (Tensor, torch.nn.Parameter)  # not what behaves like one

# Channels first to channels last and back, by the number of axes.
_LAST = {n: (0, *range(2, n), 1) for n in (3, 4, 5)}
_FIRST = {n: (0, n - 1, *range(1, n - 1)) for n in (3, 4, 5)}
_FORMATS = {4: torch.channels_last, 5: torch.channels_last_3d}


def computed(rank: int, *tensors: Tensor | None) -> bool:
    """Whether the kernels compute this: floats of one type on the processor, the first of `rank` axes.

    Not under the transforms of ``torch.func``, nor with forward derivatives: custom operators have neither.
    """
    first = tensors[0]
    if not isinstance(first, Tensor) or first.dim() not in (rank + 1, rank + 2):
        return False
    dtype = first.dtype
    if dtype not in TYPES or (not torch.compiler.is_compiling() and _transformed()):
        return False
    for t in tensors:
        if t is not None and not (
            isinstance(t, Tensor) and t.is_cpu and t.dtype == dtype and t.layout == torch.strided
        ):
            return False
    return True


def _transformed() -> bool:
    return _functorch.peek_interpreter_stack() is not None or forward_ad._current_level >= 0


def plain(*tensors: Tensor | None) -> bool:
    """Whether nothing but the values is asked for, so that a kernel may be called past the dispatcher.

    Not so if someone records gradients or tangents, traces, compiles or transforms the call.
    """
    if (
        torch.compiler.is_compiling()
        or _get_tracing_state() is not None
        or _len_torch_dispatch_stack()
        or _transformed()
    ):
        return False
    recorded = torch.is_grad_enabled()
    for t in tensors:  # noqa: SIM110 - a generator takes twice as long
        if t is not None and (type(t) not in _OWN or (recorded and t.requires_grad)):
            return False
    return True


def channels_last(x: Tensor) -> bool:
    """Whether a batch has its channels last in memory, by its strides where extents of 1 leave it open."""
    form = _FORMATS.get(x.dim())
    return (
        form is not None
        and x.stride(1) == 1 != x.stride(0)
        and x.stride(-1) == x.shape[1]
        and x.is_contiguous(memory_format=form)
    )


def layout(last: bool) -> Layout:
    """Give the kernels' name of a layout."""
    return "NHWC" if last else "NCHW"


def array(t: Tensor) -> NumberArray:
    """View a tensor's memory as an array."""
    if t.dtype == torch.bfloat16:
        return cast(NumberArray, t.detach().view(torch.int16).numpy().view(_bfloat16))
    memory: NumberArray = t.numpy(force=True)
    return memory


def image(x: Tensor, last: bool) -> NumberArray:
    """View a batch in the layout of the kernels."""
    a = array(x)
    return a.transpose(_LAST[a.ndim]) if last else a


def taps(weight: Tensor, last: bool) -> NumberArray:
    """Arrange weights as the kernels want them: channels first a view, channels last a transposed copy."""
    if not last:
        return array(weight)
    # A matrix, which PyTorch transposes by blocks: of weights of many channels many times as fast as axes.
    outputs, *rest = weight.shape
    if weight.is_contiguous(memory_format=_FORMATS.get(weight.dim(), torch.contiguous_format)):
        inputs, *window = rest
        rows = weight.detach().movedim(1, -1).reshape(outputs, -1)
        return array(rows.t().contiguous()).reshape(*window, inputs, outputs)
    columns = array(weight.detach().reshape(outputs, -1).t().contiguous()).reshape(*rest, outputs)
    return columns.transpose((*range(1, len(rest)), 0, len(rest)))


def tensor(a: NumberArray) -> Tensor:
    """Wrap a result, which is new memory."""
    if a.dtype == _bfloat16 and _bfloat16 is not None:
        return torch.from_numpy(a.view(np.int16)).view(torch.bfloat16)
    return torch.from_numpy(a)


def batch(y: NumberArray, last: bool) -> Tensor:
    """Wrap a result, axes in PyTorch's order whatever the layout."""
    return tensor(y.transpose(_FIRST[y.ndim]) if last else y)


def weights(w: NumberArray, last: bool) -> Tensor:
    """Wrap a gradient of weights; with channels last, each output's are one after another (`taps`)."""
    if not last:
        return tensor(w)
    *rest, outputs = w.shape
    return tensor(w.reshape(-1, outputs)).t().contiguous().reshape(outputs, *rest).movedim(-1, 1)


def arranged(x: Tensor, last: bool) -> Tensor:
    """Bring a batch into a layout, by a copy unless it has it."""
    return x.contiguous(memory_format=_FORMATS[x.dim()] if last else torch.contiguous_format)


def empty(like: Tensor, shape: Sequence[Any], last: bool, dtype: torch.dtype | None = None) -> Tensor:
    """Describe a result."""
    form = _FORMATS[len(shape)] if last else torch.contiguous_format
    return torch.empty(shape, dtype=dtype or like.dtype, device=like.device, memory_format=form)


def axes(name: str, value: Any, rank: int) -> list[int]:
    """One number for each spatial axis."""
    if isinstance(value, (int, torch.SymInt)):
        return [value] * rank  # type: ignore[list-item]
    numbers = list(value)
    if len(numbers) == 1:
        return numbers * rank
    if len(numbers) != rank:
        raise ValueError(f"{name}={value!r}: expected one number, or {rank}")
    return numbers


def extent(i: Any, k: Any, s: int, pad: int, d: int, ceil_mode: bool = False) -> Any:
    """Count the windows along an axis; `pad` is that of both ends together."""
    room = i + pad - d * (k - 1) - 1
    return (room + s - 1) // s + 1 if ceil_mode else room // s + 1
