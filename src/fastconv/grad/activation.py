"""Gradients of the activation functions and of softmax.

All start from what the function returned, which a fused activation leaves as well, but for that of `silu`,
which takes equal values at different places.
"""

from __future__ import annotations

from numpy.typing import ArrayLike

from .. import _fastconv
from .._typing import Activation, FloatArray

__all__ = ["activation", "clamp", "leaky_relu", "relu", "sigmoid", "silu", "softmax", "tanh"]


def relu(grad_output: ArrayLike, output: ArrayLike, *, out: FloatArray | None = None) -> FloatArray:
    """Gradient of `fastconv.relu`: ``dx = dy`` where ``y > 0``, else 0.

    Parameters
    ----------
    grad_output : array_like of float32, float64, float16 or bfloat16
        Gradient with respect to the result, of any shape.
    output : array_like, same shape and dtype
        What the function returned; or its input, which has the same sign.
    out : ndarray, optional
        Where to store the gradient: C-contiguous, writable, of the shape and dtype of `grad_output`,
        overlapping neither.

    Returns
    -------
    ndarray
        Shape and dtype of `grad_output`. Where `output` is NaN, `grad_output` itself.

    Raises
    ------
    TypeError
        An argument of the wrong type or dtype.
    ValueError
        Shapes that differ, or an `out` that does not fit.

    Examples
    --------
    >>> import fastconv
    >>> fastconv.grad.relu([1.0, 2.0, 3.0], fastconv.relu([-1.5, 0.0, 2.5]))
    array([0., 0., 3.])
    """
    return _fastconv.activate_gradient("relu", grad_output, output, None, out)


def leaky_relu(
    grad_output: ArrayLike, output: ArrayLike, negative_slope: float = 0.01, *, out: FloatArray | None = None
) -> FloatArray:
    """Gradient of `fastconv.leaky_relu`: ``dx = dy`` where ``y > 0``, else ``negative_slope * dy``.

    Parameters
    ----------
    grad_output, output, out
        As in `relu`.
    negative_slope : float
        The slope that the function had: not negative, or `output` would not tell where its input was.

    Returns
    -------
    ndarray
        Shape and dtype of `grad_output`.

    Raises
    ------
    TypeError, ValueError
        As `relu`; and for a slope that is negative.

    Examples
    --------
    >>> import fastconv
    >>> fastconv.grad.leaky_relu([1.0, 1.0], fastconv.leaky_relu([-2.0, 2.0], 0.25), 0.25)
    array([0.25, 1.  ])
    """
    return _fastconv.activate_gradient("leaky_relu", grad_output, output, negative_slope, out)


def clamp(
    grad_output: ArrayLike,
    output: ArrayLike,
    low: float | None = None,
    high: float | None = None,
    *,
    out: FloatArray | None = None,
) -> FloatArray:
    """Gradient of a fused clamp: ``dx = dy`` where ``low < y < high``, else 0.

    Parameters
    ----------
    grad_output, output, out
        As in `relu`.
    low, high : float, optional
        The bounds; None where there is none.

    Returns
    -------
    ndarray
        Shape and dtype of `grad_output`.

    Raises
    ------
    TypeError, ValueError
        As `relu`; and for bounds that are not numbers, or in the wrong order.

    Examples
    --------
    >>> import fastconv
    >>> fastconv.grad.clamp([1.0, 1.0, 1.0], [0.0, 3.0, 6.0], 0, 6)
    array([0., 1., 0.])
    """
    return _fastconv.activate_gradient((low, high), grad_output, output, None, out)


def sigmoid(grad_output: ArrayLike, output: ArrayLike, *, out: FloatArray | None = None) -> FloatArray:
    """Gradient of `fastconv.sigmoid`: ``dx = dy * y * (1 - y)``.

    Parameters
    ----------
    grad_output, output, out
        As in `relu`.

    Returns
    -------
    ndarray
        Shape and dtype of `grad_output`.

    Raises
    ------
    TypeError, ValueError
        As `relu`.

    Examples
    --------
    >>> import fastconv
    >>> fastconv.grad.sigmoid([1.0, 4.0], [0.25, 0.5])
    array([0.1875, 1.    ])
    """
    return _fastconv.activate_gradient("sigmoid", grad_output, output, None, out)


def tanh(grad_output: ArrayLike, output: ArrayLike, *, out: FloatArray | None = None) -> FloatArray:
    """Gradient of `fastconv.tanh`: ``dx = dy * (1 - y) * (1 + y)``.

    Parameters
    ----------
    grad_output, output, out
        As in `relu`.

    Returns
    -------
    ndarray
        Shape and dtype of `grad_output`.

    Raises
    ------
    TypeError, ValueError
        As `relu`.

    Examples
    --------
    >>> import fastconv
    >>> fastconv.grad.tanh([1.0, 1.0], [0.0, 0.5])
    array([1.  , 0.75])
    """
    return _fastconv.activate_gradient("tanh", grad_output, output, None, out)


def silu(grad_output: ArrayLike, input: ArrayLike, *, out: FloatArray | None = None) -> FloatArray:
    """Gradient of `fastconv.silu`: ``dx = dy * (s + x * s * (1 - s))`` with ``s = 1 / (1 + exp(-x))``.

    Parameters
    ----------
    grad_output : array_like of float32, float64, float16 or bfloat16
        Gradient with respect to the result, of any shape.
    input : array_like, same shape and dtype
        What the function was given: unlike the others, it cannot be told from what it returned.
    out : ndarray, optional
        As in `relu`.

    Returns
    -------
    ndarray
        Shape and dtype of `grad_output`.

    Raises
    ------
    TypeError, ValueError
        As `relu`.

    Examples
    --------
    >>> import fastconv
    >>> fastconv.grad.silu([1.0, 1.0, 1.0], [-1.0, 0.0, 1.0]).round(4)
    array([0.0723, 0.5   , 0.9277])
    """
    return _fastconv.activate_gradient("silu", grad_output, input, None, out)


def activation(
    name: Activation | None, grad_output: ArrayLike, output: ArrayLike, *, out: FloatArray | None = None
) -> FloatArray:
    """Undo a fused activation: the gradient with respect to what it was applied to.

    Parameters
    ----------
    name : str, (low, high) or None
        The ``activation=`` of `fastconv.conv2d` or `fastconv.linear`; not ``"silu"``.
    grad_output, output, out
        As in `relu`.

    Returns
    -------
    ndarray
        Shape and dtype of `grad_output`.

    Raises
    ------
    TypeError, ValueError
        As `relu`; and for ``"silu"``, which cannot be undone from its result.

    Examples
    --------
    >>> import fastconv
    >>> fastconv.grad.activation("relu6", [1.0, 1.0, 1.0], [0.0, 3.0, 6.0])
    array([0., 1., 0.])
    """
    if isinstance(name, str) and name == "silu":
        raise ValueError(
            "name='silu': expected an activation that can be undone from its output; "
            "apply fastconv.silu by itself and use fastconv.grad.silu"
        )
    return _fastconv.activate_gradient(name, grad_output, output, None, out)


def softmax(
    grad_output: ArrayLike, output: ArrayLike, axis: int = -1, *, out: FloatArray | None = None
) -> FloatArray:
    """Gradient of `fastconv.softmax`: ``dx[i] = y[i] * (dy[i] - sum over j of dy[j] * y[j])`` along one axis.

    Parameters
    ----------
    grad_output : array_like of float32, float64, float16 or bfloat16
        Gradient with respect to the result, of any shape with at least one axis.
    output : array_like, same shape and dtype
        What the function returned.
    axis : int
        The axis along which results sum to one.
    out : ndarray, optional
        As in `relu`.

    Returns
    -------
    ndarray
        Shape and dtype of `grad_output`.

    Raises
    ------
    TypeError, ValueError
        As `relu`; and for an axis that there is not.

    See Also
    --------
    cross_entropy : Of softmax and its usual loss in one step, without cancellation.

    Notes
    -----
    With ``n`` elements along the axis and barring underflow, a result errs by at most
    ``(n + 3) u * |y[i]| * (|dy[i]| + sum |dy[j] y[j]|)`` to first order in the unit roundoff ``u``.
    The bits do not depend on the number of threads.

    Examples
    --------
    >>> import fastconv
    >>> fastconv.grad.softmax([1.0, 0.0], [0.25, 0.75])
    array([ 0.1875, -0.1875])
    """
    return _fastconv.softmax_gradient(grad_output, output, axis, out)
