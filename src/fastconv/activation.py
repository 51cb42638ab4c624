"""Activation functions, one value at a time, and softmax.

All but softmax are also the fused ``activation=`` of the convolutions and of `linear`, which costs less than
a pass over the result.
"""

from __future__ import annotations

from numpy.typing import ArrayLike

from . import _fastconv
from ._typing import FloatArray

__all__ = ["leaky_relu", "relu", "sigmoid", "silu", "softmax", "tanh"]


def relu(x: ArrayLike, *, out: FloatArray | None = None) -> FloatArray:
    """Rectify: ``y = max(x, 0)``.

    Parameters
    ----------
    x : array_like of float32, float64, float16 or bfloat16
        Any shape.
    out : ndarray, optional
        Where to store the result: C-contiguous, writable, of the shape and dtype of `x`, not overlapping it.

    Returns
    -------
    ndarray
        Shape and dtype of `x`. A NaN stays a NaN.

    Raises
    ------
    TypeError
        An argument of the wrong type or dtype.
    ValueError
        An `out` that does not fit.

    Notes
    -----
    The result is exact. See V. Nair and G. Hinton, "Rectified linear units improve restricted Boltzmann
    machines", ICML 2010.

    Examples
    --------
    >>> import fastconv
    >>> fastconv.relu([-1.5, 0.0, 2.5])
    array([0. , 0. , 2.5])
    """
    return _fastconv.activate("relu", x, 0.0, out)


def leaky_relu(x: ArrayLike, negative_slope: float = 0.01, *, out: FloatArray | None = None) -> FloatArray:
    """Rectify with a leak: ``y = x`` where ``x >= 0``, else ``negative_slope * x``.

    Parameters
    ----------
    x : array_like of float32, float64, float16 or bfloat16
        Any shape.
    negative_slope : float
        Slope below zero, rounded to the type computed in.
    out : ndarray, optional
        As in `relu`.

    Returns
    -------
    ndarray
        Shape and dtype of `x`.

    Raises
    ------
    TypeError, ValueError
        As `relu`.

    Notes
    -----
    See A. Maas, A. Hannun and A. Ng, "Rectifier nonlinearities improve neural network acoustic models",
    ICML 2013.

    Examples
    --------
    >>> import fastconv
    >>> fastconv.leaky_relu([-2.0, 0.0, 2.0], 0.25)
    array([-0.5,  0. ,  2. ])
    """
    return _fastconv.activate("leaky_relu", x, negative_slope, out)


def sigmoid(x: ArrayLike, *, out: FloatArray | None = None) -> FloatArray:
    """Logistic function: ``y = 1 / (1 + exp(-x))``.

    Parameters
    ----------
    x : array_like of float32, float64, float16 or bfloat16
        Any shape.
    out : ndarray, optional
        As in `relu`.

    Returns
    -------
    ndarray
        Shape and dtype of `x`; between 0 and 1, without overflow for any `x`.

    Raises
    ------
    TypeError, ValueError
        As `relu`.

    Examples
    --------
    >>> import fastconv
    >>> fastconv.sigmoid([-1.0, 0.0, 1.0]).round(4)
    array([0.2689, 0.5   , 0.7311])
    """
    return _fastconv.activate("sigmoid", x, 0.0, out)


def tanh(x: ArrayLike, *, out: FloatArray | None = None) -> FloatArray:
    """Hyperbolic tangent: ``y = (exp(x) - exp(-x)) / (exp(x) + exp(-x))``.

    Parameters
    ----------
    x : array_like of float32, float64, float16 or bfloat16
        Any shape.
    out : ndarray, optional
        As in `relu`.

    Returns
    -------
    ndarray
        Shape and dtype of `x`; between -1 and 1, without overflow for any `x`.

    Raises
    ------
    TypeError, ValueError
        As `relu`.

    Examples
    --------
    >>> import fastconv
    >>> fastconv.tanh([-1.0, 0.0, 1.0]).round(4)
    array([-0.7616,  0.    ,  0.7616])
    """
    return _fastconv.activate("tanh", x, 0.0, out)


def silu(x: ArrayLike, *, out: FloatArray | None = None) -> FloatArray:
    """Sigmoid-weighted linear unit, also called swish: ``y = x / (1 + exp(-x))``.

    Parameters
    ----------
    x : array_like of float32, float64, float16 or bfloat16
        Any shape.
    out : ndarray, optional
        As in `relu`.

    Returns
    -------
    ndarray
        Shape and dtype of `x`.

    Raises
    ------
    TypeError, ValueError
        As `relu`.

    Notes
    -----
    See S. Elfwing, E. Uchibe and K. Doya, "Sigmoid-weighted linear units for neural network function
    approximation in reinforcement learning", 2017, arXiv:1702.03118.

    Examples
    --------
    >>> import fastconv
    >>> fastconv.silu([-1.0, 0.0, 1.0]).round(4)
    array([-0.2689,  0.    ,  0.7311])
    """
    return _fastconv.activate("silu", x, 0.0, out)


def softmax(x: ArrayLike, axis: int = -1, *, out: FloatArray | None = None) -> FloatArray:
    """Exponentials divided by their sum: ``y = exp(x - max(x)) / sum(exp(x - max(x)))`` along one axis.

    Parameters
    ----------
    x : array_like of float32, float64, float16 or bfloat16
        Any shape with at least one axis.
    axis : int
        The axis along which results sum to one.
    out : ndarray, optional
        As in `relu`.

    Returns
    -------
    ndarray
        Shape and dtype of `x`. Subtracting the maximum changes nothing but that nothing overflows.

    Raises
    ------
    TypeError
        As `relu`.
    ValueError
        An `axis` that `x` does not have, or an `out` that does not fit.

    Notes
    -----
    See J. Bridle, "Probabilistic interpretation of feedforward classification network outputs",
    Neurocomputing, 1990.

    Examples
    --------
    >>> import fastconv
    >>> fastconv.softmax([1.0, 2.0, 3.0]).round(4)
    array([0.09  , 0.2447, 0.6652])
    """
    return _fastconv.softmax(x, axis, out)
