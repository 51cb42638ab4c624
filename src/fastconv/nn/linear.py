"""The fully connected layer, and what brings images into its form."""

from __future__ import annotations

from typing import SupportsIndex

import numpy as np
from numpy.typing import DTypeLike

from .. import grad
from .._typing import Activation, FloatArray, Shape
from ..linear import linear
from ..shapes import output_shape
from ._arguments import check_activation, float_type, positive
from ._layer import Layer, Parameter, Plan, Seed, initial
from .init import Initializer, he_uniform

__all__ = ["Flatten", "Linear"]


class Linear(Layer):
    """The fully connected layer ``y = x w^T + b``, as `fastconv.linear`.

    Parameters
    ----------
    in_features, out_features : int
        Extents of the last axis of the input and of the result.
    bias : bool
        Whether to add one number to each output; it begins as 0.
    activation : str or (low, high), optional
        Fused, as in `fastconv.linear`; not ``"silu"``, which cannot be undone from its result.
    initialize, rng, dtype
        As in `Conv2d`.

    Attributes
    ----------
    weight, bias : Parameter
        Numbers and gradients, ``(out_features, in_features)`` and ``(out_features,)``; `bias` is None without
        one.

    Raises
    ------
    TypeError, ValueError
        An argument of the wrong type or value.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import nn
    >>> layer = nn.Linear(3, 2, rng=0, dtype=np.float64)
    >>> layer.weight.data[...] = [[1, 0, -1], [1, 1, 1]]
    >>> layer(np.array([[1.0, 2.0, 4.0]]))
    array([[-3.,  7.]])
    >>> layer.backward(np.array([[1.0, 2.0]]))
    array([[3., 2., 1.]])
    >>> layer.weight.grad
    array([[1., 2., 4.],
           [2., 4., 8.]])
    """

    _input: FloatArray | None = None
    _output: FloatArray | None = None

    def __init__(
        self,
        in_features: SupportsIndex,
        out_features: SupportsIndex,
        bias: bool = True,
        *,
        activation: Activation | None = None,
        initialize: Initializer = he_uniform,
        rng: Seed = None,
        dtype: DTypeLike = np.float32,
    ) -> None:
        self.in_features = positive("in_features", in_features)
        self.out_features = positive("out_features", out_features)
        kind = float_type(dtype)
        self.activation = check_activation(activation)
        shape, fans = (self.out_features, self.in_features), (self.in_features, self.out_features)
        self.weight = initial(initialize, shape, fans, rng, kind)
        self.bias = Parameter(np.zeros(self.out_features, kind)) if bias else None
        linear(np.zeros((0, self.in_features), kind), self.weight.data, activation=activation)  # checks it

    def _facts(self) -> tuple[object, ...]:
        others = () if self.activation is None else (f"activation={self.activation}",)
        return self.in_features, self.out_features, *others

    def forward(self, x: FloatArray) -> FloatArray:
        """Multiply by the weights and add the bias."""
        bias = None if self.bias is None else self.bias.data
        y = linear(x, self.weight.data, bias, activation=self.activation)
        self._input, self._output = x, y
        return y

    def backward_parameters(self, grad_output: FloatArray) -> None:
        """Set the gradients of weight and bias."""
        self._backward_parameters(grad_output)

    def backward(self, grad_output: FloatArray) -> FloatArray:
        """Set the gradients of weight and bias, and return that of the input."""
        return grad.linear_input(self.weight.data, self._backward_parameters(grad_output))

    def _backward_parameters(self, grad_output: FloatArray) -> FloatArray:
        """Return the gradient with respect to the sums, before the activation."""
        x, inner = self._kept(self._input), grad_output
        self._check_gradient(grad_output, (*x.shape[:-1], self.out_features))
        if self.activation is not None:
            inner = grad.activation(self.activation, grad_output, self._kept(self._output))
        self.weight.grad = grad.linear_weight(x, inner)
        if self.bias is not None:
            self.bias.grad = inner.reshape(-1, self.out_features).sum(0)
        return inner

    def plan(self, input_shape: Shape) -> Plan:
        """Say what the layer would do with an input of this shape."""
        shape = output_shape(linear, input_shape, self.weight.data.shape)
        rows = int(np.prod(shape[:-1]))
        return Plan(shape, 2 * rows * self.in_features * self.out_features)

    def window(self) -> None:
        """Return None: an output sees all of its input."""
        return None


class Flatten(Layer):
    """Make one row of each image of a batch, in the order in which its numbers lie.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import nn
    >>> nn.Flatten()(np.ones((5, 8, 4, 4))).shape
    (5, 128)
    """

    _shape: tuple[int, ...] | None = None

    def forward(self, x: FloatArray) -> FloatArray:
        """Reshape to two axes."""
        self._shape = x.shape
        return x.reshape(self.plan(x.shape).output_shape)

    def backward(self, grad_output: FloatArray) -> FloatArray:
        """Reshape back."""
        shape: tuple[int, ...] = self._kept(self._shape)
        self._check_gradient(grad_output, self.plan(shape).output_shape)
        return grad_output.reshape(shape)

    def plan(self, input_shape: Shape) -> Plan:
        """Say what the layer would do with an input of this shape."""
        extents = super().plan(input_shape).output_shape
        if not extents:
            raise ValueError(f"input: shape {extents}, expected a batch")
        return Plan((extents[0], int(np.prod(extents[1:]))))

    def window(self) -> None:
        """Return None: what follows sees all of an image."""
        return None
