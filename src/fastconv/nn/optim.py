"""Optimisers: how gradients change parameters. The definitions are PyTorch's."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from .._typing import FloatArray
from ._arguments import in_range
from ._layer import Parameter

__all__ = ["SGD", "Adam"]


class _Optimizer:
    """Parameters, and a step that changes those of them that have a gradient."""

    def __init__(self, parameters: Iterable[Parameter], lr: float, weight_decay: float) -> None:
        if not isinstance(parameters, Iterable):
            raise TypeError(f"parameters={parameters!r}: expected parameters of layers")
        self.parameters = list(parameters)
        for parameter in self.parameters:
            if not isinstance(parameter, Parameter):
                raise TypeError(f"parameters: expected parameters of layers, got {parameter!r}")
        if not self.parameters:
            raise ValueError("parameters: expected at least one")
        if len(set(map(id, self.parameters))) != len(self.parameters):
            raise ValueError("parameters: expected each once")
        self.lr = in_range("lr", lr, 0, math.inf, below=True)
        self.weight_decay = in_range("weight_decay", weight_decay, 0, math.inf, below=True)

    def step(self) -> None:
        """Change all parameters that have a gradient.

        Raises
        ------
        RuntimeError
            None has one.
        """
        trained = [(i, p, p.grad) for i, p in enumerate(self.parameters) if p.grad is not None]
        if not trained:
            raise RuntimeError(f"{type(self).__name__}.step: expected a call of backward before it")
        for place, parameter, gradient in trained:
            if gradient.shape != parameter.data.shape:
                found, shape = gradient.shape, parameter.data.shape
                raise ValueError(f"parameters[{place}]: gradient of shape {found}, expected {shape}")
        for place, parameter, gradient in trained:
            if self.weight_decay:
                gradient = gradient + self.weight_decay * parameter.data
            self._update(place, parameter.data, gradient)

    def _update(self, place: int, data: FloatArray, gradient: FloatArray) -> None:
        """Change one parameter."""
        raise NotImplementedError


class SGD(_Optimizer):
    """Stochastic gradient descent, with momentum if wanted.

    ::

        v = momentum * v + g        (at first v = g)
        w = w - lr * v              or with Nesterov's look ahead   w - lr * (g + momentum * v)

    where ``g`` is the gradient, and ``weight_decay * w`` more.

    Parameters
    ----------
    parameters : iterable of Parameter
        Such as ``network.parameters()``.
    lr : float
        The learning rate; an attribute that may be changed between steps.
    momentum : float
        How much of the last step remains.
    weight_decay : float
        How strongly weights are drawn to 0.
    nesterov : bool
        Whether to look ahead; needs a momentum.

    Raises
    ------
    TypeError, ValueError
        An argument of the wrong type or value.

    References
    ----------
    .. [1] I. Sutskever, J. Martens, G. Dahl, G. Hinton, "On the importance of initialization and momentum in
       deep learning", ICML 2013.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import nn
    >>> layer = nn.Linear(1, 1, bias=False, rng=0)
    >>> layer.weight.data[...], layer.weight.grad = 1, np.ones((1, 1), np.float32)
    >>> nn.SGD(layer.parameters(), lr=0.25).step()
    >>> layer.weight.data
    array([[0.75]], dtype=float32)
    """

    def __init__(
        self,
        parameters: Iterable[Parameter],
        lr: float = 1e-3,
        momentum: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
    ) -> None:
        super().__init__(parameters, lr, weight_decay)
        self.momentum = in_range("momentum", momentum, 0, math.inf, below=True)
        if nesterov and not self.momentum:
            raise ValueError(f"nesterov={nesterov!r}: expected a momentum with it")
        self.nesterov = nesterov
        self._velocity: dict[int, FloatArray] = {}

    def _update(self, place: int, data: FloatArray, gradient: FloatArray) -> None:
        if self.momentum:
            if place in self._velocity:
                velocity = self._velocity[place]
                velocity *= self.momentum
                velocity += gradient
            else:
                velocity = self._velocity[place] = gradient.copy()
            gradient = gradient + self.momentum * velocity if self.nesterov else velocity
        data -= self.lr * gradient


class Adam(_Optimizer):
    """Steps scaled by the recent size of each gradient.

    ::

        m = b1 * m + (1 - b1) * g        v = b2 * v + (1 - b2) * g**2
        w = w - lr / (1 - b1**t) * m / (sqrt(v) / sqrt(1 - b2**t) + eps)

    in step ``t``, where ``g`` is the gradient, and ``weight_decay * w`` more.

    Parameters
    ----------
    parameters, lr, weight_decay
        As in `SGD`.
    betas : (float, float)
        How much of the averages of gradients and of their squares remains at each step, below 1.
    eps : float
        Added to the divisor.

    Raises
    ------
    TypeError, ValueError
        An argument of the wrong type or value.

    References
    ----------
    .. [1] D. Kingma, J. Ba, "Adam: a method for stochastic optimization", ICLR 2015, arXiv:1412.6980.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import nn
    >>> layer = nn.Linear(1, 1, bias=False, rng=0)
    >>> layer.weight.data[...], layer.weight.grad = 1, np.full((1, 1), 7, np.float32)
    >>> nn.Adam(layer.parameters(), lr=0.25).step()
    >>> layer.weight.data
    array([[0.75]], dtype=float32)
    """

    def __init__(
        self,
        parameters: Iterable[Parameter],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(parameters, lr, weight_decay)
        if not isinstance(betas, tuple | list) or len(betas) != 2:
            raise TypeError(f"betas={betas!r}: expected two numbers")
        self.betas = tuple(in_range(f"betas[{i}]", beta, 0, 1, below=True) for i, beta in enumerate(betas))
        self.eps = in_range("eps", eps, 0, math.inf, below=True)
        self._averages: dict[int, tuple[FloatArray, FloatArray, int]] = {}

    def _update(self, place: int, data: FloatArray, gradient: FloatArray) -> None:
        if place in self._averages:
            mean, square, steps = self._averages[place]
        else:
            mean, square, steps = np.zeros_like(data), np.zeros_like(data), 0
        steps += 1
        self._averages[place] = mean, square, steps
        first, second = self.betas
        mean += (1 - first) * (gradient - mean)
        square *= second
        square += (1 - second) * (gradient * gradient)
        divisor = np.sqrt(square) / math.sqrt(1 - second**steps) + self.eps
        data -= self.lr / (1 - first**steps) * mean / divisor
