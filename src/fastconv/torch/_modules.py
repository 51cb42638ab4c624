"""Modules with the constructors and the state of those of ``torch.nn``."""

from __future__ import annotations

from typing import Any, ClassVar, cast

from torch import Tensor, nn

from . import _functions as functions
from ._functions import autocast, convolve
from ._packed import Packed
from ._tensors import channels_last, computed, plain


class _Conv(nn.modules.conv._ConvNd):
    """What the convolutions share; where no gradient is asked for, their weights are packed once."""

    def forward(self, input: Tensor) -> Tensor:
        weight = self.weight  # looked up once: a module's attributes take their time
        rank = weight.dim() - 2
        x, w, b = autocast(input, weight, self.bias)
        if x is None or w is None or not computed(rank, x, w, b):
            return cast(Tensor, super().forward(input))
        if w is weight and plain(x, w, b):
            last = x.dim() == rank + 2 and channels_last(x)
            packed = Packed.of(self, last, self.__dict__.get("_packed"))
            if packed is not None:
                self.__dict__["_packed"] = packed
                return packed(x)
        how: Any = self.stride, self.padding, self.dilation, self.groups, self.padding_mode
        return convolve(rank, x, w, b, *how)

    def __getstate__(self) -> dict[str, Any]:
        # Packed weights are made again where they arrive.
        return {name: value for name, value in self.__dict__.items() if name != "_packed"}


class _ConvTranspose(nn.modules.conv._ConvTransposeNd):
    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        rank = self.weight.dim() - 2
        window: Any = self.stride, self.padding, self.kernel_size, rank, self.dilation
        output_padding = self._output_padding(input, output_size, *window)
        function = getattr(functions, f"conv_transpose{rank}d")
        how = self.stride, self.padding, output_padding, self.groups, self.dilation
        return cast(Tensor, function(input, self.weight, self.bias, *how))


class _MaxPool(nn.modules.pooling._MaxPoolNd):
    _rank: ClassVar[int]

    def forward(self, input: Tensor) -> Any:
        how = self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode, self.return_indices
        return getattr(functions, f"max_pool{self._rank}d")(input, *how)


class _AvgPool(nn.modules.pooling._AvgPoolNd):
    _rank: ClassVar[int]

    def forward(self, input: Tensor) -> Tensor:
        how: Any = self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad
        divisor = getattr(self, "divisor_override", None)  # one of one axis has none
        return cast(Tensor, getattr(functions, f"avg_pool{self._rank}d")(input, *how, divisor))


class _AdaptiveAvgPool(nn.modules.pooling._AdaptiveAvgPoolNd):
    _rank: ClassVar[int]

    def forward(self, input: Tensor) -> Tensor:
        return cast(Tensor, getattr(functions, f"adaptive_avg_pool{self._rank}d")(input, self.output_size))


class _AdaptiveMaxPool(nn.modules.pooling._AdaptiveMaxPoolNd):
    _rank: ClassVar[int]

    def forward(self, input: Tensor) -> Any:
        function = getattr(functions, f"adaptive_max_pool{self._rank}d")
        return function(input, self.output_size, self.return_indices)


class Conv1d(_Conv, nn.Conv1d):
    """A convolution of signals: ``torch.nn.Conv1d``, computed by fastconv.

    Where no gradient is asked for its weights are packed once, and again when they change.

    Parameters
    ----------
    *args, **kwargs
        Those of ``torch.nn.Conv1d``.

    Examples
    --------
    >>> import torch
    >>> import fastconv.torch
    >>> module = fastconv.torch.Conv1d(4, 6, 3, padding=1)
    >>> tuple(module(torch.ones((1, 4, 8))).shape)
    (1, 6, 8)
    """


class Conv2d(_Conv, nn.Conv2d):
    """A convolution of images: ``torch.nn.Conv2d``, computed by fastconv.

    Where no gradient is asked for its weights are packed once, and again when they change.

    Parameters
    ----------
    *args, **kwargs
        Those of ``torch.nn.Conv2d``.

    Examples
    --------
    >>> import torch
    >>> import fastconv.torch
    >>> module = fastconv.torch.Conv2d(4, 6, 3, padding=1)
    >>> tuple(module(torch.ones((1, 4, 8, 8))).shape)
    (1, 6, 8, 8)
    """


class Conv3d(_Conv, nn.Conv3d):
    """A convolution of volumes: ``torch.nn.Conv3d``, computed by fastconv.

    Where no gradient is asked for its weights are packed once, and again when they change.

    Parameters
    ----------
    *args, **kwargs
        Those of ``torch.nn.Conv3d``.

    Examples
    --------
    >>> import torch
    >>> import fastconv.torch
    >>> module = fastconv.torch.Conv3d(4, 6, 3, padding=1)
    >>> tuple(module(torch.ones((1, 4, 8, 8, 8))).shape)
    (1, 6, 8, 8, 8)
    """


class ConvTranspose1d(_ConvTranspose, nn.ConvTranspose1d):
    """A transposed convolution of signals: ``torch.nn.ConvTranspose1d``, computed by fastconv.

    Parameters
    ----------
    *args, **kwargs
        Those of ``torch.nn.ConvTranspose1d``.

    Examples
    --------
    >>> import torch
    >>> import fastconv.torch
    >>> module = fastconv.torch.ConvTranspose1d(4, 6, 2, stride=2)
    >>> tuple(module(torch.ones((1, 4, 8))).shape)
    (1, 6, 16)
    """


class ConvTranspose2d(_ConvTranspose, nn.ConvTranspose2d):
    """A transposed convolution of images: ``torch.nn.ConvTranspose2d``, computed by fastconv.

    Parameters
    ----------
    *args, **kwargs
        Those of ``torch.nn.ConvTranspose2d``.

    Examples
    --------
    >>> import torch
    >>> import fastconv.torch
    >>> module = fastconv.torch.ConvTranspose2d(4, 6, 2, stride=2)
    >>> tuple(module(torch.ones((1, 4, 8, 8))).shape)
    (1, 6, 16, 16)
    """


class ConvTranspose3d(_ConvTranspose, nn.ConvTranspose3d):
    """A transposed convolution of volumes: ``torch.nn.ConvTranspose3d``, computed by fastconv.

    Parameters
    ----------
    *args, **kwargs
        Those of ``torch.nn.ConvTranspose3d``.

    Examples
    --------
    >>> import torch
    >>> import fastconv.torch
    >>> module = fastconv.torch.ConvTranspose3d(4, 6, 2, stride=2)
    >>> tuple(module(torch.ones((1, 4, 8, 8, 8))).shape)
    (1, 6, 16, 16, 16)
    """


class MaxPool1d(_MaxPool, nn.MaxPool1d):
    """Maximum pooling of signals: ``torch.nn.MaxPool1d``, computed by fastconv.

    Parameters
    ----------
    *args, **kwargs
        Those of ``torch.nn.MaxPool1d``.

    Examples
    --------
    >>> import torch
    >>> import fastconv.torch
    >>> module = fastconv.torch.MaxPool1d(2)
    >>> tuple(module(torch.ones((1, 4, 8))).shape)
    (1, 4, 4)
    """

    _rank = 1


class MaxPool2d(_MaxPool, nn.MaxPool2d):
    """Maximum pooling of images: ``torch.nn.MaxPool2d``, computed by fastconv.

    Parameters
    ----------
    *args, **kwargs
        Those of ``torch.nn.MaxPool2d``.

    Examples
    --------
    >>> import torch
    >>> import fastconv.torch
    >>> module = fastconv.torch.MaxPool2d(2)
    >>> tuple(module(torch.ones((1, 4, 8, 8))).shape)
    (1, 4, 4, 4)
    """

    _rank = 2


class MaxPool3d(_MaxPool, nn.MaxPool3d):
    """Maximum pooling of volumes: ``torch.nn.MaxPool3d``, computed by fastconv.

    Parameters
    ----------
    *args, **kwargs
        Those of ``torch.nn.MaxPool3d``.

    Examples
    --------
    >>> import torch
    >>> import fastconv.torch
    >>> module = fastconv.torch.MaxPool3d(2)
    >>> tuple(module(torch.ones((1, 4, 8, 8, 8))).shape)
    (1, 4, 4, 4, 4)
    """

    _rank = 3


class AvgPool1d(_AvgPool, nn.AvgPool1d):
    """Average pooling of signals: ``torch.nn.AvgPool1d``, computed by fastconv.

    Parameters
    ----------
    *args, **kwargs
        Those of ``torch.nn.AvgPool1d``.

    Examples
    --------
    >>> import torch
    >>> import fastconv.torch
    >>> module = fastconv.torch.AvgPool1d(2)
    >>> tuple(module(torch.ones((1, 4, 8))).shape)
    (1, 4, 4)
    """

    _rank = 1


class AvgPool2d(_AvgPool, nn.AvgPool2d):
    """Average pooling of images: ``torch.nn.AvgPool2d``, computed by fastconv.

    Parameters
    ----------
    *args, **kwargs
        Those of ``torch.nn.AvgPool2d``.

    Examples
    --------
    >>> import torch
    >>> import fastconv.torch
    >>> module = fastconv.torch.AvgPool2d(2)
    >>> tuple(module(torch.ones((1, 4, 8, 8))).shape)
    (1, 4, 4, 4)
    """

    _rank = 2


class AvgPool3d(_AvgPool, nn.AvgPool3d):
    """Average pooling of volumes: ``torch.nn.AvgPool3d``, computed by fastconv.

    Parameters
    ----------
    *args, **kwargs
        Those of ``torch.nn.AvgPool3d``.

    Examples
    --------
    >>> import torch
    >>> import fastconv.torch
    >>> module = fastconv.torch.AvgPool3d(2)
    >>> tuple(module(torch.ones((1, 4, 8, 8, 8))).shape)
    (1, 4, 4, 4, 4)
    """

    _rank = 3


class AdaptiveAvgPool1d(_AdaptiveAvgPool, nn.AdaptiveAvgPool1d):
    """Adaptive average pooling of signals: ``torch.nn.AdaptiveAvgPool1d``, computed by fastconv.

    Parameters
    ----------
    *args, **kwargs
        Those of ``torch.nn.AdaptiveAvgPool1d``.

    Examples
    --------
    >>> import torch
    >>> import fastconv.torch
    >>> module = fastconv.torch.AdaptiveAvgPool1d(2)
    >>> tuple(module(torch.ones((1, 4, 8))).shape)
    (1, 4, 2)
    """

    _rank = 1


class AdaptiveAvgPool2d(_AdaptiveAvgPool, nn.AdaptiveAvgPool2d):
    """Adaptive average pooling of images: ``torch.nn.AdaptiveAvgPool2d``, computed by fastconv.

    Parameters
    ----------
    *args, **kwargs
        Those of ``torch.nn.AdaptiveAvgPool2d``.

    Examples
    --------
    >>> import torch
    >>> import fastconv.torch
    >>> module = fastconv.torch.AdaptiveAvgPool2d(2)
    >>> tuple(module(torch.ones((1, 4, 8, 8))).shape)
    (1, 4, 2, 2)
    """

    _rank = 2


class AdaptiveAvgPool3d(_AdaptiveAvgPool, nn.AdaptiveAvgPool3d):
    """Adaptive average pooling of volumes: ``torch.nn.AdaptiveAvgPool3d``, computed by fastconv.

    Parameters
    ----------
    *args, **kwargs
        Those of ``torch.nn.AdaptiveAvgPool3d``.

    Examples
    --------
    >>> import torch
    >>> import fastconv.torch
    >>> module = fastconv.torch.AdaptiveAvgPool3d(2)
    >>> tuple(module(torch.ones((1, 4, 8, 8, 8))).shape)
    (1, 4, 2, 2, 2)
    """

    _rank = 3


class AdaptiveMaxPool1d(_AdaptiveMaxPool, nn.AdaptiveMaxPool1d):
    """Adaptive maximum pooling of signals: ``torch.nn.AdaptiveMaxPool1d``, computed by fastconv.

    Parameters
    ----------
    *args, **kwargs
        Those of ``torch.nn.AdaptiveMaxPool1d``.

    Examples
    --------
    >>> import torch
    >>> import fastconv.torch
    >>> module = fastconv.torch.AdaptiveMaxPool1d(2)
    >>> tuple(module(torch.ones((1, 4, 8))).shape)
    (1, 4, 2)
    """

    _rank = 1


class AdaptiveMaxPool2d(_AdaptiveMaxPool, nn.AdaptiveMaxPool2d):
    """Adaptive maximum pooling of images: ``torch.nn.AdaptiveMaxPool2d``, computed by fastconv.

    Parameters
    ----------
    *args, **kwargs
        Those of ``torch.nn.AdaptiveMaxPool2d``.

    Examples
    --------
    >>> import torch
    >>> import fastconv.torch
    >>> module = fastconv.torch.AdaptiveMaxPool2d(2)
    >>> tuple(module(torch.ones((1, 4, 8, 8))).shape)
    (1, 4, 2, 2)
    """

    _rank = 2


class AdaptiveMaxPool3d(_AdaptiveMaxPool, nn.AdaptiveMaxPool3d):
    """Adaptive maximum pooling of volumes: ``torch.nn.AdaptiveMaxPool3d``, computed by fastconv.

    Parameters
    ----------
    *args, **kwargs
        Those of ``torch.nn.AdaptiveMaxPool3d``.

    Examples
    --------
    >>> import torch
    >>> import fastconv.torch
    >>> module = fastconv.torch.AdaptiveMaxPool3d(2)
    >>> tuple(module(torch.ones((1, 4, 8, 8, 8))).shape)
    (1, 4, 2, 2, 2)
    """

    _rank = 3
