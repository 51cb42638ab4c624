"""Gradients of the fully connected layer, which is a convolution of one pixel."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from .._results import as_array
from .._typing import FloatArray
from ..conv import conv1d
from .conv import conv1d_weight

__all__ = ["linear_input", "linear_weight"]


def check_dtypes(**arrays: FloatArray) -> None:
    """Raise unless all are of one of the types that convolutions take."""
    known = ("float32", "float64", "float16", "bfloat16")
    first, dtype = next((name, array.dtype.name) for name, array in arrays.items())
    for name, array in arrays.items():
        if array.dtype.name not in known:
            expected = f"{', '.join(known[:-1])} or {known[-1]}"
            raise TypeError(f"{name}: dtype {array.dtype} is not supported, expected {expected}")
        if array.dtype.name != dtype:
            raise TypeError(f"{name}: dtype {array.dtype}, expected {dtype} as {first}")


def linear_input(weight: ArrayLike, grad_output: ArrayLike) -> FloatArray:
    """Gradient of `fastconv.linear` with respect to its input.

    For every position of the leading axes::

        dx[..., i] = sum over o of w[o, i] * dy[..., o]

    Parameters
    ----------
    weight : array_like of float32, float64, float16 or bfloat16
        ``(out_features, in_features)``.
    grad_output : array_like, same dtype
        ``(..., out_features)``: the gradient with respect to the result, before its activation.

    Returns
    -------
    ndarray
        ``(..., in_features)``.

    Raises
    ------
    TypeError, ValueError
        An argument of the wrong type, dtype or shape.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> weight = np.array([[1.0, 0.0, -1.0], [1.0, 1.0, 1.0]])
    >>> fastconv.grad.linear_input(weight, np.array([1.0, 2.0]))
    array([3., 2., 1.])
    """
    w, dy = as_array(weight, "weight"), as_array(grad_output, "grad_output")
    if w.ndim != 2:
        raise ValueError(f"weight: shape {w.shape}, expected 2 axes, (out_features, in_features)")
    if dy.shape[-1:] != w.shape[:1]:
        raise ValueError(
            f"grad_output: shape {dy.shape}, expected a last axis of {w.shape[0]} "
            f"for weight of shape {w.shape}"
        )
    check_dtypes(weight=w, grad_output=dy)
    shape = (*dy.shape[:-1], w.shape[1])
    if dy.size == 0:
        return np.zeros(shape, dy.dtype.newbyteorder("="))
    # The weights lie as those of a convolution with channels last that leads from the outputs to the inputs.
    return conv1d(_signal(dy), w[None], layout="NHWC").reshape(shape)


def linear_weight(input: ArrayLike, grad_output: ArrayLike) -> FloatArray:
    """Gradient of `fastconv.linear` with respect to its weights.

    With a sum over all positions of the leading axes::

        dw[o, i] = sum over ... of dy[..., o] * x[..., i]

    Parameters
    ----------
    input : array_like of float32, float64, float16 or bfloat16
        ``(..., in_features)``.
    grad_output : array_like, same dtype
        ``(..., out_features)``, with the same leading axes: the gradient with respect to the result, before
        its activation.

    Returns
    -------
    ndarray
        ``(out_features, in_features)``.

    Raises
    ------
    TypeError, ValueError
        An argument of the wrong type, dtype or shape.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> x, dy = np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[1.0], [10.0]])
    >>> fastconv.grad.linear_weight(x, dy)
    array([[31., 42.]])
    """
    x, dy = as_array(input, "input"), as_array(grad_output, "grad_output")
    if x.ndim == 0 or dy.ndim == 0 or x.shape[:-1] != dy.shape[:-1]:
        raise ValueError(
            f"grad_output: shape {dy.shape}, expected the leading axes of input, whose shape is {x.shape}"
        )
    check_dtypes(input=x, grad_output=dy)
    size = (1, dy.shape[-1], x.shape[-1])
    if x.size == 0 or dy.size == 0:
        return np.zeros(size[1:], x.dtype.newbyteorder("="))
    # Input and gradient have changed places, so that the result lies as the weights do.
    return conv1d_weight(_signal(dy), size, _signal(x), layout="NHWC").reshape(size[1:])


def _signal(array: FloatArray) -> FloatArray:
    """One signal with channels last, of as many pixels as there are rows."""
    return array.reshape(1, -1, array.shape[-1])
