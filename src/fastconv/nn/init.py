"""First values of weights: random numbers whose variance keeps signals and gradients at their size.

A layer of ``fan_in`` inputs and ``fan_out`` outputs to each connection adds up ``fan_in`` products on the way
forward and ``fan_out`` on the way back. He's choice is for rectifiers, which drop half of them, Glorot's for
functions that are linear around 0 such as tanh.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import DTypeLike

from .._typing import FloatArray

__all__ = ["glorot_normal", "glorot_uniform", "he_normal", "he_uniform"]

Initializer: TypeAlias = "Callable[[tuple[int, ...], int, int, np.random.Generator, Any], FloatArray]"
"""Shape, fan_in, fan_out, generator, dtype to weights."""


def he_normal(
    shape: tuple[int, ...],
    fan_in: int,
    fan_out: int,
    rng: np.random.Generator,
    dtype: DTypeLike = np.float32,
) -> FloatArray:
    """Draw from the normal distribution with variance ``2 / fan_in``.

    Parameters
    ----------
    shape : tuple of int
        Of the weights.
    fan_in, fan_out : int
        Connections that lead into an output, and from an input.
    rng : numpy.random.Generator
        Where the numbers come from. float32 and float64 get the same numbers, rounded.
    dtype : dtype
        float32 or float64.

    Returns
    -------
    ndarray
        The weights.

    References
    ----------
    .. [1] K. He, X. Zhang, S. Ren, J. Sun, "Delving deep into rectifiers: surpassing human-level performance
       on ImageNet classification", ICCV 2015, arXiv:1502.01852.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import nn
    >>> weight = nn.init.he_normal((100, 50), 50, 100, np.random.default_rng(0))
    >>> round(float(weight.std()), 2), weight.dtype
    (0.2, dtype('float32'))
    """
    return _normal(shape, 2 / fan_in, rng, dtype)


def he_uniform(
    shape: tuple[int, ...],
    fan_in: int,
    fan_out: int,
    rng: np.random.Generator,
    dtype: DTypeLike = np.float32,
) -> FloatArray:
    """Draw from the uniform one with variance ``2 / fan_in``; parameters as in `he_normal`."""
    return _uniform(shape, 2 / fan_in, rng, dtype)


def glorot_normal(
    shape: tuple[int, ...],
    fan_in: int,
    fan_out: int,
    rng: np.random.Generator,
    dtype: DTypeLike = np.float32,
) -> FloatArray:
    """Draw from the normal one with variance ``2 / (fan_in + fan_out)``; parameters as in `he_normal`.

    References
    ----------
    .. [1] X. Glorot, Y. Bengio, "Understanding the difficulty of training deep feedforward neural networks",
       AISTATS 2010.
    """
    return _normal(shape, 2 / (fan_in + fan_out), rng, dtype)


def glorot_uniform(
    shape: tuple[int, ...],
    fan_in: int,
    fan_out: int,
    rng: np.random.Generator,
    dtype: DTypeLike = np.float32,
) -> FloatArray:
    """Draw from the uniform one with variance ``2 / (fan_in + fan_out)``; see also `glorot_normal`."""
    return _uniform(shape, 2 / (fan_in + fan_out), rng, dtype)


def _normal(
    shape: tuple[int, ...], variance: float, rng: np.random.Generator, dtype: DTypeLike
) -> FloatArray:
    return (rng.standard_normal(shape) * math.sqrt(variance)).astype(dtype)


def _uniform(
    shape: tuple[int, ...], variance: float, rng: np.random.Generator, dtype: DTypeLike
) -> FloatArray:
    bound = math.sqrt(3 * variance)
    return rng.uniform(-bound, bound, shape).astype(dtype)
