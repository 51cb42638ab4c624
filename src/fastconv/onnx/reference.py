"""Nodes that `onnx.reference` computes: whatever is not in the table."""

from __future__ import annotations

from typing import Any

import onnx

from fastconv.onnx.errors import ModelError
from fastconv.onnx.graph import Graph, Node
from fastconv.onnx.table import Function

__all__ = ["by_reference"]


def by_reference(node: Node, graph: Graph) -> Function:
    """Return a function of a node's inputs, and of what its subgraphs read, by ONNX's own evaluator."""
    from onnx.reference import ReferenceEvaluator  # takes a while, and most networks need none of it

    proto = onnx.NodeProto()
    proto.CopyFrom(node.proto)
    proto.domain = node.domain
    del proto.input[:], proto.output[:]
    proto.input.extend(node.inputs)
    proto.output.extend(node.outputs)
    wrapped = onnx.GraphProto(name="node", node=[proto])
    for name in dict.fromkeys(node.inputs):
        if name in graph.types:
            wrapped.input.append(onnx.ValueInfoProto(name=name, type=graph.types[name]))
    named = [name for name in node.outputs if name]
    for name in named:
        wrapped.output.append(onnx.ValueInfoProto(name=name, type=graph.types.get(name, onnx.TypeProto())))
    try:
        evaluator = ReferenceEvaluator(wrapped, opsets=graph.opsets)
    except Exception as error:
        raise ModelError(f"{node}: neither fastconv nor onnx.reference computes it: {error}") from error
    names = [*node.inputs, *node.captured]

    def run(*values: Any) -> tuple[Any, ...]:
        feeds = {name: value for name, value in zip(names, values, strict=True) if name}
        results = dict(zip(named, evaluator.run(named, feeds), strict=True))
        return tuple(results.get(name) for name in node.outputs)

    return run
