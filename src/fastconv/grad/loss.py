"""Gradients of losses."""

from __future__ import annotations

from numpy.typing import ArrayLike

from .. import _fastconv
from .._results import as_array
from .._typing import FloatArray
from ..loss import Reduction, check_reduction

__all__ = ["cross_entropy"]


def cross_entropy(
    logits: ArrayLike,
    target: ArrayLike,
    reduction: Reduction = "mean",
    *,
    axis: int = 1,
    out: FloatArray | None = None,
) -> FloatArray:
    """Gradient of `fastconv.cross_entropy` with respect to the logits.

    With ``p`` the softmax of the logits along the axis of the classes and ``t`` the target::

        dx[c] = scale * (p[c] - (c == t))

    where ``scale`` is one over the number of targets for ``"mean"``, else 1.

    Parameters
    ----------
    logits, target, axis
        As in `fastconv.cross_entropy`.
    reduction : {"mean", "sum", "none"}
        As in `fastconv.cross_entropy`. For ``"none"`` each loss has logits of its own, with respect to which
        this is its gradient: multiply by the gradients of the losses.
    out : ndarray, optional
        Where to store the gradient: C-contiguous, writable, of the shape and dtype of `logits`, not
        overlapping them.

    Returns
    -------
    ndarray
        Shape and dtype of `logits`.

    Raises
    ------
    TypeError, ValueError
        As `fastconv.cross_entropy`; and for an `out` that does not fit.

    Examples
    --------
    >>> import fastconv
    >>> fastconv.grad.cross_entropy([[0.0, 0.0], [0.0, 0.0]], [0, 1])
    array([[-0.25,  0.25],
           [ 0.25, -0.25]])
    """
    check_reduction(reduction)
    targets = as_array(target, "target")
    scale = 1 / max(targets.size, 1) if reduction == "mean" else 1.0
    return _fastconv.cross_entropy(logits, targets, axis, True, scale, out)
