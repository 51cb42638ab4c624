"""Which values are computed where a Concat wants them, so that it finds nothing left to copy.

The channels of one image lie one after another: those that a Concat joins may be computed into one array from
the start. Where results of a Concat are joined again, as in densely connected networks (Huang et al., 2017,
https://arxiv.org/abs/1608.06993), all of them are the beginning of the same array.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastconv.onnx.graph import Graph, Node

__all__ = ["Part", "parts"]


@dataclass(frozen=True, slots=True)
class Part:
    """Some channels of the array of a Concat whose result nobody joins any further.

    Parameters
    ----------
    concat : str
        The value of that Concat.
    shape : tuple of int
        Its shape for one image.
    dtype : dtype
        Its type.
    first, end : int
        The channels from the first to before the end.
    """

    concat: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    first: int
    end: int

    def within(self, array: NDArray[Any]) -> NDArray[Any]:
        """Return this part of the whole array."""
        return array[:, self.first : self.end]


def parts(graph: Graph) -> dict[str, Part]:
    """Find which values are parts, by name; only those of which the model tells all but how many images."""
    found: dict[str, Part] = {}
    producers = {name: node for node in graph.nodes for name in node.outputs}
    results = {tensor.name for tensor in graph.outputs}
    for node in reversed(graph.nodes):
        if node.op != "Concat" or node.domain or node.get("axis", 1) != 1:
            continue
        joined = node.outputs[0]
        tensor, extents = graph.tensor(joined), _extents(graph, joined)
        if extents is None or tensor.dtype is None:
            continue
        whole = found.get(joined) or Part(joined, (1, *extents), tensor.dtype, 0, extents[0])
        inside, first = {}, whole.first
        for name in node.inputs:
            of_input = _extents(graph, name)
            if of_input is None:
                break
            end = first + of_input[0]
            free = name in producers and name not in results and name not in found and name not in inside
            if free and _takes_out(producers[name]):
                inside[name] = Part(whole.concat, whole.shape, whole.dtype, first, end)
            first = end
        else:
            found |= {joined: whole, **inside}
    return found


def _extents(graph: Graph, name: str) -> tuple[int, ...] | None:
    """Return the extents of one image, from its channels on, if the model tells them."""
    constant = graph.constants.get(name)
    shape = ((graph.tensor(name).shape if constant is None else constant.shape) or ())[1:]
    extents = tuple(extent for extent in shape if isinstance(extent, int))
    return extents if extents and len(extents) == len(shape) else None


def _takes_out(node: Node) -> bool:
    """Say whether the function of a node computes into an array that it is given."""
    if node.domain or len(node.outputs) != 1:
        return False
    return node.is_prepared_conv() or node.op in ("Concat", "MaxPool", "AveragePool")
