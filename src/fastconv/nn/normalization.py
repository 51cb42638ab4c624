"""Batch normalisation."""

from __future__ import annotations

from math import prod
from typing import Any, ClassVar, SupportsIndex

import numpy as np
from numpy.typing import DTypeLike

from .._typing import FloatArray, Layout, Shape
from ._arguments import channel_axis, check_layout, float_type, in_range, positive
from ._layer import Layer, Parameter, Plan

__all__ = ["BatchNorm1d", "BatchNorm2d", "BatchNorm3d"]


class _BatchNorm(Layer):
    """What batch normalisation is for any number of spatial axes."""

    _axes: ClassVar[tuple[int, ...]]  # how many a batch may have
    _buffers = ("running_mean", "running_var", "num_batches_tracked")
    _normalised: FloatArray | None = None
    _scale: FloatArray
    _by_batch: bool

    def __init__(
        self,
        num_features: SupportsIndex,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = True,
        *,
        layout: Layout = "NCHW",
        dtype: DTypeLike = np.float32,
    ) -> None:
        self.num_features = positive("num_features", num_features)
        self.eps = in_range("eps", eps, 0, float("inf"), below=True)
        self.momentum = in_range("momentum", momentum, 0, 1)
        self.layout = check_layout(layout)
        kind, count = float_type(dtype), self.num_features
        self.weight = Parameter(np.ones(count, kind)) if affine else None
        self.bias = Parameter(np.zeros(count, kind)) if affine else None
        self.running_mean, self.running_var = np.zeros(count, kind), np.ones(count, kind)
        self.num_batches_tracked: np.ndarray[Any, np.dtype[np.int64]] = np.zeros((), np.int64)

    def _facts(self) -> tuple[object, ...]:
        return (self.num_features,)

    def forward(self, x: FloatArray) -> FloatArray:
        """Normalise by the batch's own mean and variance in training, else by the running ones."""
        self._check(x)
        self._by_batch = self.training
        if self.training:
            mean, variance = self._statistics(x)
        else:
            mean, variance = self.running_mean, self.running_var
        self._scale = 1 / np.sqrt(variance + self.eps)
        self._normalised = (x - self._spread(mean, x.ndim)) * self._spread(self._scale, x.ndim)
        if self.weight is None or self.bias is None:
            return self._normalised
        return self._normalised * self._spread(self.weight.data, x.ndim) + self._spread(
            self.bias.data, x.ndim
        )

    def backward(self, grad_output: FloatArray) -> FloatArray:
        """Set the gradients of weight and bias, and return that of the input."""
        normalised: FloatArray = self._kept(self._normalised)
        self._check_gradient(grad_output, normalised.shape)
        others, ndim = self._others(normalised.ndim), normalised.ndim
        total, along = grad_output.sum(others), (grad_output * normalised).sum(others)
        scale = self._scale
        if self.weight is not None and self.bias is not None:
            self.weight.grad, self.bias.grad = along, total
            scale = scale * self.weight.data
        if not self._by_batch:
            return grad_output * self._spread(scale, ndim)
        # Mean and variance are the batch's own: what goes along with either leads nowhere.
        count = normalised.size // self.num_features
        mean, slope = self._spread(total / count, ndim), self._spread(along / count, ndim)
        return (grad_output - mean - normalised * slope) * self._spread(scale, ndim)

    def plan(self, input_shape: Shape) -> Plan:
        """Say what the layer would do with an input of this shape."""
        shape = super().plan(input_shape).output_shape
        return Plan(shape, 2 * prod(shape))

    def _statistics(self, x: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the batch's mean and variance, and let the running ones follow."""
        others, count = self._others(x.ndim), x.size // self.num_features
        if count < 2:
            raise ValueError(f"x: shape {x.shape}, expected more than one value of each channel in training")
        mean = x.mean(others)
        variance = np.square(x - self._spread(mean, x.ndim)).mean(others)
        # As PyTorch has it, the running variance is that of the population, estimated from the batch.
        for running, value in (
            (self.running_mean, mean),
            (self.running_var, variance * (count / (count - 1))),
        ):
            running += self.momentum * (value - running)
        self.num_batches_tracked += 1
        return mean, variance

    def _check(self, x: FloatArray) -> None:
        axis = channel_axis(self.layout, x.ndim)
        if x.ndim not in self._axes or x.shape[axis] != self.num_features:
            axes = " or ".join(map(str, self._axes))
            raise ValueError(
                f"x: shape {x.shape}, expected {axes} axes with {self.num_features} channels {self.layout}"
            )
        if x.dtype != self.running_mean.dtype:
            raise TypeError(f"x: dtype {x.dtype}, expected {self.running_mean.dtype} as the layer")

    def _others(self, ndim: int) -> tuple[int, ...]:
        """Return all axes but that of the channels."""
        return tuple(axis for axis in range(ndim) if axis != channel_axis(self.layout, ndim))

    def _spread(self, values: FloatArray, ndim: int) -> FloatArray:
        """Return one number per channel in the form that goes with a batch."""
        return np.expand_dims(values, self._others(ndim))


class BatchNorm1d(_BatchNorm):
    """Batch normalisation of rows ``(n, c)`` or signals; parameters as in `BatchNorm2d`."""

    _axes = (2, 3)


class BatchNorm2d(_BatchNorm):
    """Normalise each channel of a batch of images to mean 0 and variance 1, then scale and shift it.

    ::

        y = weight * (x - mean) / sqrt(variance + eps) + bias

    In training mean and variance are those of the batch, and running averages follow them::

        running = (1 - momentum) * running + momentum * value

    with the unbiased variance, as PyTorch has it. In use the running averages take their place.

    Parameters
    ----------
    num_features : int
        Channels.
    eps : float
        Added to the variance.
    momentum : float
        How fast the running averages follow, 0 to 1.
    affine : bool
        Whether there are `weight` and `bias`, which begin as 1 and 0.
    layout : {"NCHW", "NHWC"}
        Channels first or last.
    dtype : dtype
        float32 or float64.

    Attributes
    ----------
    weight, bias : Parameter
        Numbers and gradients; None if not `affine`.
    running_mean, running_var, num_batches_tracked : ndarray
        The running averages, and how many batches they have seen.

    Raises
    ------
    TypeError, ValueError
        An argument of the wrong type or value; a batch with a single value of each channel, in training.

    References
    ----------
    .. [1] S. Ioffe, C. Szegedy, "Batch normalization: accelerating deep network training by reducing internal
       covariate shift", ICML 2015, arXiv:1502.03167.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import nn
    >>> layer = nn.BatchNorm2d(1, dtype=np.float64)
    >>> layer(np.array([[[[1.0, 3.0]]]])).round(3)
    array([[[[-1.,  1.]]]])
    >>> layer.running_mean, layer.running_var
    (array([0.2]), array([1.1]))
    """

    _axes = (4,)


class BatchNorm3d(_BatchNorm):
    """Batch normalisation of volumes; parameters as in `BatchNorm2d`."""

    _axes = (5,)
