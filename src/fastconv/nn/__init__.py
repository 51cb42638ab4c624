"""Neural networks as thin as they can be: layers with `forward` and `backward`, losses, optimisers.

Parameters, gradients and everything between are NumPy arrays; the work is that of `fastconv` and
`fastconv.grad`. Names, definitions and the names in files are PyTorch's, as far as they go.

Examples
--------
One step of training:

>>> import numpy as np
>>> from fastconv import nn
>>> rng = np.random.default_rng(0)
>>> network = nn.Sequential(
...     nn.Conv2d(1, 4, 3, activation="relu", rng=rng),
...     nn.MaxPool2d(2),
...     nn.Flatten(),
...     nn.Linear(36, 10, rng=rng),
... )
>>> criterion, optimizer = nn.CrossEntropyLoss(), nn.SGD(network.parameters(), lr=0.1, momentum=0.9)
>>> images, digits = rng.random((32, 1, 8, 8), np.float32), rng.integers(0, 10, 32)
>>> before = criterion(network(images), digits)
>>> network.backward_parameters(criterion.backward())
>>> optimizer.step()
>>> criterion(network(images), digits) < before
True
"""

from . import init
from ._layer import Layer, Parameter, Plan
from .activation import LeakyReLU, ReLU, Sigmoid, SiLU, Tanh
from .convolution import Conv1d, Conv2d, Conv3d, ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from .dropout import Dropout
from .linear import Flatten, Linear
from .loss import CrossEntropyLoss, MSELoss
from .normalization import BatchNorm1d, BatchNorm2d, BatchNorm3d
from .optim import SGD, Adam
from .pooling import (
    AdaptiveAvgPool1d,
    AdaptiveAvgPool2d,
    AdaptiveAvgPool3d,
    AdaptiveMaxPool1d,
    AdaptiveMaxPool2d,
    AdaptiveMaxPool3d,
    AvgPool1d,
    AvgPool2d,
    AvgPool3d,
    MaxPool1d,
    MaxPool2d,
    MaxPool3d,
)
from .sequential import Sequential
from .summary import Summary

__all__ = [
    "SGD",
    "Adam",
    "AdaptiveAvgPool1d",
    "AdaptiveAvgPool2d",
    "AdaptiveAvgPool3d",
    "AdaptiveMaxPool1d",
    "AdaptiveMaxPool2d",
    "AdaptiveMaxPool3d",
    "AvgPool1d",
    "AvgPool2d",
    "AvgPool3d",
    "BatchNorm1d",
    "BatchNorm2d",
    "BatchNorm3d",
    "Conv1d",
    "Conv2d",
    "Conv3d",
    "ConvTranspose1d",
    "ConvTranspose2d",
    "ConvTranspose3d",
    "CrossEntropyLoss",
    "Dropout",
    "Flatten",
    "Layer",
    "LeakyReLU",
    "Linear",
    "MSELoss",
    "MaxPool1d",
    "MaxPool2d",
    "MaxPool3d",
    "Parameter",
    "Plan",
    "ReLU",
    "Sequential",
    "SiLU",
    "Sigmoid",
    "Summary",
    "Tanh",
    "init",
]
