"""A drop-in for what PyTorch computes on the processor: functions, modules, and conversion of whole models.

The functions have the names and parameters of ``torch.nn.functional``, the modules those of ``torch.nn``.
Tensors of float32, float64, float16 and, with the package ``ml_dtypes``, bfloat16 are read where they lie in
memory and results are handed over without a copy, channels first and last (``torch.channels_last``). All
other tensors, those on other devices among them, are given to PyTorch's own functions. Gradients of any
order are computed by `fastconv.grad`'s kernels. ``torch.compile``, ``torch.export`` and ``torch.autocast``
know the operators, whose namespace is ``fastconv``.

Threads are those of fastconv, a team apart from PyTorch's: ``torch.set_num_threads`` does not reach it and
`fastconv.set_num_threads` does not reach PyTorch's. Either is idle while the other works, so that both may
have as many threads as there are cores; to use fewer, set both:

>>> import fastconv
>>> import fastconv.torch
>>> import torch
>>> threads = fastconv.get_num_threads(), torch.get_num_threads()
>>> fastconv.set_num_threads(1), torch.set_num_threads(1)
(None, None)
>>> y = fastconv.torch.conv2d(torch.ones(1, 3, 8, 8), torch.ones(4, 3, 3, 3))
>>> fastconv.set_num_threads(threads[0]), torch.set_num_threads(threads[1])
(None, None)
"""

try:
    import torch as _torch  # noqa: F401
except ImportError as error:
    raise ImportError("fastconv.torch needs PyTorch: pip install 'fastconv[torch]'") from error

from ._convert import convert, converted
from ._functions import (
    adaptive_avg_pool1d,
    adaptive_avg_pool2d,
    adaptive_avg_pool3d,
    adaptive_max_pool1d,
    adaptive_max_pool2d,
    adaptive_max_pool3d,
    avg_pool1d,
    avg_pool2d,
    avg_pool3d,
    conv1d,
    conv2d,
    conv3d,
    conv_transpose1d,
    conv_transpose2d,
    conv_transpose3d,
    max_pool1d,
    max_pool2d,
    max_pool3d,
)
from ._modules import (
    AdaptiveAvgPool1d,
    AdaptiveAvgPool2d,
    AdaptiveAvgPool3d,
    AdaptiveMaxPool1d,
    AdaptiveMaxPool2d,
    AdaptiveMaxPool3d,
    AvgPool1d,
    AvgPool2d,
    AvgPool3d,
    Conv1d,
    Conv2d,
    Conv3d,
    ConvTranspose1d,
    ConvTranspose2d,
    ConvTranspose3d,
    MaxPool1d,
    MaxPool2d,
    MaxPool3d,
)

__all__ = [
    "AdaptiveAvgPool1d",
    "AdaptiveAvgPool2d",
    "AdaptiveAvgPool3d",
    "AdaptiveMaxPool1d",
    "AdaptiveMaxPool2d",
    "AdaptiveMaxPool3d",
    "AvgPool1d",
    "AvgPool2d",
    "AvgPool3d",
    "Conv1d",
    "Conv2d",
    "Conv3d",
    "ConvTranspose1d",
    "ConvTranspose2d",
    "ConvTranspose3d",
    "MaxPool1d",
    "MaxPool2d",
    "MaxPool3d",
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_avg_pool3d",
    "adaptive_max_pool1d",
    "adaptive_max_pool2d",
    "adaptive_max_pool3d",
    "avg_pool1d",
    "avg_pool2d",
    "avg_pool3d",
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
    "convert",
    "converted",
    "max_pool1d",
    "max_pool2d",
    "max_pool3d",
]
