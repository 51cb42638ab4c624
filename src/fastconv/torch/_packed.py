"""Weights that are packed once for many inputs, as long as they are those that were packed."""

from __future__ import annotations

from typing import Any, Self

import torch
from torch import Tensor

from ..conv import Conv1d, Conv2d, Conv3d
from ._functions import pads
from ._tensors import array, batch, image, layout, taps

_PREPARED = {3: Conv1d, 4: Conv2d, 5: Conv3d}
_PROBES = 64


class Packed:
    """A prepared convolution, and what tells whether a module still asks for it.

    PyTorch counts what is written to a tensor, but not what is written past autograd, as by
    ``weight.data.mul_(0.9)`` or through a NumPy view. So some of the weights are compared as well.
    """

    def __init__(self, module: torch.nn.modules.conv._ConvNd, last: bool, key: tuple[Any, ...]) -> None:
        weight, bias = module.weight, module.bias
        self.key = key
        # Detached: these hold the memory, so that no other weights can come to lie at the same address.
        self.held = [t.detach() for t in (weight, bias) if t is not None]
        self.probes = [probe(t) for t in self.held]
        self.seen = [p.tobytes() for p in self.probes]
        self.last = last
        self.conv = _PREPARED[weight.dim()](
            taps(weight, last),
            None if bias is None else array(bias),
            module.stride,
            _pairs(module),
            module.dilation,
            module.groups,
            padding_mode=module.padding_mode,
            layout=layout(last),
        )

    @classmethod
    def of(cls, module: torch.nn.modules.conv._ConvNd, last: bool, before: Self | None) -> Self | None:
        """Return `before` if it still holds, else a new one; None of weights that cannot be watched."""
        weight, bias = module.weight, module.bias
        if not watched(weight) or not (bias is None or watched(bias)):
            return None
        key = (
            weight.data_ptr(),
            weight._version,
            weight.dtype,
            weight.shape,
            weight.stride(),
            None if bias is None else (bias.data_ptr(), bias._version),
            last,
            module.stride,
            module.padding,
            module.dilation,
            module.groups,
            module.padding_mode,
        )
        if before is not None and before.key == key and before.holds():
            return before
        return cls(module, last, key)

    def holds(self) -> bool:
        """Whether the elements that are watched are as they were."""
        return all(p.tobytes() == s for p, s in zip(self.probes, self.seen, strict=True))

    def __call__(self, x: Tensor) -> Tensor:
        return batch(self.conv(image(x, self.last)), self.last)


def watched(t: Tensor) -> bool:
    """Whether a tensor counts what is written to it and fills its memory."""
    return not t.is_inference() and (
        t.is_contiguous() or (t.dim() == 4 and t.is_contiguous(memory_format=torch.channels_last))
    )


def probe(t: Tensor) -> Any:
    """View some elements, spread over all, in the tensor's own memory."""
    # An odd step, so that not all of them are of one column where rows have an even number.
    step = max(t.numel() // _PROBES, 1) | 1
    return array(t.as_strided((-(-t.numel() // step),), (step,)))


def _pairs(module: torch.nn.modules.conv._ConvNd) -> list[tuple[int, int]]:
    found = pads(module.padding, module.kernel_size, module.dilation)
    return list(zip(found[::2], found[1::2], strict=True))
