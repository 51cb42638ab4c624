"""The fully connected layer."""

from __future__ import annotations

from numpy.typing import ArrayLike

from . import _fastconv
from ._typing import Activation, NumberArray

__all__ = ["linear"]


def linear(
    input: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    *,
    activation: Activation | None = None,
    out: NumberArray | None = None,
) -> NumberArray:
    """Multiply by the weights and add the bias: the fully connected layer.

    For every position of the leading axes::

        y[..., o] = b[o] + sum over i of w[o, i] * x[..., i]

    followed by the activation.

    Parameters
    ----------
    input : array_like of floats, complex numbers or integers
        ``(..., in_features)``, any number of leading axes, also none.
    weight : array_like, same dtype, or integers beside integers
        ``(out_features, in_features)``.
    bias : array_like, same dtype, or integers, optional
        ``(out_features,)``, added before the activation.
    activation : str or (low, high), optional
        Applied as results are stored, as in `conv2d`. Complex numbers take none, integers clamps alone.
    out : ndarray, optional
        Where to store the result: C-contiguous, writable, of the result's shape and dtype, overlapping no
        input.

    Returns
    -------
    ndarray
        ``(..., out_features)``.

    Raises
    ------
    TypeError
        An argument of the wrong type or dtype.
    ValueError
        An argument of the wrong value or shape; the message names it, its value and what was expected.
    OverflowError
        A sum of numbers of 8 bits that int32 does not hold, as in `conv2d`.

    Notes
    -----
    A linear layer is a 1x1 convolution of one pixel, and obeys the error bound of `conv2d` with ``n`` equal
    to ``in_features``, and one more for a bias. That bound is section 3.1 of [1]_. Integers are summed
    exactly and complex numbers by parts, into the types that `conv2d` has for them.

    References
    ----------
    .. [1] N. J. Higham, "Accuracy and Stability of Numerical Algorithms", 2nd edition, SIAM, 2002.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> weight = np.array([[1.0, 0.0, -1.0], [1.0, 1.0, 1.0]])
    >>> fastconv.linear(np.array([1.0, 2.0, 4.0]), weight, bias=[0.5, 0.0])
    array([-2.5,  7. ])
    >>> fastconv.linear(np.array([1.0, 2.0, 4.0]), weight, activation="relu")
    array([0., 7.])
    >>> fastconv.linear([1, 2, 4], [[2**53, 1, 0]])
    array([9007199254740994])
    """
    return _fastconv.linear(input, weight, bias, activation, out)
