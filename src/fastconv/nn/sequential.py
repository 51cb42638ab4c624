"""Layers one after another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import takewhile
from typing import overload

from .._typing import FloatArray, Shape
from ..shapes import ReceptiveField, receptive_field
from ._layer import Layer, Plan
from .summary import Row, Summary

__all__ = ["Sequential"]


class Sequential(Layer):
    """Layers one after another: each is given what the one before returned.

    Parameters
    ----------
    *layers : Layer
        In this order; each stands here once. Their names are their places: ``"0"``, ``"1"``, ...

    Raises
    ------
    TypeError, ValueError
        Something that is no layer, or a layer twice.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import nn
    >>> network = nn.Sequential(
    ...     nn.Conv2d(1, 4, 3, activation="relu", rng=0),
    ...     nn.MaxPool2d(2),
    ...     nn.Flatten(),
    ...     nn.Linear(36, 10, rng=1),
    ... )
    >>> network(np.ones((5, 1, 8, 8), np.float32)).shape
    (5, 10)
    >>> list(network.state_dict())
    ['0.weight', '0.bias', '3.weight', '3.bias']
    >>> network.receptive_field()
    ReceptiveField(size=(4, 4), stride=(2, 2), offset=(0, 0))
    """

    def __init__(self, *layers: Layer) -> None:
        for place, layer in enumerate(layers):
            if not isinstance(layer, Layer):
                raise TypeError(f"layers[{place}]={layer!r}: expected a layer")
        self._layers = layers
        inside = [id(layer) for layer in _all(self)]
        if len(inside) != len(set(inside)):
            raise ValueError(
                "layers: one stands here twice, expected each once, for it keeps what backward needs"
            )

    @overload
    def __getitem__(self, place: int) -> Layer: ...
    @overload
    def __getitem__(self, place: slice) -> Sequential: ...
    def __getitem__(self, place: int | slice) -> Layer | Sequential:
        if isinstance(place, slice):
            return Sequential(*self._layers[place])
        return self._layers[place]

    def __len__(self) -> int:
        return len(self._layers)

    def __iter__(self) -> Iterator[Layer]:
        return iter(self._layers)

    def __repr__(self) -> str:
        return "\n".join(["Sequential(", *(f"    {layer!r}," for layer in self._layers), ")"])

    def children(self) -> Mapping[str, Layer]:
        """Return the layers by their places."""
        return {str(place): layer for place, layer in enumerate(self._layers)}

    def forward(self, x: FloatArray) -> FloatArray:
        """Apply the layers in turn."""
        for layer in self._layers:
            x = layer.forward(x)
        return x

    def backward(self, grad_output: FloatArray) -> FloatArray:
        """Set the gradients of all parameters, and return that of the input."""
        for layer in reversed(self._layers):
            grad_output = layer.backward(grad_output)
        return grad_output

    def backward_parameters(self, grad_output: FloatArray) -> None:
        """Set the gradients of all parameters, going back no further than the first layer that has some."""
        trained = [any(True for _ in layer.parameters()) for layer in self._layers]
        if True not in trained:
            return
        first = trained.index(True)
        for layer in reversed(self._layers[first + 1 :]):
            grad_output = layer.backward(grad_output)
        self._layers[first].backward_parameters(grad_output)

    def plan(self, input_shape: Shape) -> Plan:
        """Say what the layers would do with an input of this shape, together."""
        plans = [Plan(super().plan(input_shape).output_shape)]
        for layer in self._layers:
            plans.append(layer.plan(plans[-1].output_shape))
        return Plan(plans[-1].output_shape, sum(plan.operations for plan in plans))

    def window(self) -> Mapping[str, object] | None:
        """Return the window of all layers as that of one."""
        if any(layer.window() is None for layer in self._layers):
            return None
        field = self.receptive_field()
        padding = field.offset
        return {
            "kernel_size": field.size,
            "stride": field.stride,
            "padding": tuple((-before, -before) for before in padding)
            if isinstance(padding, tuple)
            else -padding,
        }

    def receptive_field(self) -> ReceptiveField:
        """Find what one output sees of the input, before the first layer that sees all of it.

        Such layers are `Flatten`, `Linear` and adaptive pools.

        Returns
        -------
        ReceptiveField
            As `fastconv.receptive_field` returns it.
        """
        windows = takewhile(lambda window: window is not None, (layer.window() for layer in self._layers))
        return receptive_field(window for window in windows if window is not None)

    def summary(self, input_shape: Shape) -> Summary:
        """List the layers: shapes, parameters, operations, and the algorithm of each convolution.

        Parameters
        ----------
        input_shape : sequence of int
            With the batch.

        Returns
        -------
        Summary
            ``print`` it, or read its rows.

        Examples
        --------
        >>> from fastconv import nn
        >>> network = nn.Sequential(nn.Conv2d(3, 8, 3, algorithm="direct"), nn.Flatten(), nn.Linear(32, 10))
        >>> print(network.summary((1, 3, 4, 4)))
               layer                    output  parameters  operations  algorithm
        input                     (1, 3, 4, 4)
        0      Conv2d(3, 8, 3x3)  (1, 8, 2, 2)         224        1728     direct
        1      Flatten                 (1, 32)           0           0
        2      Linear(32, 10)          (1, 10)         330         640
        total                          (1, 10)         554        2368
        """
        return Summary(tuple(int(n) for n in input_shape), tuple(self._rows("", input_shape)))

    def _rows(self, prefix: str, input_shape: Shape) -> Iterator[Row]:
        for name, layer in self.children().items():
            plan = layer.plan(input_shape)
            if isinstance(layer, Sequential):
                yield from layer._rows(f"{prefix}{name}.", input_shape)
            else:
                count = sum(parameter.data.size for parameter in layer.parameters())
                yield Row(
                    f"{prefix}{name}", repr(layer), plan.output_shape, count, plan.operations, plan.algorithm
                )
            input_shape = plan.output_shape


def _all(layer: Layer) -> Iterator[Layer]:
    """Iterate over a layer and everything inside it."""
    yield layer
    for child in layer.children().values():
        yield from _all(child)
