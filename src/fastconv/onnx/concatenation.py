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
        Its shape: that of one image.
    dtype : dtype
        And its type.
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
    """Find the parts that values are, by name; only of those whose types and extents the model tells."""
    found: dict[str, Part] = {}
    producers = {name: node for node in graph.nodes for name in node.outputs}
    fixed = {tensor.name for tensor in graph.outputs}
    for node in reversed(graph.nodes):
        if node.op != "Concat" or node.domain:
            continue
        tensor = graph.tensor(node.outputs[0])
        if tensor is None or len(tensor[0]) < 2 or tensor[0][0] != 1 or node.get("axis", 1) != 1:
            continue
        shape, dtype = tensor
        whole = found.get(node.outputs[0]) or Part(node.outputs[0], shape, dtype, 0, shape[1])
        inside, first = {}, whole.first
        for name in node.inputs:
            known = graph.tensor(name)
            if known is None:
                break
            end = first + known[0][1]
            apart = name not in fixed and name not in found and name not in inside
            if apart and name in producers and _takes_out(producers[name]):
                inside[name] = Part(whole.concat, whole.shape, whole.dtype, first, end)
            first = end
        else:
            found |= {node.outputs[0]: whole, **inside}
    return found


def _takes_out(node: Node) -> bool:
    """Say whether the function of a node computes into an array that it is given."""
    if node.domain or len(node.outputs) != 1:
        return False
    return node.is_prepared_conv() or node.op in ("Concat", "MaxPool", "AveragePool")
