"""The loss of classification."""

from __future__ import annotations

import math
from typing import Literal, TypeAlias, overload

import numpy as np
from numpy.typing import ArrayLike

from . import _fastconv
from ._typing import FloatArray

__all__ = ["cross_entropy"]

Reduction: TypeAlias = Literal["mean", "sum", "none"]


def check_reduction(reduction: str) -> None:
    """Raise unless this names a reduction."""
    if not isinstance(reduction, str):
        raise TypeError(f"reduction={reduction!r}: expected a string")
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"reduction={reduction!r}: expected 'mean', 'sum' or 'none'")


@overload
def cross_entropy(
    logits: ArrayLike, target: ArrayLike, reduction: Literal["mean", "sum"] = ..., *, axis: int = ...
) -> float: ...
@overload
def cross_entropy(
    logits: ArrayLike, target: ArrayLike, reduction: Literal["none"], *, axis: int = ...
) -> FloatArray: ...
def cross_entropy(
    logits: ArrayLike, target: ArrayLike, reduction: Reduction = "mean", *, axis: int = 1
) -> float | FloatArray:
    """Cross-entropy between class numbers and the softmax of logits: minus the logarithm of its probability.

    With ``x`` the logits of one target ``t`` and ``m = max(x)``::

        loss = log(sum over c of exp(x[c] - m)) - (x[t] - m)

    Parameters
    ----------
    logits : array_like of float32, float64, float16 or bfloat16
        ``(n, classes)``, or any shape that has an axis of the classes, such as ``(n, classes, h, w)``.
    target : array_like of integers
        Numbers of classes, of the shape of `logits` without that axis.
    reduction : {"mean", "sum", "none"}
        Of the losses: their mean, their sum, or each of them.
    axis : int
        The axis of the classes.

    Returns
    -------
    float or ndarray
        The mean (NaN of no targets) or the sum, added up in float64; or the losses, of the shape of `target`
        and the dtype of `logits`.

    Raises
    ------
    TypeError
        An argument of the wrong type or dtype.
    ValueError
        Shapes that do not fit, an axis that there is not, or a target that is no class.

    See Also
    --------
    fastconv.grad.cross_entropy : Its gradient.

    Notes
    -----
    Subtracting the maximum changes nothing but that nothing overflows. A logit of ``-inf`` is a probability
    of 0; NaN or ``+inf`` leaves its own loss without meaning and no other. The bits of a result do not depend
    on the number of threads.

    Examples
    --------
    >>> import fastconv
    >>> round(fastconv.cross_entropy([[0.0, 0.0], [2.0, 0.0]], [0, 0]), 4)
    0.41
    >>> fastconv.cross_entropy([[0.0, 0.0], [2.0, 0.0]], [0, 0], "none").round(4)
    array([0.6931, 0.1269])
    """
    check_reduction(reduction)
    if reduction == "none":
        return _fastconv.cross_entropy(logits, target, axis, False, 1.0, None)
    if isinstance(logits, np.ndarray) and logits.dtype.name in ("float16", "bfloat16"):
        logits = logits.astype(np.float32)  # losses are added up before they are rounded
    losses = _fastconv.cross_entropy(logits, target, axis, False, 1.0, None)
    total = float(losses.sum(dtype=np.float64))
    if reduction == "sum":
        return total
    return total / losses.size if losses.size else math.nan
