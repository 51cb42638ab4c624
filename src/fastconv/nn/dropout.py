"""Dropout."""

from __future__ import annotations

import numpy as np

from .._typing import FloatArray
from ._arguments import in_range
from ._layer import Layer, Seed, generator

__all__ = ["Dropout"]


class Dropout(Layer):
    """In training, set each number to 0 with probability `p` and divide the others by ``1 - p``.

    Parameters
    ----------
    p : float
        The probability, 0 to 1.
    rng : numpy.random.Generator or int, optional
        Where chance comes from: a generator, or what makes one.

    Raises
    ------
    TypeError, ValueError
        An argument of the wrong type or value.

    References
    ----------
    .. [1] N. Srivastava, G. Hinton, A. Krizhevsky, I. Sutskever, R. Salakhutdinov, "Dropout: a simple way to
       prevent neural networks from overfitting", JMLR 15, 2014.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import nn
    >>> layer = nn.Dropout(0.5, rng=0)
    >>> layer(np.ones(8))
    array([2., 2., 2., 0., 0., 0., 0., 0.])
    >>> layer.eval()(np.ones(8))
    array([1., 1., 1., 1., 1., 1., 1., 1.])
    """

    _factor: FloatArray | None = None

    def __init__(self, p: float = 0.5, *, rng: Seed = None) -> None:
        self.p = in_range("p", p, 0, 1)
        self.rng = generator(rng)

    def _facts(self) -> tuple[object, ...]:
        return (self.p,)

    def forward(self, x: FloatArray) -> FloatArray:
        """Drop some numbers, in training."""
        self._factor = np.ones(x.shape, x.dtype)
        if self.training and self.p > 0:
            stays = self.rng.random(x.shape, np.float32) >= self.p
            self._factor = stays * x.dtype.type(1 / (1 - self.p) if self.p < 1 else 0)
        return x * self._factor

    def backward(self, grad_output: FloatArray) -> FloatArray:
        """Drop the gradients of the same numbers."""
        factor: FloatArray = self._kept(self._factor)
        self._check_gradient(grad_output, factor.shape)
        return grad_output * factor
