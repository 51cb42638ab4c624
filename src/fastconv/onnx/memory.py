"""Where values are computed: in one piece of memory, planned once and used again by every run.

Values that are never needed at the same time share their place, so that a run asks the system for no fresh
pages, whose first touch takes as long as many a layer. The channels of one image lie one after another: those
that a Concat joins are computed into one array from the start, so that it finds nothing left to copy. Where
results of a Concat are joined again, as in densely connected networks (Huang et al., 2017,
https://arxiv.org/abs/1608.06993), all of them are the beginning of the same array.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fastconv.onnx.graph import Graph, Node

__all__ = ["Joined", "Memory", "Out"]

Array: TypeAlias = NDArray[Any]

_ALIGNMENT = 64  # bytes of a cache line

# Whose results never are views of what they read; any other operator's might be.
_FRESH = {
    *("Add", "Sub", "Mul", "Div", "Relu", "LeakyRelu", "Sigmoid", "Tanh", "HardSigmoid", "HardSwish"),
    *("BatchNormalization", "Gemm", "LRN", "MatMul", "Softmax"),
}

# Whose functions compute into an array that they are given, as those of prepared convolutions do.
_TAKING_OUT = {"AveragePool", "channel shuffle", "Concat", "GlobalAveragePool", "GlobalMaxPool", "MaxPool"}


class Part(NamedTuple):
    """Some channels, from the first to before the end, of the value of a Concat that nobody joins further."""

    whole: str
    first: int
    end: int


class Joined(NamedTuple):
    """Where a Concat joins channels: the place of all, and that of each of its inputs.

    An input that was computed where it belongs is the very array that stands here.
    """

    whole: Array
    parts: list[Array]


Out: TypeAlias = Array | Joined | None
"""What a step is given to compute into."""


@dataclass(slots=True)
class _Block:
    """The place of a value, or of several that a Concat joins."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    begin: int  # the step that computes it, or the first of its parts
    end: int = 0  # the last step that reads it, or what may be a view of it
    offset: int = 0

    @property
    def size(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize

    def within(self, memory: Array) -> Array:
        return memory[self.offset : self.offset + self.size].view(self.dtype).reshape(self.shape)


class Memory:
    """The memory of a graph for one image, if the model tells the extents of one.

    Parameters
    ----------
    graph : Graph
        With nodes that compute into an array that they are given: see `takes_out`.
    """

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        firsts = [tensor.shape[0] for tensor in graph.inputs if tensor.shape]
        self._batch = next((extent for extent in firsts if isinstance(extent, str)), None)
        self._inputs = [self._extents(tensor.name) for tensor in graph.inputs]
        self._outputs = [node.outputs[0] for node in graph.nodes]  # which name the targets and the joins
        self._targets: dict[str, tuple[_Block, Part | None]] = {}
        # Of each input of a Concat its name, if it is computed there, and its channels.
        self._joins: dict[str, list[tuple[str | None, int, int]]] = {}
        self._size = 0
        if None not in self._inputs:
            self._size = _arrange(self._blocks(self._parts()))
        del self._graph

    def fits(self, inputs: Sequence[Any]) -> bool:
        """Say whether memory was planned for these inputs."""
        return self._size > 0 and [np.shape(value) for value in inputs] == self._inputs

    def allocate(self) -> tuple[Array, list[Out]]:
        """Return memory for a run and, for each step, the part of it to compute into.

        Raises
        ------
        MemoryError
            If there isn't as much.
        """
        memory = np.empty(self._size + _ALIGNMENT, np.uint8)
        memory = memory[-memory.ctypes.data % _ALIGNMENT :]
        return memory, self._outs(memory)

    def _outs(self, memory: Array) -> list[Out]:
        arrays = {name: _array(memory, *target) for name, target in self._targets.items()}
        outs: dict[str, Out] = {**arrays}
        for name in self._joins.keys() & arrays.keys():
            whole = arrays[name]
            parts = [
                whole[:, first:end] if part is None else arrays.get(part, whole[:, first:end])
                for part, first, end in self._joins[name]
            ]
            outs[name] = Joined(whole, parts)
        return [outs.get(name) for name in self._outputs]

    def _extents(self, name: str) -> tuple[int, ...] | None:
        """Return the extents of a value for one image, None if the model does not tell them."""
        if name in self._graph.constants:
            return self._graph.constants[name].shape
        shape = self._graph.tensor(name).shape
        if shape is None:
            return None
        named = [1 if extent is not None and extent == self._batch else extent for extent in shape]
        known = [extent for extent in named if isinstance(extent, int)]
        return tuple(known) if len(known) == len(shape) else None

    def _parts(self) -> dict[str, Part]:
        """Find which values are parts of others."""
        found: dict[str, Part] = {}
        producers = {name: node for node in self._graph.nodes for name in node.outputs}
        results = {tensor.name for tensor in self._graph.outputs}
        for node in reversed(self._graph.nodes):
            channels = self._joined_channels(node)
            if not channels:
                continue
            output, ends = node.outputs[0], list(accumulate(channels))
            whole, begin, _ = found.get(output) or Part(output, 0, ends[-1])
            inside = {output: Part(whole, begin, begin + ends[-1])}
            self._joins[output] = []
            for name, end, count in zip(node.inputs, ends, channels, strict=True):
                free = name in producers and name not in results and name not in found and name not in inside
                there = free and takes_out(producers[name])
                if there:
                    inside[name] = Part(whole, begin + end - count, begin + end)
                self._joins[output].append((name if there else None, end - count, end))
            found |= inside
        return found

    def _joined_channels(self, node: Node) -> list[int]:
        """Return how many channels of one image each input of a Concat has; nothing for other nodes."""
        if node.op != "Concat" or node.domain or node.get("axis", 1) != 1:
            return []
        extents = [self._extents(name) for name in [*node.outputs, *node.inputs]]
        known = [extent for extent in extents if extent is not None and len(extent) > 1 and extent[0] == 1]
        channels = [extent[1] for extent in known]
        fit = len(known) == len(extents) and len({(*extent[2:],) for extent in known}) == 1
        return channels[1:] if fit and channels[0] == sum(channels[1:]) else []

    def _blocks(self, parts: dict[str, Part]) -> list[_Block]:
        """List what is computed into this memory, and from which step to which it has to stay."""
        blocks: dict[str, _Block] = {}
        seen: dict[str, set[str]] = {}  # in which blocks a value may lie
        for step, node in enumerate(self._graph.nodes):
            read = {name for value in [*node.inputs, *node.captured] for name in seen.get(value, ())}
            output = node.outputs[0]
            part = parts.get(output)
            name = part.whole if part is not None else output
            shape, dtype = self._extents(name), self._graph.tensor(name).dtype
            if takes_out(node) and shape is not None and dtype is not None and dtype.kind == "f":
                block = blocks.setdefault(name, _Block(shape, dtype, step))
                self._targets[output] = block, part
                seen[output] = {name}
                read.add(name)
            elif node.domain or node.op not in _FRESH:
                seen |= {value: read for value in node.outputs}
            for value in read:
                blocks[value].end = step
        for tensor in self._graph.outputs:
            for value in seen.get(tensor.name, ()):
                blocks[value].end = len(self._graph.nodes)
        return [block for block in blocks.values() if block.size]


def takes_out(node: Node) -> bool:
    """Say whether the function of a node computes into an array that it is given."""
    if node.domain or len(node.outputs) != 1:
        return False
    return node.is_prepared_conv() or node.op in _TAKING_OUT


def _array(memory: Array, block: _Block, part: Part | None) -> Array:
    whole = block.within(memory)
    return whole if part is None else whole[:, part.first : part.end]


def _arrange(blocks: list[_Block]) -> int:
    """Give each block the narrowest gap between those there at the same time; return the size of all."""
    there: list[_Block] = []
    for block in sorted(blocks, key=lambda block: block.begin):
        there = [other for other in there if other.end >= block.begin]
        gaps, last = [], 0
        for other in sorted(there, key=lambda other: other.offset):
            gaps.append((other.offset - last, last))
            last = max(last, -(-(other.offset + other.size) // _ALIGNMENT) * _ALIGNMENT)
        block.offset = min((gap for gap in gaps if gap[0] >= block.size), default=(0, last))[1]
        there.append(block)
    return max((block.offset + block.size for block in blocks), default=0)
