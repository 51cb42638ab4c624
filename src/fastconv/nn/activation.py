"""Activations as layers. Where one follows a `Conv2d` or a `Linear`, ``activation=`` there costs less."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from .. import activation, grad
from .._typing import FloatArray
from ._arguments import in_range
from ._layer import Layer

__all__ = ["LeakyReLU", "ReLU", "SiLU", "Sigmoid", "Tanh"]


class _Activation(Layer):
    """A function that is undone from what it returned."""

    _function: ClassVar[Callable[..., FloatArray]]
    _gradient: ClassVar[Callable[..., FloatArray]]
    _output: FloatArray | None = None

    def _arguments(self) -> tuple[Any, ...]:
        """Return what else the function takes."""
        return ()

    def forward(self, x: FloatArray) -> FloatArray:
        """Apply the function."""
        self._output = self._function(x, *self._arguments())
        return self._output

    def backward(self, grad_output: FloatArray) -> FloatArray:
        """Apply the function's gradient, from `fastconv.grad`."""
        return self._gradient(grad_output, self._kept(self._output), *self._arguments())


class ReLU(_Activation):
    """Rectify: ``y = max(x, 0)``, as `fastconv.relu`.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import nn
    >>> layer = nn.ReLU()
    >>> layer(np.array([-1.0, 2.0])), layer.backward(np.array([3.0, 4.0]))
    (array([0., 2.]), array([0., 4.]))
    """

    _function = staticmethod(activation.relu)
    _gradient = staticmethod(grad.relu)


class LeakyReLU(_Activation):
    """Rectify with a leak: ``y = x`` where ``x >= 0``, else ``negative_slope * x``.

    Parameters
    ----------
    negative_slope : float
        Slope below zero; not negative, so that it can be undone.
    """

    _function = staticmethod(activation.leaky_relu)
    _gradient = staticmethod(grad.leaky_relu)

    def __init__(self, negative_slope: float = 0.01) -> None:
        self.negative_slope = in_range("negative_slope", negative_slope, 0, float("inf"), below=True)

    def _arguments(self) -> tuple[float]:
        return (self.negative_slope,)

    def _facts(self) -> tuple[object, ...]:
        return self._arguments()


class Sigmoid(_Activation):
    """Logistic function: ``y = 1 / (1 + exp(-x))``, as `fastconv.sigmoid`."""

    _function = staticmethod(activation.sigmoid)
    _gradient = staticmethod(grad.sigmoid)


class Tanh(_Activation):
    """Hyperbolic tangent, as `fastconv.tanh`."""

    _function = staticmethod(activation.tanh)
    _gradient = staticmethod(grad.tanh)


class SiLU(Layer):
    """Sigmoid-weighted linear unit: ``y = x / (1 + exp(-x))``, as `fastconv.silu`."""

    _input: FloatArray | None = None

    def forward(self, x: FloatArray) -> FloatArray:
        """Apply the function."""
        self._input = x
        return activation.silu(x)

    def backward(self, grad_output: FloatArray) -> FloatArray:
        """Apply the function's gradient, which starts from its input."""
        return grad.silu(grad_output, self._kept(self._input))
