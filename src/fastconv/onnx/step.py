"""One node: the function that computes it, and where its values lie."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fastconv.onnx import rewrite
from fastconv.onnx.errors import ModelError, UnsupportedError
from fastconv.onnx.graph import Graph, Node
from fastconv.onnx.memory import Joined, Out
from fastconv.onnx.reference import by_reference
from fastconv.onnx.table import TABLE, Bindable, Function

__all__ = ["Step", "nothing"]

Array: TypeAlias = NDArray[Any]

_VIEWS = {"Flatten", "Reshape", "Squeeze", "Unsqueeze"}  # of arrays without gaps, as results are


class Step:
    """One node, bound to a function and to the places of its values.

    Parameters
    ----------
    node : Node
        What is computed.
    graph : Graph
        Where it belongs.
    places : mapping of str to int
        Where each value of the graph is kept.
    """

    __slots__ = ("_function", "_graph", "_reference", "dies", "inputs", "node", "outputs")

    def __init__(self, node: Node, graph: Graph, places: Mapping[str, int]) -> None:
        self.node = node
        self._graph = graph
        self._function, self._reference = _bind(node, graph)
        self.inputs = [places[name] for name in [*node.inputs, *node.captured]]
        self.outputs = [places[name] for name in node.outputs]
        self.dies: list[int] = []  # places that nobody reads after this step

    @property
    def by_reference(self) -> bool:
        """Say whether `onnx.reference` computes this node."""
        return self._reference

    def __call__(self, values: list[Any], out: Out = None) -> None:
        """Compute, from values and into them; into an array that is given if there is one."""
        inputs = [values[place] for place in self.inputs]
        try:
            try:
                found = (
                    self._function(*inputs)
                    if out is None or self._reference
                    else self._function(*inputs, out=out)
                )
            except UnsupportedError:
                self._function, self._reference = _reference(self.node, self._graph), True
                found = self._function(*inputs)
            if out is not None and self._reference:
                found = _put(found, out)
        except ModelError as error:
            raise ModelError(f"{self.node}: {error}") from error
        except Exception as error:  # whatever NumPy or the reference says of values that do not fit
            raise ModelError(f"{self.node}: {str(error) or type(error).__name__}") from error
        if type(found) is np.ndarray:  # as nearly always
            values[self.outputs[0]] = found
        else:
            several = found if isinstance(found, tuple) else (found,)
            for place, value in zip(self.outputs, several, strict=False):
                values[place] = np.asarray(value) if isinstance(value, np.generic) else value
        for place in self.dies:
            values[place] = None

    def bound(self, values: Sequence[Any], known: set[int], out: Out) -> Callable[[], Any] | None:
        """Return what computes into `out` and looks nothing up, if all inputs lie at `known` places."""
        if out is None or self._reference or not known.issuperset(self.inputs):
            return None
        inputs = [values[place] for place in self.inputs]
        if isinstance(out, Joined) and all(map(operator.is_, inputs, out.parts)):
            return nothing
        if not isinstance(self._function, Bindable):
            return partial(self._function, *inputs, out=out)
        try:
            return self._function.bind(*inputs, out=out)
        except (ModelError, UnsupportedError):  # what that means is for the call to say
            return None

    def view(self, values: Sequence[Any], known: set[int], memory: Array) -> Array | None:
        """Return a result that only shows what lies in memory, in another shape, whatever will be there."""
        if self.node.domain or self.node.op not in _VIEWS or not known.issuperset(self.inputs):
            return None
        try:
            found = self._function(*[values[place] for place in self.inputs])
        except Exception:  # a shape that does not fit: for the call to say
            return None
        return found if isinstance(found, np.ndarray) and np.may_share_memory(found, memory) else None


def nothing() -> None:
    """Do nothing: what is wanted was computed where it belongs."""


def _put(found: Any, out: Array | Joined) -> Array:
    """Bring what the reference has computed to where it was planned to be."""
    (value,) = found if isinstance(found, tuple) else (found,)
    place = out.whole if isinstance(out, Joined) else out
    if np.shape(value) != place.shape:
        raise ModelError(f"shape {np.shape(value)}: expected what the model says, {place.shape}")
    np.copyto(place, value)
    return place


def _bind(node: Node, graph: Graph) -> tuple[Function, bool]:
    """Return what computes a node, and whether that is `onnx.reference`."""
    builder = TABLE.get(node.op) if node.domain == "" else None
    if builder is not None:
        try:
            return builder(node), False
        except UnsupportedError:
            pass
        except ModelError as error:
            raise ModelError(f"{node}: {error}") from error
        except (TypeError, ValueError) as error:  # what fastconv says of attributes and weights
            raise ModelError(f"{node}: {error}") from error
    return _reference(node, graph), True


def _reference(node: Node, graph: Graph) -> Function:
    function, activation = by_reference(node, graph), node.activation
    if activation is None:
        return function
    return lambda *values: rewrite.activate(function(*values)[0], activation)
