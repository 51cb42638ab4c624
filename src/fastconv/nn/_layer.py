"""What every layer is: a forward and a backward step, parameters with gradients, and a state to save."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .._typing import FloatArray, Shape
from . import _state

if TYPE_CHECKING:
    from .init import Initializer

__all__ = ["Layer", "Parameter", "Plan"]

Seed: TypeAlias = "np.random.Generator | int | None"  # a string: generators are imported when asked for
"""A generator of NumPy's, what makes one, or None for one that nobody can foresee."""


class Parameter:
    """An array that training changes, and the gradient of the loss with respect to it.

    Attributes
    ----------
    data : ndarray
        The numbers. Optimisers change them in place.
    grad : ndarray or None
        The gradient that the last backward step found, of the shape of `data`; None before the first.
    """

    __slots__ = ("data", "grad")

    def __init__(self, data: FloatArray) -> None:
        self.data = data
        self.grad: FloatArray | None = None

    def __repr__(self) -> str:
        return f"Parameter({self.data.shape}, {self.data.dtype})"


def generator(rng: Seed) -> np.random.Generator:
    """Return a generator of random numbers."""
    try:
        return np.random.default_rng(rng)
    except (TypeError, ValueError) as error:
        raise type(error)(
            f"rng={rng!r}: expected a numpy.random.Generator, an integer from 0 on or None"
        ) from None


def initial(
    initialize: Initializer, shape: tuple[int, ...], fans: tuple[int, int], rng: Seed, dtype: np.dtype[Any]
) -> Parameter:
    """Return weights for the beginning."""
    weight = initialize(shape, *fans, generator(rng), dtype)
    if not isinstance(weight, np.ndarray) or weight.shape != shape or weight.dtype != dtype:
        raise ValueError(f"initialize={initialize!r}: expected one that returns {dtype} of shape {shape}")
    return Parameter(weight)


class Plan(NamedTuple):
    """What a layer would do with an input, as far as shapes say.

    Attributes
    ----------
    output_shape : tuple of int
        Shape of the result.
    operations : int
        A multiplication and an addition are two; comparisons and additions of a pool one for each pixel seen.
        Activations, random numbers and copies count nothing.
    algorithm : str
        Of a convolution; empty for layers that have but one.
    """

    output_shape: tuple[int, ...]
    operations: int = 0
    algorithm: str = ""


class Layer:
    """A function of arrays with parameters, and its gradient.

    `forward` keeps what `backward` needs, so that the two go in turns. A layer stands once in a network.

    Attributes
    ----------
    training : bool
        Whether the layer behaves as in training, which matters to `Dropout` and batch normalisation alone.
    """

    training: bool = True
    _buffers: tuple[str, ...] = ()  # names of arrays that belong to the state and are not trained

    def forward(self, x: FloatArray) -> FloatArray:
        """Apply the layer.

        Parameters
        ----------
        x : ndarray
            A batch, of the dtype of the parameters.

        Returns
        -------
        ndarray
            The result.
        """
        raise NotImplementedError

    def backward(self, grad_output: FloatArray) -> FloatArray:
        """Return the gradient with respect to the input, and set those of the parameters.

        Parameters
        ----------
        grad_output : ndarray
            Gradient of the loss with respect to what the last `forward` returned.

        Returns
        -------
        ndarray
            Of the shape and dtype of what the last `forward` was given.

        Raises
        ------
        RuntimeError
            Without a call of `forward` before.
        """
        raise NotImplementedError

    def backward_parameters(self, grad_output: FloatArray) -> None:
        """Set the gradients of the parameters alone, which is all that a network's first layer is for.

        Parameters
        ----------
        grad_output : ndarray
            As in `backward`.
        """
        if next(self.parameters(), None) is not None:
            self.backward(grad_output)

    def __call__(self, x: FloatArray) -> FloatArray:
        return self.forward(x)

    def __repr__(self) -> str:
        facts = ", ".join(map(str, self._facts()))
        return type(self).__name__ + (f"({facts})" if facts else "")

    def _facts(self) -> tuple[object, ...]:
        """Return what tells the layer from another of its kind, for its ``repr``."""
        return ()

    # ---- what it consists of

    def children(self) -> Mapping[str, Layer]:
        """Return the layers inside, by name."""
        return {}

    def named_parameters(self) -> Iterator[tuple[str, Parameter]]:
        """Iterate over the parameters of this layer and those inside, with names such as ``"0.weight"``."""
        for name, value in vars(self).items():
            if isinstance(value, Parameter):
                yield name, value
        for prefix, child in self.children().items():
            yield from ((f"{prefix}.{name}", parameter) for name, parameter in child.named_parameters())

    def parameters(self) -> Iterator[Parameter]:
        """Iterate over the parameters."""
        return (parameter for _, parameter in self.named_parameters())

    def train(self, mode: bool = True) -> Self:
        """Behave as in training, or with `mode` false as in use; so do the layers inside.

        Returns
        -------
        Layer
            This one.
        """
        self.training = bool(mode)
        for child in self.children().values():
            child.train(mode)
        return self

    def eval(self) -> Self:
        """Behave as in use: ``train(False)``."""
        return self.train(False)

    def plan(self, input_shape: Shape) -> Plan:
        """Say what the layer would do with an input of this shape, without doing it.

        Parameters
        ----------
        input_shape : sequence of int
            With the batch.

        Returns
        -------
        Plan
            Shape, operations, algorithm.
        """
        return Plan(tuple(int(extent) for extent in input_shape))

    def window(self) -> Mapping[str, Any] | None:
        """Return what `fastconv.receptive_field` takes; None if an output sees all of the layer's input."""
        return {"kernel_size": 1}

    # ---- its state

    def _state(self) -> dict[str, NDArray[Any]]:
        """Return the arrays themselves, under the names that PyTorch gives them."""
        own = {name: value.data for name, value in vars(self).items() if isinstance(value, Parameter)}
        own |= {name: getattr(self, name) for name in self._buffers}
        for prefix, child in self.children().items():
            own |= {f"{prefix}.{name}": array for name, array in child._state().items()}
        return own

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """Return copies of all parameters and running statistics, by name."""
        return {name: array.copy() for name, array in self._state().items()}

    def load_state_dict(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Take over parameters and running statistics.

        Parameters
        ----------
        state : mapping of str to ndarray
            What `state_dict` returned, or PyTorch's for the same layers with channels first.

        Raises
        ------
        TypeError, ValueError
            A name that is missing or unknown, another shape or dtype. Nothing is changed then.
        """
        _state.assign(self._state(), state)

    def save(self, file: str | os.PathLike[str]) -> None:
        """Write the state to a file, which is replaced in one step.

        Parameters
        ----------
        file : str or path
            Ending in ``.safetensors``, which needs the package of that name, or in ``.npz``.
        """
        _state.save(self._state(), file)

    def load(self, file: str | os.PathLike[str]) -> None:
        """Take over what `save` wrote, or another program under the same names.

        Parameters
        ----------
        file : str or path
            Ending in ``.safetensors`` or ``.npz``.

        Raises
        ------
        TypeError, ValueError
            A file that is not what it should be, and as `load_state_dict`. Nothing is changed then.
        """
        self.load_state_dict(_state.load(file))

    def _check_gradient(self, grad_output: FloatArray, shape: tuple[int, ...]) -> None:
        """Raise unless the gradient belongs to a result of this shape."""
        if grad_output.shape != shape:
            raise ValueError(f"grad_output: shape {grad_output.shape}, expected {shape}")

    def _kept(self, value: Any) -> Any:
        """Return what `forward` kept for `backward`."""
        if value is None:
            raise RuntimeError(f"{type(self).__name__}.backward: expected a call of forward before it")
        return value
