"""Losses: what training makes small."""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from .. import grad, loss
from .._typing import FloatArray

__all__ = ["CrossEntropyLoss", "MSELoss"]


class _Loss:
    """A number for a batch, and its gradient with respect to what a network returned."""

    _given: tuple[FloatArray, NDArray[Any]] | None = None

    def __init__(self, reduction: Literal["mean", "sum"] = "mean") -> None:
        loss.check_reduction(reduction)
        if reduction not in ("mean", "sum"):
            raise ValueError(f"reduction={reduction!r}: expected 'mean' or 'sum'")
        self.reduction: Literal["mean", "sum"] = reduction

    def forward(self, prediction: FloatArray, target: NDArray[Any]) -> float:
        """Return the loss of a batch."""
        raise NotImplementedError

    def __call__(self, prediction: FloatArray, target: NDArray[Any]) -> float:
        return self.forward(prediction, target)

    def _kept(self) -> tuple[FloatArray, NDArray[Any]]:
        if self._given is None:
            raise RuntimeError(f"{type(self).__name__}.backward: expected a call of forward before it")
        return self._given


class CrossEntropyLoss(_Loss):
    """Cross-entropy between class numbers and the softmax of what a network returned.

    Parameters
    ----------
    reduction : {"mean", "sum"}
        Over the batch.
    axis : int
        The axis of the classes.

    See Also
    --------
    fastconv.cross_entropy : The equation, and what it is given.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import nn
    >>> criterion = nn.CrossEntropyLoss()
    >>> round(criterion(np.array([[0.0, 0.0]]), np.array([1])), 4)
    0.6931
    >>> criterion.backward()
    array([[ 0.5, -0.5]])
    """

    def __init__(self, reduction: Literal["mean", "sum"] = "mean", *, axis: int = 1) -> None:
        super().__init__(reduction)
        self.axis = axis

    def forward(self, prediction: FloatArray, target: NDArray[Any]) -> float:
        """Return the loss of a batch of logits and class numbers."""
        value = loss.cross_entropy(prediction, target, self.reduction, axis=self.axis)
        self._given = prediction, target
        return value

    def backward(self) -> FloatArray:
        """Return the gradient with respect to the logits."""
        return grad.cross_entropy(*self._kept(), self.reduction, axis=self.axis)


class MSELoss(_Loss):
    """Mean (or sum) over all numbers of ``(prediction - target) ** 2``.

    Parameters
    ----------
    reduction : {"mean", "sum"}
        Over all numbers of a batch.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import nn
    >>> criterion = nn.MSELoss()
    >>> criterion(np.array([1.0, 4.0]), np.array([1.0, 2.0]))
    2.0
    >>> criterion.backward()
    array([0., 2.])
    """

    def forward(self, prediction: FloatArray, target: NDArray[Any]) -> float:
        """Return the loss of a batch; both have the same shape and dtype."""
        if np.shape(target) != prediction.shape:
            raise ValueError(f"target: shape {np.shape(target)}, expected {prediction.shape} as prediction")
        if np.asarray(target).dtype != prediction.dtype:
            raise TypeError(
                f"target: dtype {np.asarray(target).dtype}, expected {prediction.dtype} as prediction"
            )
        self._given = prediction, target
        total = float(np.square(prediction - target, dtype=np.float64).sum())
        if self.reduction == "sum":
            return total
        return total / prediction.size if prediction.size else math.nan

    def backward(self) -> FloatArray:
        """Return the gradient with respect to the prediction."""
        prediction, target = self._kept()
        factor = 2 / max(prediction.size, 1) if self.reduction == "mean" else 2.0
        gradient: FloatArray = (prediction - target) * factor
        return gradient
