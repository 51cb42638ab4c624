"""A problem as an ONNX model: one node, and those of its activation; channels first, weights within."""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import NodeProto, TensorProto, helper, numpy_helper

from fastconv import Problem
from fastconv.bench.data import Arrays
from fastconv.bench.libraries._channels_first import plain, weight_first

# Versions that every reader of the last years knows.
_OPSET, _FORMAT = 17, 8

_ACTIVATIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "relu": ("Relu", {}),
    "leaky_relu": ("LeakyRelu", {"alpha": 0.01}),
    "sigmoid": ("Sigmoid", {}),
    "tanh": ("Tanh", {}),
}


def expressible(problem: Problem, *dtypes: str) -> bool:
    """Return whether `model` has a node for a problem: there is none for a divisor of one's own choice."""
    return plain(problem, *dtypes) and problem.divisor_override is None


def model(problem: Problem, arrays: Arrays) -> bytes:
    """Return the serialised model, whose input is ``x`` and whose output is ``y``."""
    constants = {} if arrays.weight is None else {"weight": weight_first(problem, arrays.weight)}
    if arrays.bias is not None:
        constants["bias"] = arrays.bias
    if problem.activation == "relu6":
        dtype = np.dtype(problem.dtype).type
        constants |= {"low": np.asarray(dtype(0)), "high": np.asarray(dtype(6))}
    element = TensorProto.DOUBLE if problem.dtype == "float64" else TensorProto.FLOAT
    graph = helper.make_graph(
        _nodes(problem),
        "problem",
        [helper.make_tensor_value_info("x", element, (problem.n, problem.ic, *problem.input_size))],
        [helper.make_tensor_value_info("y", element, (problem.n, problem.oc, *problem.output_size))],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    whole = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_FORMAT)
    return bytes(whole.SerializeToString())


def _nodes(problem: Problem) -> list[NodeProto]:
    name = "sums" if problem.activation else "y"
    attributes: dict[str, Any] = {
        "kernel_shape": problem.kernel_size,
        "strides": problem.stride,
        "pads": [before for before, _ in problem.padding] + [after for _, after in problem.padding],
    }
    if problem.op.startswith("conv"):
        inputs = ["x", "weight", "bias"] if problem.bias else ["x", "weight"]
        attributes |= {"dilations": problem.dilation, "group": problem.groups}
        conv = helper.make_node("Conv", inputs, [name], **attributes)
        return [conv, *_activation(problem.activation, name)]
    attributes |= {"ceil_mode": int(problem.ceil_mode)}
    if problem.op.startswith("max"):
        return [helper.make_node("MaxPool", ["x"], [name], dilations=problem.dilation, **attributes)]
    counts = int(problem.count_include_pad)
    return [helper.make_node("AveragePool", ["x"], [name], count_include_pad=counts, **attributes)]


def _activation(activation: str, name: str) -> list[NodeProto]:
    if not activation:
        return []
    if activation == "silu":  # a node of its own only since a few versions
        gate = helper.make_node("Sigmoid", [name], ["gate"])
        return [gate, helper.make_node("Mul", [name, "gate"], ["y"])]
    if activation == "relu6":
        return [helper.make_node("Clip", [name, "low", "high"], ["y"])]
    kind, attributes = _ACTIVATIONS[activation]
    return [helper.make_node(kind, [name], ["y"], **attributes)]
