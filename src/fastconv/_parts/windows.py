"""What the parts of convolutions and pools share: windows over the spatial axes of images."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import _fastconv
from ..conv import Conv1d, Conv2d, Conv3d
from .axes import Axis, AxisPart, WholeAxis, WindowedAxis

__all__ = ["CONVS", "Pair", "Windows", "arguments_of", "described"]

CONVS = {1: Conv1d, 2: Conv2d, 3: Conv3d}
Pair = tuple[int, int]


@dataclass(frozen=True)
class Windows:
    """Where the axes of an image are, and its windows along the spatial ones."""

    rank: int
    layout: str
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    padding: tuple[Pair, ...]
    padding_mode: str = "zeros"

    def axes(
        self,
        shape: tuple[int, ...],
        outputs: tuple[int, ...],
        unit: Sequence[int],
        least: int = 1,
        *,
        mixed: bool = False,
    ) -> tuple[Axis, ...]:
        """Return the axes of a result; if channels are `mixed`, each of them needs all."""
        first = self.first(len(shape))
        axes: list[Axis] = []
        for axis, (size, count) in enumerate(zip(shape, outputs, strict=True)):
            i = axis - first
            if axis == (len(shape) - 1 if self.channels_last else first - 1):
                alone = least if self.channels_last else 1
                axes.append(WholeAxis(size, count) if mixed else WindowedAxis(size, count, least=alone))
                continue
            if i < 0:
                axes.append(WindowedAxis(size, count))
                continue
            before, after = self.padding[i]
            axes.append(
                WindowedAxis(
                    size,
                    count,
                    self.extents[i],
                    self.stride[i],
                    before,
                    after,
                    wraps=self.padding_mode == "circular",
                    mirrors=self.padding_mode in ("reflect", "symmetric"),
                    unit=unit[i],
                    least=least,
                )
            )
        return tuple(axes)

    @property
    def extents(self) -> tuple[int, ...]:
        """How much of each spatial axis a window spans."""
        return tuple((k - 1) * d + 1 for k, d in zip(self.kernel, self.dilation, strict=True))

    @property
    def channels_last(self) -> bool:
        """Whether channels come last."""
        return self.layout.endswith("C")

    def first(self, ndim: int) -> int:
        """Return the first spatial axis."""
        return ndim - self.rank - self.channels_last

    def padding_of(self, parts: Sequence[AxisPart]) -> tuple[Pair, ...]:
        """Return the padding of what a part reads: that of the image where it has the image's ends."""
        spatial = parts[self.first(len(parts)) :][: self.rank]
        return tuple(
            (before if part.before else 0, after if part.after else 0)
            for part, (before, after) in zip(spatial, self.padding, strict=True)
        )


def arguments_of(function: Callable[..., Any], *args: Any, **kwargs: Any) -> dict[str, Any]:
    """Return the arguments of a call but its input, with defaults; in parts there is no `out`."""
    bound = inspect.signature(function).bind(None, *args, **kwargs)
    bound.apply_defaults()
    given = bound.arguments
    del given["input"]
    if given.pop("out") is not None:
        raise TypeError("out is an array, expected None: the result is computed in parts")
    return given


def described(
    rank: int, weight_shape: tuple[int, ...], input_shape: tuple[int, ...], dtype: Any, **options: Any
) -> _fastconv.Problem:
    """Return the problem of a convolution."""
    conv = CONVS[rank](np.zeros(weight_shape, dtype), **options)
    return _fastconv.Problem(conv.explain(input_shape).problem)
